"""Stops that are noticed late: awaits, events, cancellations, changes of values; forwards and backwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replay.errors import UsageError
from replay.positions import Position
from replay.timeline.debuggee import Stop
from replay.timeline.session import Session
from replay.timeline.timeline import START
from tests.conftest import run_replay

EVERYWHERE = Position(1 << 40)
PROGRAM = """\
import asyncio
import os
import random

total = 0


class Lazy:
    # awaited without suspending
    def __await__(self):
        return "ready"
        yield

    def __repr__(self):
        return "lazy"


async def helper(count):
    for _ in range(count):
        await asyncio.sleep(0)
    return count


async def numbers():
    for number in range(3):
        yield number
        await asyncio.sleep(0)


def recurse(depth):
    level = depth
    if depth:
        recurse(depth - 1)
    level = -depth
    return level


async def worker(name, queue):
    global total
    while True:
        got = await queue.get()
        total += got
        os.urandom(got)
        await Lazy()


async def slow():
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        print("cancelled")
        raise


async def failing():
    await asyncio.sleep(0)
    raise ValueError("one")


async def main():
    queue = asyncio.Queue()
    for number in (1, 2, 3):
        queue.put_nowait(number)
    tasks = [asyncio.create_task(worker(name, queue), name=name) for name in ("ann", "ben")]
    await helper(2)
    async for number in numbers():
        queue.put_nowait(10 * number)
    recurse(2)
    await asyncio.sleep(0.001)
    tasks[0].cancel()
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    tasks[0].cancel()
    try:
        async with asyncio.timeout(0.001):
            await slow()
    except TimeoutError:
        print("too late", total)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(slow(), name="sibling")
            group.create_task(failing(), name="failing")
    except* ValueError:
        pass
    tasks[1].cancel("no more")


