"""An exception with causes, out of a task; others in a callback, never retrieved, never awaited."""

import asyncio
import os
import random


async def query(n):
    await asyncio.sleep(0)
    try:
        return {}[n]
    except KeyError as error:
        raise RuntimeError(f"query {n} failed in process {os.getpid()}") from error


def callback():
    raise ZeroDivisionError(random.random())


async def main():
    asyncio.get_running_loop().call_soon(callback)
    lost = asyncio.create_task(query(random.randrange(100)))
    await asyncio.sleep(0.001)
    del lost
    query(1)
    await asyncio.gather(query(random.randrange(1000)), asyncio.sleep(1))


asyncio.run(main())
