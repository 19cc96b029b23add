"""Positions and event indices, as they are written everywhere: ``@N``, ``@N.k`` and ``#N``.

``@N`` is the place just before step N, N from 1; ``@0`` is the start of the recording, and the number after
that of the last step is its end. ``@N.k`` is inside step N, after k line events, k from 1: only a replay
knows these. ``#N`` is the event of index N, from 0; an index is never a position. What one part of this
project prints, every other one takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from replay.errors import UsageError

MAX_NUMBER: Final = 10**15 - 1
"""No run has so many steps or events; a longer number is a slip of the keyboard."""

_POSITION: Final = re.compile(r"@(\d{1,15})(?:\.(\d{1,15}))?", re.ASCII)
_INDEX: Final = re.compile(r"#(\d{1,15})", re.ASCII)
_BARE: Final = re.compile(r"\d{1,15}", re.ASCII)
_HINT: Final = "`@N` is just before step N, `@N.k` inside it after k lines, `#N` the event of index N"


@dataclass(frozen=True, order=True, slots=True)
class Position:
    """A place in a run, in the order in which they are passed.

    Attributes:
      step: from 1; 0 is the start of the recording.
      line: line events of that step that have passed; 0 is just before the step.
    """

    step: int
    line: int = 0

    def __str__(self) -> str:
        return f"@{self.step}.{self.line}" if self.line else f"@{self.step}"


@dataclass(frozen=True, order=True, slots=True)
class EventIndex:
    """An event of a recording, by its 0-based index."""

    index: int

    def __str__(self) -> str:
        return f"#{self.index}"


Place: TypeAlias = Position | EventIndex


@dataclass(frozen=True, slots=True)
class Range:
    """From one place to another, both included; None is the end of the recording on that side."""

    first: Place | None
    last: Place | None

    def __str__(self) -> str:
        if self.first is not None and self.first == self.last:
            return str(self.first)
        return f"{'' if self.first is None else self.first}..{'' if self.last is None else self.last}"


def parse_place(text: str) -> Place:
    """Return what ``@N``, ``@N.k`` or ``#N`` names.

    Raises:
      UsageError: it is none of these.
    """
    text = text.strip()
    found = _POSITION.fullmatch(text)
    if found is not None:
        if found[2] is not None and int(found[2]) == 0:
            hint = f"`@{found[1]}` is before the first"
            raise UsageError(f"lines inside a step count from 1: {text}", hint=hint)
        return Position(int(found[1]), int(found[2] or 0))
    found = _INDEX.fullmatch(text)
    if found is not None:
        return EventIndex(int(found[1]))
    raise UsageError(f"not a position: {text!r:.60}", hint=_HINT)


def parse_position(text: str) -> Position:
    """Return the position that ``@N`` or ``@N.k`` names.

    Raises:
      UsageError: it is no position.
    """
    place = parse_place(text)
    if isinstance(place, EventIndex):
        hint = f"`replay events FILE {place}` says where it is"
        raise UsageError(f"{place} is an event, not a position", hint=hint)
    return place


def parse_range(text: str) -> Range:
    """Return the range that ``A..B``, ``A..``, ``..B`` or ``A`` alone names; a bare ``N`` in it is ``#N``.

    Raises:
      UsageError: it is none, A is behind B, or one is an event and the other a position.
    """
    left, dots, right = text.partition("..")
    first = _end(left) if left.strip() or not dots else None
    last = _end(right) if right.strip() else None
    if not dots:
        return Range(first, first)
    if first is None or last is None:
        return Range(first, last)
    if isinstance(first, Position) != isinstance(last, Position):
        raise UsageError(f"a range goes from event to event or from step to step: {text!r:.60}", hint=_HINT)
    if first > last:  # type: ignore[operator]  # both are of one type
        raise UsageError(f"the range is empty: {first} comes after {last}")
    return Range(first, last)


def check_place(place: Place, *, steps_count: int, events_count: int) -> None:
    """Refuse a place that a recording of this size does not have.

    Raises:
      UsageError: it is outside; says what there is.
    """
    if isinstance(place, Position):
        is_there, bounds = place.step <= steps_count + 1, f"@0..@{steps_count + 1}"
    else:
        is_there = place.index < events_count
        bounds = f"#0..#{events_count - 1}" if events_count else "no events"
    if not is_there:
        raise UsageError(f"{place} is outside of this recording, which has {bounds}")


def _end(text: str) -> Place:
    text = text.strip()
    return EventIndex(int(text)) if _BARE.fullmatch(text) else parse_place(text)
