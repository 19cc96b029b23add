"""asyncio and trio, one after another, and each once more."""

import asyncio
import random

import trio


async def on_asyncio():
    async def one(n):
        await asyncio.sleep(random.random() * 0.003)
        return n

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(n)) for n in range(5)]
    order = [await first for first in asyncio.as_completed([asyncio.create_task(one(n)) for n in range(5)])]
    print("asyncio", *(task.result() for task in tasks), order, asyncio.current_task().get_name())


async def on_trio():
    order = []

    async def one(n):
        await trio.sleep(random.random() * 0.003)
        order.append(n)

    async with trio.open_nursery() as nursery:
        for n in range(5):
            nursery.start_soon(one, n)
    print("trio", *order)


for _ in range(2):
    asyncio.run(on_asyncio())
    trio.run(on_trio)
asyncio.run(asyncio.to_thread(trio.run, on_trio))
trio.run(trio.to_thread.run_sync, asyncio.run, on_asyncio())
