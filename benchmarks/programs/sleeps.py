"""Waiting: 100 tasks, each sleeping 40 times for up to 150 ms."""

import asyncio
import random


async def sleeper():
    for _ in range(40):
        await asyncio.sleep(random.random() * 0.15)


async def main():
    await asyncio.gather(*(sleeper() for _ in range(100)))


asyncio.run(main())
