"""All tasks of the program, of whatever library: it may run a loop of asyncio and then one of trio."""

from __future__ import annotations

import asyncio
from contextvars import Context
from types import FrameType
from typing import Any

from replay.runtime.inspection.aio import AsyncioInspector
from replay.runtime.inspection.aio_objects import is_task
from replay.runtime.inspection.data import Blocked, Chain, ErrorTree, FrameInfo, Ready, Scope, TaskInfo, Wait
from replay.runtime.inspection.inspector import Inspector
from replay.runtime.inspection.trio_ import TrioInspector
from replay.runtime.inspection.trio_objects import is_loaded


class ProgramInspector(Inspector):
    """Looks at the tasks of each library that the program has loaded."""

    def __init__(self) -> None:
        super().__init__()
        self._asyncio = AsyncioInspector()
        self._trio = TrioInspector() if is_loaded() else None
        self._parts: list[Inspector] = [self._asyncio]
        if self._trio is not None:
            self._parts.append(self._trio)
        for part in self._parts:
            part.share(self)

    def close(self) -> None:
        """Let everything go."""
        for part in self._parts:
            part.close()
        super().close()

    def _of(self, task: Any) -> Inspector:
        return self._asyncio if self._trio is None or is_task(task) else self._trio

    def tasks(self) -> list[TaskInfo]:
        """Return all tasks that live, and those that have ended and are still referred to, by id."""
        return sorted((info for part in self._parts for info in part.tasks()), key=lambda info: info.id)

    def task_of(self, number: int) -> Any:
        """Return the task with this id, ``None`` if there is none."""
        found = (part.task_of(number) for part in self._parts)
        return next((task for task in found if task is not None), None)

    def frames(self, task: Any, frame: FrameType | None = None) -> list[FrameInfo]:
        """Return the chain of awaits of a task, outermost first."""
        return self._of(task).frames(task, frame)

    def chains(self, task: Any, frame: FrameType | None = None) -> list[Chain]:
        """Return the chain of a task, those of the tasks that it waits for, and so on; each task once."""
        return self._of(task).chains(task, frame)

    def waits(self, task: Any) -> Wait | None:
        """Return what a task waits for, ``None`` if it is running or has ended."""
        return self._of(task).waits(task)

    def context(self, task: Any) -> Context | None:
        """Return the context that a task runs in, ``None`` if it cannot be found."""
        return self._of(task).context(task)

    def ready(self, loop: Any = None) -> list[Ready]:
        """Return the ready queue of a loop or a run of trio; by default of this thread's, or else of all."""
        if loop is None:
            loop = asyncio._get_running_loop()
        if loop is not None:
            return self._asyncio.ready(loop)
        found = [] if self._trio is None else self._trio.ready()
        return found or self._asyncio.ready_anywhere()

    def blocked(self) -> list[Blocked]:
        """Return each waiting task with the tasks that could wake it."""
        return sorted((one for part in self._parts for one in part.blocked()), key=lambda one: one.task)

    def error(self, task: Any) -> ErrorTree | None:
        """Return what a task has failed with, ``None`` if it has not."""
        return self._of(task).error(task)

    def entry(self, handle: Any) -> Ready:
        """Return what a loop of asyncio runs, as an entry of its ready queue."""
        return self._asyncio.entry(handle)

    def scopes(self) -> list[Scope]:
        """Return the cancel scopes that tasks are in, outer ones first."""
        return [] if self._trio is None else self._trio.scopes()

    def cancelled_by(self, task: Any) -> Scope | None:
        """Return the cancel scope that cancels what a task does now, ``None`` if none does."""
        return self._of(task).cancelled_by(task)
