"""Cycles made in several threads at a time while a loop turns; those of one of them have finalizers.

In which order finalizers run of what several threads made at the same time, is not recorded.
"""

import asyncio
import os
import random
import threading
import time

lock = threading.Lock()
closed = 0


class Cycle:
    def __init__(self):
        self.me = self
        self.file = os.open(os.devnull, os.O_RDONLY)

    def __del__(self):
        global closed
        os.close(self.file)
        with lock:
            closed += 1


class Plain:
    def __init__(self):
        self.me = self


def work(kind, rounds=60):
    for _ in range(rounds):
        for _ in range(20):
            kind()
        time.sleep(random.random() / 5000)
    with lock:
        return closed


async def main():
    loop = asyncio.get_running_loop()
    jobs = [loop.run_in_executor(None, work, kind) for kind in (Cycle, Plain)]
    turns = 0
    while not all(job.done() for job in jobs):
        junk = [[] for _ in range(100)]
        await asyncio.sleep(0)
        del junk
        turns += 1
    with lock:
        print(turns, closed)
    print(await asyncio.gather(*jobs))


asyncio.run(main())
print("closed", closed)
