"""Tasks, nurseries and runs of trio, read without running anything, and without importing trio.

All is found by the names that the modules of trio have: what is looked for is an instance of just that
class, and what is read are its slots and its dictionary.
"""

from __future__ import annotations

import gc
import math
import os
import sys
from collections import OrderedDict, deque
from contextvars import Context
from types import CodeType, CoroutineType, FrameType, ModuleType
from typing import Any, Final

from replay.runtime.inspection.frames import code_of
from replay.runtime.inspection.values import class_name, field, is_a, names_of_module, namespace_of, text
from replay.runtime.order import SPREAD

_RUN: Final = "trio._core._run"

Runs = tuple[list[Any], list[Any], dict[int, list[Any]]]
"""Tasks, runners, and the ends of memory channels by the address of what they share."""


def of_module(module: str, name: str) -> Any:
    """Return what a module of trio calls by a name, ``None`` if it is not loaded or has no such name."""
    found = sys.modules.get(module)
    return names_of_module(found).get(name) if is_a(found, ModuleType) else None


def class_of(module: str, name: str) -> type:
    """Return a class of a module; if there is none, one that nothing is an instance of."""
    found = of_module(module, name)
    return found if found is not None and is_a(found, type) else _Nothing


class _Nothing:
    """A class without instances."""


def is_loaded() -> bool:
    """Whether the program has imported trio."""
    return class_of(_RUN, "Task") is not _Nothing


def folder() -> str:
    """Return the folder that trio's modules are in, with a final separator."""
    path = of_module("trio", "__file__")
    return os.path.dirname(text(path, os.sep)) + os.sep


def population() -> Runs:
    """Return the tasks, the runners and the channels there are."""
    task_class, runner_class = class_of(_RUN, "Task"), class_of(_RUN, "Runner")
    ends = tuple(class_of("trio._channel", f"Memory{way}Channel") for way in ("Send", "Receive"))
    tasks: dict[int, Any] = {}
    runners: dict[int, Any] = {}
    channels: dict[int, list[Any]] = {}
    for one in gc.get_objects():
        kind = type(one)
        if kind is task_class:
            tasks[id(one)] = one
        elif kind is runner_class:
            runners[id(one)] = one
        elif kind is ends[0] or kind is ends[1]:
            channels.setdefault(id(field(one, "_state")), []).append(one)
    for runner in runners.values():
        for task in plain_set(field(runner, "tasks")):
            tasks[id(task)] = task
    return list(tasks.values()), list(runners.values()), channels


def context_of(task: Any) -> Context | None:
    """Return the context that a task runs in, ``None`` if it has none that is like one."""
    found = field(task, "context")
    return found if type(found) is Context else None


def plain_set(value: Any) -> list[Any]:
    """Return the items of a set, in the order of their places in it; none if it is no set."""
    return list(value) if type(value) is set else []


def plain_list(value: Any) -> list[Any]:
    """Return the items of a list or a deque; none if it is neither."""
    return list(value) if type(value) is list or type(value) is deque else []


def keys_of(value: Any) -> list[Any]:
    """Return the keys of a dictionary, in order; none if it is none."""
    return list(value) if type(value) is OrderedDict or type(value) is dict else []


# -- tasks --------------------------------------------------------------------------------------------------


def number_of(task: Any) -> int:
    """Return the id that a task has in the recording: trio counts its tasks; 0 if it has none."""
    number = field(task, "_counter")
    return number if type(number) is int else 0


def number_of_hash(shown: int) -> int | None:
    """Return the id of the task that says to be at an address; None if that is not its hash, as recorded."""
    return shown // SPREAD if of_module(_RUN, "id") is hash and shown % SPREAD == 0 else None


def task_name(task: Any) -> str:
    """Return the name of a task."""
    return text(field(task, "name"))


def coroutine_name(task: Any) -> str:
    """Return the qualified name of what a task runs."""
    coroutine = field(task, "coro")
    if code_of(coroutine) is not None:
        return text(coroutine.__qualname__)
    return "?" if coroutine is None else class_name(type(coroutine))


