"""Simulated runs: what is found is what was recorded, one seed gives one run, what is correct stays so."""

from __future__ import annotations

from pathlib import Path

import pytest

from replay.exploration.options import Options
from replay.exploration.report import explore
from replay.exploration.search import Limits
from replay.simulation import Simulation
from tests.conftest import ROOT, run_replay

TEACHING = ROOT / "scenarios" / "programs"
RACES = (
    "cache",
    "connection_pool",
    "lock_order",
    "lost_update",
    "missed_wakeup",
    "start_order",
    "task_group_abort",
    "thread_and_timer",
    "timeout_and_reply",
)

QUICK = ("lock_order", "start_order", "timeout_and_reply")

ORDERLY = """
import asyncio

async def orders():
    loop, out = asyncio.get_running_loop(), []
    for number in range(5):
        loop.call_soon(out.append, number)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert out == [0, 1, 2, 3, 4], out

async def starts():
    out = []
    async def note(number):
        out.append(number)
    await asyncio.gather(*(note(number) for number in range(5)))
    assert out == [0, 1, 2, 3, 4], out

async def timers():
    loop, out = asyncio.get_running_loop(), []
    loop.call_later(0.001, out.append, "a")
    loop.call_later(0.002, out.append, "b")
    await asyncio.sleep(0.01)
    assert out == ["a", "b"], out

async def locks():
    lock, out = asyncio.Lock(), []
    async def take(number):
        async with lock:
            out.append(number)
    await lock.acquire()
    tasks = []
    for number in range(4):
        tasks.append(asyncio.create_task(take(number)))
        await asyncio.sleep(0.01)
    lock.release()
    await asyncio.gather(*tasks)
    assert out == [0, 1, 2, 3], out

async def streams():
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line)
        writer.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for number in range(5):
        writer.write(b"%d\\n" % number)
        await asyncio.sleep(0.001)
    assert [await reader.readline() for _ in range(5)] == [b"%d\\n" % number for number in range(5)]
    writer.close()
    server.close()

async def main():
    for one in (orders, starts, timers, locks, streams):
        await one()

asyncio.run(main())
"""


@pytest.mark.sampled
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in RACES]
)
def test_a_race_is_found_and_its_recording_is_the_run(tmp_path: Path, name: str) -> None:
    options = Options(
        "script", (str(TEACHING / f"{name}.py"),), limits=Limits(schedules=200), folder=str(tmp_path)
    )
    report = explore(options)
    assert report.found
    (failure,) = report.failures
    assert failure.is_confirmed
    assert 1 <= failure.moved <= 2
    played = run_replay("play", f"{name}.rec", cwd=tmp_path)
    if failure.failure.kind == "exception":
        assert played.returncode == 1
        assert played.stdout + played.stderr == failure.outcome.output
    else:
        assert "nothing that the program waited for could ever happen" in played.stderr


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["lost_update", "thread_and_timer", "start_order"])
def test_one_seed_gives_one_recording(tmp_path: Path, name: str) -> None:
    found = []
    for process in range(2):
        with Simulation.start("script", (str(TEACHING / f"{name}.py"),), {"seed": 5}) as simulation:
            for run in range(2):
                path = tmp_path / f"{process}{run}.rec"
                simulation.run({"kind": "random", "seed": 11}, recording=str(path))
                found.append(path.read_bytes())
    assert found[0] == found[1] == found[2] == found[3]
    other = tmp_path / "other.rec"
    with Simulation.start("script", (str(TEACHING / f"{name}.py"),), {"seed": 5}) as simulation:
        differing = [
            simulation.run({"kind": "random", "seed": seed}, recording=str(other)) for seed in range(8)
        ]
    assert len({outcome.digest for outcome in differing}) > 1


SCHEDULES: dict[str, tuple[int, int]] = {
    "connection_pool": (505515225, 2282882719),
    "lock_order": (2955506547, 4134332402),
    "lost_update": (3394777791, 981979493),
    "missed_wakeup": (1019434924, 3211200912),
    "start_order": (132088931, 1189454611),
    "task_group_abort": (1209909400, 3173719905),
}
"""Checksums of whose steps there were, when nothing is late and for one seed: on each Python the same.

The other programs use what asyncio itself does otherwise from version to version (``wait_for``, closing).
"""


@pytest.mark.sampled
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_schedule_is_the_same_on_each_python(name: str) -> None:
    with Simulation.start("script", (str(TEACHING / f"{name}.py"),)) as simulation:
        default = simulation.run({"kind": "fifo"})
        drawn = simulation.run({"kind": "random", "seed": "3"})
    assert default.failure is None, default.output
    assert (default.steps, drawn.steps) == SCHEDULES[name]


@pytest.mark.more
def test_what_cannot_come_in_another_order_does_not(tmp_path: Path) -> None:
    path = tmp_path / "orderly.py"
    path.write_text(ORDERLY)
    report = explore(Options("script", (str(path),), limits=Limits(schedules=150)))
    assert not report.found, report.failures
    assert report.distinct > 20


@pytest.mark.slow
def test_what_cannot_come_in_another_order_never_does(tmp_path: Path) -> None:
    path = tmp_path / "orderly.py"
    path.write_text(ORDERLY)
    for policy in ("mixed", "random", "pct", "dfs"):
        report = explore(
            Options("script", (str(path),), policy=policy, limits=Limits(schedules=5000), jobs=2)
        )
        assert not report.found, report.failures
