"""Notices who wakes a task, and who asks it to cancel.

Whoever wakes a task calls ``call_soon`` of its loop, which is replaced. ``Task.cancel`` is a function of a C
type, which cannot be: the number of requests that a task counts is compared before each step, and, to see who
made one, after each call that a profiler is told of. Both are for a copy of the process that is thrown away.
"""

from __future__ import annotations

import sys
import weakref
from asyncio import base_events, tasks
from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from replay.runtime import real
from replay.runtime.inspection.aio import AsyncioInspector, number_of
from replay.runtime.inspection.aio_causes import cause_of_cancel, cause_of_wake
from replay.runtime.inspection.aio_objects import cancel_requests, every_task, is_future, task_stepped_by
from replay.runtime.inspection.frames import is_ours
from replay.runtime.inspection.library import LibraryInspector
from replay.runtime.inspection.trio_ import TrioInspector
from replay.runtime.inspection.trio_causes import cause_of_wake as cause_in_trio
from replay.runtime.inspection.trio_objects import number_of as number_in_trio
from replay.runtime.streams import current
from replay.runtime.trio_.wakes import wakes
from replay.runtime.worlds.recorded import RecordedWorld

if TYPE_CHECKING:
    from replay.runtime.debuggee.control import Control

CAUSES: Final = ("wake", "cancelled")
"""The kinds of conditions that are looked for here."""

MOST_FRAMES: Final = 100

_LOOP: Final[Any] = base_events.BaseEventLoop
_call_soon: Final = _LOOP.call_soon
RUNS: Final = RecordedWorld.run_ready.__code__
"""The frame below which a step of the loop runs; it knows the handle."""


_Inspector = TypeVar("_Inspector", bound=LibraryInspector)


