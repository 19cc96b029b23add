"""Laws of moving along a timeline, on real recordings: each motion against a search through all places."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from replay.positions import Position
from replay.timeline.debuggee import Stop
from replay.timeline.session import Session
from replay.timeline.timeline import START
from tests.conftest import ROOT, run_replay

PROGRAMS = ROOT / "tests" / "programs"
SLOW = ("failing_taskgroup", "context_and_names", "two_loops", "gc_hashes", "threads_two_loops")
NAMES = [
    "bank",
    pytest.param("threads_callbacks", marks=pytest.mark.more),
    *(pytest.param(one, marks=pytest.mark.slow) for one in (*SLOW, "trio_everything")),
]
EVERYWHERE = Position(1 << 40)
ADDRESS = re.compile("0x[0-9a-f]+")


class Place(NamedTuple):
    """A line event of the program's own code."""

    position: Position
    owner: str
    event: str
    depth: int


@pytest.fixture(scope="module", params=NAMES)
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Record a program, and open the recording."""
    folder = tmp_path_factory.mktemp(request.param)
    run_replay("record", "-o", folder / "run.rec", PROGRAMS / f"{request.param}.py", cwd=folder)
    with Session(str(folder / "run.rec")) as opened:
        yield opened


@pytest.fixture(scope="module")
def places(session: Session) -> list[Place]:
    """Return all places of the program's own code, in order."""
    goal = {"stops": [{"kind": "line", "own": True}]}
    found = session.timeline.all_between(START, EVERYWHERE, goal)
    assert len(found) > 10
    return [Place(Position(one[0], one[1]), one[2], one[4], one[7]) for one in found]


def of_owner(session: Session, places: list[Place], owner: str) -> list[Place]:
    """Return all places that one owner can stand at: its lines, and just before its steps."""
    steps = [
        Place(Position(step.number), owner, "step", 0)
        for step in session.steps
        if owner in (f"T{step.task}", f"callback@{step.number}" if not step.task else "")
    ]
    return sorted([*steps, *(one for one in places if one.owner == owner)])


def some(session: Session, places: list[Place], count: int) -> list[Place]:
    """Return places to begin at, the same in each run."""
    steps = [
        Place(Position(step.number), f"T{step.task}" if step.task else f"callback@{step.number}", "step", 0)
        for step in session.steps
    ]
    return random.Random(7).sample([*places, *steps], min(count, len(places)))


def stand(session: Session, place: Place) -> Stop:
    """Go to a place, which must be the one that it was on the way forward."""
    stop = session.timeline.goto(place.position)
    assert (stop.position, stop.owner, stop.event) == place[:3]
    assert place.event == "step" or stop.depth == place.depth
    return stop


def position(stop: Stop | None) -> Position | None:
    return None if stop is None else stop.position


def test_step_and_reverse_step(session: Session, places: list[Place]) -> None:
    for place in some(session, places, 12):
        stand(session, place)
        own = of_owner(session, places, place.owner)
        at = own.index(place)
        after = own[at + 1].position if at + 1 < len(own) else None
        before = own[at - 1].position if at else None
        assert position(session.motions.step()) == after, place
        if after is not None:
            assert position(session.motions.reverse_step()) == place.position, place
        assert position(session.motions.reverse_step()) == before, place
        if before is not None:
            assert position(session.motions.step()) == place.position, place


def test_next_and_reverse_next(session: Session, places: list[Place]) -> None:
    for place in some(session, places, 10):
        if place.event == "step":
            continue
        own = [one for one in of_owner(session, places, place.owner) if one.event != "step"]
        at = own.index(place)
        depth = place.depth - (place.event == "return")
        after = next((one.position for one in own[at + 1 :] if one.depth <= depth), None)
        before = next((one.position for one in reversed(own[:at]) if one.depth <= place.depth), None)
        stand(session, place)
        assert position(session.motions.next()) == after, place
        stand(session, place)
        assert position(session.motions.reverse_next()) == before, place


def test_finish_and_reverse_finish(session: Session, places: list[Place]) -> None:
    for place in some(session, places, 8):
        if place.event == "step":
            continue
        own = [one for one in of_owner(session, places, place.owner) if one.event != "step"]
        at = own.index(place)
        inside = place.depth - (place.event == "return")
        after = next(
            (
                one.position
                for one in own[at + 1 :]
                if one.depth < place.depth or (one.event == "return" and one.depth <= inside)
            ),
            None,
        )
        if after is None and place.event != "return":
            last = next((one.position for one in reversed(own) if one.depth <= place.depth), None)
            after = last if last != place.position else None
        before = next((one.position for one in reversed(own[:at]) if one.depth < place.depth), None)
        stand(session, place)
        assert position(session.motions.finish()) == after, place
        stand(session, place)
        assert position(session.motions.reverse_finish()) == before, place


def test_scheduler_steps(session: Session, places: list[Place]) -> None:
    last = len(session.steps)
    for place in some(session, places, 8):
        here = Position(place.position.step)
        if here.step in (0, last):
            continue
        session.timeline.goto(here)
        assert session.motions.step_forward().position == Position(here.step + 1)
        assert session.motions.step_back().position == here
        session.timeline.goto(place.position)
        assert session.motions.step_forward().position == Position(here.step + 1)
        session.timeline.goto(place.position)
        back = here if place.position.line else Position(here.step - 1)
        assert session.motions.step_back().position == back


def test_goto_where_we_are_moves_nothing(session: Session, places: list[Place]) -> None:
    for place in some(session, places, 4):
        before = stand(session, place)
        process = session.timeline.here
        assert session.timeline.goto(session.timeline.position) is before
        assert session.timeline.here is process


def test_the_way_there_does_not_matter(session: Session, places: list[Place]) -> None:
    """The state at a place is the same on the way forward, back from the end, and at each further visit."""
    chosen = sorted(some(session, places, 15 if Path(session.path).parent.name[:-1] in SLOW else 5))
    session.timeline.goto(START)
    states = []
    for place in chosen:
        stand(session, place)
        states.append(state(session))
    assert len({repr(one) for one in states}) > len(chosen) // 2, "they can be told apart"
    session.timeline.goto(EVERYWHERE)
    for place, before in reversed(list(zip(chosen, states, strict=True))):
        stand(session, place)
        assert state(session) == before, place
        session.motions.reverse_step()
        stand(session, place)
        assert state(session) == before, place


def state(session: Session) -> dict[str, object]:
    """Return all that one can see where we stand; but addresses, of which each process has its own."""
    tasks = session.inspect("tasks")
    found: dict[str, object] = {
        "stop": dataclasses.replace(session.stop, reason="", met=[]),
        "value": session.value(),
        "output": [one[1:] for one in session.timeline.written()],
        "tasks": tasks,
        "waits": session.inspect("all_waits"),
        "ready": session.inspect("ready"),
        "blocked": session.inspect("blocked"),
    }
    for task in (None, *(one["id"] for one in tasks)):
        stack = session.stack(task)
        found[f"stack {task}"] = stack
        found[f"locals {task}"] = [session.locals(at, task=task) for at in range(len(stack))]
    return {name: ADDRESS.sub("0x", repr(one)) for name, one in found.items()}


def test_output_comes_back(session: Session) -> None:
    folder = Path(session.path).parent
    session.timeline.goto(EVERYWHERE)
    whole = b"".join(data for _, target, data in session.timeline.written() if target == 1)
    played = run_replay("play", session.path, cwd=folder)
    assert whole.decode() == played.stdout
    session.timeline.goto(START)
    assert session.timeline.written() == []
