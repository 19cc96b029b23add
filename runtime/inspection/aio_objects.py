"""Futures, tasks and handles of asyncio, read without running anything; in C or in Python alike."""

from __future__ import annotations

import asyncio
import gc
import types
from asyncio import events, futures, tasks
from collections.abc import Iterator
from contextvars import Context
from typing import Any, Final

from replay.runtime.inspection.frames import code_of
from replay.runtime.inspection.values import class_name, field, is_a, text
from replay.runtime.order import TASK_STEP, TASK_WAKEUP

_PY_FUTURE: Final[Any] = futures._PyFuture  # type: ignore[attr-defined]
_PY_TASK: Final[Any] = tasks._PyTask  # type: ignore[attr-defined]
_IN_C: Final = {
    name: found.__get__
    for name, found in {**vars(asyncio.Future), **vars(asyncio.Task)}.items()
    if type(found) is types.GetSetDescriptorType
}
_FUTURE_IN_C: Final = {
    name: found.__get__
    for name, found in vars(asyncio.Future).items()
    if type(found) is types.GetSetDescriptorType
}
_name_in_c: Final = asyncio.Task.get_name
_cancelling_in_c: Final = asyncio.Task.cancelling
_HANDLE: Final = {
    name: found.__get__
    for name, found in vars(events.Handle).items()
    if type(found) is types.MemberDescriptorType
}
_when_of: Final = vars(events.TimerHandle)["_when"].__get__
_PY_STEPS: Final = ("_Task__step", "_Task__wakeup")


def is_future(value: Any) -> bool:
    """Whether an object is one of asyncio's futures, or a task."""
    return is_a(value, asyncio.Future, _PY_FUTURE)


def is_task(value: Any) -> bool:
    """Whether an object is a task."""
    return is_a(value, asyncio.Task, _PY_TASK)


def of_future(future: Any, name: str) -> Any:
    """Return an attribute of a future or of a task."""
    if is_a(future, _PY_FUTURE):
        return field(future, name)
    read = (_IN_C if is_a(future, asyncio.Task) else _FUTURE_IN_C).get(name)
    return None if read is None else read(future)


def context_of(task: Any) -> Context | None:
    """Return the context that a task runs in, ``None`` if it cannot be found."""
    if is_a(task, _PY_TASK):
        found = field(task, "_context")
    else:  # Python 3.11 has no name for it; it is the first that a task refers to
        found = next((one for one in gc.get_referents(task) if type(one) is Context), None)
    return found if type(found) is Context else None


def state_of(future: Any) -> str:
    """Return ``PENDING``, ``FINISHED`` or ``CANCELLED``."""
    return text(of_future(future, "_state"))


def callbacks_of(future: Any) -> Iterator[Any]:
    """Yield what is called when a future is done."""
    for entry in of_future(future, "_callbacks") or ():
        yield entry[0]


def task_name(task: Any) -> str:
    """Return the name of a task."""
    return text(_name_in_c(task) if is_a(task, asyncio.Task) else field(task, "_name"))


def cancel_requests(task: Any) -> int:
    """Return how often a task was asked to cancel, less what was taken back."""
    if is_a(task, asyncio.Task):
        return _cancelling_in_c(task)
    count = field(task, "_num_cancels_requested")
    return count if type(count) is int else 0


def coroutine_name(task: Any) -> str:
    """Return the qualified name of what a task runs."""
    coroutine = of_future(task, "_coro")
    if code_of(coroutine) is not None:
        return text(coroutine.__qualname__)
    return "?" if coroutine is None else class_name(type(coroutine))


def of_handle(handle: Any, name: str) -> Any:
    """Return an attribute of a handle of a loop, ``None`` if it is none or has it no more."""
    if not is_a(handle, events.Handle):
        return None
    try:
        return _HANDLE[name](handle)
    except AttributeError:
        return None


def deadline_of(handle: Any) -> float | None:
    """Return when a timer fires, ``None`` if it does not."""
    if not is_a(handle, events.TimerHandle) or of_handle(handle, "_cancelled"):
        return None
    when = _when_of(handle)
    return float(when) if type(when) is float or type(when) is int else None


def task_stepped_by(callback: Any) -> tuple[Any, bool] | None:
    """Return the task that a callback of a loop steps, and whether a future woke it."""
    kind = type(callback)
    if kind is TASK_STEP:
        return callback.__self__, False
    if kind is types.BuiltinFunctionType and callback.__name__ == TASK_WAKEUP:
        return callback.__self__, True
    if kind is types.MethodType:
        for name in _PY_STEPS:
            if callback.__func__ is vars(_PY_TASK)[name]:
                return callback.__self__, name == "_Task__wakeup"
    return None


def every_task() -> list[Any]:
    """Return all tasks that asyncio knows of."""
    found: dict[int, Any] = {}
    for name in ("_all_tasks", "_scheduled_tasks"):
        known = getattr(tasks, name, None)
        # By its references: a set of tasks would hash each of them.
        for reference in list(known.data) if known is not None else ():
            task = reference()
            if task is not None:
                found[id(task)] = task
    for task in list(getattr(tasks, "_eager_tasks", ())):
        found[id(task)] = task
    return list(found.values())


def current_tasks() -> list[Any]:
    """Return the tasks that loops are running now."""
    return list(dict.values(tasks._current_tasks))  # type: ignore[attr-defined]
