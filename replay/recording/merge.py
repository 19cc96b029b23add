"""One order of the events of all streams: the order in which a replay meets them.

Streams are joined at their recorded hand-offs (``Kind.TURN``): a thread runs on until it stands
before a hand-off that is not the next one; then the thread goes on whose hand-off it is. This is the
rule by which a replay passes its baton, so an event's index, and a step's number, are the same
wherever they are printed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from replay.recording.events import Kind

_TURN_KEY: Final = -Kind.TURN


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a recording.

    Attributes:
      index: 0-based, in the merged order: ``#index``.
      step: the number of the step it belongs to, from 1; 0 before the first.
      stream: the thread.
      item: index into the stream's flat list, of its key.
    """

    index: int
    step: int
    stream: int
    item: int
    key: int
    value: Any


def merged(frames: Iterable[tuple[int, list[Any]]]) -> Iterator[Event]:
    """Yield the events of all frames in their merged order."""
    streams: dict[int, deque[list[Any]]] = {}
    for number, items in frames:
        streams.setdefault(number, deque()).append(items)
    cursors = {number: _Cursor(number, parts) for number, parts in streams.items()}
    parked: dict[int, _Cursor] = {}
    for cursor in list(cursors.values()):
        if cursor.number != 0:
            turn = cursor.turn()
            if turn is not None:
                parked[turn] = cursor
    running = cursors.get(0)
    expected = 1
    index = step = 0
    while running is not None:
        turn = running.turn()
        if turn is not None and turn != expected:
            parked[turn] = running
            running = None
        elif running.done:
            running = None
        else:
            if turn is not None:
                expected += 1
            key, value, item = running.take()
            if key >= 0:
                step += 1
            yield Event(index, step, running.number, item, key, value)
            index += 1
        if running is None:
            running = parked.pop(expected, None)
            if running is None and parked:
                # The hand-off in between was lost with the end of a cut recording.
                expected = min(parked)
                running = parked.pop(expected)


class _Cursor:
    """A position in one stream."""

    def __init__(self, number: int, parts: deque[list[Any]]) -> None:
        self.number = number
        self._parts = parts
        self._at = 0
        self._passed = 0
        self._settle()

    def _settle(self) -> None:
        while self._parts and self._at >= len(self._parts[0]):
            self._passed += len(self._parts.popleft())
            self._at = 0

    @property
    def done(self) -> bool:
        return not self._parts

    def turn(self) -> int | None:
        """Return the number of the hand-off that is next here, or ``None``."""
        if not self._parts or self._parts[0][self._at] != _TURN_KEY:
            return None
        number = self._parts[0][self._at + 1]
        return number if isinstance(number, int) else None

    def take(self) -> tuple[int, Any, int]:
        part, at = self._parts[0], self._at
        found = part[at], part[at + 1], self._passed + at
        self._at += 2
        self._settle()
        return found


