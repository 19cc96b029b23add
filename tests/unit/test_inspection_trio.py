"""Tasks of trio: states, chains, nurseries, scopes, and what each construct that waits is told to be."""

from __future__ import annotations

import contextlib
import math
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from replay.runtime.inspection.data import Place, Ready, Scope, TaskInfo, Wait
from replay.runtime.inspection.trio_ import TrioInspector
from tests.unit.stopped import line_of
from tests.unit.stopped_trio import Nursery, number, stopped

LONG_S = 1000.0
HERE = __file__


def waits(look: TrioInspector, task: int) -> Wait:
    found = look.waits(look.task_of(task))
    assert found is not None
    return found


def one(look: TrioInspector, task: int) -> TaskInfo:
    return next(info for info in look.tasks() if info.id == task)


def functions(look: TrioInspector, task: int, *, is_internal: bool = False) -> list[str]:
    return [
        frame.function.rpartition(".")[2]
        for frame in look.frames(look.task_of(task))
        if frame.is_internal is is_internal
    ]


def edges(look: TrioInspector) -> dict[int, list[tuple[int, bool]]]:
    return {
        one.task: [(edge.by, edge.is_certain) for edge in one.edges] for one in look.blocked() if one.task
    }


def wakers(wait: Wait) -> list[tuple[str, int | None]]:
    return [(waker.kind, waker.task) for waker in wait.wakers]


async def forever() -> None:
    await trio.sleep_forever()


# -- tasks --------------------------------------------------------------------------------------------------


async def opens(function: Callable[..., Any], name: str) -> None:
    async with trio.open_nursery() as inner:
        inner.start_soon(function, name=name)


def test_tasks_with_their_parents_and_nurseries() -> None:
    async def program(nursery: Nursery) -> None:
        nursery.start_soon(opens, forever, "2", name="1")

    with stopped(program) as look:
        found = one(look, 2)
        assert (found.name, found.state, found.coroutine, found.is_internal) == (
            "2",
            "waiting",
            "forever",
            False,
        )
        assert found.where == Place(HERE, line_of(forever, 1), "forever")
        assert (found.parent, found.nursery) == (1, Place(HERE, line_of(opens, 1), "opens"))
        assert one(look, 1).nursery is not None
        assert one(look, 1).nursery.function.endswith("main")  # type: ignore[union-attr]
        internal = [info.coroutine for info in look.tasks() if info.is_internal and info.state != "done"]
        assert internal == ["Runner.init", "EntryQueue.task"]
        running = [info.coroutine for info in look.tasks() if info.state == "running"]
        assert [name.rpartition(".")[2] for name in running] == ["main"]


def test_what_a_task_of_the_run_sees() -> None:
    seen: list[tuple[str, list[str]]] = []

    async def inner() -> None:
        with TrioInspector(number) as look:
            seen.append((one(look, 1).state, functions(look, 1)[:2]))
            seen.append((one(look, 2).state, functions(look, 2)))

    async def outer() -> None:
        await inner()

    async def program(nursery: Nursery) -> None:
        nursery.start_soon(forever, name="2")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(outer, name="1")

    with stopped(program):
        assert seen == [("running", ["outer", "inner"]), ("waiting", ["forever"])]


def test_chains_go_through_the_library_and_generators() -> None:
    @contextlib.asynccontextmanager
    async def session() -> AsyncIterator[None]:
        await forever()
        yield

    async def uses() -> None:
        async with session():
            pass

    async def program(nursery: Nursery) -> None:
        nursery.start_soon(uses, name="1")
        nursery.start_soon(opens, forever, "3", name="2")

    with stopped(program) as look:
        assert functions(look, 1) == ["uses", "session", "forever"]
        assert functions(look, 1, is_internal=True)[:2] == ["__aenter__", "sleep_forever"]
        chains = look.chains(look.task_of(2))
        assert [(chain.task, chain.depth, chain.awaits) for chain in chains] == [(2, 0, [3]), (3, 1, [])]


def test_a_program_without_trio_has_no_tasks_of_it() -> None:
    script = (
        "import sys\n"
        "from replay.runtime.inspection.trio_ import TrioInspector\n"
        "with TrioInspector() as look:\n"
        "    print(look.tasks(), look.blocked(), look.scopes(), look.ready(), 'trio' in sys.modules)\n"
    )
    import sys

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[] [] [] [] False\n"


# -- ready --------------------------------------------------------------------------------------------------


