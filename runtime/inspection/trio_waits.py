"""What a task of trio waits for, by the functions of trio that it is suspended in.

A task itself only knows how to stop waiting. What for, the innermost frames tell: each function of trio that
waits has a row in the table at the end of this file, by its module and qualified name, and a description
that reads its variables.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Final, Protocol

from replay.runtime.inspection.data import Wait, Waker
from replay.runtime.inspection.frames import Codes
from replay.runtime.inspection.trio_objects import (
    by_loop,
    children_of,
    class_of,
    is_scheduled,
    plain_set,
)
from replay.runtime.inspection.values import callable_name, field, is_a, text, whole


class Look(Protocol):
    """What a description asks the inspector."""

    codes: Codes
    known: dict[int, Any]
    """What was found out of an object, by its address."""

    def queue_up(self, wait: Wait, line: Any, task: Any) -> None:
        """Write down the tasks that stand in a line, and the place of this one; a set has no order."""

    def add_children(self, wait: Wait, children: list[Any]) -> None:
        """Write down the tasks that are waited for."""

    def add_owners(self, wait: Wait, owners: list[Any], subject: Any) -> None:
        """Write down the tasks that hold what is waited for."""

    def add_entered(self, wait: Wait, subject: Any) -> int:
        """Write down the tasks inside ``with`` blocks of what is waited for; return how many there are."""
        ...

    def coming_to(self, nursery: Any) -> list[Any]:
        """Return the tasks that will be in a nursery when they have started."""
        ...


Describe = Callable[[Look, Wait, FrameType, Any, tuple[str, ...]], Any]
"""Fills in a wait of a task, in a frame with others of trio inside it, by their keys; returns what is waited
for, or `PASS` if the next frame within says more."""

PASS: Final = object()


def key_of(code: CodeType, folder: str) -> str | None:
    """Return module and qualified name of a function of trio; ``None`` if it is of something else."""
    path = text(code.co_filename)
    if not path.startswith(folder):
        return None
    return f"{path[len(folder) :].removesuffix('.py').replace('/', '.')}:{text(code.co_qualname)}"


def describe_of(key: str) -> Describe | None:
    """Return what describes a wait in a function: by its name, or by that of its class."""
    return _TABLE.get(key) or _TABLE.get(key.rpartition(".")[0] if ":" in key.rpartition(".")[0] else "")


def _parked(lot: Any) -> Any:
    return field(lot, "_parked")


# -- locks --------------------------------------------------------------------------------------------------


def _lock(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    lock = look.codes.variable(frame, "self")
    _describe_lock(look, wait, lock, task)
    return lock


def _describe_lock(look: Look, wait: Wait, lock: Any, task: Any) -> None:
    wait.kind = "lock"
    owner = field(lock, "_owner")
    wait.state = "unlocked" if owner is None else "locked"
    look.add_owners(wait, [] if owner is None else [owner], lock)
    wait.are_holders_known = owner is not None
    look.queue_up(wait, _parked(field(lock, "_lot")), task)


def _condition(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    condition = look.codes.variable(frame, "self")
    lock = field(condition, "_lock")
    lot = field(condition, "_lot")
    if not is_scheduled(task) and field(task, "custom_sleep_data") is not lot:
        _describe_lock(look, wait, lock, task)  # notified, or cancelled, and now waits for the lock
        return lock
    wait.kind = "condition"
    wait.state = "unlocked" if field(lock, "_owner") is None else "locked"
    look.queue_up(wait, _parked(lot), task)
    return condition


def _semaphore(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    semaphore = look.codes.variable(frame, "self")
    wait.kind, wait.value = "semaphore", whole(field(semaphore, "_value"))
    wait.limit = whole(field(semaphore, "_max_value"))
    count = look.add_entered(wait, semaphore)
    if wait.limit is not None:
        wait.kind = "bounded semaphore"
        wait.are_holders_known = wait.value is not None and count == wait.limit - wait.value
    look.queue_up(wait, _parked(field(semaphore, "_lot")), task)
    return semaphore


def _limiter(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    limiter = look.codes.variable(frame, "self")
    wait.kind, wait.limit = "capacity limiter", whole(field(limiter, "_total_tokens"))
    if id(limiter) not in look.known:
        look.known[id(limiter)] = _borrowers(limiter)
    tasks, threads, count = look.known[id(limiter)]
    if wait.limit is not None:
        wait.value = max(wait.limit - count, 0)
    look.add_owners(wait, tasks, limiter)
    wait.wakers += [Waker("thread", detail=text(field(one, "name"))) for one in threads]
    wait.are_holders_known = len(tasks) + len(threads) == count
    look.queue_up(wait, _parked(field(limiter, "_lot")), task)
    return limiter


def _borrowers(limiter: Any) -> tuple[list[Any], list[Any], int]:
    """Return the tasks and the threads that have tokens of a limiter, and how many tokens are out."""
    borrowers = plain_set(field(limiter, "_borrowers"))
    task_class = class_of("trio._core._run", "Task")
    thread_class = class_of("trio._threads", "ThreadPlaceholder")
    tasks = [one for one in borrowers if is_a(one, task_class)]
    return tasks, [one for one in borrowers if is_a(one, thread_class)], len(borrowers)


def _event(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    event = look.codes.variable(frame, "self")
    is_set = field(event, "_flag") is True
    wait.kind, wait.state = "event", "set" if is_set else "unset"
    look.queue_up(wait, field(event, "_tasks"), task)
    return event


# -- channels -----------------------------------------------------------------------------------------------


def _channel(kind: str, line: str, peers: str) -> Describe:
    def describe(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
        channel = look.codes.variable(frame, "self")
        state = field(channel, "_state")
        wait.kind, wait.open_ends = kind, whole(field(state, peers))
        items = field(state, "data")
        wait.value = None if items is None else len(items)
        wait.limit = whole(field(state, "max_buffer_size"))
        wait.state = "closed" if field(channel, "_closed") is True else "open"
        look.queue_up(wait, field(state, line), task)
        return channel

    return describe


def _batch(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    queue = look.codes.variable(frame, "self")
    wait.kind = "queue get"
    items = field(queue, "_data")
    wait.value = len(items) if type(items) is list else None
    look.queue_up(wait, _parked(field(queue, "_lot")), task)
    return queue


def _parking_lot(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    lot = look.codes.variable(frame, "self")
    wait.kind = "parking lot"
    look.queue_up(wait, _parked(lot), task)
    return lot


# -- tasks --------------------------------------------------------------------------------------------------


def _nursery(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    nursery = look.codes.variable(frame, "self")
    wait.kind = "nursery"
    look.add_children(wait, [*children_of(nursery), *look.coming_to(nursery)])
    return nursery


def _nursery_start(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    wait.kind = "nursery start"
    look.add_children(wait, children_of(look.codes.variable(frame, "old_nursery")))
    return look.codes.variable(frame, "self")


def _sleep(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    wait.kind = "sleep"
    when = by_loop(look.codes.variable(frame, "deadline"), field(task, "_runner"))
    if when is not None:
        wait.wakers.append(Waker("timer", when=when))


def _sleep_forever(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    wait.kind = "sleep"


def _idle(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    wait.kind = "idle"
    wait.wakers.append(Waker("idle"))


def _reschedule(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    wait.kind = "reschedule"
    return field(task, "custom_sleep_data")


# -- the outside --------------------------------------------------------------------------------------------


def _stream(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    wait.kind = "socket"
    return look.codes.variable(frame, "self")


def _descriptor(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    wait.kind = "descriptor"


def _process(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    process = look.codes.variable(frame, "self")
    pid = whole(field(field(process, "_proc"), "pid"))
    wait.kind = "process"
    wait.wakers[:] = [Waker("process", detail=None if pid is None else str(pid))]
    return process


def _signal(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    wait.kind = "signal"
    wait.wakers.append(Waker("signal"))
    return look.codes.variable(frame, "self")


def _thread(look: Look, wait: Wait, frame: FrameType, task: Any, inner: tuple[str, ...]) -> Any:
    if inner[:1] != (_TRAP,):
        return PASS  # for a token of the limiter
    wait.kind = "thread"
    call = look.codes.variable(frame, "sync_fn")
    wait.wakers.append(Waker("thread", detail=None if call is None else callable_name(call)))
    return None


# -- the table ----------------------------------------------------------------------------------------------

_TRAP: Final = "_core._traps:wait_task_rescheduled"
YIELDING: Final = ("_core._traps:_real_async_yield", "_core._traps:_async_yield")
YIELD: Final = "_core._traps:cancel_shielded_checkpoint"
SLEEP: Final = "_timeouts:sleep_until"

_TABLE: Final[dict[str, Describe]] = {
    "_sync:Lock.acquire": _lock,
    "_sync:_LockImpl.acquire": _lock,
    "_sync:Semaphore.acquire": _semaphore,
    "_sync:CapacityLimiter.acquire_on_behalf_of": _limiter,
    "_sync:Condition.wait": _condition,
    "_sync:Event.wait": _event,
    "_channel:MemorySendChannel.send": _channel("channel send", "send_tasks", "open_receive_channels"),
    "_channel:MemoryReceiveChannel.receive": _channel(
        "channel receive", "receive_tasks", "open_send_channels"
    ),
    "_core._unbounded_queue:UnboundedQueue.get_batch": _batch,
    "_core._parking_lot:ParkingLot.park": _parking_lot,
    "_core._run:Nursery._nested_child_finished": _nursery,
    "_core._run:Nursery.start": _nursery_start,
    SLEEP: _sleep,
    "_timeouts:sleep_forever": _sleep_forever,
    "_core._run:Runner.wait_all_tasks_blocked": _idle,
    "_threads:to_thread_run_sync": _thread,
    "_highlevel_socket:SocketStream": _stream,
    "_highlevel_socket:SocketListener": _stream,
    "_socket:_SocketType": _stream,
    "_socket:_make_simple_sock_method_wrapper.<locals>.wrapper": _stream,
    "_unix_pipes:FdStream": _stream,
    "_core._io_epoll:EpollIOManager._epoll_wait": _descriptor,
    "_subprocess:Process.wait": _process,
    "_signals:SignalReceiver.__anext__": _signal,
    _TRAP: _reschedule,
}
