"""Ends in an ExceptionGroup nobody catches; which errors are in it, and in which order, is up to chance."""

import asyncio
import random


async def child(n):
    try:
        await asyncio.sleep(random.uniform(0, 0.004))
        raise ValueError(f"child {n} drew {random.random()}")
    except asyncio.CancelledError:
        if random.random() < 0.5:
            raise KeyError(f"child {n} failed while cancelled") from None
        print("cancelled", n)
        raise


async def main():
    async with asyncio.TaskGroup() as group:
        for n in range(8):
            group.create_task(child(n))


asyncio.run(main())
