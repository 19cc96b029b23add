"""Objects in cycles that are members of sets, and take themselves out in their finalizers."""

import asyncio
import gc
import os
import random
import sys
import threading
import weakref

order = []


class Parent:
    def __init__(self):
        self.children = set()
        self.names = {}


class Child:
    def __init__(self, parent, name):
        self.parent = parent
        self.name = name
        parent.children.add(self)
        parent.names[self] = name

    def __del__(self):
        self.parent.children.remove(self)
        order.append((self.parent.names.pop(self), [child.name for child in self.parent.children]))


class Phoenix:
    """Lives on, once."""

    risen = []

    def __init__(self):
        self.me = self

    def __del__(self):
        if self not in Phoenix.risen:
            Phoenix.risen.append(self)


def family():
    parent = Parent()
    for name in "abcdef":
        Child(parent, name)
    parent.me = parent


def resurrect():
    phoenix = Phoenix()
    was, reference = hash(phoenix), weakref.ref(phoenix)
    del phoenix
    gc.collect()
    print("risen", len(Phoenix.risen), hash(Phoenix.risen[0]) == was, reference() is None)
    fresh = [Phoenix() for _ in range(100)]
    print("others", len({*map(hash, fresh), was}))
    Phoenix.risen[0].me = None
    Phoenix.risen.clear()
    gc.collect()
    Phoenix.risen.clear()


async def main():
    for _ in range(50):
        family()
        junk = [[] for _ in range(random.randrange(300))]
        await asyncio.sleep(0)
        del junk
    print("in a loop", len(order), order[:2])


def first_hash_of_the_same():
    """Two threads ask for it at the same time: it is one hash."""
    sys.setswitchinterval(1e-6)
    objects = [Parent() for _ in range(30000)]
    found = [None, None]

    def ask(n):
        found[n] = [*map(hash, objects)]

    threads = [threading.Thread(target=ask, args=(n,)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("the same", found[0] == found[1], len({*found[0]}))


family()
gc.collect()
print(order)
order.clear()
for _ in range(300):
    family()
    os.getcwd()
print("at doors", 0 < len(order), order[:2])
order.clear()
resurrect()
asyncio.run(main())
gc.collect()
print("end", len(order), order[-1])
first_hash_of_the_same()
