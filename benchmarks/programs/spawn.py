"""Creation and end of tasks: 120,000 that do nothing, 100 alive at a time."""

import asyncio

TASKS = 120_000
ALIVE = 100


async def nothing():
    pass


async def main():
    for _ in range(TASKS // ALIVE):
        await asyncio.gather(*(asyncio.create_task(nothing()) for _ in range(ALIVE)))


asyncio.run(main())
