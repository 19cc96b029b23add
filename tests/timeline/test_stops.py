"""Breakpoints, forwards and backwards, against a search through all places."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replay.errors import UsageError
from replay.positions import Position
from replay.timeline.session import Session
from replay.timeline.timeline import START
from tests.conftest import BANK, record_bank, run_replay

EVERYWHERE = Position(1 << 40)
WRITE = next(
    at for at, line in enumerate(BANK.read_text().splitlines(), 1) if "self.rows[key] = value" in line
)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("bank")
    with Session(str(record_bank(folder, BANK))) as opened:
        yield opened


def place(line: int, **more: Any) -> dict[str, Any]:
    return {"kind": "place", "path": str(BANK), "lines": [line], **more}


@pytest.mark.sampled
@pytest.mark.parametrize(
    "stops",
    [
        [place(WRITE)],
        [{"kind": "place", "name": "deposit"}],
        [{"kind": "place", "name": "Store.get"}, place(WRITE)],
        [{"kind": "step", "owner": "T3"}],
        [{"kind": "step", "owner": "T2"}, place(WRITE, id=7)],
        [{"kind": "raise", "name": "AssertionError"}],
        [place(WRITE, owner="T3")],
        [place(WRITE, condition="value == 150")],
        pytest.param([place(WRITE), {"kind": "raise", "name": None}], marks=pytest.mark.slow),
    ],
)
def test_continue_and_back(session: Session, stops: list[dict[str, Any]]) -> None:
    all_met = [
        Position(one[0], one[1]) for one in session.timeline.all_between(START, EVERYWHERE, {"stops": stops})
    ]
    assert all_met
    session.timeline.goto(START)
    forward = []
    while not (stop := session.continue_(stops)).is_over:
        assert stop.reason == "met"
        forward.append(stop.position)
    assert forward == all_met
    back = []
    while (stop_or_none := session.reverse_continue(stops)) is not None:
        assert stop_or_none.reason == "met"
        back.append(stop_or_none.position)
    assert back == all_met[::-1]
    assert session.timeline.position == START


def test_which_stop_it_was(session: Session) -> None:
    session.timeline.goto(START)
    stops = [
        place(WRITE, id=1),
        {"kind": "place", "name": "main", "id": 2},
        {"kind": "step", "owner": "T3", "id": 3},
    ]
    seen = []
    while not (stop := session.continue_(stops)).is_over:
        seen.append(stop.id)
    assert seen == [2, 3, 3, 1, 3, 1]
    back = []
    while (found := session.reverse_continue(stops)) is not None:
        back.append(found.id)
    assert back == seen[::-1]


def test_where_a_value_changed_last(session: Session) -> None:
    failure = session.failure()
    assert failure is not None
    assert failure.text == "AssertionError: lost update: 130 != 180"
    session.timeline.goto(failure.position)
    change = session.last("store.rows['acct']")
    assert change is not None
    assert (change.owner, change.before, change.after, change.stop.lineno) == ("T3", "150", "130", WRITE)
    assert session.evaluate("value, self.rows")["text"] == "(130, {'acct': 150})"
    change = session.last("self.rows['acct']")
    assert change is not None
    assert (change.owner, change.before, change.after, change.stop.lineno) == ("T2", "100", "150", WRITE)


def test_what_cannot_be_watched(session: Session) -> None:
    session.timeline.goto(START)
    assert session.last("x") is None
    session.continue_([place(WRITE)])
    with pytest.raises(UsageError, match="no expression"):
        session.last("x = 1")
    assert session.last("nothing_of_that_name") is None


def test_inspection(session: Session) -> None:
    session.timeline.goto(START)
    stop = session.continue_([place(WRITE)])
    assert stop.owner == "T2"
    states = {one["name"]: one["state"] for one in session.inspect("tasks")}
    assert (states["alice"], states["bob"], states["Task-1"]) == ("running", "ready", "waiting")
    waits = session.inspect("all_waits")
    assert (list(waits), waits["1"]["kind"], waits["1"]["children"]) == (["1"], "task group", [2, 3])
    wait = session.inspect("waits", task=3)
    assert (wait["kind"], wait["is_over"]) == ("sleep", True)
    assert [one["task"] for one in session.inspect("ready")] == [3]
    chain = session.inspect("chains", task=1)
    assert [one["function"] for one in chain[0]["frames"] if not one["is_internal"]] == ["main"]
    assert [frame["function"] for frame in session.stack(3)][:3] == ["sleep", "Store.put", "deposit"]
    assert session.evaluate("balance", 2, task=3)["text"] == "130"
    assert dict(session.locals(2, task=3))["amount"] == "30"
    session.timeline.goto(Position(stop.position.step))
    where = session.place()
    assert where is not None
    assert (Path(where[0]).name, where[2]) == ("bank.py", "Store.put")


BETWEEN = """\
import asyncio
import signal
import threading

