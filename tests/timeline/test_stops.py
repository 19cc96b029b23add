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
from tests.conftest import ROOT, run_replay

EVERYWHERE = Position(1 << 40)
BANK = ROOT / "tests" / "programs" / "bank.py"
WRITE = next(
    at for at, line in enumerate(BANK.read_text().splitlines(), 1) if "self.rows[key] = value" in line
)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("bank")
    run_replay("record", "-o", folder / "run.rec", BANK, cwd=folder)
    with Session(str(folder / "run.rec")) as opened:
        yield opened


def place(line: int, **more: Any) -> dict[str, Any]:
    return {"kind": "place", "path": str(BANK), "lines": [line], **more}


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
