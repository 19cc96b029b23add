"""Where a recorded run hung, and who waited for whom there.

A run that hung has ended all the same: by a signal, by the time that it was given, or it was killed. If the
program itself was told of the signal (Ctrl-C), it went on and cleaned up; so it is looked at before it was
told. Otherwise the recording ends where it hung.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from replay.analysis.deadlocks import Blocked, Deadlocks, find_deadlocks
from replay.errors import ReplayError
from replay.positions import Position
from replay.timeline.debuggee import Debuggee, Stop
from replay.timeline.timeline import Timeline

MAX_SIGNALS: Final = 100
"""It is looked at before so many signals at most, and at the end."""


@dataclass(frozen=True, slots=True)
class Hang:
    """A moment of a recorded run, and who waited for whom then.

    Attributes:
      position: the end of that step.
      before_signal: whether it is before the program was told of a signal; otherwise it is the end.
      is_stopped: whether the program came to no end of its own.
      threads: the lines of the program where other threads wait.
    """

    position: Position
    before_signal: bool
    is_stopped: bool
    deadlocks: Deadlocks
    threads: tuple[dict[str, Any], ...]


class DivergedError(ReplayError):
    """The replay is not the recorded run."""


def find_hang(timeline: Timeline) -> Hang:
    """Return the first moment with a deadlock; else the last one that was looked at.

    Raises:
      DivergedError: the replay came to no end.
    """
    runner = timeline.from_start()
    try:
        last: Hang | None = None
        looks_count = 0
        while True:
            stop = runner.run({"signals": looks_count < MAX_SIGNALS})
            if stop.reason == "diverged":
                raise DivergedError(stop.message or "the replay has diverged")
            found = _look(runner, stop)
            looks_count += 1
            if last is None or found.deadlocks.blocked or found.is_stopped:
                last = found  # after a signal, a program may have come to an end where nobody waits
            if found.deadlocks.found or stop.is_over:
                return last
    finally:
        runner.kill()


def _look(runner: Debuggee, stop: Stop) -> Hang:
    found: list[Blocked] = runner.look("inspect", what="blocked")["found"]
    position = Position(max(stop.position.step - 1, 0)) if stop.is_over else stop.position
    threads = tuple(runner.look("inspect", what="threads")["found"])
    return Hang(position, not stop.is_over, stop.reason == "over", find_deadlocks(found), threads)
