"""Stops that are noticed only when it has happened: which line was it that suspended, or took an event?

What is met is the place before: the last line of the program's own code that had begun, or the step. So a
client that goes on to such a stop has it looked for in a copy of the process, and then goes there.
"""

from __future__ import annotations

from asyncio import Task
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from types import FrameType
from typing import Any, Protocol

from replay.runtime.boundary.table import replace
from replay.runtime.inspection.values import is_a
from replay.runtime.streams import current
from replay.runtime.tracebacks import unseen

Place = list[Any]
"""Step, line and owner."""


class Noticed(Protocol):
    """Something that may have happened since the place before.

    Attributes:
      sees_end: it may still be looked at when the program has ended.
    """

    form: Mapping[str, Any]
    sees_end: bool

    def begin(self, control: Any) -> None:
        """The program is about to go on from where it stands."""

    def look(self, frame: FrameType | None, owner: str) -> list[Any] | None:
        """Return what there is to say about it, if it has happened since; at a line, or before a step."""


class Consumed:
    """Events of the recording, of certain kinds, that the program has been answered with."""

    sees_end = True

    def __init__(self, form: Mapping[str, Any]) -> None:
        self.form = form
        self._tags = frozenset(form["tags"])
        self._world: Any = None
        self._seen: dict[int, int] = {}

    def begin(self, control: Any) -> None:
        """Count from here."""
        self._world = control.world
        self._world.begin_noting()

    def look(self, frame: FrameType | None, owner: str) -> list[Any] | None:
        """Return its tag if there was one."""
        found: list[Any] = []
        for number, stream in self._world.streams.items():
            stream.note()
            seen = self._seen.get(number, 0)
            self._seen[number] = len(stream.tags)
            found += [tag for tag in stream.tags[seen:] if tag in self._tags]
        return found[:1] or None


class Awaits:
    """Frames that have come to a line with an await, and may suspend there: then that line is met."""

    def __init__(self, stops: Sequence[Mapping[str, Any]]) -> None:
        self.stops = stops
        # By the id of the frame: to hold on to it would keep alive what ends with it.
        self._at: dict[int, tuple[Mapping[str, Any], Place]] = {}

    def arrive(self, frame: FrameType, one: Mapping[str, Any] | None, place: Place) -> None:
        """A frame comes to a line, of the stop ``one`` or of none."""
        if one is None:
            self._at.pop(id(frame), None)
        else:
            self._at[id(frame)] = (one, place)

    def suspend(self, frame: FrameType, step: int) -> tuple[Mapping[str, Any], Place] | None:
        """A frame suspends; return the stop that is met, and where, the first time."""
        found = self._at.pop(id(frame), None)
        # A frame that waits on has come there in another step.
        return found if found is not None and found[1][0] == step else None

    def may_be_before(self, position: tuple[int, int]) -> bool:
        """Whether one that came before a position may suspend yet."""
        return any((place[0], place[1]) < position for _, place in self._at.values())


class Cancelling:
    """Tells of each call of ``Task.cancel`` for a task that has not ended, by a function in its place.

    It is there before the program begins: a method that is bound (``call_later(1, task.cancel)``) cannot be
    replaced any more. A task that waits for another one cancels that: one call is inside the other.

    Attributes:
      is_on: whether somebody wants to know.
    """

    def __init__(self, on_cancel: Callable[[Any, Sequence[Any]], None]) -> None:
        """``on_cancel(task, through)``: before it is cancelled; ``through``: what is, outermost first."""
        self.is_on = False
        self._through: dict[int, list[Any]] = {}  # of each thread
        real, done = Task.cancel, Task.done

        @wraps(real)
        def cancel(*args: Any, **kwargs: Any) -> bool:
            stream = current.stream
            if not self.is_on or stream is None or not args or not is_a(args[0], Task) or done(args[0]):
                return real(*args, **kwargs)
            through = self._through.setdefault(stream.number, [])
            on_cancel(args[0], through)
            through.append(args[0])
            try:
                return real(*args, **kwargs)
            finally:
                through.pop()

        replacement: Any = unseen(cancel)
        del replacement.__wrapped__  # by which asyncio would show, in the `repr` of a handle, where that is
        replace(Task, "cancel", replacement)
