"""trio: tasks cancelled together, deadlines that are equal, timeouts of nurseries, shields, a cancelled checkpoint."""

import random

import trio
import trio.testing


async def sleeper(n, deadline, order):
    try:
        with trio.CancelScope(deadline=deadline):
            await trio.sleep_forever()
        order.append(f"own {n}")
    finally:
        order.append(n)


async def equal_deadlines():
    order = []
    deadline = trio.current_time() + 0.003
    async with trio.open_nursery() as nursery:
        for n in range(20):
            nursery.start_soon(sleeper, n, deadline, order)
    print(*order)


async def together():
    order = []
    with trio.move_on_after(0.003) as scope:
        async with trio.open_nursery() as nursery:
            for n in range(20):
                nursery.start_soon(sleeper, n, float("inf"), order)
    print(scope.cancelled_caught, *order)


async def nested():
    order = []

    async def branch(name, depth):
        try:
            if depth:
                async with trio.open_nursery() as nursery:
                    for n in range(3):
                        nursery.start_soon(branch, f"{name}{n}", depth - 1)
            else:
                await trio.sleep(random.random() * 0.01)
        finally:
            order.append(name)

    with trio.move_on_after(0.005):
        await branch("", 3)
    print(*order)


async def shielded():
    with trio.move_on_after(0.001) as outer:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.003)
        print("shielded", outer.cancel_called)
        await trio.sleep(1)
    print(outer.cancelled_caught)
    try:
        with trio.fail_after(0.001):
            await trio.sleep(1)
    except trio.TooSlowError as error:
        print(repr(error))


async def idle():
    """Who waits for all others to be blocked, waits in an order too."""
    order = []

    async def one(n):
        await trio.testing.wait_all_tasks_blocked()
        order.append(n)

    async with trio.open_nursery() as nursery:
        for n in range(10):
            nursery.start_soon(one, n)
    print(*order)


async def failing():
    order = []

    async def one(n):
        try:
            await trio.sleep(0.001 if n == 7 else 1)
            raise ValueError(n)
        finally:
            order.append(n)

    try:
        async with trio.open_nursery() as nursery:
            for n in range(20):
                nursery.start_soon(one, n)
    except* ValueError as errors:
        print(repr(errors), *order)


async def main():
    for test in equal_deadlines, together, nested, shielded, idle, failing:
        await test()
    scope = trio.CancelScope()
    print(repr(scope)[:18], hash(scope) == hash(scope))


trio.run(main)
