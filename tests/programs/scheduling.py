"""Random durations decide who goes first: sleeps, a queue, locks, a condition, a barrier."""

import asyncio
import random


async def pause(longest=0.01):
    await asyncio.sleep(random.random() * longest)


async def producer(name, queue):
    for n in range(5):
        await pause()
        await queue.put(f"{name}{n}")


async def consumer(name, queue, seen):
    while True:
        item = await queue.get()
        seen.append(f"{item}>{name}")
        await pause()
        queue.task_done()


async def holder(name, lock, log):
    async with lock:
        log.append(f"+{name}")
        await pause(0.003)
        log.append(f"-{name}")


async def main():
    queue, seen = asyncio.Queue(maxsize=2), []
    consumers = [asyncio.create_task(consumer(name, queue, seen)) for name in "xyz"]
    await asyncio.gather(*(producer(name, queue) for name in "ABCD"))
    await queue.join()
    for task in consumers:
        task.cancel()
    print("queue", " ".join(seen))
    for lock in asyncio.Lock(), asyncio.Semaphore(2), asyncio.BoundedSemaphore(3):
        log, names = [], random.sample("abcdef", 6)
        await asyncio.gather(*(holder(name, lock, log) for name in names))
        print(type(lock).__name__, *log)
    condition, barrier, order = asyncio.Condition(), asyncio.Barrier(4), []

    async def waiter(name):
        await pause()
        order.append(f"{name}@{await barrier.wait()}")
        async with condition:
            await condition.wait_for(lambda: len(order) >= 4)
        order.append(name)
        async with condition:
            condition.notify(1)

    await asyncio.gather(*(waiter(name) for name in "pqrs"))
    print("barrier, condition", *order)
    jobs = [asyncio.create_task(pause(0.02), name=f"job{n}") for n in range(6)]
    done, pending = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
    print("first", [task.get_name() for task in done], "of", len(done) + len(pending))
    await asyncio.gather(*jobs)
    loop = asyncio.get_running_loop()
    called = []
    for n in range(10):
        loop.call_later(random.random() * 0.01, called.append, n)
    await asyncio.sleep(0.02)
    print("call_later", called, loop.time())


asyncio.run(main())