def test_ready() -> None:
    found: list[dict[int, Ready]] = []

    yielded: list[tuple[str, str | None]] = []

    async def yields() -> None:
        for _ in range(5):
            await trio.lowlevel.checkpoint()

    async def fails(scope: trio.CancelScope) -> None:
        with scope:
            await forever()

    async def program(nursery: Nursery) -> None:
        scope = trio.CancelScope()
        event = trio.Event()
        nursery.start_soon(fails, scope, name="1")
        nursery.start_soon(event.wait, name="2")
        await trio.testing.wait_all_tasks_blocked()
        with trio.testing.assert_no_checkpoints():
            scope.cancel()
            event.set()
            nursery.start_soon(yields, name="3")
            with TrioInspector(number) as look:
                found.append({ready.task: ready for ready in look.ready() if ready.task})
                assert [one(look, at).state for at in (1, 2, 3)] == ["ready"] * 3
                assert waits(look, 2).is_over
                assert (waits(look, 3).kind, waits(look, 3).is_over) == ("nothing", True)
        for _ in range(2):
            await trio.lowlevel.cancel_shielded_checkpoint()
        with TrioInspector(number) as look:
            yielded.extend((one.what, one.because) for one in look.ready() if one.task == 3)

    with stopped(program):
        assert yielded == [("step", "yield")]
        [ready] = found
        assert {at: (one.what, one.because) for at, one in ready.items()} == {
            1: ("wakeup", "cancelled"),
            2: ("wakeup", "result"),
            3: ("first step", "new"),
        }


def test_ready_in_the_order_of_the_turn() -> None:
    orders: list[tuple[list[int | None], list[str]]] = []
    ran: list[str] = []

    async def looks() -> None:
        task = trio.lowlevel.current_task()
        ran.append(task.name)
        if len(ran) == 1:
            with TrioInspector(number) as look:
                orders.append(([ready.task for ready in look.ready()], ran))

    async def program(nursery: Nursery) -> None:
        for at in range(1, 6):
            nursery.start_soon(looks, name=str(at))

    with stopped(program):
        [(order, _)] = orders
        assert len(order) == 4
        assert [str(task) for task in order] == ran[1:]


def test_the_end_of_a_sleep_is_a_timer() -> None:
    found: list[Ready] = []

    class Looks(trio.abc.Instrument):
        def task_scheduled(self, task: Any) -> None:
            if task.name == "1" and task.coro.cr_suspended:
                with TrioInspector(number) as look:
                    found.extend(ready for ready in look.ready() if ready.task == 1)

    async def sleeps() -> None:
        await trio.sleep(0.001)

    async def program(nursery: Nursery) -> None:
        trio.lowlevel.add_instrument(Looks())
        async with trio.open_nursery() as inner:
            inner.start_soon(sleeps, name="1")

    with stopped(program):
        assert [ready.because for ready in found] == ["timer"]


# -- locks --------------------------------------------------------------------------------------------------


async def with_lock(lock: Any) -> None:
    async with lock:
        await forever()


@pytest.mark.parametrize("kind", [trio.Lock, trio.StrictFIFOLock])
def test_lock(kind: Any) -> None:
    async def program(nursery: Nursery) -> None:
        lock = kind()
        for at in (1, 2, 3):
            nursery.start_soon(with_lock, lock, name=str(at))
            await trio.testing.wait_all_tasks_blocked()

    with stopped(program) as look:
        wait = waits(look, 3)
        assert (wait.kind, wait.type, wait.name, wait.state) == ("lock", kind.__name__, "lock", "locked")
        assert (wait.waiters, wait.position, wait.are_holders_known) == ([2, 3], 2, True)
        [holder] = wait.holders
        assert (holder.task, holder.place) == (1, Place(HERE, line_of(with_lock, 1), "with_lock"))
        assert wakers(wait) == [("task", 1)]
        assert wait.place == Place(HERE, line_of(with_lock, 1), "with_lock")


def test_the_holder_of_a_lock_that_was_acquired_by_hand_is_known() -> None:
    async def by_hand(lock: trio.Lock) -> None:
        await lock.acquire()
        await forever()

    async def program(nursery: Nursery) -> None:
        lock = trio.Lock()
        nursery.start_soon(by_hand, lock, name="1")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(with_lock, lock, name="2")

    with stopped(program) as look:
        wait = waits(look, 2)
        assert [(holder.task, holder.place) for holder in wait.holders] == [(1, None)]
        assert edges(look) == {1: [], 2: [(1, True)]}


