"""The clocks of the simulated world: all of them show the one virtual time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from replay.runtime.worlds.simulated.agenda import START_NS, Agenda

READ_NS: Final = 1000
"""What it costs to read a clock: a program that waits for a moment by looking at one comes to it."""

_SINCE_START: Final = frozenset(
    getattr(time, name)
    for name in ("CLOCK_PROCESS_CPUTIME_ID", "CLOCK_THREAD_CPUTIME_ID")
    if hasattr(time, name)
)
_OF_DAY: Final = frozenset(
    getattr(time, name)
    for name in ("CLOCK_REALTIME", "CLOCK_TAI", "CLOCK_REALTIME_COARSE")
    if hasattr(time, name)
)


class Clocks:
    """The calls.

    Args:
      agenda: has the time.
      start_ns: the time of day at which the program begins, in nanoseconds since 1970 (UTC).

    Attributes:
      offset_ns: the time of day, less the virtual time; somebody may set the clock.
    """

    def __init__(self, agenda: Agenda, start_ns: int) -> None:
        self._agenda = agenda
        self.offset_ns = start_ns - START_NS

    def table(self) -> dict[str, Callable[..., Any]]:
        """Return what answers each door."""
        found: dict[str, Callable[..., Any]] = {}
        for name, read in (
            ("monotonic", self.passed),
            ("perf_counter", self.passed),
            ("time", self.of_day),
            ("process_time", self.used),
            ("thread_time", self.used),
        ):
            found[f"time.{name}"] = _in_seconds(read)
            found[f"time.{name}_ns"] = read
        found["time.sleep"] = self.sleep
        found["time.clock_gettime"] = lambda clock: self.of_clock(clock) / 1e9
        found["time.clock_gettime_ns"] = self.of_clock
        return found

    def jump(self, by_ns: int) -> None:
        """Set the time of day forward, or back."""
        self.offset_ns += by_ns

    def passed(self) -> int:
        """Return the time from some point, in nanoseconds."""
        self._agenda.now_ns += READ_NS
        return self._agenda.now_ns

    def of_day(self) -> int:
        """Return the time since 1970, in nanoseconds."""
        return self.passed() + self.offset_ns

    def used(self) -> int:
        """Return the time since the start, in nanoseconds."""
        return self.passed() - START_NS

    def of_clock(self, clock: int) -> int:
        """Return what one of the system's clocks shows, in nanoseconds."""
        if clock in _OF_DAY:
            return self.of_day()
        return self.used() if clock in _SINCE_START else self.passed()

    def sleep(self, seconds: float, /) -> None:
        """Let so much time pass."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self._agenda.sleep(round(seconds * 1e9))


def _in_seconds(read: Callable[[], int]) -> Callable[[], float]:
    def seconds() -> float:
        return read() / 1e9

    return seconds