asyncio.run(main())
total += 1
print("over", total, random.randbytes(2) and os.urandom(1) and "")
total += 1
"""
LINES = PROGRAM.splitlines()


def line(text: str) -> int:
    """Return the number of the line that has this text in it."""
    (found,) = [at for at, one in enumerate(LINES, 1) if text in one]
    return found


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("noticed")
    (folder / "app.py").write_text(PROGRAM)
    run_replay("record", "app.py", cwd=folder)
    with Session(str(folder / "run.rec")) as opened:
        yield opened


def here(session: Session, text: str, kind: str = "place", **more: Any) -> dict[str, Any]:
    """Return the stop at the line that has this text in it."""
    path = Path(session.path).parent / "app.py"
    return {"kind": kind, "path": str(path), "lines": [line(text)], **more}


def at(session: Session, text: str, **more: Any) -> Stop:
    """Go to the first time that a line runs."""
    session.timeline.goto(START)
    stop = session.continue_([here(session, text, **more)])
    assert stop.reason == "met"
    return stop


def tag(session: Session, name: str) -> int:
    (found,) = [tag for tag, one in session.recording.door_names.items() if one == name]
    return found


def positions(session: Session, stops: list[dict[str, Any]]) -> list[Position]:
    """Return where stops are met, by looking at the whole run at once; each place once."""
    found = session.timeline.all_between(START, EVERYWHERE, {"stops": stops})
    return sorted({Position(one[0], one[1]) for one in found})


def forwards(session: Session, stops: list[dict[str, Any]]) -> list[Stop]:
    """Return all stops on the way from the start to the end."""
    session.timeline.goto(START)
    found = []
    while not (stop := session.continue_(stops)).is_over:
        assert stop.reason == "met"
        assert stop.position == session.timeline.position
        found.append(stop)
    return found


def backwards(session: Session, stops: list[dict[str, Any]]) -> list[Stop]:
    """Return all stops on the way back from where we are."""
    found = []
    while (stop := session.reverse_continue(stops)) is not None:
        assert stop.reason == "met"
        found.append(stop)
    assert session.timeline.position == START
    return found


def texts(found: list[Stop]) -> list[str]:
    """Return the source lines, or the owners of the steps, that one stops at."""
    return [LINES[stop.lineno - 1].strip() if stop.lineno else stop.owner.partition("@")[0] for stop in found]


def both_ways(session: Session, stops: list[dict[str, Any]]) -> list[Stop]:
    """Return where stops are met, which is the same in both directions, and as the whole run says."""
    met = forwards(session, stops)
    assert [stop.position for stop in met] == positions(session, stops)
    back = backwards(session, stops)
    assert [(stop.position, stop.id) for stop in back] == [(stop.position, stop.id) for stop in met[::-1]]
    return met


def test_an_await_that_suspends(session: Session) -> None:
    """Where a frame comes to an await and suspends there; not where it goes on at once, or waits on."""
    met = both_ways(session, [here(session, "got = await", "await", id=1)])
    assert set(texts(met)) == {"got = await queue.get()"}
    gone_on = both_ways(session, [here(session, "got = await")])
    assert 0 < len(met) < len(gone_on)
    assert both_ways(session, [here(session, "await Lazy()", "await")]) == []
    met = both_ways(session, [here(session, "await helper(2)", "await")])
    assert texts(met) == ["await helper(2)"]
    met = both_ways(session, [{"kind": "await", "name": "helper"}])
    assert texts(met) == ["await asyncio.sleep(0)"] * 2


@pytest.mark.more
def test_an_await_in_an_asynchronous_generator(session: Session) -> None:
    """Its ``yield`` is none; ``async for`` is."""
    assert texts(both_ways(session, [{"kind": "await", "name": "numbers"}])) == ["await asyncio.sleep(0)"] * 3
    found = texts(both_ways(session, [{"kind": "await", "name": "main", "owner": "T1"}]))
    assert found.count("async for number in numbers():") == 3


def test_an_await_with_a_condition(session: Session) -> None:
    stops = [{"kind": "await", "name": "worker", "condition": "name == 'ben'"}]
    met = both_ways(session, stops)
    assert {session.steps[stop.position.step - 1].task for stop in met} == {3}


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (2, ["tasks[0].cancel()", "tasks[0].cancel()"]),
        (1, ["callback", "callback"]),
        (3, ['tasks[1].cancel("no more")']),
        (4, ["callback"]),
    ],
)
def test_a_cancelled_task(session: Session, task: int, expected: list[str]) -> None:
    """Where somebody cancels it; once it has ended, that is nothing."""
    met = both_ways(session, [{"kind": "cancel", "task": task}])
    assert texts(met) == expected
    assert {one[5] for stop in met for one in stop.met} == {task}


def test_all_cancellations(session: Session) -> None:
    assert len(both_ways(session, [{"kind": "cancel"}])) == 5


@pytest.mark.more
def test_an_event(session: Session) -> None:
    """The line whose code takes it, or the step."""
    met = both_ways(session, [{"kind": "event", "tags": [tag(session, "os.urandom")]}])
    assert texts(met)[-1].startswith('print("over"')
    assert set(texts(met[:-1])) == {"os.urandom(got)"}
    assert len(met) == 7
    polls = both_ways(session, [{"kind": "event", "tags": [1], "id": 3}])
    assert {stop.id for stop in polls} == {3}
    assert len(polls) > 5


def test_a_value_of_a_module(session: Session) -> None:
    at(session, "got = await")
    stop = session.watch("total")
    assert stop == {"kind": "watch", "text": "total", "module": "__main__"}
    met = both_ways(session, [{**stop, "id": 2}])
    values = [stop.met[0][5:] for stop in met]
    assert values[0] == ["(nothing yet)", "0"]
    assert [after for _, after in values[:-1]] == [before for before, _ in values[1:]]
    assert texts(met) == ["total = 0", *["total += got"] * 5, "total += 1", "total += 1"]


@pytest.mark.more
def test_a_value_whose_repr_is_of_the_program(session: Session) -> None:
    """The lines of that are none of the run, and its end is compared though it is not told."""
    at(session, "got = await")
    alone = session.watch("total")
    places = [stop.position for stop in both_ways(session, [alone])]
    at(session, "got = await")
    long = session.watch("[Lazy] and [Lazy(), '.' * 1000, total]")
    met = both_ways(session, [long])
    assert [stop.position for stop in met[1:]] == places[1:]  # the first: there is no `Lazy` yet
    told = [(text[:3], text.count("."), text.partition("', ")[2]) for text in met[-1].met[0][5:]]
    assert told == [("...", 99, "37]"), ("...", 99, "38]")]  # a little before the difference, and all behind


def test_a_watch_that_is_set_before_a_step(session: Session) -> None:
    """To take the first value runs code of the program too."""
    at(session, "got = await")
    stop = session.watch("[Lazy(), total]")
    change = next(one for one in positions(session, [stop]) if one.line > 0 and one.step > 2)
    session.timeline.goto(Position(change.step - 1))
    session.timeline.look_forward({"stops": [{"kind": "step"}, {"kind": "line", "own": True, "depth": 0}]})
    assert session.timeline.position == Position(change.step)
    assert session.continue_([stop]).position == change


@pytest.mark.more
def test_many_are_told_by_and_by(session: Session) -> None:
    """In several messages, so to speak, is what would be in one."""
    at(session, "got = await")
    for stops in (
        [{"kind": "line", "own": True}],
        [session.watch("total"), {"kind": "event", "tags": [tag(session, "os.urandom")]}],
        [{"kind": "await", "name": "main"}, {"kind": "await", "name": "helper"}],
        [{"kind": "wake", "task": None}],
    ):
        whole = session.timeline.all_between(START, EVERYWHERE, {"stops": stops})
        assert len(whole) > 4
        for most in (1, 3):
            told = session.timeline.all_between(START, EVERYWHERE, {"stops": stops, "most": most})
            assert told == whole
    rough = {"stops": [{"kind": "wake", "task": None}], "rough": True}
    whole = session.timeline.all_between(START, EVERYWHERE, rough)
    assert session.timeline.all_between(START, EVERYWHERE, {**rough, "most": 1}) == whole


def test_events_are_noted_only_while_they_are_wanted(session: Session) -> None:
    """The process that went to where something else was met goes on."""
    session.timeline.goto(START)
    stop = session.continue_([{"kind": "event", "tags": [-1]}, {"kind": "step", "owner": "T3"}])
    assert (stop.reason, stop.event, stop.owner) == ("met", "step", "T3")
    session.timeline.goto(Position(stop.position.step + 1))
    worlds = "[one for one in __import__('gc').get_objects() if type(one).__name__ == 'DebuggedWorld']"
    assert session.evaluate(f"[one.is_noting for one in {worlds}]")["text"] == "[False]"


def test_a_local_value(session: Session) -> None:
    """It is of one frame at a time: of the next call, when that has ended."""
    at(session, "got = await", condition="name == 'ben'")
    stop = session.watch("got")
    assert (stop["of"], stop["function"], stop["before"]) == ("T3", "worker", 0)
    met = both_ways(session, [stop])
    assert texts(met) == ["T3"]  # the step that begins in the middle of the line
    assert met[0].met[0][5:] == ["(nothing yet)", "10"]


@pytest.mark.sampled
@pytest.mark.parametrize("depth", [2, 1, 0])
def test_a_value_in_a_recursion(session: Session, depth: int) -> None:
    at(session, "level = -depth", condition=f"depth == {depth}")
    stop = session.watch("level")
    assert stop["before"] == 2 - depth
    met = both_ways(session, [stop])
    expected = [["(nothing yet)", str(depth)], *([[str(depth), str(-depth)]] if depth else [])]
    assert [one.met[0][5:] for one in met] == expected


@pytest.mark.slow
def test_kinds_together(session: Session) -> None:
    """The first one of all is met, however late it is noticed."""
    at(session, "got = await")
    alone = {
        1: [here(session, "await helper(2)", "await", id=1)],
        2: [{**session.watch("total"), "id": 2}],
        3: [{"kind": "event", "tags": [tag(session, "os.urandom")], "id": 3}],
        4: [{"kind": "cancel", "id": 4}],
        5: [here(session, "for _ in range(count):", id=5)],
        6: [{"kind": "step", "owner": "T3", "id": 6}],
        7: [{"kind": "raise", "name": "ValueError", "owner": "T5", "id": 7}],
    }
    expected = sorted({place for stops in alone.values() for place in positions(session, stops)})
    for left_out in (set(), {2, 7}, {7}, {2}, {6, 7, 2}):
        stops = [one for number, found in alone.items() if number not in left_out for one in found]
        wanted = sorted(
            {
                place
                for number, found in alone.items()
                if number not in left_out
                for place in positions(session, found)
            }
        )
        assert [stop.position for stop in both_ways(session, stops)] == wanted
    assert len(expected) > 15


@pytest.mark.more
def test_going_on_from_the_middle_of_a_step(session: Session) -> None:
    """From each place, the next one and the last one are those nearest to it."""
    stops = [
        {"kind": "await", "name": "main"},
        {"kind": "cancel"},
        {"kind": "event", "tags": [tag(session, "os.urandom")]},
    ]
    met = positions(session, stops)
    lines = session.timeline.all_between(START, EVERYWHERE, {"stops": [{"kind": "line", "own": True}]})
    for one in lines[:: len(lines) // 25]:
        place = Position(one[0], one[1])
        session.timeline.goto(place)
        stop = session.continue_(stops)
        assert stop.position == next((other for other in met if other > place), session.timeline.position)
        assert stop.is_over == (met[-1] <= place)
        session.timeline.goto(place)
        found = session.reverse_continue(stops)
        before = [other for other in met if other < place]
        assert (None if found is None else found.position) == (before[-1] if before else None)


def test_an_exception_that_comes_out_of_asyncio(session: Session) -> None:
    """It is raised, to the program, where it reaches its code first."""
    met = both_ways(session, [{"kind": "raise", "name": "TimeoutError"}])
    assert texts(met) == ["async with asyncio.timeout(0.001):"]


def test_watching_changes_nothing(session: Session) -> None:
    at(session, "got = await")
    assert session.continue_([session.watch("[random.random(), os.urandom(1)]")]).reason == "end"
    assert session.stop.how == "exit"


def test_what_cannot_be_watched(session: Session) -> None:
    session.timeline.goto(START)
    assert session.watch("total")["module"] == "__main__"
    with pytest.raises(UsageError, match="no expression"):
        session.watch("x = 1")
    callback = next(step.number for step in session.steps if not step.task)
    session.timeline.goto(Position(callback))
    assert session.watch("total")["module"] == "__main__"
    session.motions.step_any()
    with pytest.raises(UsageError, match="no frame"):
        session.watch("total", 99)
