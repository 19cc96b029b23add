"""What the seams ask and tell: whose step runs, who is made, who ends, what is ready, what time it is.

The seams are the same in each world. What they ask is answered by hooks: these, which belong to a process
without a recorder, or those of a world (``live``, ``recorded``).
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from replay.runtime.boundary.readiness import LoopEpoll


class Hooks:
    """Those of a process without a recorder.

    Attributes:
      has_system: whether the ids of threads are the system's.
      make_list: what ``list`` is to trio's loop, which makes a batch of its queue of tasks that can run, and
        takes each from the end of it.
      clock: the loop's clock, in seconds.
      wait: the ``get_events`` of trio's loop, a method: what is ready within so many seconds.
    """

    has_system = True

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.make_list: Callable[..., list[Any]] = list
        self.clock: Callable[[], float] = time.perf_counter
        self.wait: Callable[[Any, float], Any] = _wait

    def spawned(self, task: Any, frame: FrameType) -> int:
        """Return the id of a task that has just been made, by whoever runs in ``frame``."""
        return next(self._numbers)

    def ended(self, task: Any, outcome: Any) -> None:
        """A task has ended, with an outcome of the package ``outcome``."""

    def running(self, is_running: bool) -> None:
        """A run begins, or is over."""

    def epoll(self, epoll: Any) -> Any:
        """Return what the loop is to wait with, in the place of its ``epoll``."""
        return epoll

    def count(self, real_count: Callable[[], int]) -> int:
        """Return how much there is of what other threads may add to at any time."""
        return real_count()

    def is_cancelled(self, real_answer: Callable[[], bool]) -> bool:
        """Return whether the loop's thread has cancelled what another one does."""
        return real_answer()


class WorldHooks(Hooks):
    """What those of a world have in common.

    Args:
      world: the live or the recorded one.
      doors: what threads and the loop ask of each other.
    """

    def __init__(self, world: Any, doors: Any) -> None:
        super().__init__()
        self._world = world
        self._doors = doors

    def epoll(self, epoll: Any) -> Any:
        """Return it with nothing in the way."""
        return LoopEpoll(epoll._made)

    def count(self, real_count: Callable[[], int]) -> int:
        """Return it; a hand-off where there are other threads."""
        if self._world.threads_started:
            count: int = self._doors.count(real_count)
            return count
        return real_count()

    def is_cancelled(self, real_answer: Callable[[], bool]) -> bool:
        """Return it; a hand-off."""
        answer: bool = self._doors.is_cancelled(real_answer)
        return answer


def batches(make: Callable[[Iterable[Any]], list[Any]]) -> Callable[..., list[Any]]:
    """Return what ``list`` is to trio's loop where ``make`` makes its batches."""

    def make_list(items: Any = ()) -> list[Any]:
        return make(items) if type(items) is deque else list(items)

    return make_list


def _wait(self: Any, timeout: float) -> Any:
    return self._epoll.poll(timeout, most_events(self))


def most_events(manager: Any) -> int:
    """Return how many descriptors can be ready at most, as ``epoll`` wants it: not none."""
    return len(manager._registered) or 1
