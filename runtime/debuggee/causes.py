"""Tells who wakes a task, and who asks it to cancel: from the stack of whoever does it.

Whoever wakes a task calls ``call_soon`` of its loop, in trio ``reschedule`` of its run, which are replaced:
for a copy of the process that is thrown away. Who asks one to cancel, ``noticed`` tells.
"""

from __future__ import annotations

from asyncio import base_events
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from replay.runtime import real
from replay.runtime.debuggee.goal import Stop
from replay.runtime.debuggee.stack import begins_step
from replay.runtime.inspection.aio import AsyncioInspector, number_of
from replay.runtime.inspection.aio_causes import cause_of_cancel, cause_of_wake
from replay.runtime.inspection.aio_objects import task_stepped_by
from replay.runtime.inspection.frames import is_ours
from replay.runtime.inspection.library import LibraryInspector
from replay.runtime.inspection.trio_ import TrioInspector
from replay.runtime.inspection.trio_causes import cause_of_wake as cause_in_trio
from replay.runtime.inspection.trio_objects import number_of as number_in_trio
from replay.runtime.streams import current
from replay.runtime.trio_.wakes import wakes

if TYPE_CHECKING:
    from replay.runtime.debuggee.control import Control

MOST_FRAMES: Final = 100

_LOOP: Final[Any] = base_events.BaseEventLoop
_call_soon: Final = _LOOP.call_soon


_Inspector = TypeVar("_Inspector", bound=LibraryInspector)


class Causes:
    """What is wanted to be known of some tasks.

    Attributes:
      cancelled: the conditions, by the number of the task that is asked to cancel.
    """

    def __init__(self, wanted: Sequence[Mapping[str, Any]], control: Control, *, is_rough: bool) -> None:
        self._control = control
        self._is_rough = is_rough
        self._woken = {one.get("task"): one for one in wanted if one["kind"] == "wake"}
        self.cancelled = {one["task"]: one for one in wanted if one["kind"] == "cancelled"}
        if self._woken:
            _LOOP.call_soon = self._replaced()
        wakes.notice(self._in_trio)

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
        condition = self._wake_of(number)
        if condition is None:
            return
        cause = None
        if not self._is_rough:
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
        woken, cancelled = self._wake_of(number), self.cancelled.get(number)
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

    def on_cancel(self, task: Any, through: Sequence[Any]) -> None:
        """A task is about to be asked to cancel; ``through``: what is being cancelled, outermost first."""
        condition = self.cancelled.get(number_of(task))
        if condition is None:
            return
        cause = None
        if not self._is_rough:
            with _Looking(AsyncioInspector) as look:
                stack, handle = _stack(look, real.getframe(1))
                cause = asdict(cause_of_cancel(look, task, through, stack, handle))
        self._met(condition, cause)

    # -- telling ----------------------------------------------------------------------------------

    def _met(self, condition: Mapping[str, Any], cause: dict[str, Any] | None) -> None:
        control, stream = self._control, current.stream
        owner = "main" if stream is None else control.owner(stream)
        kind = condition["kind"]
        control.note(
            [control.step, control.line, owner, condition.get("id"), kind, cause], Stop("met", None, kind)
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
        if begins_step(frame):
            is_callback = look.codes.variable(frame, "owner") is None
            return found, look.codes.variable(frame, "handle") if is_callback else None
        if frame.f_globals.get("__name__") == "replay.runtime.boot":
            break
        if not is_ours(frame):
            found.append(frame)
        frame = frame.f_back
    return found, None
