"""Work against deadlines and cancellation, each a close race: timeout, wait_for, shield, cancel, uncancel."""

import asyncio
import random


async def work(name, log):
    try:
        await asyncio.sleep(random.uniform(0, 0.01))
        log.append(f"{name} done")
        return name
    except asyncio.CancelledError:
        log.append(f"{name} cancelled")
        await asyncio.sleep(0)
        raise


async def within(name, log):
    try:
        async with asyncio.timeout(0.005) as limit:
            await work(name, log)
    except TimeoutError:
        log.append(f"{name} late {limit.expired()}")


async def waited(name, log):
    try:
        log.append(f"got {await asyncio.wait_for(work(name, log), 0.005)}")
    except asyncio.TimeoutError:
        log.append(f"{name} timed out")


async def shielded(name, log):
    inner = asyncio.ensure_future(work(name, log))
    try:
        await asyncio.wait_for(asyncio.shield(inner), 0.005)
    except asyncio.TimeoutError:
        log.append(f"{name} still {'done' if inner.done() else 'running'}")
    await inner


async def cancelled(name, log):
    task = asyncio.create_task(work(name, log))
    await asyncio.sleep(random.uniform(0, 0.01))
    was = task.cancel("no more")
    result = (await asyncio.gather(task, return_exceptions=True))[0]
    log.append(f"{name} {was} {result!r}")


async def main():
    for kind in within, waited, shielded, cancelled:
        log = []
        await asyncio.gather(*(kind(f"{kind.__name__[0]}{n}", log) for n in range(6)))
        print(kind.__name__, *log, sep="; ")
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(loop.time() + 0.002) as limit:
            for turn in range(10**6):
                await asyncio.sleep(0)
    except TimeoutError:
        print("turns", turn, limit.when())


asyncio.run(main())