def test_condition() -> None:
    async def waiting(condition: trio.Condition) -> None:
        async with condition:
            await condition.wait()

    async def notifies(condition: trio.Condition) -> None:
        async with condition:
            condition.notify()
            await forever()

    async def program(nursery: Nursery) -> None:
        condition = trio.Condition()
        for at in (1, 2):
            nursery.start_soon(waiting, condition, name=str(at))
            await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(notifies, condition, name="3")

    with stopped(program) as look:
        wait = waits(look, 2)
        assert (wait.kind, wait.call, wait.name) == ("condition", "Condition.wait", "condition")
        assert (wait.state, wait.waiters, wait.position) == ("locked", [2], 1)
        again = waits(look, 1)  # notified, and now for the lock
        assert (again.kind, again.type, again.waiters) == ("lock", "Lock", [1])
        assert [(holder.task, holder.place) for holder in again.holders] == [
            (3, Place(HERE, line_of(notifies, 1), notifies.__qualname__))
        ]


@pytest.mark.parametrize("limit", [None, 2])
def test_semaphore(limit: int | None) -> None:
    async def program(nursery: Nursery) -> None:
        semaphore = trio.Semaphore(2, max_value=limit)
        for at in (1, 2, 3, 4):
            nursery.start_soon(with_lock, semaphore, name=str(at))
            await trio.testing.wait_all_tasks_blocked()

    with stopped(program) as look:
        wait = waits(look, 4)
        kind = "semaphore" if limit is None else "bounded semaphore"
        assert (wait.kind, wait.value, wait.limit, wait.name) == (kind, 0, limit, "lock")
        assert [holder.task for holder in wait.holders] == [1, 2]
        assert wait.are_holders_known is (limit is not None)
        assert (wait.waiters, wait.position) == ([3, 4], 2)


def test_capacity_limiter() -> None:
    async def for_another(limiter: trio.CapacityLimiter) -> None:
        await limiter.acquire_on_behalf_of("somebody")
        await forever()

    async def program(nursery: Nursery) -> None:
        known, unknown = trio.CapacityLimiter(2), trio.CapacityLimiter(1)
        for at in (1, 2, 3):
            nursery.start_soon(with_lock, known, name=str(at))
            await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(for_another, unknown, name="4")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(with_lock, unknown, name="5")

    with stopped(program) as look:
        wait = waits(look, 3)
        assert (wait.kind, wait.call, wait.value, wait.limit) == (
            "capacity limiter",
            "CapacityLimiter.acquire",
            0,
            2,
        )
        assert ([holder.task for holder in wait.holders], wait.are_holders_known) == ([1, 2], True)
        assert wait.holders[0].place == Place(HERE, line_of(with_lock, 1), "with_lock")
        assert (wait.waiters, wait.position) == ([3], 1)
        other = waits(look, 5)
        assert (other.holders, other.are_holders_known) == ([], False)
        assert wakers(other) == [("any", 4)]


def test_of_very_many_holders_nothing_follows() -> None:
    async def program(nursery: Nursery) -> None:
        limiter = trio.CapacityLimiter(60)
        for at in range(1, 62):
            nursery.start_soon(with_lock, limiter, name=str(at))

    with stopped(program) as look:
        [waiting] = [task for task, found in edges(look).items() if found]
        assert len(waits(look, waiting).holders) == 60
        blocked = next(one for one in look.blocked() if one.task == waiting)
        assert len(blocked.edges) == 50
        assert not any(edge.is_certain for edge in blocked.edges)
        assert not blocked.is_complete


def test_event() -> None:
    async def sets(event: trio.Event) -> None:
        await forever()
        event.set()

    async def program(nursery: Nursery) -> None:
        event = trio.Event()
        nursery.start_soon(event.wait, name="1")
        nursery.start_soon(sets, event, name="2")

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.call, wait.type, wait.state) == ("event", "Event.wait", "Event", "unset")
        assert (wait.waiters, wait.position, wait.place) == ([1], None, None)
        assert wakers(wait) == [("any", 2)]
        assert edges(look)[1] == [(2, False)]


