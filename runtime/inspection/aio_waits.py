"""What a task of asyncio waits for, by the functions of asyncio that it is suspended in.

A task itself only knows a future. Whose future that is, the innermost frames tell: each function of asyncio
that waits has a row in the table at the end of this file, and a description that reads its variables. Where
no function of asyncio waits, the future's type and its callbacks tell.
"""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import functools
import gc
import types
from asyncio import (
    base_events,
    base_subprocess,
    futures,
    locks,
    queues,
    selector_events,
    streams,
    subprocess,
    tasks,
    threads,
)
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Final, Protocol

from replay.runtime.inspection.aio_objects import callbacks_of, deadline_of, is_future, is_task
from replay.runtime.inspection.data import Deadline, Wait, Waker
from replay.runtime.inspection.frames import Codes, Link
from replay.runtime.inspection.values import (
    callable_name,
    field,
    function_of,
    is_a,
    is_plain_instance,
    mro_of,
    namespace_of,
    text,
    type_name,
    whole,
)


class Look(Protocol):
    """What a description asks the inspector."""

    codes: Codes

    def queue_up(self, wait: Wait, line: Any, future: Any) -> None:
        """Write down the tasks whose futures stand in a line, and the place of this one."""

    def add_children(self, wait: Wait, children: list[Any]) -> None:
        """Write down the futures that are waited for."""

    def tasks_of_callbacks(self, code: CodeType, name: str, value: Any) -> list[Any]:
        """Return the tasks with a callback of this code whose variable has this value."""
        ...

    def descriptors_for(self, value: Any) -> list[tuple[int, str]]:
        """Return the descriptors whose callbacks get this value, and what they are watched for."""
        ...

    def timers_of(self, code: CodeType, name: str, value: Any) -> list[float]:
        """Return the deadlines of timers whose function is of this code, with a variable of this value."""
        ...


Describe = Callable[[Look, Wait, FrameType, Any], Any]
"""Fills in a wait; returns what is waited for, or `PASS` if the next frame within says more."""

PASS: Final = object()


def _strings(value: Any) -> str | None:
    return text(value) if is_a(value, str) else None


# -- locks --------------------------------------------------------------------------------------------------


