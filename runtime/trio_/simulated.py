"""The hooks of the simulated world: the order of a batch is decided, and so is how late trio's loop is."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from replay.runtime.streams import current
from replay.runtime.trio_.hooks import batches
from replay.runtime.trio_.live import LiveHooks
from replay.runtime.worlds.simulated.agenda import Timer
from replay.runtime.worlds.simulated.world import SimulatedWorld

_DEADLINES_SEEN: Final = 7
"""So many entries of trio's heap hold the three that are due first."""
_DEADLINES_TOLD: Final = 2


class SimulatedHooks(LiveHooks):
    """Decide, and write down."""

    has_system = False

    def __init__(self, world: SimulatedWorld, doors: Any) -> None:
        super().__init__(world, doors)
        inner = self.plain_batch
        waits = self.wait

        class Batch(inner):  # type: ignore[misc, valid-type]
            """In the order that was decided; trio takes the last first, and may reverse it."""

            def __init__(self, tasks: Iterable[Any]) -> None:
                super().__init__(reversed(_ordered(world, list(tasks))))

            def reverse(self) -> None:
                """Leave it."""

        def get_events(self: Any, timeout: float) -> Any:
            thread = world.agenda.running
            runner = sys.modules["trio._core._run"].GLOBAL_RUN_CONTEXT.runner
            thread.is_loop = thread.has_loop = True
            thread.timers = lambda: _timers(world, runner)
            thread.next_step = lambda: next((world.label_of(task) for task in runner.runq), None)
            try:
                batch = waits(self, timeout)
            finally:
                thread.forget_loop()
            stream = current.stream
            if stream is not None and world.cancels:
                world.cancel_some(stream)
            return batch

        self.make_list = batches(Batch)
        self.wait = get_events


def _ordered(world: SimulatedWorld, tasks: list[Any]) -> list[Any]:
    """Return the tasks of a batch in the order of their steps."""
    order = []
    while len(tasks) > 1:
        labels = [f"{world.label_of(task)} (T{task._counter})" for task in tasks]
        taken = world.decisions.choose("batch", labels[0], tuple(labels))
        order.append(tasks.pop(labels.index(taken)))
    return order + tasks


def _timers(world: SimulatedWorld, runner: Any) -> Iterator[Timer]:
    offset = getattr(runner.clock, "offset", 0.0)
    first = [
        (deadline, scope)
        for deadline, _, scope in islice(runner.deadlines._heap, _DEADLINES_SEEN)
        if deadline == scope._registered_deadline
    ]
    first.sort(key=_deadline)
    for deadline, scope in first[:_DEADLINES_TOLD]:
        # Rounded up: trio compares numbers that are not as exact.
        yield Timer(math.ceil((deadline - offset) * 1e9) + 1, f"the deadline of {_owner(world, scope)}")


def _deadline(entry: tuple[float, Any]) -> float:
    return entry[0]


def _owner(world: SimulatedWorld, scope: Any) -> str:
    tasks = sorted(_within(scope._cancel_status), key=_number)
    return world.label_of(tasks[0]) if tasks else "nobody"


def _within(status: Any) -> Iterator[Any]:
    """Yield the tasks in a scope, and in those within it."""
    if status is not None:
        yield from status._tasks
        for child in status._children:
            yield from _within(child)


def _number(task: Any) -> int:
    return int(task._counter)
