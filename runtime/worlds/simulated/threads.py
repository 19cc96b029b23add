"""Threads of the simulated world: one runs at a time, and goes on until it has to wait.

They are real threads of the system, so that each has a stack and locals of its own; which of them runs is
decided by the agenda. Locks and queues are plain flags and lists, for nobody else runs meanwhile.
"""

from __future__ import annotations

import math
import queue
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from replay.runtime.worlds.simulated.agenda import Agenda, Thread

FIRST_IDENT: Final = 0x7F00_0000_0000
_APART: Final = 0x100_0000
FIRST_NATIVE_ID: Final = 4711


class Lock:
    """A lock of the system, as the recorded one uses it."""

    __slots__ = ("_agenda", "_is_held")

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._is_held = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it; whether it was taken."""
        if self._is_held:
            if not blocking or timeout == 0:
                return False
            self._agenda.wait(self._is_free, _deadline_ns(self._agenda, None if timeout < 0 else timeout))
            if self._is_held:
                return False
        self._is_held = True
        return True

    def _is_free(self) -> bool:
        return not self._is_held

    def release(self) -> None:
        """Give it back; somebody who waits for it may go on at once."""
        if not self._is_held:
            raise RuntimeError("release unlocked lock")
        self._is_held = False
        self._agenda.hand_over()

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self._is_held


class Queue:
    """The queue that is written in C, as the recorded one uses it."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._items: deque[Any] = deque()

    def put(self, item: Any) -> None:
        """Put an item in; somebody who waits for it may go on at once."""
        self._items.append(item)
        self._agenda.hand_over()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the oldest item.

        Raises:
          queue.Empty: there was none, in time.
        """
        if not self._items and block:
            self._agenda.wait(lambda: bool(self._items), _deadline_ns(self._agenda, timeout))
        if not self._items:
            raise queue.Empty
        return self._items.popleft()

    def qsize(self) -> int:
        """Return how many items there are."""
        return len(self._items)

    def empty(self) -> bool:
        """Whether there is none."""
        return not self._items


def _deadline_ns(agenda: Agenda, timeout_s: float | None) -> int | None:
    return None if timeout_s is None else agenda.now_ns + max(1000, math.ceil(timeout_s * 1e9))


def start(agenda: Agenda, label: str, stream: Any, run: Callable[[], None]) -> None:
    """Start a thread, which waits for its turn."""
    thread = Thread(label)
    thread.stream = stream

    def body(token: Any) -> None:
        agenda.carrier.began(token)
        try:
            run()
        finally:
            agenda.leave()

    thread.token = agenda.carrier.new(body)
    agenda.add_thread(thread)


def ident(number: int) -> int:
    """Return the id of the thread of a stream."""
    return FIRST_IDENT + number * _APART
