"""The seams in trio: what they need is looked for, tried, put in place and taken away again."""

from __future__ import annotations

import inspect
import random
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio
import trio._core._entry_queue
import trio._core._io_epoll
import trio._core._run
import trio._core._thread_cache

import replay
from replay.errors import ReplayError
from replay.options import ExitCode
from replay.runtime.trio_ import seams
from tests.conftest import environment, run_replay

RUN: Any = trio._core._run
LOOP_LINE = "batch = list(runner.runq)"


def where_seams_are() -> dict[str, object]:
    """Return what there is under each name that a seam may replace."""
    owners: list[Any] = [
        RUN,
        RUN.Task,
        RUN.Runner,
        trio._core._entry_queue.EntryQueue,
        trio._core._io_epoll.EpollIOManager,
        trio._core._thread_cache,
        sys.modules["trio._threads"],
    ]
    found = {
        f"{getattr(owner, '__name__', owner)}.{name}": value
        for owner in owners
        for name, value in vars(owner).items()
        if not isinstance(value, ModuleType) and name not in ("__builtins__", "__annotations__")
    }
    return {**found, "idle": trio._core._thread_cache.THREAD_CACHE._idle_workers}


def program(order: list[object]) -> Any:
    """Return a program that uses each seam, and writes down what it does."""

    async def child(n: int) -> None:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        order.append(await trio.to_thread.run_sync(lambda: trio.from_thread.run_sync(lambda: n)))

    async def main() -> int:
        with trio.move_on_after(30):
            async with trio.open_nursery() as nursery:
                for n in range(5):
                    nursery.start_soon(child, n)
        return len(order)

    return main


def test_seams_are_taken_away_without_a_trace() -> None:
    before = where_seams_are()
    undo = replay.install_trio()
    try:
        assert where_seams_are() != before
        order: list[object] = []
        assert trio.run(program(order)) == 5
        assert sorted(map(str, order)) == ["0", "1", "2", "3", "4"]
    finally:
        undo()
    after = where_seams_are()
    assert {name for name in {*before, *after} if before.get(name) is not after.get(name)} == set()
    assert trio.run(program([])) == 5


def test_ids_and_hashes_come_from_the_order_of_creation() -> None:
    undo = replay.install_trio()
    try:

        async def main() -> list[tuple[int, int]]:
            found = []
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(trio.sleep, 0)
                found = [(task._counter, hash(task)) for task in nursery.child_tasks]
            return sorted(found)

        first, second = trio.run(main), trio.run(main)
    finally:
        undo()
    numbers = [number for number, _ in first]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert [hash_ for _, hash_ in first] == [number * 0x278DDE6D for number in numbers]
    assert second[0][0] > first[-1][0]


def test_seams_are_put_in_place_once() -> None:
    undo = replay.install_trio()
    try:
        with pytest.raises(ReplayError, match="already"):
            replay.install_trio()
    finally:
        undo()


def test_seams_are_not_put_into_a_run() -> None:
    async def main() -> None:
        with pytest.raises(ReplayError, match="going on"):
            replay.install_trio()

    trio.run(main)


@pytest.mark.parametrize(
    ("owner", "name", "said"),
    [
        (RUN.Runner, "task_exited", "trio._core._run.Runner.task_exited(self, task, outcome)"),
        (RUN, "unrolled_run", "trio._core._run.unrolled_run(runner, async_fn, args"),
        (trio._core._io_epoll.EpollIOManager, "get_events", "EpollIOManager.get_events(self, timeout)"),
        (trio._core._thread_cache, "THREAD_CACHE", "THREAD_CACHE._idle_workers"),
    ],
)
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, said: str) -> None:
    before = where_seams_are()
    monkeypatch.delattr(owner, name)
    with pytest.raises(ReplayError) as caught:
        replay.install_trio()
    assert str(caught.value).startswith(f"trio {trio.__version__} is not known to work: it has no ")
    assert said in str(caught.value)
    monkeypatch.undo()
    assert where_seams_are() == before


def test_other_parameters_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RUN.Runner, "task_exited", lambda self, task, how: None)
    with pytest.raises(ReplayError, match=r"no trio._core._run.Runner.task_exited\(self, task, outcome\)"):
        replay.install_trio()