def test_channels() -> None:
    async def sends(channel: Any) -> None:
        async with channel:
            for at in range(3):
                await channel.send(at)

    async def receives(channel: Any) -> None:
        async for _ in channel:
            pass

    class Has:
        def __init__(self, channel: Any) -> None:
            self.channel = channel

        async def waits(self) -> None:
            await forever()
            await self.channel.aclose()

    async def program(nursery: Nursery) -> None:
        full, out = trio.open_memory_channel[int](2)
        into, empty = trio.open_memory_channel[int](math.inf)
        nursery.start_soon(sends, full, name="1")
        nursery.start_soon(Has(out).waits, name="2")
        nursery.start_soon(receives, empty, name="3")
        nursery.start_soon(Has(into).waits, name="4")
        nursery.start_soon(Has(empty).waits, name="5")

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.type, wait.name) == ("channel send", "MemorySendChannel", "channel")
        assert (wait.value, wait.limit, wait.open_ends) == (2, 2, 1)
        assert (wait.waiters, wait.position, wakers(wait)) == ([1], 1, [("any", 2)])
        wait = waits(look, 3)
        assert (wait.kind, wait.type) == ("channel receive", "MemoryReceiveChannel")
        assert (wait.value, wait.limit, wait.open_ends, wakers(wait)) == (0, None, 1, [("any", 4)])


# -- tasks --------------------------------------------------------------------------------------------------


def test_the_end_of_a_nursery() -> None:
    async def program(nursery: Nursery) -> None:
        nursery.start_soon(opens, forever, "2", name="1")

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.call, wait.type, wait.name) == (
            "nursery",
            "NurseryManager.__aexit__",
            "Nursery",
            "inner",
        )
        assert (wait.children, wakers(wait), wait.needs_all) == ([2], [("task", 2)], True)
        blocked = next(one for one in look.blocked() if one.task == 1)
        assert (blocked.needs_all, blocked.is_complete, blocked.outside) == (True, True, [])


def test_a_task_that_starts() -> None:
    async def slow(task_status: Any) -> None:
        await forever()

    async def starts(inner: Nursery) -> None:
        await inner.start(slow, name="3")

    async def holds() -> None:
        async with trio.open_nursery() as inner:
            inner.start_soon(starts, inner, name="2")

    async def program(nursery: Nursery) -> None:
        nursery.start_soon(holds, name="1")

    with stopped(program) as look:
        wait = waits(look, 2)
        assert (wait.kind, wait.call, wait.children) == ("nursery start", "Nursery.start", [3])
        assert waits(look, 1).children == [2, 3]


def test_sleep() -> None:
    async def program(nursery: Nursery) -> None:
        nursery.start_soon(trio.sleep, LONG_S, name="1")
        nursery.start_soon(trio.sleep, math.inf, name="2")
        nursery.start_soon(forever, name="3")

    with stopped(program) as look:
        wait = waits(look, 1)
        [waker] = wait.wakers
        assert (wait.kind, wait.call, waker.kind, wait.deadlines) == ("sleep", "sleep", "timer", [])
        now = time.perf_counter()
        assert waker.when is not None
        assert now < waker.when <= now + LONG_S
        assert [waits(look, at).kind for at in (2, 3)] == ["sleep", "sleep"]
        assert [waits(look, at).wakers for at in (2, 3)] == [[], []]


# -- the outside --------------------------------------------------------------------------------------------


def test_sockets() -> None:
    async def accepts(listener: trio.SocketListener) -> None:
        async with listener:
            await listener.accept()

    async def receives(stream: trio.SocketStream) -> None:
        await stream.receive_some()

    async def by_hand(sock: socket.socket) -> None:
        await trio.lowlevel.wait_readable(sock)

    async def program(nursery: Nursery) -> None:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        sockets.extend(socket.socketpair())
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(sockets[0]))
        nursery.start_soon(accepts, listener, name="1")
        nursery.start_soon(receives, stream, name="2")
        nursery.start_soon(by_hand, sockets[1], name="3")
        fds.append(listener.socket.fileno())

    sockets: list[socket.socket] = []
    fds: list[int] = []
    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.call, wait.name) == ("socket", "SocketListener.accept", "listener")
        assert [(waker.kind, waker.fd, waker.detail) for waker in wait.wakers] == [("fd", fds[0], "read")]
        wait = waits(look, 2)
        assert (wait.kind, wait.call, wait.name) == ("socket", "SocketStream.receive_some", "stream")
        assert [(waker.kind, waker.fd, waker.detail) for waker in wait.wakers] == [
            ("fd", sockets[0].fileno(), "read")
        ]
        assert waits(look, 3).kind == "descriptor"
        assert [bool(one.outside) for one in look.blocked() if one.task in (2, 3)] == [True, True]
    for end in sockets:
        end.close()


