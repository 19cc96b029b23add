"""Signals: caught when they come, delivered where replay can find the place again.

A Python signal handler runs between any two instructions of the main thread; no replay could find
that place. So while recording, every handler that the program sets is kept in a table and a function
of ours is what Python calls: it notes the number, and if the main thread is inside a wait that can be
begun again, throws it out of there. The handler itself runs at the next turn of a loop, between
steps, or at the next door.

A second signal that finds the first of its kind still waiting means that the program is busy in code
without any door: the replayable part ends there, and the handler runs at once, as it would plainly.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from itertools import starmap
from types import FrameType
from typing import Any, Final

from replay.runtime import real

Handler = Callable[[int, FrameType | None], Any] | int | None


class Interrupted(BaseException):
    """Thrown into a wait of the main thread, by our handler only."""


INTERRUPTED: Final = object()
"""Stands for the result of a wait that a signal ended."""


class Signals:
    """The program's handlers, and what came in."""

    def __init__(self) -> None:
        self.pending: list[int] = []
        self.handlers: dict[int, Handler] = {}
        self.on_repeat: Callable[[int], None] | None = None
        self._is_waiting = False

    def catch(self, number: int, frame: FrameType | None) -> None:
        """What Python calls when a signal came in."""
        if number in self.pending and self.on_repeat is not None:
            self.on_repeat(number)
        self.pending.append(number)
        if self._is_waiting:
            self._is_waiting = False
            raise Interrupted

    def perform(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a C function that waits; return ``INTERRUPTED`` if there is a signal to deliver instead.

        A wait that has already succeeded when the signal comes must not lose its result. So the result
        goes into a list within C code: handlers run only between instructions, or where the
        function itself looks for signals because it was interrupted.
        """
        if self.pending:
            return INTERRUPTED
        result: list[Any] = []
        try:
            self._is_waiting = True
            result.extend(starmap(partial(function, **kwargs) if kwargs else function, (args,)))
        except Interrupted:
            pass
        finally:
            self._is_waiting = False
        return result[0] if result else INTERRUPTED

    def deliver(self, number: int) -> None:
        """Run the program's handler."""
        handler = self.handlers.get(number)
        if callable(handler):
            handler(number, real.getframe(1))


signals = Signals()

DEFAULTS = (signal.SIG_DFL, signal.SIG_IGN)
