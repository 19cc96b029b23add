"""Scheduling alone: 1000 tasks, each yielding 500 times."""

import asyncio


async def worker():
    for _ in range(500):
        await asyncio.sleep(0)


async def main():
    await asyncio.gather(*(worker() for _ in range(1000)))


asyncio.run(main())
