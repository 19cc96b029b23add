"""The order of events: the same however they lie in the file, which is read only as far as needed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from replay.recording.events import Kind
from replay.recording.merge import merged

TURN = -Kind.TURN
FINISH = -Kind.FINISH

Frames = list[tuple[int, list[Any]]]


def keys(frames: Frames) -> list[tuple[int, int, int, int, int]]:
    return [(event.index, event.step, event.stream, event.item, event.key) for event in merged(frames)]


def run_of(hand_offs: list[tuple[int, int]]) -> dict[int, list[Any]]:
    """Return a run of three threads: for each hand-off whose it is, and how many events follow it."""
    streams: dict[int, list[Any]] = {0: [1, 10], 1: [], 2: []}
    for turn, (number, events_count) in enumerate(hand_offs, 1):
        streams[number] += [TURN, turn]
        for key in range(events_count):
            streams[number] += [key, 1]
    return streams


def split(random: Random, streams: dict[int, list[Any]]) -> Frames:
    """Cut each stream into frames, and mix these, each stream in its order."""
    left = {number: list(items) for number, items in streams.items() if items}
    frames: Frames = []
    while left:
        number = random.choice(sorted(left))
        size = 2 * random.randrange(4)
        frames.append((number, left[number][:size]))
        left[number] = left[number][size:]
        if not left[number]:
            del left[number]
    return frames


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=20), st.integers(0, 1000))
def test_the_order_is_that_of_the_hand_offs_however_the_file_is_cut(
    hand_offs: list[tuple[int, int]], seed: int
) -> None:
    streams = run_of(hand_offs)
    whole = keys(list(streams.items()))
    assert keys(split(Random(seed), streams)) == whole
    turns = [event.value for event in merged(list(streams.items())) if event.key == TURN]
    assert turns == list(range(1, len(turns) + 1))
    assert len(whole) == sum(map(len, streams.values())) // 2


def test_one_thread_is_read_frame_by_frame() -> None:
    read: list[int] = []

    def frames() -> Iterator[tuple[int, list[Any]]]:
        for number in range(3):
            read.append(number)
            yield 0, [1, 10, 2, 20]

    events = merged(frames())
    for wanted in ([0], [0], [0, 1]):
        next(events)
        assert read == wanted


def test_a_thread_that_is_over_is_not_looked_for() -> None:
    read: list[int] = []

    def frames() -> Iterator[tuple[int, list[Any]]]:
        yield 1, [TURN, 1, 5, 0, TURN, 2, FINISH, 0]
        yield 0, [TURN, 3, 1, 10]
        for number in range(10):
            read.append(number)
            yield 0, [1, 10]

    found = [next(events).stream for events in [merged(frames())] for _ in range(6)]
    assert found == [1, 1, 1, 1, 0, 0]
    assert read == []


def test_a_hand_off_that_was_lost_is_passed_over() -> None:
    assert [event[2] for event in keys([(0, [1, 1, TURN, 1]), (1, [TURN, 3, 4, 1])])] == [0, 0, 1, 1]


def test_nonsense_ends() -> None:
    for frames in (
        [(0, [TURN, "x", TURN, None])],
        [(0, [TURN, 5]), (1, [TURN, 5]), (2, [TURN, -1])],
        [(3, [1, 1])],
        [],
        [(0, [])],
    ):
        list(merged(frames))
