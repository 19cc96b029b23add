"""Asynchronous generators that only the collector finds: the loop then makes a task to close each."""

import asyncio

closed = []


async def numbers(n):
    try:
        while True:
            yield n
            await asyncio.sleep(0)
    finally:
        await asyncio.sleep(0)
        closed.append(n)
        print("closed", n, len(asyncio.all_tasks()))


async def first(n):
    generator = numbers(n)
    cycle = [generator]
    cycle.append(cycle)
    async for value in generator:
        return value


async def main():
    kept = []
    for n in range(300):
        await first(n)
        kept.append([[] for _ in range(100)])
        if n % 7 == 0:
            await asyncio.sleep(0.0001)
    print(len(closed))


asyncio.run(main())
