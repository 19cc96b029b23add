"""Cycles made by plain code, before a loop, after it, and in threads: collected there, and at the same places."""

import asyncio
import gc
import json
import os
import queue
import random
import tempfile
import threading
import time
import weakref

living = weakref.WeakSet()
finalized = []
forgotten = []


class Node:
    def __init__(self, n):
        self.n = n
        self.me = self
        self.parts = [[] for _ in range(random.randrange(20))]
        self.file = os.open(os.devnull, os.O_RDONLY)

    def __del__(self):
        os.close(self.file)
        finalized.append((self.n, time.monotonic()))


def make(n):
    node = Node(n)
    living.add(node)
    if n % 10 == 0:
        weakref.finalize(node, forgotten.append, n)


def tell(what):
    # In plain Python there are never more of them either.
    print(what, len(finalized), finalized[-2:], len(forgotten), forgotten[-1:], gc.isenabled(), len(living) < 3000)


def at(door, times=6000):
    most = 0
    for n in range(times):
        make(n)
        door()
        most = max(most, n - len(finalized))
    tell(f"{door.__name__} {most}")
    assert most < 3000, "never collected"
    gc.collect()
    finalized.clear()
    forgotten.clear()


def read_a_file():
    with open(__file__) as file:
        file.readline()


def no_wait():
    time.sleep(0)


def write_a_file():
    with tempfile.TemporaryFile("w") as file:
        json.dump(len(finalized), file)


def in_thread():
    """The other thread waits all the time: on its thread, or for an item."""
    thread = threading.Thread(target=at, args=(no_wait,), name="alone")
    thread.start()
    thread.join()
    tell("joined")


def with_consumer():
    todo = queue.Queue()
    done = queue.SimpleQueue()

    def consume():
        while (n := todo.get()) is not None:
            make(n)
            done.put(n)

    thread = threading.Thread(target=consume)
    thread.start()
    for n in range(3000):
        todo.put(n)
        if n % 3 == 0:
            no_wait()
        done.get()
    todo.put(None)
    thread.join()
    tell("consumed")


async def by_and_by():
    for n in range(3000):
        make(n)
        if n % 20 == 0:
            await asyncio.sleep(0)
    tell("in a loop")


def disabled():
    gc.disable()
    before = len(finalized)
    for n in range(2000):
        make(n)
        no_wait()
    print("disabled", len(finalized) - before)
    gc.enable()


at(time.monotonic)
at(no_wait)
at(read_a_file, 3000)
at(write_a_file, 1000)
asyncio.run(by_and_by())
at(os.getcwd)
disabled()
in_thread()
with_consumer()
asyncio.run(by_and_by())
