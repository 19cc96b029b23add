"""Who woke a task of asyncio, or asked it to cancel: told by the stack, at the moment when it happens.

A future keeps no word of who set it, and a task none of who cancelled it. But at that moment the frames of
whoever does it are there; those of asyncio tell by which of its scopes it is done.
"""

from __future__ import annotations

import asyncio
from asyncio import runners, taskgroups, tasks, timeouts
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType
from typing import Any, Final

from replay.runtime.inspection.aio import AsyncioInspector
from replay.runtime.inspection.aio_objects import is_future, is_task, of_handle
from replay.runtime.inspection.data import Canceller, Cause, Place
from replay.runtime.inspection.values import field


def cause_of_wake(
    look: AsyncioInspector, task: Any, future: Any, stack: list[FrameType], handle: Any
) -> Cause:
    """Describe why a task is put into the ready queue now.

    Args:
      future: what it waited for, if it did.
      stack: whose doing it is: frames, innermost first, up to the loop.
      handle: what the loop runs there, if that is a callback.
    """
    cause = Cause("wake")
    cause.because, cause.error = look.outcome(future) if is_future(future) else ("yield", None)
    if is_task(future):
        cause.awaited = look.id_of(future)
    _describe(look, cause, task, stack, handle)
    return cause


def cause_of_cancel(
    look: AsyncioInspector, task: Any, through: Iterable[Any], stack: list[FrameType], handle: Any
) -> Cause:
    """Describe who has asked a task to cancel now; ``through``: what is being cancelled, outermost first."""
    cause = Cause("cancel")
    cause.through = [look.id_of(one) for one in through if is_task(one) and one is not task]
    _describe(look, cause, task, stack, handle)
    return cause


def _describe(look: AsyncioInspector, cause: Cause, task: Any, stack: list[FrameType], handle: Any) -> None:
    cause.wait = look.waits(task)
    cause.frames = [look.caller(frame) for frame in stack]
    if handle is not None:
        cause.callback = look.entry(handle)
        arguments = of_handle(handle, "_args")
        if type(arguments) is tuple and arguments and is_task(arguments[0]):
            cause.ended = look.id_of(arguments[0])
    if cause.kind == "wake" and cause.because != "cancelled":
        return
    own = next((at for at, frame in enumerate(stack) if look.codes.is_users(frame)), None)
    for frame in stack[:own]:
        describe = _SCOPES.get(id(frame.f_code))
        if describe is None:
            continue
        scope = describe(look, frame)
        if scope.place is None and own is not None:
            scope.place = look.codes.place(stack[own])
        if all(scope.kind != other.kind for other in cause.scopes):
            cause.scopes.append(scope)


# -- scopes -------------------------------------------------------------------------------------------------

Describe = Callable[[AsyncioInspector, FrameType], Canceller]


def _plain(kind: str) -> Describe:
    return lambda _look, _frame: Canceller(kind)


def _timeout(look: AsyncioInspector, frame: FrameType) -> Canceller:
    timeout = look.codes.variable(frame, "self")
    owner = field(timeout, "_task")
    if not is_task(owner):
        return Canceller("timeout")
    links = look.links_of(owner)
    for at, link in enumerate(links):
        if link.frame is None:
            continue
        for manager, place in look.managers(link.frame):
            if manager is timeout:
                if link.frame.f_code is tasks.wait_for.__code__:
                    return Canceller("wait_for", look.place_in(links, at), look.id_of(owner))
                return Canceller("timeout", place, look.id_of(owner))
    return Canceller("timeout", None, look.id_of(owner))


def _task_group(look: AsyncioInspector, frame: FrameType) -> Canceller:
    group, child = look.codes.variable(frame, "self"), None
    above: FrameType | None = frame
    while above is not None and above.f_code in _GROUP:
        if above.f_code is _ON_DONE:
            child = look.codes.variable(above, "task")
        above = above.f_back
    parent = field(group, "_parent_task")
    place = _place_of_group(look, group, parent) if is_task(parent) else None
    return Canceller("task group", place, look.id_of(child) if is_task(child) else None)


def _place_of_group(look: AsyncioInspector, group: Any, parent: Any) -> Place | None:
    links = look.links_of(parent)
    for at, link in enumerate(links):
        if link.frame is None:
            continue
        if link.frame.f_code in _GROUP and look.codes.variable(link.frame, "self") is group:
            return look.place_in(links, at)
        for manager, place in look.managers(link.frame):
            if manager is group:
                return place
    return None


def _gather(look: AsyncioInspector, frame: FrameType) -> Canceller:
    waiting = look.waiters_of(look.codes.variable(frame, "self"))
    return Canceller("gather", look.place_in(look.links_of(waiting[0])) if waiting else None)


def _codes(owner: Any, *names: str) -> Iterator[CodeType]:
    for name in names:
        function = vars(owner).get(name)
        if function is not None:
            yield function.__code__


_ON_DONE: Final[CodeType] = vars(taskgroups.TaskGroup)["_on_task_done"].__code__
_GROUP: Final = frozenset(_codes(asyncio.TaskGroup, "_abort", "_on_task_done", "__aexit__", "_aexit"))
_GATHERING: Final[Any] = tasks._GatheringFuture  # type: ignore[attr-defined]

_SCOPES: Final[dict[int, Describe]] = {
    id(code): describe
    for codes, describe in (
        (_codes(timeouts.Timeout, "_on_timeout"), _timeout),
        (_GROUP, _task_group),
        (_codes(_GATHERING, "cancel"), _gather),
        (_codes(tasks, "wait_for"), _plain("wait_for")),
        (_codes(runners, "_cancel_all_tasks"), _plain("asyncio.run")),
        (_codes(runners.Runner, "_on_sigint"), _plain("signal")),
    )
    for code in codes
}
