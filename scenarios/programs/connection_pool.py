"""A pool hands a connection to a waiter that gives up in that moment: nobody has the connection any more."""

import asyncio
from collections import deque

free = ["connection"]
waiters: deque[asyncio.Future[str]] = deque()


async def acquire() -> str:
    if free:
        return free.pop()
    waiter = asyncio.get_running_loop().create_future()
    waiters.append(waiter)
    try:
        return await waiter
    except asyncio.CancelledError:
        if waiter in waiters:
            waiters.remove(waiter)
        raise  # if it was served already, the connection is lost here


def release(connection: str) -> None:
    while waiters:
        waiter = waiters.popleft()
        if not waiter.done():
            waiter.set_result(connection)
            return
    free.append(connection)


async def user(work: float) -> None:
    try:
        async with asyncio.timeout(0.05):
            connection = await acquire()
    except TimeoutError:
        return
    await asyncio.sleep(work)
    release(connection)


async def main() -> None:
    await asyncio.gather(user(0.03), user(0.01))
    assert free == ["connection"], "the connection is lost"
    print("the connection is back")


asyncio.run(main())
