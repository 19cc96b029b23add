"""Tasks that begin at once, inside the step that makes them (a task factory's ``eager_start``, Python 3.12).

Such a task has no turn of the loop for its first part, and if that is all of it, none ever. Both worlds
note where that part begins and ends. They see it as ``asyncio`` itself does: a task that is put into a set
for the first time while it is the current one has begun.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from replay.recording.events import Kind

_EAGER_KEY = -Kind.EAGER


def began(world: Any, stream: Any, task: Any) -> None:
    """Note that ``task``, which is being made by a task factory, has begun, if it has."""
    if sys.version_info >= (3, 12) and asyncio.current_task(task.get_loop()) is task:
        world.event(stream, _EAGER_KEY, task._replay_id)
        stream.eager.append(task._replay_id)


def create(world: Any, stream: Any, make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return the task that ``make`` returns, which calls a task factory; note where its first part ends."""
    depth = len(stream.eager)
    task: Any = None
    try:
        task = make(*args, **kwargs)
    finally:
        while len(stream.eager) > depth:
            number = stream.eager.pop()
            if getattr(task, "_replay_id", 0) == number and task.done():
                world.task_ended(stream, task)
            world.event(stream, _EAGER_KEY, 0)
    return task
