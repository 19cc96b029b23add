"""`Recording`: what it makes of events; the recordings are written here, event by event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import replay
from replay.errors import UnreadableRecording, UsageError
from replay.positions import Position
from replay.recording.describe import describe_event, describe_value, show
from replay.recording.events import UNMEASURED, Kind, key_of
from replay.recording.recording import Recording, Site, find_task
from replay.recording.writer import RecordingWriter

US = 1000
POLL, CLOCK, SPAWN, END = -Kind.POLL, -Kind.CLOCK, -Kind.SPAWN, -Kind.END
SITE, EXIT, NAME, EAGER = -Kind.SITE, -Kind.EXIT, -Kind.NAME, -Kind.EAGER
NAMED = key_of(Kind.NAME, 1)


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """Return a function that writes a recording of the events of the main thread, and opens it."""

    def write(
        *items: Any, header: dict[str, object] | None = None, threads: Any = (), close: bool = True
    ) -> Any:
        writer = RecordingWriter(
            tmp_path / "run.rec", {"python": "3.12.1", "doors": ["os.read"], **(header or {})}
        )
        writer.put(0, list(items))
        for number, others in threads:
            writer.put(number, others)
        if close:
            writer.close()
        return replay.open(tmp_path / "run.rec")

    return write


def test_it_is_what_open_returns(make: Any, tmp_path: Path) -> None:
    with make(1, 10, EXIT, ["exit", 0]) as recording:
        assert isinstance(recording, Recording)
        assert recording.header["python"] == "3.12.1"
        assert [event.key for event in recording.events()] == [1, EXIT]
        assert recording.is_closed
        assert recording.damage is None
        assert recording.size_bytes > recording.sizes.stored_bytes > 0
        assert recording.sizes.raw_bytes > 0
        assert (recording.events_count, recording.steps_count) == (2, 1)
        assert recording.door_names == {32: "os.read"}
        with pytest.raises(TypeError):
            recording.header["python"] = "4"  # pyright: ignore[reportIndexIssue]
    with pytest.raises(ValueError, match="closed"):
        list(recording.events())
    assert recording.steps_count == 1
    with pytest.raises(UnreadableRecording):
        replay.open(tmp_path / "none.rec")


def test_tasks(make: Any) -> None:
    recording = make(
        *(SITE, [1, "/w/app.py", 9, "<module>", None], key_of(Kind.SPAWN, 1), 1, POLL, 0),
        *(
            1,
            10 * US,
            SITE,
            [2, "/w/app.py", 5, "main", "work"],
            key_of(Kind.SPAWN, 2),
            2,
            NAMED,
            [2, "alice"],
        ),
        *(key_of(Kind.SPAWN, 2), 3, key_of(Kind.SPAWN, 2), 4, POLL, 0),
        *(2, 5 * US, END, [2, "builtins.ValueError", "no"], 3, 2 * US, END, [3, 1], 0, US, POLL, 0),
        *(1, US, END, 1, 0, US, EXIT, ["exit", 0]),
    )
    one, two, three, four = recording.tasks()
    assert (one.name, one.state, one.parent, one.site) == (
        "Task-1",
        "returned",
        None,
        Site("/w/app.py", 9, "<module>"),
    )
    assert (one.steps_count, one.first_step, one.last_step, one.run_ns) == (2, 1, 5, 6 * US)
    assert (one.spawned_at, one.ended_at) == (Position(0), Position(5))
    assert (two.name, two.state, two.parent, two.error_text) == ("alice", "failed", 1, "ValueError: no")
    assert (two.spawned_at, two.ended_at, two.error) == (
        Position(1),
        Position(2),
        ("builtins.ValueError", "no"),
    )
    assert (three.name, three.state, three.coroutine) == ("Task-2", "cancelled", "work")
    assert (four.name, four.state, four.first_step, four.run_ns) == ("Task-3", "pending", None, 0)
    assert recording.failures() == ()


def test_names_on_311_count_with_every_task(make: Any) -> None:
    recording = make(
        *(SPAWN, 1, SPAWN, 2, NAME, [2, "bob"], SPAWN, 3, NAMED, [3, "eve"], SPAWN, 4),
        header={"python": "3.11.7"},
    )
    assert [task.name for task in recording.tasks()] == ["Task-1", "bob", "eve", "Task-4"]


def test_a_later_name_does_not_change_how_others_are_counted(make: Any) -> None:
    recording = make(SPAWN, 1, NAME, [1, "bob"], SPAWN, 2, NAMED, [3, "eve"], NAME, [3, "Eve"])
    assert [task.name for task in recording.tasks()] == ["bob", "Task-2", "Eve"]


def test_the_time_of_waiting_is_not_the_steps(make: Any) -> None:
    recording = make(
        *(1, US, POLL, 0),
        *(1, 7 * US, CLOCK, 10**15, POLL, 0, CLOCK, 900 * US),  # timers pending: the clock tells
        *(1, 950 * US, POLL, [[4, 1]]),  # none: nothing tells
        *(1, 800 * US, CLOCK, US, CLOCK, US, POLL, 0, CLOCK, 20 * US, POLL, 0, CLOCK, 20 * US),
        *(1, 41 * US),
    )
    steps = list(recording.steps())
    assert [(step.run_ns, step.is_at_most) for step in steps] == [
        (7 * US, False),
        (50 * US, False),
        (800 * US, True),
        (US, False),
        (None, False),
    ]
    assert [step.start_ns // US for step in steps] == [1, 8, 958, 1758, 1799]
    (task,) = recording.tasks()
    assert (task.run_ns, task.is_at_most) == (858 * US, True)
    assert recording.survey().duration_ns == 1799 * US


def test_steps_that_were_not_measured_share_the_time(make: Any) -> None:
    recording = make(
        *(POLL, 0, 1, US, 2, UNMEASURED, 3, UNMEASURED, CLOCK, 10**15),
        *(POLL, 0, CLOCK, 60 * US, 1, 90 * US, 2, UNMEASURED),
    )
    steps = list(recording.steps())
    assert [(step.start_ns // US, step.run_ns, step.is_shared) for step in steps] == [
        (1, 10 * US, True),
        (11, 10 * US, True),
        (21, 10 * US, True),
        (91, None, False),
        (91, None, True),
    ]
    assert [task.is_shared for task in recording.tasks()] == [True, True, True]
    assert recording.survey().duration_ns == 91 * US
    first = next(make(1, UNMEASURED, 1, US).steps())
    assert (first.start_ns, first.run_ns, first.is_shared) == (0, US, False)


def test_whose_an_event_is(make: Any) -> None:
    recording = make(
        *(-33, 1, SPAWN, 1, POLL, 0, CLOCK, 5),
        *(1, 10, SPAWN, 2, EAGER, 2, SPAWN, 3, EAGER, 0, SPAWN, 4, END, 1, POLL, 0),
        *(0, 10, -33, 2, EXIT, ["exit", 0]),
    )
    assert [(owner.kind, owner.task) for _, owner in recording.owned_events()] == [
        ("outside", 0),
        ("outside", 0),
        ("loop", 0),
        ("loop", 0),
        ("task", 1),
        ("task", 1),
        ("task", 2),
        ("task", 2),
        ("task", 2),
        ("task", 1),
        ("task", 1),
        ("loop", 0),
        ("callback", 0),
        ("callback", 0),
        ("outside", 0),
    ]
    assert [task.parent for task in recording.tasks()] == [None, 1, 2, 1]


def test_steps_of_two_threads_come_in_their_order(make: Any) -> None:
    turn = -Kind.TURN
    recording = make(
        *(1, 100, -Kind.THREAD, [1, 77], turn, 1, 1, 50, turn, 4, 1, 50),
        threads=[(1, [turn, 2, 2, 10, turn, 3, 2, 10, -Kind.FINISH, 0])],
    )
    steps = list(recording.steps())
    assert [(step.number, step.task, step.stream, step.start_ns, step.run_ns) for step in steps] == [
        (1, 1, 0, 100, 50),
        (2, 1, 0, 150, 50),
        (3, 2, 1, 110, 10),
        (4, 2, 1, 120, None),
        (5, 1, 0, 200, None),
    ]
    assert recording.survey().duration_ns == 200


def test_what_failed_is_found_behind_groups_and_parents(make: Any) -> None:
    group = "builtins.ExceptionGroup"
    recording = make(
        *(SPAWN, 1, 1, 1, SPAWN, 2, SPAWN, 3, SPAWN, 4),
        *(4, 1, SPAWN, 5, END, [4, group, "g"], 5, 1, END, [5, "x.Late", ""]),
        *(2, 1, END, [2, "builtins.KeyError", "'k'"], 1, 1, END, [1, group, "all"], EXIT, ["exit", 1]),
    )
    assert [task.id for task in recording.failures()] == [5, 4, 1]
    assert recording.outcome.is_failure
    assert recording.failures()[0].error_text == "x.Late"


def test_the_same_exception_is_followed_to_where_it_came_from(make: Any) -> None:
    recording = make(
        *(SPAWN, 1, 1, 1, SPAWN, 2, SPAWN, 3, 3, 1, END, [3, "builtins.OSError", "handled"]),
        *(2, 1, END, [2, "builtins.ValueError", "no"], 1, 1, END, [1, "builtins.ValueError", "no"]),
        *(EXIT, ["exit", 1]),
    )
    assert [task.id for task in recording.failures()] == [2, 1]


@pytest.mark.parametrize(
    ("error", "ending", "failed"),
    [
        ("builtins.OSError", ["exit", 1], [2]),
        ("builtins.OSError", ["signal", 15], []),
        ("builtins.OSError", ["signal", 2], []),
        ("builtins.OSError", ["timeout", 5], []),
        ("builtins.KeyboardInterrupt", ["signal", 2], [2]),
    ],
)
def test_what_failed_in_a_run_that_was_stopped_did_not_end_it(
    make: Any, error: str, ending: list[Any], failed: list[int]
) -> None:
    recording = make(SPAWN, 1, 1, 1, SPAWN, 2, 2, 1, END, [2, error, "handled"], 1, 1, EXIT, ending)
    assert [task.id for task in recording.failures()] == failed


@pytest.mark.parametrize(
    ("items", "how", "is_failure", "extra"),
    [
        ([EXIT, ["exit", 0]], "exit", False, {}),
        ([EXIT, ["exit", 3]], "exit", True, {}),
        ([EXIT, ["signal", 2]], "signal", True, {}),
        ([EXIT, ["exit", 0, {"cost_ns": 5}]], "exit", False, {"cost_ns": 5}),
        ([EXIT, ["unwritable", "no space", {}]], "unwritable", False, {}),
        ([EXIT, 7], "cut", False, {}),
        ([], "cut", False, {}),
    ],
)
def test_outcomes(make: Any, items: list[Any], how: str, is_failure: bool, extra: dict[str, int]) -> None:
    outcome = make(1, 1, *items).outcome
    assert (outcome.how, outcome.is_failure, outcome.position) == (how, is_failure, Position(1))
    assert dict(outcome.extra) == extra


def test_find_task(make: Any) -> None:
    tasks = make(
        *(SPAWN, 1, SPAWN, 2, NAMED, [2, "alice"], SPAWN, 3, NAMED, [3, "alina"]),
        *(SPAWN, 4, NAMED, [4, "al"], SPAWN, 5, NAMED, [5, "t2"]),
    ).tasks()
    for word, number in (
        ("T3", 3),
        ("t3", 3),
        ("T2", 2),
        ("t2", 5),
        ("3", 3),
        ("alic", 2),
        ("al", 4),
        ("Task-1", 1),
        ("Ta", 1),
    ):
        assert find_task(tasks, word).id == number
    for word, message, hint in (
        ("ali", "several tasks are called ali: T2 alice, T3 alina", "name one by its id"),
        ("alcie", "no such task: alcie", "did you mean `alice`?"),
        ("T9", "no such task: T9", "this recording has T1..T5"),
        ("", "no such task: ", "this recording has T1..T5"),
    ):
        with pytest.raises(UsageError) as caught:
            find_task(tasks, word)
        assert (caught.value.message, caught.value.hint) == (message, hint)


def test_events_in_words() -> None:
    names = {32: "os.read"}
    read = key_of(32, 5)
    error = ["FileNotFoundError", [2, "No such file", None, None]]
    for key, value, words in (
        (3, 10, "step of T3"),
        (0, 10, "step of a callback"),
        (read, [12345, b"abc"], "os.read fd=5 -> b'abc'"),
        (read, b"abc", "os.read fd=5 -> 3 bytes"),
        (read, None, "os.read fd=5"),
        (-Kind.ERROR, [read, error], "os.read fd=5 raises FileNotFoundError ENOENT: No such file"),
        (-Kind.EFFECT, [read, 1], "os.read fd=5"),
        (key_of(Kind.OUTPUT, 1), [0, b"hi\n"], "output to stdout: b'hi\\n'"),
        (-Kind.END, [4, "builtins.KeyError", "'k'"], "end of T4: KeyError: 'k'"),
        (-Kind.EXIT, ["exit", 3], "the end of the program: exit 3"),
        (-Kind.POLL, [[7, 1]], "poll -> [[7, 1]]"),
        (-Kind.TURN, 4, "turn 4"),
    ):
        assert describe_event(key, value, names) == words
    assert describe_value(read, [1, b"x" * 500], 10) == "-> b'xxxxx..."
    assert describe_value(read, [1, b"x" * 50], None) == f"-> {b'x' * 50!r}"
    assert describe_value(read, [1, ["t", 1, ["l", 2]]]) == "-> (1, [2])"
    assert describe_value(-Kind.POLL, [[4, 1], [5, 20]]) == "4:in 5:out+hup"


def test_nothing_is_too_deep_or_too_large_to_be_shown() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert len(show(deep)) < 100
    assert show(1 << 100_000) == "an integer of 100001 bits"
    assert show(["i"] * 1000, 10) == "['i', 'i', 'i', 'i', 'i', ...]"
    words = describe_event(-Kind.ERROR, [-40, ["ValueError", [deep], {}]], {})
    assert words.startswith("door 40 raises ")
    assert len(words) < 300
