"""What trio's threads share with its loop without a lock: each look at it is made a hand-off.

The program's threads run freely while recording; what is ordered are the hand-offs between them. Trio relies
on operations of ``deque`` and ``dict`` that are atomic but in no order that a replay could know.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from replay.runtime.trio_.hooks import Hooks


class Jobs(deque[Any]):
    """What is to be called in the loop: other threads append under a lock, the loop takes without it.

    So the loop takes no more than what it was told that there is.
    """

    def __init__(self, hooks: Hooks) -> None:
        super().__init__()
        self._hooks = hooks

    def __len__(self) -> int:
        return self._hooks.count(super().__len__)

    __hash__ = None


class IdempotentJobs(dict[Any, None]):
    """The same for calls of which one of each kind is enough; whether one is still there is a hand-off."""

    def __init__(self, hooks: Hooks, lock: Any) -> None:
        super().__init__()
        self._hooks = hooks
        self._lock = lock

    def __len__(self) -> int:
        return self._hooks.count(super().__len__)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(itertools.islice(super().__iter__(), len(self))))

    def __delitem__(self, job: Any) -> None:
        with self._lock:
            super().__delitem__(job)


class IdleWorkers(dict[Any, None]):
    """The cached threads that wait for a job, the last one to be idle first."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def __setitem__(self, worker: Any, value: None) -> None:
        with self._lock:
            super().__setitem__(worker, value)

    def __delitem__(self, worker: Any) -> None:
        with self._lock:
            super().__delitem__(worker)

    def popitem(self) -> tuple[Any, None]:
        """Take the thread that was idle last."""
        with self._lock:
            return super().popitem()


class OwnRandom(threading.local):
    """The generator that the order of batches is drawn from, one for each thread that trio runs in.

    With one for all, who draws next would be a hand-off, in each turn of a loop.
    """

    def __init__(self, first: list[random.Random]) -> None:
        generator = first.pop() if first else random.Random()
        self._generator = generator
        self.random = generator.random

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)


class CancelRegister:
    """Where a thread looks whether it is cancelled, as an attribute of what each thread has for itself.

    The loop writes there without a lock: what was seen is recorded.
    """

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None:
            return self
        try:
            return _Register(self._hooks, vars(owner)["cancel_register"])
        except KeyError:
            raise AttributeError("cancel_register") from None

    def __set__(self, owner: Any, register: Any) -> None:
        vars(owner)["cancel_register"] = register

    def __delete__(self, owner: Any) -> None:
        del vars(owner)["cancel_register"]


class _Register:
    def __init__(self, hooks: Hooks, register: list[Any]) -> None:
        self._hooks = hooks
        self._register = register

    def __getitem__(self, at: int) -> Any:
        is_cancelled = self._hooks.is_cancelled(lambda: self._register[at] is not None)
        return self._register[at] if is_cancelled else None
