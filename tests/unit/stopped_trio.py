"""A program of trio that is run until all of its tasks wait, stopped there, and looked at."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import greenlet
import trio
import trio.testing

from replay.runtime.inspection.trio_ import TrioInspector

Nursery = trio.Nursery
ROUNDS = 10
"""A program may itself wait so often until all others wait."""


def number(task: Any) -> int:
    """Return the id of a task of the run that goes on: its name."""
    mine = trio.lowlevel.current_root_task()
    return int(task.name) if task.name.isdigit() and task._runner is mine._runner else 0  # type: ignore[union-attr]


def unshield(status: Any) -> None:
    """Let what is inside of a scope be cancelled."""
    for inner in list(status._children):
        unshield(inner)
        inner._scope.shield = False


@contextlib.contextmanager
def stopped(
    program: Callable[[Nursery], Awaitable[Any]], look: type[TrioInspector] = TrioInspector
) -> Iterator[TrioInspector]:
    """Run a program until all that it has started waits, and stop there.

    The run is on a stack of its own meanwhile; all is cancelled in the end.
    """
    outside = greenlet.getcurrent()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await program(nursery)
            for _ in range(ROUNDS):
                await trio.testing.wait_all_tasks_blocked()
            outside.switch()
            nursery.cancel_scope.cancel()
            unshield(nursery._cancel_status)

    run = greenlet.greenlet(lambda: trio.run(main))
    run.switch()
    try:
        with look(number) as found:
            yield found
    finally:
        run.switch()
