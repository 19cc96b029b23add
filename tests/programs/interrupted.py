"""Waits to be interrupted, with tasks that clean up; the KeyboardInterrupt comes out at the end."""

import asyncio
import random


async def worker(n):
    try:
        await asyncio.sleep(60)
    finally:
        print("cleaning up", n, random.random())
        await asyncio.sleep(random.random() * 0.002)
        print("cleaned up", n)


async def main():
    async with asyncio.TaskGroup() as group:
        for n in range(4):
            group.create_task(worker(n))
        await asyncio.sleep(0.001)
        print("READY", flush=True)


asyncio.run(main())
