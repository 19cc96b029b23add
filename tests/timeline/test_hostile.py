"""Programs that are hard to debug: many tasks, steps of a second, deep stacks, a recording that was cut."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from replay.positions import Position
from replay.timeline.debuggee import TooDeepError
from replay.timeline.session import Session
from tests.conftest import environment, run_replay

TASKS_COUNT = 10_000
MOST_LINES = 250
"""So much of a table is shown."""

MANY = f"""
import asyncio

async def wait_in_turn(lock):
    async with lock:
        pass

async def main():
    lock = asyncio.Lock()
    async with asyncio.TaskGroup() as group:
        async with lock:
            for number in range({TASKS_COUNT}):
                group.create_task(wait_in_turn(lock), name=f"w{{number}}")
            await asyncio.sleep(0.01)

asyncio.run(main())
"""


@pytest.mark.slow
def test_ten_thousand_tasks(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(MANY)
    assert run_replay("record", "app.py", cwd=tmp_path).returncode == 0
    words = [
        word for one in ("goto 60%", "tasks", "why w5000", "goto 30%", "+", "when") for word in ("-ex", one)
    ]
    done = run_replay("debug", "run.rec", "--batch", *words, cwd=tmp_path, timeout=240)
    assert (done.stderr, done.returncode) == ("", 0)
    assert len(done.stdout.splitlines()) < MOST_LINES
    assert re.search(r"^\([\d,]+ more tasks; `tasks --all` shows them\)$", done.stdout, re.MULTILINE)
    assert re.search(r"^  in line: \d+th of [\d,]+ tasks$", done.stdout, re.MULTILINE)


LONG_STEP = """
import asyncio

async def main():
    await asyncio.sleep(0)
    print("before", flush=True)
    total = sum(range(30_000_000))
    print("after", total, flush=True)
    await asyncio.sleep(0)

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_step_that_is_one_long_call(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(LONG_STEP)
    assert run_replay("record", "app.py", cwd=tmp_path).returncode == 0
    with Session(str(tmp_path / "run.rec")) as session:
        before = session.timeline.goto(Position(2))
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            stop = session.continue_([])  # no Python code runs in there that could be stopped
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        assert stop.reason == "called"
        assert stop.position >= before.position
        session.timeline.goto(Position(3))
        assert [data for _, _, data in session.timeline.written()][-1].startswith(b"after ")
        back = session.motions.step_back()
        assert (back.position, session.timeline.written()) == (Position(2), [])


DEEP = """
def down(level):
    if level:
        return down(level - 1)
    return "bottom"

print(down(800))
"""


@pytest.mark.more
def test_a_deep_stack(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(DEEP)
    assert run_replay("record", "app.py", cwd=tmp_path).returncode == 0
    with Session(str(tmp_path / "run.rec")) as session:
        session.continue_([{"kind": "place", "path": str(tmp_path / "app.py"), "lines": [5]}])
        frames = session.stack()
        assert len([one for one in frames if one["function"] == "down"]) == 801
        assert session.evaluate("level", 800)["text"] == "800"
        stop = session.motions.reverse_step()
        assert stop is not None
        assert (stop.lineno, session.evaluate("level")["text"]) == (3, "0")
        assert session.continue_([]).reason == "end"


TO_THE_LIMIT = """
import asyncio

def depth():
    deepest = 0
    def down(level):
        nonlocal deepest
        deepest = level
        down(level + 1)
    try:
        down(1)
    except RecursionError:
        return deepest

async def main():
    await asyncio.sleep(0)
    found = 0
    print(depth())
    await asyncio.sleep(0)
    found = 1
    depth()
    raise ValueError(found)

asyncio.run(main())
"""


@pytest.mark.more
def test_a_program_that_recurses_to_the_limit(tmp_path: Path) -> None:
    """Its lines would be there, too, on its stack; that is refused, and one can go past it."""
    (tmp_path / "app.py").write_text(TO_THE_LIMIT)
    run_replay("record", "app.py", cwd=tmp_path)

    def place(text: str) -> dict[str, Any]:
        lines = [at for at, line in enumerate(TO_THE_LIMIT.splitlines(), 1) if line.strip() == text]
        return {"kind": "place", "path": str(tmp_path / "app.py"), "lines": lines}

    with Session(str(tmp_path / "run.rec")) as session:
        failure = session.failure()
        assert failure is not None
        assert failure.position.line == 0
        stop = session.continue_([place("print(depth())")])
        assert stop.reason == "met"
        said = rf"lines of step @{stop.position.step} cannot be counted: .* \(.*down, {tmp_path}/app.py:\d+\)"
        for move in (session.motions.next, session.motions.finish):
            with pytest.raises(TooDeepError, match=said) as refusal:
                move()
            assert refusal.value.hint is not None
            assert f"`goto @{stop.position.step + 1}`" in refusal.value.hint
            assert session.stop == stop
        with pytest.raises(TooDeepError):
            session.timeline.goto(Position(stop.position.step, 10_000))
        assert session.stop.position == stop.position
        assert session.evaluate("found")["text"] == "0"
        back = session.motions.reverse_next()
        assert back is not None
        assert [back.lineno] == place("found = 0")["lines"]
        session.motions.step_forward()
        assert session.stop.position == Position(stop.position.step + 1)
        assert session.continue_([place("found = 1")]).reason == "met"
        assert session.continue_([]).reason == "end"


GROUP = """
import asyncio, traceback

async def main():
    try:
        try:
            raise ValueError("first")
        except ValueError as error:
            traceback.format_exc()  # remembers files
            raise ExceptionGroup("several", [error, KeyError("second")])
    except* KeyError as found:
        print(len(found.exceptions))

try:
    asyncio.run(main())
except ExceptionGroup:
    pass
"""


def test_exception_groups_can_be_shown(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(GROUP)
    assert run_replay("record", "app.py", cwd=tmp_path).returncode == 0
    with Session(str(tmp_path / "run.rec")) as session:
        stop = session.continue_([{"kind": "raise", "name": "ExceptionGroup"}])
        assert stop.reason == "met"
        value = session.value()
        assert value is not None
        assert value["text"].startswith("ExceptionGroup: several (2 sub-exceptions)")
        assert session.evaluate("1 / 0")["error"] == "ZeroDivisionError: division by zero"
        raised = session.evaluate("raise ExceptionGroup('mine', [error])")
        assert raised["error"].startswith("ExceptionGroup: mine (1 sub-exception)")
        assert session.continue_([]).reason == "end"


ENDLESS = """
import asyncio

async def main():
    number = 0
    while True:
        number += 1
        print("tick", number, flush=True)
        await asyncio.sleep(0)

asyncio.run(main())
"""


def test_a_recording_that_was_cut(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(ENDLESS)
    child = subprocess.Popen(
        [sys.executable, "-m", "replay", "record", "app.py"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(20)]
    child.kill()
    lines += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    with Session(str(tmp_path / "run.rec")) as session:
        end = session.continue_([])
        assert end.reason == "over"
        assert end.message is not None
        assert "the recorded process was killed there" in end.message
        assert b"".join(data for _, _, data in session.timeline.written()).startswith(b"".join(lines))
        back = session.motions.step_back(3)
        assert back.event == "step"
        assert session.continue_([]).position == end.position
    done = run_replay("debug", "run.rec", "-ex", "goto end", "-ex", "- 2", "--batch", cwd=tmp_path)
    assert "the recorded process was killed there" in done.stdout + done.stderr
