"""Programs that trace themselves are debugged like others, and see what they saw."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from replay.positions import Position
from replay.timeline.session import Session
from replay.timeline.timeline import START
from tests.conftest import run_replay

EVERYWHERE = Position(1 << 40)
MONITORING = """\
import asyncio
import sys

monitoring = sys.monitoring
TOOL = monitoring.COVERAGE_ID
seen = []


def line(code, number):
    if code.co_filename == __file__:
        seen.append(number)
    return monitoring.DISABLE


async def work(count):
    total = 0
    for number in range(count):
        total += number
        await asyncio.sleep(0)
    return total


async def main():
    monitoring.use_tool_id(TOOL, "own")
    monitoring.register_callback(TOOL, monitoring.events.LINE, line)
    monitoring.set_events(TOOL, monitoring.events.LINE)
    await asyncio.gather(work(3), work(4))
    monitoring.set_events(TOOL, 0)
    monitoring.free_tool_id(TOOL)


asyncio.run(main())
print(seen)
"""
TRACING = """\
import asyncio
import sys

seen = []


def trace(frame, event, value):
    if frame.f_code.co_filename == __file__:
        seen.append((event, frame.f_lineno))
        return trace
    return None


async def work(count):
    total = 0
    for number in range(count):
        total += number
        await asyncio.sleep(0)
    return total


async def main():
    sys.settrace(trace)
    await asyncio.gather(work(3), work(4))
    assert sys.gettrace() is trace
    sys.settrace(None)


asyncio.run(main())
print(seen)
"""


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(
            MONITORING,
            id="monitoring",
            marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="from 3.12 on"),
        ),
        pytest.param(TRACING, id="settrace"),
    ],
)
def test_stepping_through_it_changes_nothing(tmp_path: Path, program: str) -> None:
    (tmp_path / "app.py").write_text(program)
    assert run_replay("record", "app.py", cwd=tmp_path).returncode == 0
    with Session(str(tmp_path / "run.rec")) as session:
        timeline = session.timeline
        wanted = timeline.all_between(START, EVERYWHERE, {"stops": [{"kind": "line", "own": True}]})
        timeline.goto(START)
        number = program.splitlines().index("        total += number") + 1
        place = {"kind": "place", "path": str(tmp_path / "app.py"), "lines": [number]}
        met = []
        while not (stop := session.continue_([place])).is_over:
            met.append(stop.position)
            session.motions.step()
        assert len(met) == 7
        assert (stop.reason, stop.how, stop.detail) == ("end", "exit", 0)
        timeline.goto(START)
        passed = 0
        while not (stop := timeline.forward({"stops": [{"kind": "line", "own": True}]})).is_over:
            assert stop.position == Position(wanted[passed][0], wanted[passed][1])
            passed += 1
        assert passed == len(wanted)
        assert (stop.reason, stop.how) == ("end", "exit")
