"""4,000 jobs of a loop in a pool of four threads, which hand each half-done job over to a thread of its own.

Threads take turns in the middle of what they do: at queues, locks and results.
"""

import asyncio
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

JOBS = 4_000
ROWS = 10

half_done = queue.Queue()
lock = threading.Lock()
finished = {}


def begin(number):
    rows = [number * row for row in range(ROWS)]
    done = queue.Queue()
    half_done.put((number, rows, done))
    total = done.get()
    with lock:
        finished[number] = total
    return total


def complete():
    while (job := half_done.get()) is not None:
        _, rows, done = job
        total = 0
        for row in rows:
            total += row
        done.put(total)


async def work(pool, numbers):
    loop = asyncio.get_running_loop()
    for number in numbers:
        total = await loop.run_in_executor(pool, begin, number)
        assert total == number * sum(range(ROWS))
        await asyncio.sleep(0)


async def main():
    other = threading.Thread(target=complete)
    other.start()
    with ThreadPoolExecutor(4) as pool:
        await asyncio.gather(*(work(pool, range(first, JOBS, 8)) for first in range(8)))
    half_done.put(None)
    other.join()
    assert len(finished) == JOBS


asyncio.run(main())
