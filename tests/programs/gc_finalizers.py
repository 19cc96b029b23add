"""Counts that depend on when the collector runs: cycles, weak references, async generators."""

import asyncio
import gc
import random
import weakref

finalized = []
forgotten = 0


class Node:
    def __init__(self, n):
        self.n = n
        self.me = self
        self.data = [[] for _ in range(random.randrange(20))]

    def __del__(self):
        finalized.append(self.n)


def forget(_):
    global forgotten
    forgotten += 1


async def numbers():
    try:
        for n in range(100):
            yield n
            await asyncio.sleep(0)
    finally:
        await asyncio.sleep(0)
        finalized.append("generator")


async def first(n):
    generator = numbers()
    cycle = [generator]
    cycle.append(cycle)
    async for value in generator:
        if value == n:
            return value


async def main():
    references = []
    for n in range(3000):
        references.append(weakref.ref(Node(n), forget))
        if n % 10 == 0:
            await asyncio.sleep(0)
        if n % 300 == 0:
            print(n, len(finalized), forgotten, finalized[-3:])
    print("found", await asyncio.gather(*(first(n) for n in range(10))))
    print("collected", gc.collect() > 0, len(finalized), forgotten, gc.get_count()[1:], gc.isenabled())
    await asyncio.sleep(0.01)
    print("generators", finalized.count("generator"), len(gc.garbage), gc.get_stats()[2]["collections"])


asyncio.run(main())
print("end", len(finalized), forgotten)
