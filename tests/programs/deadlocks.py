"""Ways to hang, by name; the program ends itself by a signal when nothing moves any more."""

import asyncio
import os
import signal
import sys
import threading


async def takes(first, second):
    async with first:
        await asyncio.sleep(0)
        async with second:
            pass


async def locks():
    one, other = asyncio.Lock(), asyncio.Lock()
    async with asyncio.timeout(1000), asyncio.TaskGroup() as group:
        group.create_task(takes(one, other), name="left")
        group.create_task(takes(other, one), name="right")


async def lock_and_queue():
    lock, queue = asyncio.Lock(), asyncio.Queue()

    async def gets():
        async with lock:
            await queue.get()

    async def puts():
        await asyncio.sleep(0)
        async with lock:
            queue.put_nowait(1)

    await asyncio.gather(gets(), puts())


async def gathered():
    lock = asyncio.Lock()

    async def child():
        async with lock:
            pass

    async with lock:
        await asyncio.gather(child(), child())


async def conditions():
    one, other = asyncio.Condition(), asyncio.Condition()

    async def waits(mine, theirs):
        async with mine:
            await mine.wait()
        async with theirs:
            theirs.notify()

    await asyncio.gather(waits(one, other), waits(other, one))


async def semaphore():
    semaphore = asyncio.BoundedSemaphore(1)

    async def inner():
        async with semaphore:
            pass

    async with semaphore:
        await inner()


async def plain_semaphore():
    semaphore = asyncio.Semaphore(2)
    async with semaphore, semaphore, semaphore:
        pass


async def server():
    async def serve(reader, writer):
        await reader.read()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with listening:
        await listening.serve_forever()


async def thread():
    lock = threading.Lock()

    def use():
        with lock:
            pass

    with lock:
        await asyncio.to_thread(use)


async def awaits_itself():
    async def one():
        await asyncio.sleep(0)
        await tasks[1]

    async def other():
        await tasks[0]

    tasks = [asyncio.create_task(one()), asyncio.create_task(other())]
    await asyncio.gather(*tasks)


async def ends(number):
    for _ in range(20):
        await asyncio.sleep(0)
    os.kill(os.getpid(), number)


async def main():
    task = asyncio.create_task(globals()[sys.argv[1]](), name="main")
    await asyncio.gather(task, asyncio.create_task(ends(getattr(signal, sys.argv[2])), name="ends"))


asyncio.run(main())
