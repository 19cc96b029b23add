"""trio: async generators that are left alone, found by the collector of garbage, or closed at the end of the run."""

import gc
import weakref

import trio


async def numbers(name):
    try:
        for n in range(10):
            yield n
            await trio.lowlevel.checkpoint()
    finally:
        print("closed", name)


async def first(name):
    async for n in numbers(name):
        return n


class Node:
    def __init__(self, name):
        self.name, self.me = name, self

    def __del__(self):
        print("gone", self.name)


async def main():
    kept = [numbers(f"kept {n}") for n in range(5)]
    for one in kept:
        await anext(one)
    for n in range(3):
        await first(f"left {n}")
    await trio.sleep(0.001)
    for n in range(3):
        Node(n)
    gc.collect()
    seen = weakref.WeakSet()
    for _ in range(300):
        node = Node.__new__(Node)
        node.name, node.me, node.ballast = "one of many", node, [[] for _ in range(20)]
        seen.add(node)
        del node
        await trio.lowlevel.checkpoint()
    print(len(seen))
    main.kept = kept


trio.run(main)