def test_threads() -> None:
    done = threading.Event()

    def job() -> None:
        done.wait()

    async def program(nursery: Nursery) -> None:
        limiter = trio.CapacityLimiter(1)
        for at in (1, 2):
            nursery.start_soon(partial(trio.to_thread.run_sync, job, limiter=limiter), name=str(at))
            await trio.testing.wait_all_tasks_blocked()

    with stopped(program) as look:
        try:
            wait = waits(look, 1)
            assert (wait.kind, wait.call) == ("thread", "to_thread_run_sync")
            [waker] = wait.wakers
            assert (waker.kind, (waker.detail or "").rpartition(".")[2]) == ("thread", "job")
            other = waits(look, 2)
            assert (other.kind, other.name, other.are_holders_known) == ("capacity limiter", None, True)
            assert [waker.kind for waker in other.wakers] == ["thread"]
            assert all(blocked.outside for blocked in look.blocked() if blocked.task in (1, 2))
        finally:
            done.set()


def test_a_process() -> None:
    async def waiting(process: trio.Process) -> None:
        try:
            await process.wait()
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()

    async def program(nursery: Nursery) -> None:
        process = await trio.lowlevel.open_process(["sleep", str(LONG_S)])
        processes.append(process)
        nursery.start_soon(waiting, process, name="1")

    processes: list[trio.Process] = []
    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.call, wait.name) == ("process", "Process.wait", "process")
        assert [(waker.kind, waker.detail) for waker in wait.wakers] == [("process", str(processes[0].pid))]


def test_signals_parking_lots_and_tasks_that_reschedule() -> None:
    import signal

    async def signals() -> None:
        with trio.open_signal_receiver(signal.SIGUSR1) as arrived:
            async for _ in arrived:
                pass

    async def parks(lot: trio.lowlevel.ParkingLot) -> None:
        await lot.park()

    async def by_hand() -> None:
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.SUCCEEDED)

    async def program(nursery: Nursery) -> None:
        lot = trio.lowlevel.ParkingLot()
        nursery.start_soon(signals, name="1")
        nursery.start_soon(parks, lot, name="2")
        nursery.start_soon(by_hand, name="3")

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, [waker.kind for waker in wait.wakers]) == ("signal", ["signal"])
        wait = waits(look, 2)
        assert (wait.kind, wait.name, wait.waiters) == ("parking lot", "lot", [2])
        assert waits(look, 3).kind == "reschedule"


# -- scopes -------------------------------------------------------------------------------------------------


async def within() -> None:
    with trio.move_on_after(LONG_S):
        with trio.CancelScope(shield=True):
            with trio.fail_after(2 * LONG_S):
                await forever()


def test_deadlines_around_a_wait_nearest_first() -> None:
    async def program(nursery: Nursery) -> None:
        nursery.start_soon(within, name="1")

    with stopped(program) as look:
        wait = waits(look, 1)
        assert [(one.kind, one.state, one.place.line if one.place else 0) for one in wait.deadlines] == [
            ("cancel scope", "active", line_of(within, 3)),
            ("cancel scope", "shielded", line_of(within, 1)),
        ]
        blocked = next(one for one in look.blocked() if one.task == 1)
        assert [one.state for one in blocked.deadlines] == ["active"]


def scope_at(look: TrioInspector, line: int) -> Scope:
    return next(one for one in look.scopes() if one.place is not None and one.place.line == line)


def test_the_tree_of_scopes() -> None:
    async def program(nursery: Nursery) -> None:
        nursery.start_soon(opens, within, "2", name="1")

    with stopped(program) as look:
        found = look.scopes()
        nursery = scope_at(look, line_of(opens, 1))
        assert (nursery.task, nursery.is_nursery, nursery.name) == (1, True, "inner")
        assert (nursery.children, nursery.tasks, nursery.deadline) == ([2], [1], None)
        assert (nursery.cancel_called, nursery.is_cancelled, nursery.reason) == (False, False, None)
        outer, shield, inner = (scope_at(look, line_of(within, at)) for at in (1, 2, 3))
        assert [found[one.outer or 0] for one in (outer, shield, inner)] == [nursery, outer, shield]
        assert [(one.task, one.shield, one.tasks) for one in (outer, shield, inner)] == [
            (2, False, []),
            (2, True, []),
            (2, False, [2]),
        ]
        now = time.perf_counter()
        assert outer.deadline is not None
        assert now < outer.deadline <= now + LONG_S


async def stubborn() -> None:
    try:
        await forever()
    finally:
        with trio.CancelScope(shield=True):
            await forever()