seen = []
begun, gate = threading.Event(), threading.Event()


def handler(*_):
    seen.append(1)
    both(2)


def both(value):
    seen.append(value)


async def work(count):
    for _ in range(count):
        both(count)
        await asyncio.sleep(0)


async def wait():
    begun.set()
    gate.wait()


async def main():
    await asyncio.gather(work(4), work(5))
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    await asyncio.sleep(0.02)
    await asyncio.gather(work(4), work(5))


signal.signal(signal.SIGALRM, handler)
asyncio.run(main())
thread = threading.Thread(target=asyncio.run, args=(wait(),))
thread.start()
begun.wait()
both(6)  # while a step of the thread's loop goes on
gate.set()
thread.join()
print(len(seen))
"""


def test_lines_of_the_main_thread(tmp_path: Path) -> None:
    """They are found without looking at those inside of its steps, also between two of them."""
    (tmp_path / "app.py").write_text(BETWEEN)
    assert run_replay("record", "app.py", cwd=tmp_path).returncode == 0
    goal = {"stops": [{"kind": "line", "own": True, "owner": "main"}]}
    with Session(str(tmp_path / "run.rec")) as session:
        found = session.timeline.all_between(START, EVERYWHERE, goal)
        places = [Position(one[0], one[1]) for one in found]
        steps = {place.step for place in places}
        assert any(min(steps) < step < session.steps[-1].number for step in steps)
        at_end = Position(session.steps[-1].number + 1)
        for before, place in list(zip(places, [*places[1:], at_end], strict=True))[::-6]:
            last = session.timeline.last_before(place, goal)
            assert last is not None
            assert Position(last[0], last[1]) == before
        for place in places[4::10]:
            session.timeline.goto(Position(place.step, place.line - 1))
            assert session.timeline.forward(goal).position == place


LOOPS = """\
import asyncio
import threading


async def other():
    for _ in range(3):
        await asyncio.sleep(0)


async def main():
    print(asyncio.get_running_loop().call_later(99, asyncio.current_task().cancel))
    await asyncio.sleep(0)
    thread = threading.Thread(target=asyncio.run, args=(other(),))
    thread.start()
    thread.join()
    result = 1
    thread = None
    return result


asyncio.run(main())
"""


@pytest.mark.more
def test_a_step_in_which_those_of_another_loop_begin(tmp_path: Path) -> None:
    """The rest of its lines is where they are, also where it is the last one of its task."""
    (tmp_path / "app.py").write_text(LOOPS)
    assert run_replay("record", "app.py", cwd=tmp_path).returncode == 0
    with Session(str(tmp_path / "run.rec")) as session:
        goal = {"stops": [{"kind": "line", "own": True, "owner": "T1"}]}
        places = [Position(one[0], one[1]) for one in session.timeline.all_between(START, EVERYWHERE, goal)]
        own = [Position(step.number) for step in session.steps if step.task == 1]
        assert own[-1].step + 3 <= places[-1].step
        expected = sorted([*places, *own])
        session.timeline.goto(expected[0])
        found = [expected[0]]
        while (stop := session.motions.step()) is not None:
            found.append(stop.position)
        assert found == expected
        while (stop := session.motions.reverse_step()) is not None:
            assert stop.position == expected[-2]
            expected.pop()
        assert len(expected) == 1
        # What is replaced for a debugger says of itself what it said.
        assert session.continue_([]).reason == "end"
        assert b" Task.cancel()>" in session.timeline.written()[0][2]
