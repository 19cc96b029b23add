"""Collection of garbage, at places that a replay finds again.

The interpreter's own collections come after so many allocations, and a recorder does not allocate
what a replay allocates; finalizers and weak references would then run elsewhere. So automatic
collection is off in both, the world collects at turns of the loop and at doors and notes it, and what
the program asks of ``gc`` is answered as if collection were automatic.

What is garbage depends on how far each thread has come. So the world collects while all other threads
wait in a door: there a replay finds them too. If they are busy for too long it collects none the less;
then finalizers may run elsewhere at replay, which is a divergence where it shows.
"""

from __future__ import annotations

import gc
import operator
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from replay.runtime import real
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door
from replay.runtime.order import ordinals
from replay.runtime.streams import current

YOUNG: Final = 2000
"""So many objects more than at the last collection, and the youngest generation is collected."""

OVERDUE: Final = 25 * YOUNG
"""So many, and it is collected though other threads are busy."""

_LONGEST_S: Final = 1.0
"""Other threads are held up for an instant; but no mistake of ours may hold them for good."""

_call: Callable[[Callable[[], Any]], Any] = operator.call


class Garbage:
    """When garbage is collected, and what the program believes of it.

    Attributes:
      is_enabled: whether the program wants automatic collection.
    """

    def __init__(self) -> None:
        self.is_enabled = True
        self._count = 0
        self._full_due = 100
        self._gate = real.allocate_lock()
        self._is_closed = False
        self._is_left = False

    def next_generation(self) -> int:
        """Return what to collect now: younger generations often, all of it ever more rarely."""
        self._count += 1
        if self._count >= self._full_due:
            self._full_due = self._count + max(100, self._count // 4)
            return 2
        return 0 if self._count % 10 else 1

    def collect(self, generation: int) -> int:
        """Collect; how much was found."""
        found: int = ordinals.collect(partial(real.gc_collect, generation))
        return found

    def leave(self) -> None:
        """Let the interpreter collect, from now on, as the program wants it: nothing is recorded any more."""
        self._is_left = True
        self.want(self.is_enabled)

    def want(self, is_enabled: bool) -> None:
        """The program wants garbage to be collected by itself, or not."""
        self.is_enabled = is_enabled
        if self._is_left:
            (real.gc_enable if is_enabled else real.gc_disable)()

    def begin(self) -> bool:
        """Hold up other threads where they end a wait; whether it is this thread's turn to collect."""
        return self._gate.acquire(False)

    def give_up(self) -> None:
        """Let other threads go on: nothing is collected."""
        self._gate.release()

    def collect_between(self, generation: int) -> None:
        """Let other threads go on, after ``begin``, and collect, with nothing in between.

        Finalizers may wait for what these threads do next. Both calls are made within C code, so that no
        other thread runs before it is decided what is garbage.
        """
        both: list[Callable[[], Any]] = [self._gate.release, partial(real.gc_collect, generation)]
        ordinals.collect(partial(list, map(_call, both)))

    def wait_over(self, stream: Any, *, may_stay: bool = False) -> None:
        """A thread that waited in a door goes on.

        Args:
          may_stay: it holds nothing that others need, and stays here once the program is over (`close`).
        """
        if may_stay and self._is_closed and not stream.is_main:
            lock = real.allocate_lock()
            lock.acquire()
            lock.acquire()
        stream.waits = False
        if self._gate.locked() and self._gate.acquire(True, _LONGEST_S):
            self._gate.release()

    def close(self) -> None:
        """Let no thread go on that waits in a door, but the main one."""
        self._is_closed = True


garbage = Garbage()


def install(boundary: Installer) -> None:
    """Turn automatic collection off, and answer for it."""
    gc.disable()

    def enable() -> None:
        garbage.want(True)

    def disable() -> None:
        garbage.want(False)

    def isenabled() -> bool:
        return garbage.is_enabled

    for function in (enable, disable, isenabled):
        boundary.replace(gc, function.__name__, function)
    for name in ("get_count", "get_stats"):
        boundary.door(Door(f"gc.{name}"), gc, name)
    boundary.replace(gc, "collect", _collect(boundary))


def _collect(boundary: Installer) -> Callable[[int], int]:
    world = boundary.world
    # What was found is an answer of the outside; the collection itself happens in both runs, since
    # finalizers and weak references are the program's.
    answer = boundary.bind(
        Door("gc.collect", request=lambda args, kwargs: args[0]), lambda generation, found: found
    )

    def collect_(generation: int = 2) -> int:
        stream = current.stream
        if stream is not None:
            world.meet_turn(stream)
        return answer(generation, garbage.collect(generation))  # type: ignore[no-any-return]

    return collect_
