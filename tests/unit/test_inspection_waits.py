"""What each construct of asyncio that waits is told to be."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from replay.runtime.inspection.aio import AsyncioInspector
from replay.runtime.inspection.data import Wait
from tests.unit.stopped import line_of, numbers, spawn, stopped

Spawn = Callable[[int, Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]

LONG_S = 1000.0


def waits(look: AsyncioInspector, number: int) -> Wait:
    found = look.waits(look.task_of(number))
    assert found is not None
    return found


# -- locks --------------------------------------------------------------------------------------------------


async def with_lock(lock: Any) -> None:
    async with lock:
        await asyncio.sleep(LONG_S)


def test_lock() -> None:
    async def program() -> None:
        lock = asyncio.Lock()
        for at in (1, 2, 3):
            spawn(at, with_lock(lock))

    with stopped(program) as look:
        wait = waits(look, 3)
        assert (wait.kind, wait.call, wait.type, wait.name) == ("lock", "Lock.acquire", "Lock", "lock")
        assert (wait.state, wait.waiters, wait.position) == ("locked", [2, 3], 2)
        assert [holder.task for holder in wait.holders] == [1]
        place = wait.holders[0].place
        assert place is not None
        assert place.line == line_of(with_lock, 1)
        assert wait.are_holders_known
        assert [(waker.kind, waker.task) for waker in wait.wakers] == [("task", 1)]
        assert wait.place is not None
        assert (wait.place.line, wait.place.function) == (line_of(with_lock, 1), "with_lock")


def test_the_holder_of_a_lock_that_was_acquired_by_hand_is_unknown() -> None:
    async def by_hand(lock: asyncio.Lock) -> None:
        await lock.acquire()
        await asyncio.sleep(LONG_S)

    async def program() -> None:
        lock = asyncio.Lock()
        spawn(1, by_hand(lock))
        spawn(2, with_lock(lock))

    with stopped(program) as look:
        wait = waits(look, 2)
        assert (wait.holders, wait.are_holders_known) == ([], False)
        assert [(waker.kind, waker.task) for waker in wait.wakers] == [("any", 1)]
        assert [(edge.by, edge.is_certain) for edge in look.blocked()[1].edges] == [(1, False)]


def test_a_block_that_releases_by_hand_is_no_holder() -> None:
    async def releases(lock: asyncio.Lock) -> None:
        async with lock:
            lock.release()
            await asyncio.sleep(LONG_S)
            await lock.acquire()

    async def program() -> None:
        lock = asyncio.Lock()
        spawn(1, releases(lock))
        spawn(2, with_lock(lock))
        spawn(3, with_lock(lock))

    with stopped(program) as look:
        assert [holder.task for holder in waits(look, 3).holders] == [2]


class Pool:
    def __init__(self) -> None:
        self.sem = asyncio.Semaphore(2)
        self.bounded = asyncio.BoundedSemaphore(2)

    async def use(self) -> None:
        async with self.sem:
            await asyncio.sleep(LONG_S)

    async def use_bounded(self) -> None:
        async with self.bounded:
            await asyncio.sleep(LONG_S)


def test_semaphore() -> None:
    async def program() -> None:
        pool = Pool()
        for at in (1, 2, 3, 4):
            spawn(at, pool.use())

    with stopped(program) as look:
        wait = waits(look, 4)
        assert (wait.kind, wait.type, wait.name) == ("semaphore", "Semaphore", "self.sem")
        assert (wait.value, wait.limit, wait.waiters, wait.position) == (0, None, [3, 4], 2)
        assert sorted(holder.task for holder in wait.holders) == [1, 2]
        assert not wait.are_holders_known


def test_bounded_semaphore() -> None:
    async def program() -> None:
        pool = Pool()
        for at in (1, 2, 3):
            spawn(at, pool.use_bounded())

    with stopped(program) as look:
        wait = waits(look, 3)
        assert (wait.kind, wait.name, wait.value, wait.limit) == ("bounded semaphore", "self.bounded", 0, 2)
        assert sorted(holder.task for holder in wait.holders) == [1, 2]
        assert wait.are_holders_known


def test_condition() -> None:
    async def waiting(condition: asyncio.Condition) -> None:
        async with condition:
            await condition.wait_for(lambda: False)

    async def notifies(condition: asyncio.Condition) -> None:
        async with condition:
            condition.notify()
            await asyncio.sleep(LONG_S)

    async def program() -> None:
        condition = asyncio.Condition()
        spawn(1, waiting(condition))
        spawn(2, waiting(condition))
        await asyncio.sleep(0)
        spawn(3, notifies(condition))
        spawn(4, with_lock(condition))

    with stopped(program) as look:
        wait = waits(look, 2)
        assert (wait.kind, wait.call, wait.name) == ("condition", "Condition.wait_for", "condition")
        assert (wait.state, wait.waiters, wait.position) == ("locked", [2], 1)
        again = waits(look, 1)  # notified, and now for the lock
        assert (again.kind, again.call) == ("lock", "Condition.wait_for")
        assert [holder.task for holder in again.holders] == [3]
        assert again.are_holders_known
        assert sorted(again.waiters) == [1, 4]


def test_event() -> None:
    async def program() -> None:
        event = asyncio.Event()

        async def sets() -> None:
            await asyncio.sleep(LONG_S)
            event.set()

        spawn(1, event.wait())  # no line of the program's own
        spawn(2, sets())

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.call, wait.type, wait.name) == ("event", "Event.wait", "Event", None)
        assert (wait.state, wait.waiters, wait.place) == ("unset", [1], None)
        assert [(waker.kind, waker.task) for waker in wait.wakers] == [("any", 2)]


def test_barrier() -> None:
    async def arrives(barrier: asyncio.Barrier) -> None:
        async with barrier:
            pass

    async def program() -> None:
        barrier = asyncio.Barrier(3)
        spawn(1, arrives(barrier))
        spawn(2, arrives(barrier))

    with stopped(program) as look:
        wait = waits(look, 2)
        assert (wait.kind, wait.state, wait.value, wait.limit) == ("barrier", "filling", 2, 3)
        assert (wait.waiters, wait.position, wait.name) == ([1, 2], 2, "barrier")


def test_locks_within_context_managers_and_stacks() -> None:
    @contextlib.asynccontextmanager
    async def session(lock: asyncio.Lock) -> AsyncIterator[None]:
        async with lock:
            yield

    async def managed(lock: asyncio.Lock) -> None:
        async with session(lock):
            await asyncio.sleep(LONG_S)

    async def stacked(lock: asyncio.Lock) -> None:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(lock)
            with contextlib.suppress(ValueError):
                await asyncio.sleep(LONG_S)

    async def program() -> None:
        locks = [asyncio.Lock(), asyncio.Lock()]

        async def wants(at: int) -> None:
            await locks[at].acquire()

        spawn(1, managed(locks[0]))
        spawn(2, stacked(locks[1]))
        await asyncio.sleep(0)
        spawn(3, wants(0))
        spawn(4, wants(1))

    with stopped(program) as look:
        assert [holder.task for holder in waits(look, 3).holders] == [1]
        assert [holder.task for holder in waits(look, 4).holders] == [2]
        assert waits(look, 4).name == "locks[1]"


def test_a_cycle_of_locks_is_a_cycle_of_certain_edges() -> None:
    async def takes(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            await asyncio.sleep(0)
            async with second:
                pass

    async def program() -> None:
        one, other = asyncio.Lock(), asyncio.Lock()
        spawn(1, takes(one, other))
        spawn(2, takes(other, one))

    with stopped(program) as look:
        found = look.blocked()
        assert [(blocked.task, [edge.by for edge in blocked.edges]) for blocked in found] == [
            (1, [2]),
            (2, [1]),
        ]
        assert all(blocked.is_complete and not blocked.outside for blocked in found)
        assert [blocked.name for blocked in found] == ["second", "second"]


# -- queues -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue])
def test_queues(kind: type[asyncio.Queue[int]]) -> None:
    async def program() -> None:
        full, empty = kind(2), kind(1)

        async def puts() -> None:
            for at in range(3):
                await full.put(at)

        async def gets() -> None:
            await empty.get()

        async def joins() -> None:
            await full.join()

        spawn(1, puts())
        spawn(2, gets())
        spawn(3, gets())
        spawn(4, joins())

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.call, wait.type) == ("queue put", "Queue.put", kind.__name__)
        assert (wait.name, wait.value, wait.limit, wait.state) == ("full", 2, 2, "open")
        assert (wait.waiters, [(waker.kind, waker.task) for waker in wait.wakers]) == ([1], [("any", 4)])
        wait = waits(look, 3)
        assert (wait.kind, wait.name, wait.value, wait.limit) == ("queue get", "empty", 0, 1)
        assert (wait.waiters, wait.position, wait.wakers) == ([2, 3], 2, [])
        wait = waits(look, 4)
        assert (wait.kind, wait.name, wait.value, wait.waiters) == ("queue join", "full", 2, [4])


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in 3.13")
def test_a_queue_that_is_shut_down() -> None:
    async def program() -> None:
        queue: Any = asyncio.Queue()
        queue.put_nowait(1)
        queue.shutdown()

        async def joins() -> None:
            await queue.join()

        async def gets() -> None:
            await queue.get()

        spawn(1, joins())
        other: Any = asyncio.Queue()
        task = spawn(2, other.get())
        await asyncio.sleep(0)
        other.shutdown()
        with AsyncioInspector(numbers(asyncio.get_running_loop())) as look:
            wait = waits(look, 2)
            assert (wait.kind, wait.state, wait.is_over) == ("queue get", "shut down", True)
        with contextlib.suppress(asyncio.QueueShutDown):  # type: ignore[attr-defined]
            await task

    with stopped(program) as look:
        assert waits(look, 1).kind == "queue join"


# -- tasks --------------------------------------------------------------------------------------------------


async def forever() -> None:
    await asyncio.sleep(LONG_S)


async def at_once() -> None:
    pass


def test_sleep_has_a_deadline_of_the_loop() -> None:
    async def program() -> None:
        spawn(1, forever())

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.call, wait.is_over) == ("sleep", "sleep", False)
        [waker] = wait.wakers
        assert waker.kind == "timer"
        assert waker.when is not None
        assert look.blocked()[0].outside
        assert look.state(look.task_of(1)) == "waiting"


def test_a_task_that_yields_is_ready() -> None:
    async def yields() -> None:
        for _ in range(1000):
            await asyncio.sleep(0)

    async def program() -> None:
        spawn(1, yields())

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.is_over) == ("nothing", True)
        assert look.state(look.task_of(1)) == "ready"
        assert look.blocked() == []


def test_gather() -> None:
    async def program() -> None:
        async def gathers() -> None:
            tasks = [spawn(2, forever()), spawn(3, at_once()), spawn(4, forever())]
            await asyncio.gather(*tasks)

        spawn(1, gathers())

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.children, wait.children_total, wait.children_done) == ("gather", [2, 4], 3, 1)
        assert [(waker.kind, waker.task) for waker in wait.wakers] == [("task", 2), ("task", 4)]
        blocked = look.blocked()[0]
        assert (blocked.needs_all, blocked.is_complete, blocked.outside) == (True, True, [])


@pytest.mark.parametrize("how", [asyncio.ALL_COMPLETED, asyncio.FIRST_COMPLETED])
def test_wait(how: str) -> None:
    async def program() -> None:
        async def waiting() -> None:
            children = {spawn(2, forever()), spawn(3, forever())}
            await asyncio.wait(children, timeout=LONG_S, return_when=how)

        spawn(1, waiting())

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.call, wait.children) == ("wait", "wait", [2, 3])
        assert (wait.children_total, wait.children_done) == (2, 0)
        assert wait.needs_all is (how == asyncio.ALL_COMPLETED)
        [deadline] = wait.deadlines
        assert (deadline.kind, deadline.state) == ("wait", "active")


def test_wait_for_a_task() -> None:
    async def program() -> None:
        async def waiting() -> None:
            await asyncio.wait_for(spawn(2, forever()), LONG_S)

        spawn(1, waiting())

    with stopped(program) as look:
        wait = waits(look, 1)
        assert wait.kind == ("wait_for" if sys.version_info < (3, 12) else "task")
        assert (wait.call, wait.children) == ("wait_for", [2])
        assert ("task", 2) in [(waker.kind, waker.task) for waker in wait.wakers]
        [deadline] = wait.deadlines
        assert deadline.kind == "wait_for"
        assert deadline.place is not None
        assert deadline.place.function.endswith("waiting")


def test_wait_for_that_cancels() -> None:
    async def stubborn() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            await forever()

    async def program() -> None:
        async def waiting() -> None:
            child = spawn(2, stubborn())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.wait_for(child, 0)

        spawn(1, waiting())

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.call, wait.children) == ("wait_for", "wait_for", [2])


def test_as_completed() -> None:
    async def program() -> None:
        async def waiting() -> None:
            children = [spawn(2, forever()), spawn(3, at_once()), spawn(4, forever())]
            for one in asyncio.as_completed(children, timeout=LONG_S):
                await one

        spawn(1, waiting())

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.children, wait.needs_all) == ("as_completed", [2, 4], False)
        assert [deadline.kind for deadline in wait.deadlines] == ["as_completed"]


def test_task_group() -> None:
    async def program() -> None:
        async def group() -> None:
            async with asyncio.TaskGroup() as tg:
                for at in (2, 3):
                    tg.create_task(forever(), name=str(at))
                tg.create_task(at_once(), name="4")

        spawn(1, group())

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.type, wait.name, wait.children) == ("task group", "TaskGroup", "tg", [2, 3])
        assert (wait.children_total, wait.call) == (None, "TaskGroup.__aexit__")


def test_timeouts_around_a_wait_nearest_first() -> None:
    async def program() -> None:
        async def inner() -> None:
            async with asyncio.timeout(LONG_S):
                await asyncio.Event().wait()

        async def outer() -> None:
            when = asyncio.get_running_loop().time() + 2 * LONG_S
            async with asyncio.timeout_at(when), asyncio.timeout(None):
                await asyncio.wait_for(inner(), 3 * LONG_S)

        spawn(1, outer())

    with stopped(program) as look:
        wait = waits(look, 1)
        kinds = [(deadline.kind, deadline.when is None, deadline.state) for deadline in wait.deadlines]
        around = [("timeout", True, "active"), ("timeout", False, "active")]
        if sys.version_info < (3, 12):  # `wait_for` makes a task of the inner one
            assert (wait.kind, kinds) == ("wait_for", [("wait_for", False, "active"), *around])
            return
        assert wait.kind == "event"
        assert kinds == [("timeout", False, "active"), ("wait_for", False, "active"), *around]
        place = wait.deadlines[0].place
        assert place is not None
        assert place.function.endswith("inner")


def test_shield() -> None:
    async def program() -> None:
        async def waiting() -> None:
            await asyncio.shield(spawn(2, forever()))

        spawn(1, waiting())

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.children) == ("shield", [2])
        assert look.blocked()[0].is_complete


def test_another_task() -> None:
    async def program() -> None:
        async def waiting(child: asyncio.Task[None]) -> None:
            await child

        spawn(1, waiting(spawn(2, forever())))

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.call, wait.type, wait.name, wait.children) == (
            "task",
            None,
            "Task",
            "child",
            [2],
        )
        assert (wait.children_total, wait.children_done) == (1, 0)


# -- the outside --------------------------------------------------------------------------------------------


class Waits:
    def __init__(self) -> None:
        self.answer = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        await self.answer


def test_a_bare_future() -> None:
    async def program() -> Any:
        one, other = Waits(), Waits()
        asyncio.get_running_loop().call_later(LONG_S, other.answer.set_result, None)
        spawn(1, one.run())
        spawn(2, other.run())
        return one, other

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.type, wait.name, wait.objects) == (
            "future",
            "Future",
            "self.answer",
            ["Waits.answer"],
        )
        assert wait.wakers == []
        assert [waker.kind for waker in waits(look, 2).wakers] == ["timer"]


def test_a_socket_of_the_loop() -> None:
    with contextlib.ExitStack() as sockets:
        one, other = (sockets.enter_context(end) for end in socket.socketpair())
        one.setblocking(False)

        async def program() -> None:
            async def receives() -> None:
                await asyncio.get_running_loop().sock_recv(one, 10)

            spawn(1, receives())

        with stopped(program) as look:
            wait = waits(look, 1)
            assert (wait.kind, wait.call, wait.name) == ("socket", "BaseSelectorEventLoop.sock_recv", "one")
            assert [(waker.kind, waker.fd, waker.detail) for waker in wait.wakers] == [
                ("fd", one.fileno(), "read")
            ]
        other.close()


def test_a_descriptor_that_the_program_watches() -> None:
    with contextlib.ExitStack() as sockets:
        one, _other = (sockets.enter_context(end) for end in socket.socketpair())

        async def program() -> None:
            async def waiting() -> None:
                loop = asyncio.get_running_loop()
                ready = loop.create_future()
                loop.add_reader(one, lambda: ready.set_result(None))
                try:
                    await ready
                finally:
                    loop.remove_reader(one)

            spawn(1, waiting())

        with stopped(program) as look:
            wait = waits(look, 1)
            assert (wait.kind, wait.name) == ("future", "ready")
            assert [(waker.kind, waker.fd) for waker in wait.wakers] == [("fd", one.fileno())]


def test_streams() -> None:
    with contextlib.ExitStack() as sockets:
        one, other = (sockets.enter_context(end) for end in socket.socketpair())

        kept: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

        async def program() -> None:
            async def reads(reader: asyncio.StreamReader) -> None:
                await reader.readline()

            async def writes(writer: asyncio.StreamWriter) -> None:
                while True:
                    writer.write(bytes(1 << 20))
                    await writer.drain()

            reader, writer = await asyncio.open_connection(sock=one)
            spawn(1, reads(reader))
            spawn(2, writes(writer))
            kept.append((reader, writer))

        with stopped(program) as look:
            wait = waits(look, 1)
            assert (wait.kind, wait.call, wait.name) == ("stream read", "StreamReader.readline", "reader")
            assert [(waker.kind, waker.fd, waker.detail) for waker in wait.wakers] == [
                ("fd", one.fileno(), "read")
            ]
            wait = waits(look, 2)
            assert (wait.kind, wait.call, wait.name) == ("stream drain", "StreamWriter.drain", "writer")
            assert [(waker.kind, waker.detail) for waker in wait.wakers] == [("fd", "write")]
            for _, writer in kept:
                writer.transport.abort()
        other.close()


def test_a_process() -> None:
    async def program() -> None:
        async def waiting(process: asyncio.subprocess.Process) -> None:
            try:
                await process.wait()
            finally:
                process.kill()
                await process.wait()

        process = await asyncio.create_subprocess_exec("sleep", str(LONG_S))
        pids.append(process.pid)
        spawn(1, waiting(process))

    pids: list[int] = []
    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.call, wait.name) == ("process", "Process.wait", "process")
        assert [(waker.kind, waker.detail) for waker in wait.wakers] == [("process", str(pids[0]))]
        assert look.blocked()[0].outside


def test_executors() -> None:
    done = threading.Event()

    def job() -> None:
        done.wait()

    async def program() -> None:
        async def by_loop() -> None:
            await asyncio.get_running_loop().run_in_executor(None, job)

        async def by_name() -> None:
            await asyncio.to_thread(functools.partial(job))

        spawn(1, by_loop())
        spawn(2, by_name())

    with stopped(program) as look:
        try:
            wait = waits(look, 1)
            assert (wait.kind, wait.call) == ("executor", None)
            assert [waker.kind for waker in wait.wakers] == ["thread"]
            wait = waits(look, 2)
            assert (wait.kind, wait.call) == ("executor", "to_thread")
            [waker] = wait.wakers
            assert (waker.kind, (waker.detail or "").rpartition(".")[2]) == ("thread", "job")
        finally:
            done.set()


def test_a_server() -> None:
    async def program() -> None:
        async def serves(server: asyncio.Server) -> None:
            async with server:
                await server.serve_forever()

        spawn(1, serves(await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)))

    with stopped(program) as look:
        wait = waits(look, 1)
        assert (wait.kind, wait.call, wait.name) == ("server", "Server.serve_forever", "server")
        assert [(waker.kind, waker.detail) for waker in wait.wakers] == [("fd", "read")]
        assert look.blocked()[0].outside


def test_a_connection_that_is_being_made() -> None:
    with contextlib.ExitStack() as sockets:
        one, other = (sockets.enter_context(end) for end in socket.socketpair())

        async def program() -> None:
            async def connects() -> None:
                await asyncio.open_connection(sock=one)

            spawn(1, connects())

        with stopped(program, turns=0) as look:
            wait = waits(look, 1)
            assert (wait.kind, wait.call) == ("connection", "open_connection")
            assert [(waker.kind, waker.detail) for waker in wait.wakers] == [
                ("callback", "_set_result_unless_cancelled")
            ]
            assert look.blocked()[0].outside
            frame = look.stack_of(1)[0]
            look.codes.variable(frame, "transport").abort()
        other.close()