class Causes:
    """What is wanted to be known of some tasks.

    Attributes:
      wanted: the conditions.
    """

    def __init__(self, wanted: list[Mapping[str, Any]]) -> None:
        self.wanted = wanted
        self._woken = {one.get("task"): one for one in wanted if one["kind"] == "wake"}
        self._cancelled = {one["task"]: one for one in wanted if one["kind"] == "cancelled"}
        self._requests: dict[int, int] = {}
        self._tasks: dict[int, weakref.ref[Any]] = {}
        self._new: list[weakref.ref[Any]] = []
        self._calls: list[Any] = []
        self._control: Control
        self._is_rough = False

    def start(self, control: Control, *, is_rough: bool) -> None:
        """Begin to notice."""
        self._control = control
        self._is_rough = is_rough
        _LOOP.call_soon = self._replaced()
        wakes.notice(self._in_trio)
        if self._cancelled:
            self._new = [weakref.ref(task) for task in every_task()]
            for number, task in self._found():
                self._requests[number] = cancel_requests(task)
            if not is_rough:
                sys.setprofile(self._profiled)

    def look(self) -> None:
        """Look whether a task was asked to cancel; before a step begins."""
        if self._cancelled:
            if any(one["made"] == self._control.step for one in self._cancelled.values()):
                self._new = [weakref.ref(task) for task in every_task()]  # an eager one has shown nowhere yet
            self._compare(None)

    # -- wakes ------------------------------------------------------------------------------------

    def _replaced(self) -> Any:
        def call_soon(loop: Any, callback: Any, *args: Any, context: Any = None) -> Any:
            stepped = task_stepped_by(callback)
            if stepped is not None:
                self._scheduled(stepped[0], args[0] if stepped[1] and args else None)
            return _call_soon(loop, callback, *args, context=context)

        return call_soon

    def _scheduled(self, task: Any, future: Any) -> None:
        number = number_of(task)
        if not number:
            self._new.append(weakref.ref(task))  # it is just being made
        condition = self._wake_of(number)
        if condition is None:
            return
        if self._is_rough:
            self._met(condition, None)
            return
        with _Looking(AsyncioInspector) as look:
            stack, handle = _stack(look, real.getframe(2))
            cause = asdict(cause_of_wake(look, task, future, stack, handle))
        self._met(condition, cause)

    def _wake_of(self, number: int) -> Mapping[str, Any] | None:
        """Return the condition that is met where a task is woken, if there is one."""
        condition = self._woken.get(number)
        if condition is None and number and None in self._woken:
            return {**self._woken[None], "id": number}
        return condition

    def _in_trio(self, task: Any, sent: Any) -> None:
        """A task of trio is made ready: for that it is woken, and so it is when it is cancelled."""
        number = number_in_trio(task)
        woken, cancelled = self._wake_of(number), self._cancelled.get(number)
        if cancelled is None and (woken is None or self._is_rough):
            if woken is not None:
                self._met(woken, None)
            return
        with _Looking(TrioInspector) as look:
            cause = asdict(cause_in_trio(look, task, sent, real.getframe(1)))
        if cancelled is not None and cause["because"] == "cancelled":
            self._met(cancelled, cause)
        if woken is not None:
            self._met(woken, cause)

    # -- cancels ----------------------------------------------------------------------------------

    def _profiled(self, frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call":
            self._calls.append(getattr(called, "__self__", None))
        elif event in ("c_return", "c_exception"):
            self._compare(frame)
            if self._calls:
                self._calls.pop()
        elif frame.f_code.co_name == "cancel":
            # Of a future in Python, or a task: what comes before it is another's doing.
            self._compare(frame.f_back if event == "call" else frame)

    def _compare(self, frame: FrameType | None) -> None:
        for number, task in self._found():
            before, now = self._requests.get(number, 0), cancel_requests(task)
            self._requests[number] = now
            if now <= before:
                continue
            if self._is_rough or frame is None:
                self._met(self._cancelled[number], None)
                continue
            through = [one for one in self._calls if is_future(one)]
            with _Looking(AsyncioInspector) as look:
                stack, handle = _stack(look, frame)
                cause = asdict(cause_of_cancel(look, task, through, stack, handle))
            self._met(self._cancelled[number], cause)

    def _found(self) -> list[tuple[int, Any]]:
        """Return the tasks in question that live."""
        unnumbered = []
        self._new += [weakref.ref(task) for task in list(getattr(tasks, "_eager_tasks", ()))]
        for reference in self._new:
            task = reference()
            number = 0 if task is None else number_of(task)
            if number in self._cancelled:
                self._tasks[number] = reference
            elif task is not None and not number:
                unnumbered.append(reference)
        self._new = unnumbered
        return [(number, task) for number, one in self._tasks.items() if (task := one()) is not None]

    # -- telling ----------------------------------------------------------------------------------

    def _met(self, condition: Mapping[str, Any], cause: dict[str, Any] | None) -> None:
        control, stream = self._control, current.stream
        control.keep(
            [
                control.step,
                control.line,
                "main" if stream is None else control.owner(stream),
                condition.get("id"),
                condition["kind"],
                cause,
            ]
        )


class _Looking(Generic[_Inspector]):
    """Looks around; the lines that this takes are none of the program's."""

    def __init__(self, kind: Callable[[], _Inspector]) -> None:
        self._kind = kind

    def __enter__(self) -> _Inspector:
        self._stream, current.stream = current.stream, None
        self._look = self._kind()
        return self._look

    def __exit__(self, *_: object) -> None:
        self._look.close()
        current.stream = self._stream


def _stack(look: AsyncioInspector, frame: FrameType | None) -> tuple[list[FrameType], Any]:
    """Return the frames up to the loop, innermost first, and what the loop runs, if that is a callback."""
    found: list[FrameType] = []
    while frame is not None and len(found) < MOST_FRAMES:
        if frame.f_code is RUNS:
            is_callback = look.codes.variable(frame, "owner") is None
            return found, look.codes.variable(frame, "handle") if is_callback else None
        if frame.f_globals.get("__name__") == "replay.runtime.boot":
            break
        if not is_ours(frame):
            found.append(frame)
        frame = frame.f_back
    return found, None
