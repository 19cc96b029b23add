"""The tasks of asyncio."""

from __future__ import annotations

import asyncio
import collections
import functools
import inspect
import os
import types
from collections.abc import Callable, Iterator
from contextvars import Context
from types import CodeType, FrameType
from typing import Any, Final

from replay.runtime.inspection import aio_waits, values
from replay.runtime.inspection.aio_objects import (
    callbacks_of,
    cancel_requests,
    context_of,
    coroutine_name,
    current_tasks,
    deadline_of,
    every_task,
    is_future,
    is_task,
    of_future,
    of_handle,
    state_of,
    task_name,
    task_stepped_by,
)
from replay.runtime.inspection.data import (
    Blocked,
    ErrorTree,
    Holder,
    Place,
    Ready,
    TaskInfo,
    Wait,
    Waker,
)
from replay.runtime.inspection.errors import place_of_error, tree_of
from replay.runtime.inspection.frames import Link, chain_of, code_of
from replay.runtime.inspection.library import LibraryInspector, is_running, running_stack
from replay.runtime.inspection.values import (
    callable_name,
    describe_error,
    field,
    is_a,
    text,
    type_name,
)

_ASYNCIO: Final = os.path.dirname(asyncio.__file__) + os.sep


def number_of(task: Any) -> int:
    """Return the id that a task has in the recording; 0 if it has none."""
    number = field(task, "_replay_id")
    return number if type(number) is int else 0


