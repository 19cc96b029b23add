"""Producers and consumers on every kind of queue, full and empty ones too."""

import asyncio
import queue
import random
import threading
import time

END = 10**9


def producer(name, channel):
    for n in range(6):
        time.sleep(random.random() * 0.002)
        channel.put((random.randrange(100), f"{name}{n}"))
    channel.put((END, name))


def consumer(channel, producers, seen):
    while producers:
        number, item = channel.get()
        if number == END:
            producers -= 1
        else:
            seen.append(item)
        if hasattr(channel, "task_done"):
            channel.task_done()


async def main():
    for make in lambda: queue.Queue(2), queue.LifoQueue, queue.PriorityQueue, queue.SimpleQueue:
        channel, seen = make(), []
        jobs = [threading.Thread(target=producer, args=(name, channel)) for name in "abc"]
        jobs.append(threading.Thread(target=consumer, args=(channel, 3, seen)))
        for job in jobs:
            job.start()
        while any(job.is_alive() for job in jobs):
            await asyncio.sleep(0.001)
        print(type(channel).__name__, *seen, channel.empty())
    channel = queue.Queue(1)
    try:
        channel.get(timeout=0.001)
    except queue.Empty:
        channel.put("one")
    try:
        channel.put("two", timeout=0.001)
    except queue.Full:
        print("full", channel.get_nowait(), channel.qsize())


asyncio.run(main())
