"""Cancelling a task from outside of the program: decided in a simulated run, and done again in its replay."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any


def tasks() -> Iterator[tuple[int, Any]]:
    """Yield the tasks of the running loop that have not ended, with their ids, in the order of these."""
    loop = asyncio._get_running_loop()
    if loop is not None:
        yield from sorted(((task._replay_id, task) for task in asyncio.all_tasks(loop)), key=_number)  # type: ignore[attr-defined]
    run = sys.modules.get("trio._core._run")
    runner = None if run is None else getattr(run.GLOBAL_RUN_CONTEXT, "runner", None)
    if runner is not None:
        yield from sorted(((task._counter, task) for task in runner.tasks), key=_number)


def find(number: int) -> Any:
    """Return the task with this id; None if there is none."""
    return next((task for one, task in tasks() if one == number), None)


def cancel(task: Any) -> None:
    """Cancel a task; in trio the innermost scope that it is in."""
    if isinstance(task, asyncio.Task):
        task.cancel()
    else:
        task._cancel_status._scope.cancel()


def awaited(task: Any) -> Any:
    """Return what stands for the await that a task is suspended in; None if it is not."""
    if isinstance(task, asyncio.Task):
        waits_for: Any = task._fut_waiter  # type: ignore[attr-defined]
        return None if waits_for is None or waits_for.done() else waits_for
    return task._abort_func


def is_ready(task: Any) -> bool:
    """Whether a task that is suspended will run without anything more happening."""
    if isinstance(task, asyncio.Task):
        return awaited(task) is None
    # Not by `awaited`: trio asks a wait only once whether it can be cancelled, shielded ones go on waiting.
    return task._next_send_fn is not None


def _number(entry: tuple[int, Any]) -> int:
    return entry[0]
