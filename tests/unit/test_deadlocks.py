"""Cycles, who waits behind them, who waits for the outside: of made up waits, and of real ones."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import trio
import trio.testing

from replay.analysis.deadlocks import Deadlocks, find_deadlocks
from replay.runtime.inspection.data import Blocked, Deadline, Edge, Waker
from replay.runtime.inspection.inspector import Inspector
from tests.unit.stopped import spawn, stopped
from tests.unit.stopped_trio import Nursery
from tests.unit.stopped_trio import stopped as stopped_trio


def waits(
    task: int,
    *by: int,
    could: tuple[int, ...] = (),
    all_of: bool = False,
    outside: bool = False,
    complete: bool = True,
    internal: bool = False,
    deadline: bool = False,
) -> dict[str, Any]:
    edges = [Edge(one, "holds it", True) for one in by] + [Edge(one, "could", False) for one in could]
    return asdict(
        Blocked(
            task=task,
            kind="lock",
            name=None,
            place=None,
            edges=edges,
            needs_all=all_of,
            is_complete=complete,
            outside=[Waker("timer", when=1.0)] if outside else [],
            deadlines=[Deadline(1.0, "timeout", "active", None)] if deadline else [],
            is_internal=internal,
        )
    )


def cycles(found: Deadlocks) -> list[tuple[int, ...]]:
    return [cycle.tasks for cycle in found.cycles]


# -- made up ------------------------------------------------------------------------------------------------


def test_a_cycle_and_who_waits_for_it() -> None:
    found = find_deadlocks([waits(1, 2, 4, all_of=True), waits(2, 3), waits(3, 2), waits(4, 1)])
    assert cycles(found) == [(1, 4), (2, 3)]
    found = find_deadlocks([waits(1, 2), waits(2, 3), waits(3, 2), waits(4, 1), waits(5)])
    assert (cycles(found), found.behind, found.stuck, found.outside) == ([(2, 3)], (1, 4), (5,), ())


def test_a_task_that_waits_for_itself() -> None:
    assert cycles(find_deadlocks([waits(1, 1)])) == [(1,)]


def test_the_order_is_that_of_the_waiting() -> None:
    assert cycles(find_deadlocks([waits(1, 3), waits(2, 1), waits(3, 2)])) == [(1, 3, 2)]


def test_two_cycles_that_share_a_task_are_one() -> None:
    found = find_deadlocks([waits(1, 2, 3, all_of=True), waits(2, 1), waits(3, 1)])
    assert cycles(found) == [(1, 2, 3)]


def test_the_outside_is_in_no_cycle() -> None:
    found = find_deadlocks([waits(1, 2), waits(2, 1, outside=True)])
    assert (cycles(found), found.outside) == ([], (1, 2))


def test_one_of_several_holders_can_go_on() -> None:
    found = find_deadlocks([waits(1, 1, 9)])  # 9 does not wait
    assert (cycles(found), found.outside) == ([], (1,))
    assert cycles(find_deadlocks([waits(1, 1, 9), waits(9, 1)])) == [(1, 9)]


def test_one_of_all_that_are_needed_is_enough() -> None:
    assert cycles(find_deadlocks([waits(1, 2, 9, all_of=True), waits(2, 1)])) == [(1, 2)]


def test_what_is_in_hand_makes_no_cycle_but_may_unmake_one() -> None:
    found = find_deadlocks([waits(1, 2), waits(2, could=(1,), complete=False)])
    assert (cycles(found), found.behind, found.stuck) == ([], (), (1, 2))
    found = find_deadlocks([waits(1, 1, could=(2,), complete=False)])
    assert (cycles(found), found.outside) == ([], (1,))
    found = find_deadlocks([waits(1, 1, could=(2,), complete=False), waits(2, 1)])
    assert [(cycle.tasks, cycle.is_certain) for cycle in found.cycles] == [((1,), False)]
    assert found.behind == (2,)


def test_tasks_of_the_library_are_not_told_of_but_in_a_cycle() -> None:
    found = find_deadlocks([waits(1, 1), waits(2, 1, internal=True), waits(3, outside=True, internal=True)])
    assert (cycles(found), found.behind, found.outside) == ([(1,)], (), ())
    assert cycles(find_deadlocks([waits(1, 1, internal=True)])) == [(1,)]


def test_a_deadline_does_not_hide_a_cycle() -> None:
    found = find_deadlocks([waits(1, 2, deadline=True), waits(2, 1), waits(3, 1, deadline=True), waits(4)])
    assert cycles(found) == [(1, 2)]
    assert [task for task, _ in found.deadlines()] == [1, 3]


def test_a_long_chain_is_no_problem() -> None:
    count = 5000
    found = find_deadlocks([waits(at, at % count + 1) for at in range(1, count + 1)])
    assert cycles(found) == [tuple(range(1, count + 1))]


# -- real ---------------------------------------------------------------------------------------------------


def deadlocks(look: Inspector) -> Deadlocks:
    return find_deadlocks([asdict(one) for one in look.blocked()])


def test_ten_tasks_of_asyncio() -> None:
    async def takes(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            await asyncio.sleep(0)
            async with second:
                pass

    async def program() -> None:
        one, other, queue = asyncio.Lock(), asyncio.Lock(), asyncio.Queue[int]()
        event, condition = asyncio.Event(), asyncio.Condition()

        async def waiting() -> None:
            async with condition:
                await condition.wait()

        async def acquires() -> None:
            async with one:
                pass

        async def group() -> None:
            async with asyncio.TaskGroup() as tg:
                tg.create_task(acquires(), name="8")
                tg.create_task(asyncio.sleep(1000), name="9")

        spawn(1, takes(one, other))
        spawn(2, takes(other, one))
        spawn(3, queue.get())  # type: ignore[arg-type]
        spawn(4, event.wait())  # type: ignore[arg-type]
        spawn(5, waiting())
        spawn(6, group())
        spawn(7, asyncio.sleep(1000))

    with stopped(program) as look:
        found = deadlocks(look)
        assert [(cycle.tasks, cycle.is_certain) for cycle in found.cycles] == [((1, 2), True)]
        assert (found.behind, found.stuck, found.outside) == ((6, 8), (3, 4, 5), (7, 9))


def test_ten_tasks_of_trio() -> None:
    async def takes(first: trio.Lock, second: trio.Lock) -> None:
        async with first:
            await trio.testing.wait_all_tasks_blocked()
            async with second:
                pass

    async def program(nursery: Nursery) -> None:
        one, other = trio.Lock(), trio.Lock()
        condition, limiter = trio.Condition(), trio.CapacityLimiter(1)
        send, receive = trio.open_memory_channel[int](0)

        async def waiting() -> None:
            async with condition:
                await condition.wait()

        async def acquires() -> None:
            async with one:
                pass

        async def group() -> None:
            async with trio.open_nursery() as inner:
                inner.start_soon(acquires, name="8")
                inner.start_soon(trio.sleep, 1000, name="9")

        async def keeps() -> None:
            async with send:
                await trio.sleep_forever()

        async def for_itself() -> None:
            await limiter.acquire_on_behalf_of(trio.lowlevel.current_task())
            await limiter.acquire_on_behalf_of("another")

        programs: list[tuple[Any, ...]] = [
            (1, takes, one, other),
            (2, takes, other, one),
            (3, receive.receive),
            (4, keeps),
            (5, waiting),
            (6, group),
            (7, trio.sleep, 1000),
            (10, for_itself),
        ]
        for at, function, *arguments in programs:
            nursery.start_soon(function, *arguments, name=str(at))

    with stopped_trio(program) as look:
        found = deadlocks(look)
        assert [(cycle.tasks, cycle.is_certain) for cycle in found.cycles] == [((1, 2), True), ((10,), True)]
        assert (found.behind, found.stuck, found.outside) == ((6, 8), (3, 4, 5), (7, 9))