def test_who_cancelled_a_scope() -> None:
    async def scoped(scope: trio.CancelScope) -> None:
        with scope:
            try:
                await trio.to_thread.run_sync(done.wait)
            except trio.Cancelled:
                pass

    async def cancels(scope: trio.CancelScope) -> None:
        scope.cancel()
        await forever()

    async def program(nursery: Nursery) -> None:
        scope = trio.CancelScope()
        nursery.start_soon(scoped, scope, name="1")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(cancels, scope, name="2")

    done = threading.Event()
    with stopped(program) as look:
        try:
            found = look.cancelled_by(look.task_of(1))
            assert found is not None
            assert (found.task, found.name, found.place) == (
                1,
                "scope",
                Place(HERE, line_of(scoped, 1), scoped.__qualname__),
            )
            assert (found.cancel_called, found.is_cancelled) == (True, True)
            if hasattr(trio._core._run, "CancelReason"):
                assert (found.reason, found.by) == ("explicit", 2)
            assert look.cancelled_by(look.task_of(2)) is None
            assert one(look, 1).cancel_requests == 1
        finally:
            done.set()


def test_a_shield_keeps_a_cancellation_out() -> None:
    async def cancels() -> None:
        async with trio.open_nursery() as inner:
            inner.start_soon(stubborn, name="2")
            await trio.testing.wait_all_tasks_blocked()
            inner.cancel_scope.cancel()

    async def program(nursery: Nursery) -> None:
        nursery.start_soon(cancels, name="1")

    with stopped(program) as look:
        assert look.cancelled_by(look.task_of(2)) is None
        found = look.cancelled_by(look.task_of(1))
        assert found is not None
        assert (found.is_nursery, found.cancel_called, found.name) == (True, True, "inner")
        shield = scope_at(look, line_of(stubborn, 4))
        assert (shield.task, shield.shield, shield.is_cancelled) == (2, True, False)


# -- all of it ----------------------------------------------------------------------------------------------


class Talkative(Exception):  # noqa: N818
    """Says that it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __repr__(self) -> str:
        self.asked.append("repr")
        return ""

    def __eq__(self, other: object) -> bool:
        self.asked.append("eq")
        return self is other

    def __hash__(self) -> int:
        self.asked.append("hash")
        return 1

    def __getattr__(self, name: str) -> Any:
        self.__dict__["asked"].append(name)
        raise AttributeError(name)


def test_nothing_of_the_program_is_asked_and_all_answers_can_be_sent() -> None:
    talkative = Talkative()

    async def uses(thing: Talkative, limiter: trio.CapacityLimiter, full: Any) -> None:
        await limiter.acquire_on_behalf_of(thing)
        await full.send(thing)

    async def program(nursery: Nursery) -> None:
        limiter = trio.CapacityLimiter(2)
        full, _empty = trio.open_memory_channel[Any](0)
        nursery.start_soon(uses, talkative, limiter, full, name="1")
        nursery.start_soon(with_lock, limiter, name="2")
        nursery.start_soon(with_lock, limiter, name="3")
        nursery.start_soon(within, name="4")
        await trio.testing.wait_all_tasks_blocked()
        talkative.asked.clear()

    with stopped(program) as look:
        answers: list[Any] = [*look.tasks(), *look.scopes(), *look.blocked(), *look.ready()]
        for info in look.tasks():
            task = look.task_of(info.id)
            answers += [look.waits(task), *look.chains(task), look.cancelled_by(task)]
        sent = msgspec.msgpack.encode([None if answer is None else asdict(answer) for answer in answers])
        assert len(sent) > 1000
        assert talkative.asked == []


def test_a_cycle_of_locks_is_a_cycle_of_certain_edges() -> None:
    async def takes(first: trio.Lock, second: trio.Lock) -> None:
        async with first:
            await trio.testing.wait_all_tasks_blocked()
            async with second:
                pass

    async def program(nursery: Nursery) -> None:
        here, there = trio.Lock(), trio.Lock()
        nursery.start_soon(takes, here, there, name="1")
        nursery.start_soon(takes, there, here, name="2")

    with stopped(program) as look:
        assert edges(look) == {1: [(2, True)], 2: [(1, True)]}
        found = [blocked for blocked in look.blocked() if blocked.task]
        assert all(blocked.is_complete and not blocked.outside for blocked in found)
        [edge] = found[0].edges
        assert (found[0].name, edge.name, edge.why) == ("second", "first", "holds it")
        assert edge.place == Place(HERE, line_of(takes, 1), takes.__qualname__)
