"""What is compiled does what its twins in Python do."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.compiled import compiled
from replay.recording import container, events, frames
from replay.runtime import garbage, hot
from replay.runtime.trio_ import live as trio_live
from replay.runtime.worlds import live

pytestmark = pytest.mark.skipif(compiled is None, reason="the compiled part was not built, or is left out")

WINDOW_BYTES = 2000
KEYS = st.integers(-(2**40), 2**40)
VALUES = st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=300) | st.text(max_size=20) | st.none()
ITEMS = st.lists(st.tuples(KEYS, VALUES), max_size=8).map(
    lambda found: [one for pair in found for one in pair]
)


def put_all(kind: Any, lists: list[tuple[int, list[Any]]]) -> tuple[bytes, list[Any], list[Any]]:
    """Put these into a window; return what it holds then, what did not fit, and where the end is."""
    rest = []

    class Frames(kind):  # type: ignore[misc]
        def _put_slowly(self, stream: int, items: list[object], payload: bytes) -> None:
            rest.append((stream, items, payload))

    window = bytearray(WINDOW_BYTES)
    made = Frames()
    made._encode, made._window, made._seed = frames.encode, window, 0x2ABC_DEF1
    made._frame_offset, made._full_offset, made._events_count = 16, WINDOW_BYTES - 100, 5
    for stream, items in lists:
        made.put(stream, items)
    return bytes(window), rest, [made._frame_offset, made._events_count]


@given(st.binary(max_size=600), st.integers(0, 2**32 - 1))
def test_a_checksum_is_that_of_zlib(data: bytes, start: int) -> None:
    assert compiled.crc32(data, start) == zlib.crc32(data, start)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), ITEMS), max_size=12))
def test_frames_are_the_same(lists: list[tuple[int, list[Any]]]) -> None:
    assert put_all(compiled.Frames, lists) == put_all(frames.PureFrames, lists)


def test_what_is_refused_leaves_the_window_as_it_was() -> None:
    made = compiled.Frames()
    with pytest.raises(RuntimeError, match="there is no window"):
        made.put(0, [1, 2])
    window = bytearray(100)
    made._encode, made._window, made._seed = frames.encode, window, 0
    made._frame_offset, made._full_offset, made._events_count = 0, 10_000, 0
    with pytest.raises(ValueError, match="outside of the window"):
        made.put(0, [1, bytes(200)])
    with pytest.raises(TypeError):
        made.put(0, [1, object()])
    with pytest.raises(OverflowError):
        made.put(-1, [1, 2])
    with pytest.raises(TypeError, match="a list"):
        made.put(0, (1, 2))
    assert (window, made._frame_offset, made._events_count) == (bytes(100), 0, 0)


def test_a_step_is_its_number_and_the_time_since_the_last() -> None:
    stream: Any = live.LiveStream(3, 0)
    before = live.LiveWorld.now_ns()
    stream.step(7)
    first = stream.last_ns
    stream.step(8)
    assert stream.items == [7, first, 8, stream.last_ns - first]
    assert before <= first <= stream.last_ns <= live.LiveWorld.now_ns()


def test_both_go_by_the_same_numbers() -> None:
    assert compiled.TAG_BITS == events.TAG_BITS
    assert compiled.UNMEASURED == events.UNMEASURED
    assert container.FRAME.size == compiled.FRAME_SIZE
    assert compiled.YOUNG == garbage.YOUNG
    assert compiled.BATCH_ITEMS == live.BATCH_ITEMS
    assert compiled.CLOCK_BATCH_S == hot.CLOCK_BATCH_S
    assert compiled.LONG_BATCH == trio_live._LONG_BATCH
    assert compiled.UNMEASURED_COUNT == trio_live._UNMEASURED_COUNT
