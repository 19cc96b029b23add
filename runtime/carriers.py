"""What carries the threads of a replayed program: kernel threads, or greenlets on one kernel thread.

Only one thread of a replay runs at a time, so both do. Kernel threads need nothing installed. A process
whose threads are greenlets can be copied by ``fork`` at any instant, with all their stacks: that is what
a timeline goes back by.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Final, NoReturn, Protocol

from replay.errors import ReplayError
from replay.runtime import real
from replay.runtime.thread_state import ThreadState, begin_stack

Token = Any
"""A thread that does not run."""


class Carrier(Protocol):
    """How threads are made and take turns."""

    def new(self, run: Callable[..., None]) -> Token:
        """Return a thread that will run ``run(token, ...)``, which first of all calls ``began``."""

    def began(self, token: Token) -> None:
        """Wait to be woken for the first time; for the new thread."""

    def here(self) -> Token:
        """Return the running thread, for others to wake it."""

    def switch(self, here: Token, other: Token) -> None:
        """Let ``other`` run; come back when ``here`` is woken."""

    def leave(self, other: Token) -> None:
        """Let ``other`` run; the running thread ends."""

    def has_left(self) -> bool:
        """Whether the running thread has left, and only its last finalizers run."""
        raise NotImplementedError

    def frame(self, token: Token) -> FrameType | None:
        """Return the innermost frame of a thread that waits, if that can be known."""

    def waiting_frames(self) -> list[FrameType]:
        """Return the innermost frames of all threads but the running one, if they are known."""
        raise NotImplementedError


class KernelThreads:
    """Each thread is one of the kernel's, and waits at a lock."""

    def __init__(self) -> None:
        self._left: set[int] = set()

    def new(self, run: Callable[..., None]) -> Token:
        """Start a thread that waits."""
        lock = self.here()
        real.start_new_thread(run, (lock,))
        return lock

    def began(self, token: Token) -> None:
        """Wait."""
        token.acquire()
        self._left.discard(real.get_ident())

    def here(self) -> Token:
        """Return what the running thread will wait at."""
        lock = real.allocate_lock()
        lock.acquire()
        return lock

    def switch(self, here: Token, other: Token) -> None:
        """Let ``other`` run, and wait."""
        other.release()
        here.acquire()

    def leave(self, other: Token) -> None:
        """Let ``other`` run."""
        self._left.add(real.get_ident())
        other.release()

    def has_left(self) -> bool:
        """Whether the running thread has left."""
        return real.get_ident() in self._left

    def frame(self, token: Token) -> FrameType | None:
        """Return None: a lock does not know who waits."""
        return None

    def waiting_frames(self) -> list[FrameType]:
        """Return none, likewise."""
        return []


class Greenlets:
    """All threads share one kernel thread; each has a stack, and a state of its own."""

    def __init__(self) -> None:
        before = set(sys.modules)
        try:
            import greenlet
        except ImportError:
            raise ReplayError(
                "this recording has threads; to step through it the package greenlet is needed",
                hint="pip install greenlet",
            ) from None
        # Programs look through `sys.modules`, and the recorded one did not have it.
        for name in set(sys.modules) - before:
            del sys.modules[name]
        self._has_left = False
        self._make = greenlet.greenlet
        self._current = greenlet.getcurrent
        self._main = greenlet.getcurrent()
        self._made: list[Token] = []

    def new(self, run: Callable[..., None]) -> Token:
        """Make a greenlet that waits."""
        made = self._make(partial(run, None), self._main)
        self._made.append(made)
        # Whatever still waits at the end of the process must not be woken by being let go of.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))
        return made

    def began(self, token: Token) -> None:
        """Go on: a greenlet begins when it is woken."""
        self._has_left = False
        begin_stack()

    def here(self) -> Token:
        """Return the greenlet that runs; the program may have made it."""
        return self._current()

    def switch(self, here: Token, other: Token) -> None:
        """Let ``other`` run, and come back."""
        state = ThreadState()
        other.switch()
        self._has_left = False
        state.restore()
        if (trace := sys.gettrace()) is not None:  # 3.11 keeps whether it is used for each stack
            sys.settrace(trace)

    def leave(self, other: Token) -> None:
        """Let ``other`` run when the running greenlet has ended, which it is about to."""
        ThreadState()
        self._has_left = True
        self._current().parent = other

    def has_left(self) -> bool:
        """Whether the running greenlet has left."""
        return self._has_left

    def frame(self, token: Token) -> FrameType | None:
        """Return the innermost frame of a greenlet."""
        frame: FrameType | None = token.gr_frame
        return frame

    def waiting_frames(self) -> list[FrameType]:
        """Return the innermost frames of all threads but the running one."""
        here = self._current()
        others = [one for one in (self._main, *self._made) if one is not here]
        return [frame for frame in map(self.frame, others) if frame is not None]


def park_for_ever(carrier: Carrier, other: Token) -> NoReturn:
    """Let ``other`` run, and never come back."""
    carrier.switch(carrier.here(), other)
    raise AssertionError("nobody knows of it")


KERNEL_THREADS: Final = KernelThreads()
