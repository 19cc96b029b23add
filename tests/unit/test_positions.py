"""Positions and event indices: one notation, parsed and printed; and what is refused, in whole messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.errors import UsageError
from replay.positions import (
    EventIndex,
    Position,
    Range,
    check_place,
    parse_place,
    parse_position,
    parse_range,
)

HINT = "`@N` is just before step N, `@N.k` inside it after k lines, `#N` the event of index N"
NUMBERS = st.integers(0, 10**15 - 1)


@given(NUMBERS, NUMBERS)
def test_what_is_printed_is_parsed(step: int, line: int) -> None:
    for place in (Position(step, line), EventIndex(step)):
        assert parse_place(str(place)) == place
        assert parse_place(f"  {place} ") == place
        assert parse_range(f"{place}..") == Range(place, None)
        assert parse_range(str(Range(place, place))) == Range(place, place)


@given(st.text(max_size=12))
def test_any_text_is_a_range_or_refused(text: str) -> None:
    try:
        found = parse_range(text)
    except UsageError:
        return
    assert parse_range(str(found)) == found


def test_order() -> None:
    assert Position(2) < Position(2, 1) < Position(3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("412..", Range(EventIndex(412), None)),
        ("#4..7", Range(EventIndex(4), EventIndex(7))),
        ("..@7", Range(None, Position(7))),
        ("@5..@7.2", Range(Position(5), Position(7, 2))),
        (" @5 .. @7 ", Range(Position(5), Position(7))),
        ("..", Range(None, None)),
        ("9", Range(EventIndex(9), EventIndex(9))),
        ("@9", Range(Position(9), Position(9))),
    ],
)
def test_ranges(text: str, expected: Range) -> None:
    assert parse_range(text) == expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("@", "not a position: '@'", HINT),
        ("", "not a position: ''", HINT),
        ("@-1", "not a position: '@-1'", HINT),
        ("@1.", "not a position: '@1.'", HINT),
        ("@\u0663", "not a position: '@\u0663'", HINT),
        ("@1234567890123456", "not a position: '@1234567890123456'", HINT),
        ("@3.0", "lines inside a step count from 1: @3.0", "`@3` is before the first"),
        ("1..2..3", "not a position: '2..3'", HINT),
        ("7..5", "the range is empty: #7 comes after #5", None),
        ("@7.2..@7", "the range is empty: @7.2 comes after @7", None),
        ("@5..7", "a range goes from event to event or from step to step: '@5..7'", HINT),
    ],
)
def test_what_is_refused(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        parse_range(text)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_an_event_is_no_position() -> None:
    assert parse_position("@4.2") == Position(4, 2)
    with pytest.raises(UsageError) as caught:
        parse_position("#4")
    assert caught.value.message == "#4 is an event, not a position"
    assert caught.value.hint == "`replay events FILE #4` says where it is"


def test_what_is_outside_is_told_with_the_range() -> None:
    for text in ("@0", "@20", "#880"):
        check_place(parse_place(text), steps_count=19, events_count=881)
    for text, bounds in (("@21", "@0..@20"), ("#881", "#0..#880")):
        with pytest.raises(UsageError) as caught:
            check_place(parse_place(text), steps_count=19, events_count=881)
        assert caught.value.message == f"{text} is outside of this recording, which has {bounds}"
    with pytest.raises(UsageError, match="#0 is outside of this recording, which has no events"):
        check_place(EventIndex(0), steps_count=0, events_count=0)
