"""Signals of the simulated world: those that the program sends to itself, and its timers.

None of them is the system's: a signal comes to the main thread where that waits, or just now if it is the one
that runs. From there on they are delivered as real ones are (``runtime.signals``).
"""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

from replay.runtime.signals import DEFAULTS, signals
from replay.runtime.worlds.simulated.agenda import Agenda, Channel, Coming
from replay.runtime.worlds.simulated.description import fail
from replay.runtime.worlds.simulated.descriptors import Descriptors
from replay.runtime.worlds.simulated.entropy import PID

_IGNORED: Final = frozenset((signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH))
_STOPPING: Final = frozenset((signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))
_NEVER_BLOCKED: Final = frozenset((signal.SIGKILL, signal.SIGSTOP))

_TIMERS: Final = {
    signal.ITIMER_REAL: signal.SIGALRM,
    signal.ITIMER_VIRTUAL: signal.SIGVTALRM,
    signal.ITIMER_PROF: signal.SIGPROF,
}

_WATCHDOGS: Final = (
    "faulthandler.cancel_dump_traceback_later",
    "faulthandler.dump_traceback",
    "faulthandler.dump_traceback_later",
)


def _watch(*args: Any) -> None:
    """Watch in no way: real time is not the program's, and who runs it sees what hangs."""


class _Timer:
    """A timer of the system."""

    def __init__(self, number: int) -> None:
        self.channel = Channel(signal.Signals(number).name)
        self.coming: Coming | None = None
        self.interval_ns = 0