class AsyncioInspector(LibraryInspector):
    """Looks at the tasks of asyncio in this process.

    Args:
      id_of: the id of a task; by default that of the recording.
    """

    def __init__(self, id_of: Callable[[Any], int] = number_of) -> None:
        super().__init__(id_of)

    def _forget(self) -> None:
        super()._forget()
        self._tasks: list[Any] | None = None
        self._current: list[Any] | None = None
        self._queued: set[int] | None = None
        self._waiting_on: dict[int, list[Any]] | None = None
        self._children: list[Any] = []
        self._lines: dict[int, tuple[list[int], dict[int, int]]] = {}
        self._line_of: dict[int, Any] = {}
        self._could_wake: dict[tuple[int, int], list[Any]] = {}
        self._held: dict[int, list[tuple[Any, Holder]]] | None = None
        self._outside: dict[int, list[Waker]] | None = None
        self._timers: list[Any] | None = None

    # -- tasks ------------------------------------------------------------------------------------

    def _all(self) -> list[Any]:
        if self._tasks is None:
            self._tasks = sorted(every_task(), key=self._id_of)
        return self._tasks

    def _is_current(self, task: Any) -> bool:
        if self._current is None:
            self._current = current_tasks()
        return any(one is task for one in self._current)

    def _has_ended(self, task: Any) -> bool:
        return state_of(task) != "PENDING"

    _is_end = staticmethod(is_future)

    def _task_info(self, task: Any) -> TaskInfo:
        state = self.state(task)
        error = of_future(task, "_exception") if state == "failed" else None
        coroutine = of_future(task, "_coro")
        code = code_of(coroutine)
        return TaskInfo(
            id=self._id_of(task),
            name=task_name(task),
            state=state,
            coroutine=coroutine_name(task),
            where=self._where(task, code, error),
            is_internal=code is not None and text(code.co_filename).startswith(_ASYNCIO),
            cancel_requests=cancel_requests(task),
            error=None if error is None else describe_error(error),
        )

    def _where(self, task: Any, code: CodeType | None, error: BaseException | None) -> Place | None:
        if error is not None:
            place = place_of_error(self.codes, error)
            if place is not None:
                return place
        elif state_of(task) == "PENDING":
            return self.place_in(self._chain(task)[0])
        if code is None or not self.codes.of(code).is_users:
            return None
        return Place(text(code.co_filename), code.co_firstlineno, text(code.co_qualname))

    def context(self, task: Any) -> Context | None:
        """Return the context that a task runs in, ``None`` if it cannot be found."""
        return context_of(task)

    def state(self, task: Any) -> str:
        """Return the state of a task; see `TaskInfo`."""
        state = state_of(task)
        if state == "CANCELLED":
            return "cancelled"
        if state == "FINISHED":
            return "done" if of_future(task, "_exception") is None else "failed"
        if self._is_running(task):
            return "running"
        future = of_future(task, "_fut_waiter")
        if future is None or (is_future(future) and state_of(future) != "PENDING"):
            return "ready"
        return "ready" if id(task) in self._ready_tasks() else "waiting"

    def _is_running(self, task: Any) -> bool:
        if self._is_current(task):
            return True
        # An eager task runs inside a step of another one, which then is not the loop's current task.
        return is_running(of_future(task, "_coro"))

    def _loops(self) -> list[Any]:
        loops = {id(loop): loop for task in self._all() if (loop := of_future(task, "_loop")) is not None}
        return list(loops.values())

    def _ready_tasks(self) -> set[int]:
        if self._queued is None:
            self._queued = set()
            for loop in self._loops():
                for handle in _queue_of(loop):
                    stepped = task_stepped_by(of_handle(handle, "_callback"))
                    if stepped is not None:
                        self._queued.add(id(stepped[0]))
        return self._queued

    # -- chains -----------------------------------------------------------------------------------

    def _find_chain(self, task: Any, frame: FrameType | None) -> tuple[list[Link], Any]:
        coroutine = of_future(task, "_coro")
        if state_of(task) != "PENDING" or coroutine is None:
            return [], None
        if self._is_running(task):
            stack = running_stack(coroutine, frame)
            if stack is not None:
                return stack, None
        links, end = chain_of(coroutine, is_future)
        future = of_future(task, "_fut_waiter")
        return links, end if future is None else future

    def _awaited_tasks(self, task: Any) -> list[Any]:
        children: list[Any] = []
        self._wait_of(task, children)
        return children

    def error(self, task: Any) -> ErrorTree | None:
        """Return what a task has failed with, ``None`` if it has not."""
        error = of_future(task, "_exception") if self.state(task) == "failed" else None
        return None if error is None else tree_of(self.codes, error)

    # -- what causes are told by -------------------------------------------------------------------

    def links_of(self, task: Any) -> list[Link]:
        """Return the chain of awaits of a task, as it is."""
        return self._chain(task)[0]

    def waiters_of(self, future: Any) -> list[Any]:
        """Return the tasks that wait for a future."""
        return self._waiters_of(future)

    def outcome(self, future: Any) -> tuple[str | None, Any]:
        """Return why a future ends a wait (see `Ready`), and its exception."""
        return _outcome(future)

    def entry(self, handle: Any) -> Ready:
        """Return what a loop runs, as an entry of its ready queue."""
        watched = {id(one) for loop in self._loops() for _, _, one in _watched(loop)}
        return self._ready(0, handle, watched)

    # -- waits ------------------------------------------------------------------------------------

    def waits(self, task: Any) -> Wait | None:
        """Return what a task waits for, ``None`` if it is running or has ended."""
        found = self._wait_of(task, [])
        if found is None:
            return None
        wait, subject = found
        if wait.kind == "future":
            wait.objects = aio_waits.objects_with(subject)
        return wait

    def _wait_of(self, task: Any, children: list[Any]) -> tuple[Wait, Any] | None:
        """Describe a wait; fills in the tasks that it is for. Returns also the object that is waited for."""
        if state_of(task) != "PENDING" or self._is_running(task):
            return None
        links, future = self._chain(task)
        wait = Wait("nothing", place=self.place_in(links), is_over=True)
        if not is_future(future):
            return wait, None
        wait.is_over = state_of(future) != "PENDING"
        wait.wakers.extend(self._wakers_outside().get(id(future), ()))
        self._children = children
        subject = self._describe(wait, links, future)
        aio_waits.add_socket(wait, future)
        if subject is not None:
            wait.type = type_name(subject)
            wait.name = self.name_of(subject, links)
            self._add_holders(wait, subject)
        wait.deadlines = aio_waits.deadlines_of(self, links)
        wait.wakers.extend(
            Waker("task", task=self._id_of(child)) for child in children if state_of(child) == "PENDING"
        )
        wait.wakers.extend(Waker("task", task=holder.task) for holder in wait.holders)
        if _is_in_hands(wait):
            wait.wakers.extend(Waker("any", task=self._id_of(one)) for one in self._in_hands(subject, future))
        return wait, subject

    def _describe(self, wait: Wait, links: list[Link], future: Any) -> Any:
        tail = len(links)
        while tail:
            frame = links[tail - 1].frame
            if frame is None or not text(frame.f_code.co_filename).startswith(_ASYNCIO):
                break
            tail -= 1
        for link in links[tail:]:
            assert link.frame is not None
            code = link.frame.f_code
            if wait.call is None and code is not aio_waits.ENTERS:
                wait.call = text(code.co_qualname)
            describe = aio_waits.describe_of(id(code))
            if describe is not None:
                subject = describe(self, wait, link.frame, future)
                if subject is not aio_waits.PASS:
                    return subject
        return aio_waits.describe_future(self, wait, future)

    def queue_up(self, wait: Wait, line: Any, future: Any) -> None:
        """Write down the tasks whose futures stand in a line, and the place of this one."""
        if type(line) is not collections.deque:
            return
        known = self._lines.get(id(line))
        if known is None:
            numbers: list[int] = []
            places: dict[int, int] = {}
            for one in line:
                if not is_future(one) or state_of(one) != "PENDING":
                    continue
                for task in self._waiters_of(one):
                    numbers.append(self._id_of(task))
                places[id(one)] = len(numbers)
                self._line_of[id(one)] = line
            known = self._lines[id(line)] = numbers, places
        wait.waiters = known[0]
        wait.position = known[1].get(id(future))

    def add_children(self, wait: Wait, children: list[Any]) -> None:
        """Write down the futures that are waited for."""
        pending = [child for child in children if is_future(child) and state_of(child) == "PENDING"]
        found = sorted((child for child in pending if is_task(child)), key=self._id_of)
        self._children.extend(found)
        wait.children = [self._id_of(child) for child in found]
        wait.children_total = len(children)
        wait.children_done = len(children) - len(pending)

    def _waiters_of(self, future: Any) -> list[Any]:
        """Return the tasks that wait for a future."""
        if self._waiting_on is None:
            self._waiting_on = {}
            for task in self._all():
                awaited = of_future(task, "_fut_waiter")
                if awaited is not None:
                    self._waiting_on.setdefault(id(awaited), []).append(task)
        return self._waiting_on.get(id(future), [])

    def tasks_of_callbacks(self, code: CodeType, name: str, value: Any) -> list[Any]:
        """Return the tasks with a callback of this code whose variable has this value."""
        return [
            task
            for task in self._all()
            if any(_closes_over(callback, code, name, value) for callback in callbacks_of(task))
        ]

    def descriptors_for(self, value: Any) -> list[tuple[int, str]]:
        """Return the descriptors whose callbacks get this value, and what they are watched for."""
        return [
            (fd, what)
            for loop in self._loops()
            for fd, what, handle in _watched(loop)
            if any(one is value for one in of_handle(handle, "_args") or ())
        ]

    def timers_of(self, code: CodeType, name: str, value: Any) -> list[float]:
        """Return the deadlines of timers whose function is of this code, with a variable of this value."""
        return [
            when
            for handle in self._all_timers()
            if _closes_over(of_handle(handle, "_callback"), code, name, value)
            and (when := deadline_of(handle)) is not None
        ]

    # -- what holds a lock ------------------------------------------------------------------------

    def _add_holders(self, wait: Wait, subject: Any) -> None:
        if wait.kind not in ("lock", "semaphore", "bounded semaphore"):
            return
        if wait.kind == "lock" and wait.state != "locked":
            return
        found = self._holders().get(id(subject), [])
        wait.holders = [holder for _, holder in found]
        if wait.kind == "lock":
            wait.are_holders_known = len(found) == 1
            if len(found) > 1:  # one of them has released it by hand
                wait.holders = []
        elif wait.limit is not None and wait.value is not None:
            wait.are_holders_known = len(found) == wait.limit - wait.value

    def _holders(self) -> dict[int, list[tuple[Any, Holder]]]:
        """Return the tasks inside ``with`` blocks of locks and semaphores, by the address of these."""
        if self._held is None:
            self._held = {}
            for task in self._all():
                if state_of(task) != "PENDING":
                    continue
                links = self._chain(task)[0]
                given_back = {
                    id(field(self.codes.variable(link.frame, "self"), "_lock"))
                    for link in links
                    if link.frame is not None and link.frame.f_code is aio_waits.CONDITION_WAIT
                }
                for manager, place in self.held_in(links):
                    held = field(manager, "_lock") if is_a(manager, asyncio.Condition) else manager
                    if id(held) not in given_back and is_a(held, asyncio.Lock, asyncio.Semaphore):
                        self._held.setdefault(id(held), []).append((task, Holder(self._id_of(task), place)))
        return self._held

    # -- who could wake it ------------------------------------------------------------------------

    def _in_hands(self, subject: Any, future: Any) -> list[Any]:
        """Return the tasks that can reach an object from their variables, and do not wait for it."""
        line = self._line_of.get(id(future), future)
        known = self._could_wake.get((id(subject), id(line)))
        if known is None:
            futures = [future] if line is future else [one for one in line if is_future(one)]
            waiting = {id(task) for one in futures for task in self._waiters_of(one)}
            known = self._could_wake[id(subject), id(line)] = self._reaching((id(subject),), waiting)
        return known

    def _all_timers(self) -> list[Any]:
        if self._timers is None:
            self._timers = []
            for loop in self._loops():
                timers = field(loop, "_scheduled")
                self._timers.extend(timers if type(timers) is list else ())
        return self._timers

    def _wakers_outside(self) -> dict[int, list[Waker]]:
        """Return timers and descriptors by the addresses of the objects that they call or pass on."""
        if self._outside is None:
            self._outside = {}
            for handle in self._all_timers():
                when = deadline_of(handle)
                if when is not None:
                    self._note(handle, Waker("timer", when=when))
            for loop in self._loops():
                for fd, detail, handle in _watched(loop):
                    self._note(handle, Waker("fd", fd=fd, detail=detail))
                for handle in _queue_of(loop):
                    callback = of_handle(handle, "_callback")
                    if callback is not None and task_stepped_by(callback) is None:
                        self._note(handle, Waker("callback", detail=callable_name(callback)))
        return self._outside

    def _note(self, handle: Any, waker: Waker) -> None:
        assert self._outside is not None
        for value in _passed(handle):
            self._outside.setdefault(id(value), []).append(waker)

    # -- the loop ---------------------------------------------------------------------------------

    def ready(self, loop: Any) -> list[Ready]:
        """Return the ready queue of a loop, in order."""
        watched = {id(handle) for _, _, handle in _watched(loop)}
        return [self._ready(at, handle, watched) for at, handle in enumerate(_queue_of(loop))]

    def ready_anywhere(self) -> list[Ready]:
        """Return the ready queues of all loops that have tasks."""
        return [one for loop in self._loops() for one in self.ready(loop)]

    def _ready(self, position: int, handle: Any, watched: set[int]) -> Ready:
        callback = of_handle(handle, "_callback")
        is_cancelled = of_handle(handle, "_cancelled") is True
        stepped = task_stepped_by(callback)
        if stepped is None:
            because = None
            if is_a(handle, asyncio.TimerHandle):
                because = "timer"
            elif id(handle) in watched:
                because = "io"
            wakes = [
                self._id_of(task)
                for value in _passed(handle)
                if is_future(value)
                for task in self._waiters_of(value)
            ]
            name = "?" if callback is None else callable_name(callback)
            return Ready(position, None, "callback", name, because, None, is_cancelled, wakes)
        task, is_woken = stepped
        name = coroutine_name(task)
        if is_woken:
            arguments = of_handle(handle, "_args")
            because, error = _outcome(arguments[0] if type(arguments) is tuple and arguments else None)
            return Ready(position, self._id_of(task), "wakeup", name, because, error, is_cancelled, [])
        coroutine = of_future(task, "_coro")
        is_first = False
        if type(coroutine) is types.CoroutineType:
            is_first = inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
        elif type(coroutine) is types.GeneratorType:
            is_first = inspect.getgeneratorstate(coroutine) == inspect.GEN_CREATED
        what, because = ("first step", "new") if is_first else ("step", "yield")
        return Ready(position, self._id_of(task), what, name, because, None, is_cancelled, [])

    # -- the graph --------------------------------------------------------------------------------

    def blocked(self) -> list[Blocked]:
        """Return each waiting task with the tasks that could wake it."""
        found = []
        for task in self._all():
            if self.state(task) == "waiting":
                described = self._wait_of(task, [])
                if described is not None:
                    wait, subject = described
                    found.append(self._blocked(task, wait, subject, wait.kind in _BY_CHILDREN))
        return found


