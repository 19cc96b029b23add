"""Signals: caught when they come, delivered where replay can find the place again.

A Python signal handler runs between any two instructions of the main thread; no replay could find
that place. So while recording, every handler that the program sets is kept in a table and a function
of ours is what Python calls: it notes the number, and if the main thread is inside a wait that can be
begun again, throws it out of there. The handler itself runs at the next turn of a loop, between
steps, or at the next door. An effect that waits (a write to a full pipe) cannot be begun again, since a part
of it may be out: there the handler runs inside, as it would plainly, between the event that announces
the effect and that of its result.

A program that is busy in code without any door for longer than a second, or that gets a second Ctrl-C
while the first still waits: there the replayable part ends, and the handler runs at once, as it would
plainly.

Signals that would end the process at once, since the program has no handler for them, end the
recording first (``runtime.ending``).
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from itertools import starmap
from types import FrameType
from typing import Any, Final

from replay.runtime import real
from replay.runtime.tracebacks import is_our_frame

Handler = Callable[[int, FrameType | None], Any] | int | None


class Interrupted(BaseException):
    """Thrown into a wait of the main thread, by our handler only."""


INTERRUPTED: Final = object()
"""Stands for the result of a wait that a signal ended."""


IMPATIENT: Final = frozenset((signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM))
"""Whoever sends one of these twice wants the program to end; others come in numbers."""

PATIENCE_S: Final = 0.25
"""A second signal that comes sooner after the first tells nothing of whether the program is busy."""


OVERDUE_S: Final = 1.0
"""So long may a handler have to wait for the program to come to a door."""


class Signals:
    """The program's handlers, and what came in.

    Attributes:
      pending: numbers of signals whose handlers are to be run.
      on_catch: called for each signal that came in, at once: must do next to nothing.
      wake_fd: where the interpreter writes a byte for each signal, which ends a loop's wait; or -1.
      handlers: what the program set, by number.
      is_plain: nothing is recorded any more: handlers run at once.
      on_repeat: ends the replayable part, because of a signal; whether it could, from a frame.
      fatal: the number of a signal that ends the process as soon as the file may be written to; or 0.
      end: ends the recording and the process, as by a signal; a handler.
    """

    def __init__(self) -> None:
        self.pending: list[int] = []
        self.on_catch: list[Callable[[], None]] = []
        self.wake_fd = -1
        self.handlers: dict[int, Handler] = {}
        self.is_plain = False
        self.on_repeat: Callable[[int, FrameType | None], bool] | None = None
        self.fatal = 0
        self.end: Callable[[int, FrameType | None], None] | None = None
        self._waiting_since: dict[int, float] = {}
        self._is_waiting = False
        self._inside: tuple[Callable[[], None], list[Any]] | None = None
        self._overdue = 0
        self._is_watched = False
        self._main_ident = real.get_ident()

    def catch(self, number: int, frame: FrameType | None) -> None:
        """What Python calls when a signal came in."""
        if number not in self.pending:
            self._waiting_since[number] = real.monotonic()
        elif (
            (number in IMPATIENT or number == self._overdue)
            and self.on_repeat is not None
            and real.monotonic() - self._waiting_since[number] > PATIENCE_S
            and self.on_repeat(number, frame)
        ):
            self.is_plain = True
        if number == self._overdue:
            self._overdue = 0
        else:
            self.pending.append(number)
        for action in self.on_catch:
            action()
        if self.wake_fd >= 0:
            try:
                real.read(self.wake_fd, 4096)
            except OSError:  # empty
                pass
        is_waiting, self._is_waiting = self._is_waiting, False
        if self.is_plain:
            waiting = self.pending[:]
            self.pending.clear()
            for one in waiting:
                handler = self.handlers.get(one)
                if callable(handler):
                    handler(one, frame)
        self._reach_wait(is_waiting)
        if self.pending and not self._is_watched:
            self._is_watched = True
            real.start_apart(self._watch, ())

    def arrive(self, number: int) -> None:
        """Let a signal come in just now that is not the system's; for the main thread."""
        if number not in self.pending:
            self.pending.append(number)
        for action in self.on_catch:
            action()
        is_waiting, self._is_waiting = self._is_waiting, False
        self._reach_wait(is_waiting)

    def _reach_wait(self, is_waiting: bool) -> None:
        """End the wait of the main thread, or deliver inside the effect that it is in."""
        if is_waiting:
            raise Interrupted
        inside = self._inside
        if inside is not None and not inside[1]:
            self._deliver_inside(inside)

    def _watch(self) -> None:
        """Send a signal again whose handler has to wait for too long."""
        real.sleep(OVERDUE_S)
        self._is_watched = False
        now = real.monotonic()
        for number in self.pending[:1]:
            if now - self._waiting_since.get(number, now) >= OVERDUE_S:
                self._overdue = number
                real.pthread_kill(self._main_ident, number)

    def end_process(self, number: int, frame: FrameType | None) -> None:
        """What Python calls when a signal came in that the program leaves at its default."""
        if self.end is not None:
            self.end(number, frame)

    def perform(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> Any:
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

    def perform_effect(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        deliver: Callable[[], None],
    ) -> Any:
        """Call a C function with an effect, which may wait; ``deliver`` runs handlers inside it.

        The function itself looks for signals when one interrupts it, and goes on with what is left, or ends
        with what the handler raised.
        """
        result: list[Any] = []  # once it is in there, the call is over, and handlers run after it
        inside = deliver, result
        try:
            self._inside = inside
            if self.pending:
                self._deliver_inside(inside)
            result.extend(starmap(partial(function, **kwargs) if kwargs else function, (args,)))
            return result[0]
        finally:
            self._inside = None

    def _deliver_inside(self, inside: tuple[Callable[[], None], list[Any]]) -> None:
        while True:
            self._inside = None  # what comes while a handler runs waits for its doors, or its end
            inside[0]()
            self._inside = inside
            if not self.pending:
                return

    def deliver(self, number: int) -> None:
        """Run the program's handler."""
        handler = self.handlers.get(number)
        if callable(handler):
            frame: FrameType | None = real.getframe(1)
            while frame is not None and is_our_frame(frame):
                frame = frame.f_back
            handler(number, frame)


signals = Signals()

DEFAULTS = (signal.SIG_DFL, signal.SIG_IGN)