def test_a_loop_that_goes_another_way_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """All names are there, and yet the steps would not be seen."""
    source = inspect.getsource(RUN.unrolled_run)
    assert LOOP_LINE in source
    namespace = vars(RUN).copy()
    exec(source.replace(LOOP_LINE, "batch = [*runner.runq]"), namespace)
    monkeypatch.setattr(RUN, "unrolled_run", namespace["unrolled_run"])
    before = where_seams_are()
    with pytest.raises(ReplayError, match=r"its loop does not tell of .*step init"):
        replay.install_trio()
    assert where_seams_are() == before


def test_a_loop_that_fails_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RUN, "setup_runner", lambda clock, something_new: None)
    with pytest.raises(ReplayError, match=r"a run of it ends with .*something_new"):
        replay.install_trio()


def test_an_old_trio_is_refused_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trio, "__version__", "0.18.0")
    with pytest.raises(ReplayError, match=r"trio 0\.18\.0 is too old"):
        replay.install_trio()
    monkeypatch.setattr(trio, "__version__", "0.19.0+local")
    seams.check()


def test_each_thread_draws_from_its_own_generator() -> None:
    own = seams.OwnRandom([random.Random(1)])
    expected = random.Random(1)
    assert [own.random(), own.uniform(1, 2)] == [expected.random(), expected.uniform(1, 2)]
    states = []
    thread = threading.Thread(target=lambda: states.append(own.getstate()))
    thread.start()
    thread.join()
    assert states != [own.getstate()]
    assert own.getstate() == expected.getstate()


def test_a_loop_takes_no_more_than_it_was_told_of() -> None:
    class Told(seams.Hooks):
        told = 0

        def count(self, real_count: Any) -> int:
            return self.told

    hooks = Told()
    jobs = seams.Jobs(hooks)
    jobs.extend([1, 2])
    assert isinstance(jobs, deque)
    assert (len(jobs), bool(jobs)) == (0, False)
    other = seams.IdempotentJobs(hooks, threading.RLock())
    other.update({"a": None, "b": None})
    hooks.told = 1
    assert (len(jobs), list(other)) == (1, ["a"])
    del other["a"]
    assert list(other) == ["b"]


# -- in a process of its own --------------------------------------------------------------------------------


def test_a_trio_that_was_there_first_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import trio\n")
    (tmp_path / "app.py").write_text("print('runs')\n")
    env = environment()
    env["PYTHONPATH"] += f":{tmp_path}"
    done = run_replay("record", "app.py", cwd=tmp_path, env=env)
    assert (done.returncode, done.stdout) == (ExitCode.PROGRAM_USAGE, "")
    assert done.stderr == (
        "replay: trio was imported before the recorder was in place\n\n"
        "hint: something that Python runs at its start imports it: a .pth file, or sitecustomize\n"
    )


def test_an_unknown_trio_ends_the_program_that_imports_it(tmp_path: Path) -> None:
    """Before it is used: what it does could not be replayed."""
    (tmp_path / "trio").mkdir()
    (tmp_path / "trio" / "__init__.py").write_text("__version__ = '0.7'\nprint('imported', flush=True)\n")
    (tmp_path / "app.py").write_text("import trio\nprint('goes on')\n")
    done = run_replay("record", "app.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (ExitCode.PROGRAM_USAGE, "imported\n")
    assert (
        "replay: trio 0.7 is too old to be recorded\n\nhint: trio 0.19 is the oldest that is" in done.stderr
    )
    played = run_replay("play", "run.rec", cwd=tmp_path)
    assert (played.returncode, played.stdout) == (ExitCode.PROGRAM_USAGE, "imported\n")


def test_a_file_of_the_programs_own_may_have_that_name(tmp_path: Path) -> None:
    (tmp_path / "trio.py").write_text("print('just three of us')\n")
    (tmp_path / "app.py").write_text("import trio\n")
    assert run_replay("record", "app.py", cwd=tmp_path).stdout == "just three of us\n"


def test_trio_is_imported_by_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import asyncio, sys\nprint('trio' in sys.modules)\n")
    assert run_replay("record", "app.py", cwd=tmp_path).stdout == "False\n"
    found = subprocess.run(
        [sys.executable, "-c", "import sys, replay.runtime.trio_.seams; print('trio' in sys.modules)"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "False\n"