_BY_CHILDREN: Final = ("task", "gather", "wait", "wait_for", "shield", "task group", "as_completed")
_IN_HANDS: Final = ("queue get", "queue put", "queue join", "event", "condition", "barrier", "future")


def _is_in_hands(wait: Wait) -> bool:
    """Whether anybody may end a wait who has what is waited for."""
    if wait.kind in ("lock", "semaphore", "bounded semaphore"):
        return not wait.are_holders_known
    return wait.kind in _IN_HANDS and not any(waker.kind != "any" for waker in wait.wakers)


def _closes_over(callback: Any, code: CodeType, name: str, value: Any) -> bool:
    function = values.function_of(callback)
    return (
        function is not None and function.__code__ is code and aio_waits.closed_over(callback, name) is value
    )


def _queue_of(loop: Any) -> list[Any]:
    queue = field(loop, "_ready")
    return list(queue) if type(queue) is collections.deque else []


def _watched(loop: Any) -> Iterator[tuple[int, str, Any]]:
    """Yield the descriptors that a loop watches: the number, what for, and what is called."""
    keys = field(field(loop, "_selector"), "_fd_to_key")
    if type(keys) is not dict:
        return
    for key in list(dict.values(keys)):
        if not is_a(key, tuple):
            continue
        fd, data = tuple.__getitem__(key, 1), tuple.__getitem__(key, 3)
        if type(fd) is int and type(data) is tuple and len(data) == 2:
            yield from (
                (fd, what, one) for what, one in zip(("read", "write"), data, strict=True) if one is not None
            )


def _passed(handle: Any) -> Iterator[Any]:
    """Yield the objects that a handle calls a method of, or passes on."""
    pending = [of_handle(handle, "_callback"), *(of_handle(handle, "_args") or ())]
    for _ in range(8):
        following: list[Any] = []
        for value in pending:
            kind = type(value)
            if is_future(value):
                yield value
            elif kind is types.MethodType or is_a(value, types.BuiltinFunctionType):
                following.append(value.__self__)
            elif kind is functools.partial:
                following += [value.func, *value.args]
            elif kind is types.FunctionType:
                for cell in value.__closure__ or ():
                    try:
                        following.append(cell.cell_contents)
                    except ValueError:
                        continue
        pending = following


def _outcome(future: Any) -> tuple[str | None, Any]:
    if not is_future(future):
        return None, None
    state = state_of(future)
    if state == "CANCELLED":
        return "cancelled", None
    error = of_future(future, "_exception")
    if error is not None:
        return "exception", describe_error(error)
    return ("result", None) if state == "FINISHED" else (None, None)
