"""The same for many, several at a time, and what came of it in the order in which they stood."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import TypeVar

import outcome

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], items: Sequence[T], jobs: int) -> Iterator[R]:
    """Yield what comes of each item, as soon as that of those before it is there.

    The threads do not keep this process alive: who is interrupted need not wait for them.

    Args:
      work: is called with each item; what it raises is raised here.
      jobs: so many at a time; with one, they are done here.
    """
    if jobs == 1:
        yield from map(work, items)
        return
    done: SimpleQueue[tuple[int, Callable[[], R]]] = SimpleQueue()
    given = itertools.count()

    def go_on() -> None:
        while (at := next(given)) < len(items):
            done.put((at, outcome.capture(work, items[at]).unwrap))

    for _ in range(min(jobs, len(items))):
        threading.Thread(target=go_on, daemon=True).start()
    ended: dict[int, Callable[[], R]] = {}
    for at in range(len(items)):
        while at not in ended:
            number, unwrap = done.get()
            ended[number] = unwrap
        yield ended.pop(at)()
