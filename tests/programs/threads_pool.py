"""A ThreadPoolExecutor without asyncio: a shared lock, queue.Queue, wait, as_completed, callbacks, map."""

import queue
import random
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, as_completed, wait

lock = threading.Lock()
shared, called = [], []
results = queue.Queue()


def work(n):
    for turn in range(3):
        time.sleep(random.random() * 0.003)
        with lock:
            shared.append(f"{n}.{turn}")
    results.put(n)
    return n * n


def note(future):
    with lock:
        called.append(futures[future])


with ThreadPoolExecutor(4) as pool:
    futures = {pool.submit(work, n): n for n in range(8)}
    done, waiting = wait(futures, return_when=FIRST_COMPLETED)
    print("first", len(done) >= 1, len(done) + len(waiting))
    for future in futures:
        future.add_done_callback(note)
    print("as_completed", [future.result() for future in as_completed(futures)])
    print("shared", *shared)
    print("queued", [results.get() for _ in futures], results.qsize())
    with lock:
        print("callbacks", called)
    print("map", list(pool.map(lambda n: n + 1, range(10))))
    last = pool.submit(work, 99)
    blocked = [pool.submit(time.sleep, 0.005) for _ in range(8)]
    print(
        "cancelled",
        sum(future.cancel() for future in blocked) + sum(future.running() for future in blocked) >= 0,
    )
print("after", last.result(), [future.cancelled() for future in blocked])