def has_ended(task: Any) -> bool:
    """Whether a task is over."""
    coroutine = field(task, "coro")
    if type(coroutine) is CoroutineType:
        return coroutine.cr_frame is None
    return not any(one is task for one in plain_set(field(field(task, "_runner"), "tasks")))


def is_scheduled(task: Any) -> bool:
    """Whether a task will run without anything more happening."""
    return field(task, "_next_send_fn") is not None


def parent_of(task: Any) -> Any:
    """Return the task that opened the nursery that a task is in."""
    return field(field(task, "_parent_nursery"), "_parent_task")


def children_of(nursery: Any) -> list[Any]:
    """Return the tasks in a nursery."""
    return plain_set(field(nursery, "_children"))


def nurseries_of(task: Any) -> list[Any]:
    """Return the nurseries that a task has opened, outer ones first."""
    return plain_list(field(task, "_child_nurseries"))


# -- scopes -------------------------------------------------------------------------------------------------


def statuses_of(task: Any) -> list[Any]:
    """Return the statuses of the cancel scopes that a task is in, innermost first."""
    found: list[Any] = []
    status = field(task, "_cancel_status")
    while status is not None and not any(one is status for one in found):
        found.append(status)
        status = field(status, "_parent")
    return found


def scope_of(status: Any) -> Any:
    """Return the cancel scope of a status."""
    return field(status, "_scope")


def is_shield(scope: Any) -> bool:
    """Whether a scope keeps from what is in it that those around are cancelled."""
    return field(scope, "_shield") is True


def cancel_called(scope: Any) -> bool:
    """Whether a scope was cancelled itself."""
    return field(scope, "_cancel_called") is True


def deadline_of(scope: Any, runner: Any) -> float | None:
    """Return when a scope cancels by itself, by the clock of the loop; ``None`` if it does not."""
    return by_loop(field(scope, "_deadline"), runner)


def by_loop(time: Any, runner: Any) -> float | None:
    """Return a time of a run by the clock of its loop; ``None`` if it never comes.

    The clock of a run is that of the loop and so many seconds more, which trio draws by lot.
    """
    found, clock = finite(time), field(runner, "clock")
    if found is None or not is_a(clock, class_of(_RUN, "SystemClock")):
        return found
    return found - (finite(field(clock, "offset")) or 0.0)


def finite(value: Any) -> float | None:
    """Return a number that is not infinite as a float."""
    return float(value) if type(value) in (float, int) and math.isfinite(value) else None


# -- runs ---------------------------------------------------------------------------------------------------


def current_runner() -> Any:
    """Return the run that this thread is in, ``None`` if it is in none."""
    context = of_module(_RUN, "GLOBAL_RUN_CONTEXT")
    if context is None or any("__getattr__" in namespace_of(cls) for cls in type(context).__mro__):
        return None
    return getattr(context, "runner", None)


def batch_of(runner: Any, frame: FrameType | None, variable: Any) -> list[Any]:
    """Return the tasks that run next in this turn, in order, as far as a stack shows.

    Args:
      runner: of the run.
      frame: innermost frame of a stack.
      variable: returns a variable of a frame, by name.
    """
    code = unrolled_run_code()
    while frame is not None:
        if frame.f_code is code and variable(frame, "runner") is runner:
            return plain_list(variable(frame, "batch"))[::-1]
        frame = frame.f_back
    return []


def unrolled_run_code() -> CodeType | None:
    """Return the code of the loop of a run."""
    found = getattr(of_module(_RUN, "unrolled_run"), "__code__", None)
    return found if type(found) is CodeType else None


def watched(runner: Any) -> list[tuple[int, str, Any]]:
    """Return the descriptors that a run watches: the number, what for, and the task that waits."""
    registered = field(field(runner, "io_manager"), "_registered")
    if not is_a(registered, dict):
        return []
    found: list[tuple[int, str, Any]] = []
    for fd, waiters in list(dict.items(registered)):
        if type(fd) is int:
            found += [
                (fd, way, task)
                for way in ("read", "write")
                if (task := field(waiters, f"{way}_task")) is not None
            ]
    return found