def _lock(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    lock = look.codes.variable(frame, "self")
    wait.kind = "lock"
    wait.state = "locked" if field(lock, "_locked") is True else "unlocked"
    look.queue_up(wait, field(lock, "_waiters"), future)
    return lock


def _semaphore(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    semaphore = look.codes.variable(frame, "self")
    wait.kind, wait.value = "semaphore", whole(field(semaphore, "_value"))
    if is_a(semaphore, asyncio.BoundedSemaphore):
        wait.kind, wait.limit = "bounded semaphore", whole(field(semaphore, "_bound_value"))
    look.queue_up(wait, field(semaphore, "_waiters"), future)
    return semaphore


def _condition(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    condition = look.codes.variable(frame, "self")
    line = field(condition, "_waiters")
    if type(line) is collections.deque and not any(one is future for one in line):
        return PASS  # notified, and now waits for the lock
    wait.kind = "condition"
    wait.state = "locked" if field(field(condition, "_lock"), "_locked") is True else "unlocked"
    look.queue_up(wait, line, future)
    return condition


def _event(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    event = look.codes.variable(frame, "self")
    wait.kind, wait.state = "event", "set" if field(event, "_value") is True else "unset"
    look.queue_up(wait, field(event, "_waiters"), future)
    return event


def _barrier(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    barrier = look.codes.variable(frame, "self")
    wait.kind, wait.state = "barrier", _strings(field(field(barrier, "_state"), "_value_"))
    wait.value, wait.limit = whole(field(barrier, "_count")), whole(field(barrier, "_parties"))
    look.queue_up(wait, field(field(barrier, "_cond"), "_waiters"), future)
    return barrier


# -- queues -------------------------------------------------------------------------------------------------


def _queue(kind: str, line: str) -> Describe:
    def describe(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
        queue = look.codes.variable(frame, "self")
        items = field(queue, "_queue")
        wait.kind = kind
        # A subclass may keep its items in anything; how many are there is then its own code's to say.
        wait.value = len(items) if type(items) in (collections.deque, list) else None
        wait.limit = whole(field(queue, "_maxsize"))
        wait.state = "shut down" if field(queue, "_is_shutdown") is True else "open"
        look.queue_up(wait, field(queue, line), future)
        return queue

    return describe


def _join(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    queue = look.codes.variable(frame, "self")
    wait.kind, wait.value = "queue join", whole(field(queue, "_unfinished_tasks"))
    look.queue_up(wait, field(field(queue, "_finished"), "_waiters"), future)
    return queue


# -- tasks --------------------------------------------------------------------------------------------------


def _sleep(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    wait.kind = "sleep"
    when = deadline_of(look.codes.variable(frame, "h"))
    if when is not None and not any(waker.kind == "timer" for waker in wait.wakers):
        wait.wakers.append(Waker("timer", when=when))
    return None


def _wait(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    wait.kind = "wait"
    waited = look.codes.variable(frame, "fs")
    look.add_children(wait, list(waited) if type(waited) is set else [])
    wait.needs_all = _strings(look.codes.variable(frame, "return_when")) == tasks.ALL_COMPLETED
    return None


def _wait_for(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    """Describe ``wait_for`` where it makes a task (3.11): later ones wait in the task that calls them."""
    if look.codes.variable(frame, "waiter") is not future:
        return PASS
    wait.kind = "wait_for"
    look.add_children(wait, [look.codes.variable(frame, "fut")])
    return None


def _cancel_and_wait(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    wait.kind = "wait_for"
    look.add_children(wait, [look.codes.variable(frame, "fut")])
    return None


def _as_completed(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    """Describe the iterator of 3.13."""
    iterator = look.codes.variable(frame, "self")
    wait.kind, wait.needs_all = "as_completed", False
    todo = field(iterator, "_todo")
    look.add_children(wait, list(todo) if type(todo) is set else [])
    wait.children_total = wait.children_done = None
    return None


def _as_completed_before(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    """Describe the coroutines of ``as_completed`` before 3.13: only callbacks know for what they wait."""
    wait.kind, wait.needs_all = "as_completed", False
    done = look.codes.variable(frame, "done")
    look.add_children(
        wait, look.tasks_of_callbacks(_inner(tasks.as_completed, "_on_completion"), "done", done)
    )
    wait.children_total = wait.children_done = None
    return None


def _task_group(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    group = look.codes.variable(frame, "self")
    wait.kind = "task group"
    children = field(group, "_tasks")
    look.add_children(wait, list(children) if type(children) is set else [])
    wait.children_total = wait.children_done = None
    return group


# -- the outside --------------------------------------------------------------------------------------------


def _stream(kind: str, direction: str) -> Describe:
    def describe(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
        stream = look.codes.variable(frame, "self")
        wait.kind = kind
        fd = _fd_of(field(stream, "_transport"))
        if fd is not None:
            wait.wakers.append(Waker("fd", fd=fd, detail=direction))
        return stream

    return describe


def _fd_of(transport: Any) -> int | None:
    for _ in range(3):
        for name in ("_sock_fd", "_fileno"):
            fd = field(transport, name)
            if type(fd) is int:
                return fd
        transport = field(field(transport, "_ssl_protocol"), "_transport")  # TLS over it
    return None


def _socket(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    wait.kind = "socket"
    return look.codes.variable(frame, "sock")


def _connection(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    """Describe a wait for a transport to be made, and its handshake."""
    wait.kind = "connection"
    return look.codes.variable(frame, "sock") or look.codes.variable(frame, "conn")


def _server(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    server = look.codes.variable(frame, "self")
    wait.kind = "server"
    wait.wakers += [Waker("fd", fd=fd, detail=what) for fd, what in look.descriptors_for(server)]
    return server


def _process(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    process = look.codes.variable(frame, "self")
    wait.kind = "process"
    transport = (
        process if is_a(process, base_subprocess.BaseSubprocessTransport) else field(process, "_transport")
    )
    pid = field(transport, "_pid")
    if type(field(transport, "_returncode")) is not int:
        wait.wakers.append(Waker("process", detail=str(pid) if type(pid) is int else None))
    children = field(future, "_children")
    if type(children) is list:
        look.add_children(wait, children)
    return process


def _executor(look: Look, wait: Wait, frame: FrameType, future: Any) -> Any:
    call = look.codes.variable(frame, "func")
    wait.kind = "executor"
    _set_thread(wait, None if call is None else callable_name(call))
    return None


def _set_thread(wait: Wait, function: str | None) -> None:
    if not any(waker.kind == "thread" for waker in wait.wakers):
        wait.wakers.append(Waker("thread", detail=function))


# -- by the future ------------------------------------------------------------------------------------------


def describe_future(look: Look, wait: Wait, future: Any) -> Any:
    """Describe what a future stands for, where no function of asyncio waits for it; return it."""
    if is_task(future):
        wait.kind = "task"
        look.add_children(wait, [future])
        return future
    if is_a(future, tasks._GatheringFuture):  # type: ignore[attr-defined]
        wait.kind = "gather"
        children = field(future, "_children")
        look.add_children(wait, children if type(children) is list else [])
        return None
    for callback in callbacks_of(future):
        function = function_of(callback)
        code = None if function is None else function.__code__
        if code is _SHIELD:
            wait.kind = "shield"
            look.add_children(wait, [closed_over(callback, "inner")])
            return None
        if code is _CHAINED and is_a(closed_over(callback, "source"), concurrent.futures.Future):
            wait.kind = "executor"
            _set_thread(wait, None)
            return None
    wait.kind = "future"
    return future


def add_socket(wait: Wait, future: Any) -> None:
    """Write down the descriptor on which the loop performs a socket operation for a future."""
    for callback in callbacks_of(future):
        function = function_of(callback)
        if function is not None and type(callback) is functools.partial and callback.args:
            direction = _SOCKET.get(id(function.__code__))
            fd = callback.args[0]
            if direction is not None and type(fd) is int:
                wait.wakers[:] = [one for one in wait.wakers if one.kind != "fd"]
                wait.wakers.append(Waker("fd", fd=fd, detail=direction))


def closed_over(call: Any, name: str) -> Any:
    """Return a variable that a function has from the one around it."""
    function = function_of(call)
    if function is None or name not in function.__code__.co_freevars:
        return None
    cell = (function.__closure__ or ())[function.__code__.co_freevars.index(name)]
    try:
        return cell.cell_contents
    except ValueError:
        return None


def objects_with(future: Any) -> list[str]:
    """Return the attributes of instances that hold a future."""
    found: set[str] = set()
    for one in gc.get_referrers(future):
        owners = [one]
        if type(one) is dict:
            owners = [owner for owner in gc.get_referrers(one) if is_plain_instance(owner)]
        for owner in owners:
            if not is_plain_instance(owner) or is_future(owner):
                continue
            namespace = one if type(one) is dict else None
            names = dict.items(namespace) if namespace is not None else _attributes(owner, future)
            found.update(
                f"{type_name(owner)}.{name}" for name, value in names if value is future and type(name) is str
            )
    return sorted(found)


def _attributes(owner: Any, value: Any) -> list[tuple[str, Any]]:
    """Return the attributes of an instance without a dictionary of its own that have a value.

    Their names are those that methods of its classes use.
    """
    names: set[str] = set()
    for cls in mro_of(type(owner)):
        for function in list(namespace_of(cls).values()):
            if type(function) is types.FunctionType:
                names.update(name for name in function.__code__.co_names if type(name) is str)
    return [(name, value) for name in names if field(owner, name) is value]


# -- deadlines ----------------------------------------------------------------------------------------------


def deadlines_of(look: Any, links: list[Link]) -> list[Deadline]:
    """Return the deadlines around the end of a chain, nearest first."""
    found: list[Deadline] = []
    for at in range(len(links) - 1, -1, -1):
        frame = links[at].frame
        if frame is None:
            continue
        code = frame.f_code
        if code is _codes(tasks.wait_for):
            for block in look.codes.blocks(frame):
                if is_a(block.manager, asyncio.Timeout):
                    found.append(_of_timeout(block.manager, "wait_for", look.place_in(links, at)))
            when = deadline_of(look.codes.variable(frame, "timeout_handle"))
            if when is not None:
                found.append(Deadline(when, "wait_for", "active", look.place_in(links, at)))
            continue
        if code is _codes(tasks._wait):  # type: ignore[attr-defined]
            when = deadline_of(look.codes.variable(frame, "timeout_handle"))
            if when is not None:
                found.append(Deadline(when, "wait", "active", look.place_in(links, at)))
        elif _TABLE.get(id(code)) is _as_completed:
            when = deadline_of(field(look.codes.variable(frame, "self"), "_timeout_handle"))
            if when is not None:
                found.append(Deadline(when, "as_completed", "active", look.place_in(links, at)))
        elif _TABLE.get(id(code)) is _as_completed_before:
            done = look.codes.variable(frame, "done")
            for when in look.timers_of(_inner(tasks.as_completed, "_on_timeout"), "done", done):
                found.append(Deadline(when, "as_completed", "active", look.place_in(links, at)))
        for manager, place in look.managers(frame):
            if is_a(manager, asyncio.Timeout):
                found.append(_of_timeout(manager, "timeout", place))
    return found


def _of_timeout(timeout: Any, kind: str, place: Any) -> Deadline:
    when = field(timeout, "_when")
    state = _strings(field(field(timeout, "_state"), "_value_"))
    return Deadline(
        float(when) if type(when) is float or type(when) is int else None, kind, state or "?", place
    )


# -- the table ----------------------------------------------------------------------------------------------


def _codes(function: Any) -> CodeType:
    code: CodeType = function.__code__
    return code


def _inner(function: Any, name: str) -> CodeType:
    """Return the code of a function that is made inside another one."""
    return next(one for one in _codes(function).co_consts if type(one) is CodeType and one.co_name == name)


_SHIELD: Final = _inner(tasks.shield, "_outer_done_callback")
_CHAINED: Final = _inner(futures._chain_future, "_call_check_cancel")  # type: ignore[attr-defined]
_SELECTOR: Final[Any] = selector_events.BaseSelectorEventLoop
_SOCKET: Final = {
    id(_codes(_SELECTOR._sock_read_done)): "read",
    id(_codes(_SELECTOR._sock_write_done)): "write",
}
_LOOP: Final[Any] = base_events.BaseEventLoop
_PROCESS: Final[Any] = subprocess.Process
_DRAINS: Final[Any] = streams.FlowControlMixin
_MIXIN: Final[Any] = locks._ContextManagerMixin

_ROWS: Final[list[tuple[Any, Describe]]] = [
    (locks.Lock.acquire, _lock),
    (locks.Semaphore.acquire, _semaphore),
    (locks.Condition.wait, _condition),
    (locks.Event.wait, _event),
    (locks.Barrier.wait, _barrier),
    (queues.Queue.get, _queue("queue get", "_getters")),
    (queues.Queue.put, _queue("queue put", "_putters")),
    (queues.Queue.join, _join),
    (tasks.sleep, _sleep),
    (tasks._wait, _wait),  # type: ignore[attr-defined]
    (tasks.wait_for, _wait_for),
    (tasks._cancel_and_wait, _cancel_and_wait),  # type: ignore[attr-defined]
    *(
        (function, _task_group)
        for name in ("__aexit__", "_aexit")
        if (function := vars(asyncio.TaskGroup).get(name)) is not None
    ),
    *(
        (vars(streams.StreamReader)[name], _stream("stream read", "read"))
        for name in ("read", "readline", "readexactly", "readuntil", "__anext__", "_wait_for_data")
    ),
    (streams.StreamWriter.drain, _stream("stream drain", "write")),
    (_DRAINS._drain_helper, _stream("stream drain", "write")),
    (streams.StreamWriter.wait_closed, _stream("stream close", "write")),
    *(
        (function, _socket)
        for name, function in vars(_SELECTOR).items()
        if name.startswith("sock_") and isinstance(function, types.FunctionType)
    ),
    (_LOOP._create_connection_transport, _connection),
    (_SELECTOR._accept_connection2, _connection),
    (_LOOP.start_tls, _connection),
    (base_events.Server.serve_forever, _server),
    (base_events.Server.wait_closed, _server),
    (_PROCESS.wait, _process),
    (_PROCESS.communicate, _process),
    (base_subprocess.BaseSubprocessTransport._wait, _process),
    (threads.to_thread, _executor),
    (_LOOP.getaddrinfo, _executor),
    (_LOOP.getnameinfo, _executor),
]
_TABLE: Final[dict[int, Describe]] = {id(_codes(function)): describe for function, describe in _ROWS}
_ITERATOR: Final[Any] = getattr(tasks, "_AsCompletedIterator", None)
if _ITERATOR is not None:
    _TABLE[id(_codes(_ITERATOR._wait_for_one))] = _as_completed
else:
    _TABLE[id(_inner(tasks.as_completed, "_wait_for_one"))] = _as_completed_before

describe_of: Final = _TABLE.get
"""What describes a wait in a function, by the address of its code."""

CONDITION_WAIT: Final = _codes(locks.Condition.wait)
ENTERS: Final = _codes(_MIXIN.__aenter__)