class Signals:
    """The calls.

    Args:
      agenda: has the main thread, which signals come to, and the time.
      descriptors: one of them may be told of each signal.
      refuse: is told by name what is not simulated; does not return.
      end: ends the run, as by a signal.
    """

    def __init__(
        self,
        agenda: Agenda,
        descriptors: Descriptors,
        refuse: Callable[[str], NoReturn],
        end: Callable[[int], NoReturn],
    ) -> None:
        self._agenda = agenda
        self._descriptors = descriptors
        self._refuse = refuse
        self._end = end
        self._blocked: set[int] = set()
        self._held: list[int] = []
        self._watched: dict[int, bool] = {}
        """The signals that a watchdog is registered for, and whether it passes them on."""
        self._wakeup_fd = -1
        self._timers = {which: _Timer(number) for which, number in _TIMERS.items()}
        agenda.on_signal = signals.arrive

    def table(self) -> dict[str, Callable[..., Any]]:
        """Return what answers each door."""
        return {
            "os.kill": self.kill,
            "signal.raise_signal": self.send,
            "signal.pthread_kill": self._kill_thread,
            "_thread.interrupt_main": lambda number=signal.SIGINT: self.send(number),
            "signal.signal": lambda number, handler: None,
            "signal.siginterrupt": lambda number, flag: None,
            "signal.set_wakeup_fd": self._set_wakeup,
            **dict.fromkeys(_WATCHDOGS, _watch),
            "faulthandler.register": self._register,
            "faulthandler.unregister": lambda number: self._watched.pop(int(number), None) is not None,
            "signal.alarm": self._alarm,
            "signal.setitimer": self._set_timer,
            "signal.getitimer": self._left,
            "signal.pthread_sigmask": self._mask,
            "signal.sigpending": lambda: _as_enums(self._held),
            "signal.sigwait": self._wait,
            "signal.pause": self._pause,
        }

    # -- sending --------------------------------------------------------------------------------

    def kill(self, pid: int, number: int, /) -> None:
        """Send a signal to a process."""
        if pid not in (PID, 0):
            raise fail(errno.ESRCH)
        self.send(number)

    def _kill_thread(self, thread: int, number: int, /) -> None:
        self.send(number)  # handlers run in the main thread, whichever it was sent to

    def send(self, number: int, /) -> None:
        """Send a signal to the program.

        Raises:
          OSError: there is no such signal.
        """
        number = int(number)
        if not 0 <= number < signal.NSIG:
            raise fail(errno.EINVAL)
        if not number:
            return
        if number in self._blocked:
            if number not in self._held:
                self._held.append(number)
            return
        if not self._watched.get(number, True):
            return
        handler = signals.handlers.get(number, signal.SIG_DFL)
        if handler == signal.SIG_IGN:
            return
        if handler in (*DEFAULTS, None):
            if number in _STOPPING:
                self._refuse(f"{signal.Signals(number).name}, which stops the program,")
            if number not in _IGNORED:
                self._end(number)
            return
        self._tell(number)
        self._agenda.signal(number)

    def _register(self, number: int, fd: int, all_threads: bool, chain: bool) -> None:
        self._watched[int(number)] = chain

    def _tell(self, number: int) -> None:
        found = self._descriptors.find(self._wakeup_fd)
        if found is not None:
            try:
                found.write(bytes((number,)))
            except OSError:  # it is full, or closed: as the interpreter, go on
                pass

    def _set_wakeup(self, fd: int, /, *, warn_on_full_buffer: bool = True) -> int:
        if self._agenda.running is not self._agenda.main:
            raise ValueError("set_wakeup_fd only works in main thread of the main interpreter")
        if fd != -1:
            found = self._descriptors.find(fd)
            if found is None:
                raise fail(errno.EBADF)
            if found.is_blocking:
                raise ValueError(f"the fd {fd} must be in non-blocking mode")
        before, self._wakeup_fd = self._wakeup_fd, fd
        return before if self._descriptors.find(before) is not None else -1

    # -- timers ---------------------------------------------------------------------------------

    def _alarm(self, seconds: int, /) -> int:
        left, _ = self._set_timer(signal.ITIMER_REAL, seconds)
        return -int(-left // 1)

    def _set_timer(self, which: int, seconds: float, interval: float = 0.0, /) -> tuple[float, float]:
        before = self._left(which)
        if seconds < 0 or interval < 0:
            raise signal.ItimerError(errno.EINVAL, "Invalid argument")
        timer = self._timers[which]
        self._agenda.drop(timer.channel)
        timer.channel.last_due_ns = 0
        timer.coming = None
        timer.interval_ns = round(interval * 1e9)
        if seconds:
            self._start(timer, _TIMERS[which], round(seconds * 1e9))
        return before

    def _start(self, timer: _Timer, number: int, delay_ns: int) -> None:
        def ring() -> None:
            timer.coming = None
            if timer.interval_ns:
                self._start(timer, number, timer.interval_ns)
            self.send(number)

        timer.coming = self._agenda.send(timer.channel, delay_ns, ring)

    def _left(self, which: int, /) -> tuple[float, float]:
        timer = self._timers.get(which)
        if timer is None:
            raise signal.ItimerError(errno.EINVAL, "Invalid argument")
        left_ns = 0 if timer.coming is None else max(1000, timer.coming.when_ns - self._agenda.now_ns)
        return left_ns / 1e9, timer.interval_ns / 1e9

    # -- waiting --------------------------------------------------------------------------------

    def _mask(self, how: int, mask: Iterable[int], /) -> set[Any]:
        before = _as_enums(self._blocked)
        numbers = {int(one) for one in mask} - _NEVER_BLOCKED
        if how == signal.SIG_BLOCK:
            self._blocked |= numbers
        elif how == signal.SIG_UNBLOCK:
            self._blocked -= numbers
        elif how == signal.SIG_SETMASK:
            self._blocked = numbers
        else:
            raise fail(errno.EINVAL)
        for number in [one for one in self._held if one not in self._blocked]:
            self._held.remove(number)
            self.send(number)
        return before

    def _wait(self, sigset: Iterable[int], /) -> Any:
        numbers = {int(one) for one in sigset}

        def waiting() -> list[int]:
            return [one for one in self._held if one in numbers]

        if not waiting():
            self._agenda.wait(lambda: bool(waiting()))
        number = min(waiting())
        self._held.remove(number)
        return signal.Signals(number)

    def _pause(self, *is_over: bool) -> None:
        if not is_over:
            self._agenda.wait(lambda: False)  # until a signal comes in


def _as_enums(numbers: Iterable[int]) -> set[Any]:
    return {signal.Signals(one) for one in numbers}
