"""One order of the events of all streams: the order in which a replay meets them.

Streams are joined at their recorded hand-offs (``Kind.TURN``): a thread runs on until it stands
before a hand-off that is not the next one; then the thread goes on whose hand-off it is. This is the
rule by which a replay passes its baton, so an event's index, and a step's number, are the same
wherever they are printed.

Frames are taken one by one, when the stream that runs needs its next: a program of one thread is read in
the memory of one chunk. With several threads, what lies in the file between two frames of the same thread is
kept meanwhile; a thread that stays blocked for the whole run makes that the rest of the file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from replay.recording.events import Kind

_TURN_KEY: Final = -Kind.TURN
_FINISH_KEY: Final = -Kind.FINISH


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a recording.

    Attributes:
      index: 0-based, in the merged order: ``#index``.
      step: how many steps have begun so far, its own included: the event belongs to position ``@step``; 0
        before the first.
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
    """Yield the events of all frames in their merged order; see above for what is kept in memory."""
    streams = _Streams(frames)
    running = streams.main()
    expected = 1
    index = step = 0
    while running is not None:
        turn = running.turn() if streams.fill(running) else None
        if running.is_dry:
            running = None
        elif turn is not None and turn != expected:
            streams.parked[turn] = running
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
            running = streams.next_at(expected)
            if running is None and streams.parked:
                # The hand-off in between was lost with the end of a cut recording.
                expected = min(streams.parked)
                running = streams.next_at(expected)


class _Cursor:
    """A position in one stream."""

    __slots__ = ("_at", "_parts", "_passed", "is_finished", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_finished = False
        self._parts: deque[list[Any]] = deque()
        self._at = 0
        self._passed = 0

    def add(self, items: list[Any]) -> None:
        self._parts.append(items)

    @property
    def is_dry(self) -> bool:
        """Nothing of it is at hand; there may be more in the file."""
        return not self._parts

    def turn(self) -> int | None:
        """Return the number of the hand-off that is next here, or ``None``."""
        if not self._parts or self._parts[0][self._at] != _TURN_KEY:
            return None
        number = self._parts[0][self._at + 1]
        return number if isinstance(number, int) else None

    def take(self) -> tuple[int, Any, int]:
        part, at = self._parts[0], self._at
        key = part[at]
        found = key, part[at + 1], self._passed + at
        if key == _FINISH_KEY:
            self.is_finished = True
        self._at = at + 2
        if self._at >= len(part):
            self._passed += len(part)
            self._parts.popleft()
            self._at = 0
        return found


class _Streams:
    """The streams so far, and the frames that are still to be read."""

    def __init__(self, frames: Iterable[tuple[int, list[Any]]]) -> None:
        self._frames = iter(frames)
        self._cursors: dict[int, _Cursor] = {}
        self.parked: dict[int, _Cursor] = {}

    def main(self) -> _Cursor | None:
        """Return the main stream, once there is something in it."""
        main = self._cursors[0] = _Cursor(0)
        return main if self.fill(main) else None

    def fill(self, cursor: _Cursor) -> bool:
        """Read on until this stream has something; return whether it has."""
        while cursor.is_dry and not cursor.is_finished:
            if not self._read():
                return False
        return not cursor.is_dry

    def next_at(self, turn: int) -> _Cursor | None:
        """Return the stream that stands before this hand-off, reading on until one does."""
        while turn not in self.parked:
            if not self._read():
                return None
        return self.parked.pop(turn)

    def _read(self) -> bool:
        """Take the next frame of the file; a stream that begins stands before a hand-off."""
        found = next(self._frames, None)
        if found is None:
            return False
        number, items = found
        if not items:
            return True
        cursor = self._cursors.get(number)
        is_new = cursor is None
        if cursor is None:
            cursor = self._cursors[number] = _Cursor(number)
        cursor.add(items)
        if is_new:
            turn = cursor.turn()
            if turn is not None:
                self.parked.setdefault(turn, cursor)
        return True
