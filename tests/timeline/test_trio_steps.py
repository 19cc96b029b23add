"""Steps of trio in a debugged replay: they are counted like any, and begin below trio's own loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replay.recording.events import UNMEASURED, Kind
from replay.timeline.session import Session
from replay.timeline.timeline import START
from tests.conftest import run_replay

PROGRAM = """\
import trio


async def child(name):
    await trio.sleep(0)
    return name


async def main():
    async with trio.open_nursery() as nursery:
        for name in ("ann", "ben"):
            nursery.start_soon(child, name, name=name)


trio.run(main)
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("trio_steps")
    (folder / "app.py").write_text(PROGRAM)
    assert run_replay("record", "app.py", cwd=folder).returncode == 0
    with Session(str(folder / "run.rec")) as opened:
        yield opened


def at_return(session: Session) -> dict[str, Any]:
    """Return the stop at the last line of a child."""
    line = PROGRAM.splitlines().index("    return name") + 1
    return {"kind": "place", "path": str(Path(session.path).parent / "app.py"), "lines": [line]}


def test_lines_are_counted_alike_whichever_way_one_came(session: Session) -> None:
    """Also if one saw lines of trio before it was known for a library with a loop."""
    session.timeline.goto(START)
    direct = session.continue_([at_return(session)])
    assert direct.reason == "met"
    session.timeline.goto(START)
    session.motions.step()
    after = session.motions.next()  # over the import
    assert after is not None
    assert after.lineno == PROGRAM.splitlines().index("async def child(name):") + 1
    assert session.continue_([at_return(session)]).position == direct.position


def test_the_stack_of_a_task_begins_with_its_own(session: Session) -> None:
    """The frames of who called `trio.run` are none of it."""
    session.timeline.goto(START)
    assert session.continue_([at_return(session)]).reason == "met"
    assert [frame["function"] for frame in session.stack()] == ["child"]
    stop = session.watch("name")
    assert (stop["of"], stop["function"], stop["before"]) == (session.stop.owner, "child", 0)


MANY = """\
import time
import trio


async def worker(number):
    if number % 8 == 3:
        time.sleep(0.02)
    await trio.sleep(0.1)


async def main():
    async with trio.open_nursery() as nursery:
        for number in range(80):
            nursery.start_soon(worker, number)


trio.run(main)
"""


@pytest.mark.more
def test_the_clock_is_told_by_steps_that_were_measured(tmp_path: Path) -> None:
    """No reading of the clock is before the begin of the step it is made in."""
    (tmp_path / "app.py").write_text(MANY)
    assert run_replay("record", "app.py", cwd=tmp_path).returncode == 0
    with Session(str(tmp_path / "run.rec")) as opened:
        origin_ns = opened.clock_origin_ns(0)
        assert origin_ns is not None
        clock_ns = begun_ns = readings_count = 0
        for event in opened.recording.events():
            if event.key == -Kind.CLOCK:
                clock_ns += event.value
                readings_count += 1
                assert clock_ns - origin_ns >= begun_ns
            elif event.key >= 0 and event.value != UNMEASURED:
                begun_ns += event.value
        assert readings_count > 80
