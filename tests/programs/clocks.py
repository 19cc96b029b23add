"""Every common source of time, randomness and identity, each printed."""

import asyncio
import datetime
import os
import random
import secrets
import socket
import time
import uuid


async def main():
    print("time", time.time(), time.time_ns(), time.ctime(), time.strftime("%H:%M:%S"))
    print("monotonic", time.monotonic(), time.monotonic_ns(), time.perf_counter(), time.perf_counter_ns())
    print("cpu", time.process_time(), time.thread_time(), time.clock_gettime(time.CLOCK_BOOTTIME))
    print("fields", time.localtime()[:6], time.gmtime()[:6])
    print(
        "datetime",
        datetime.datetime.now(),
        datetime.datetime.now(datetime.timezone.utc),
        datetime.date.today(),
    )
    print("random", random.random(), random.randint(1, 10**9), random.choice("abcdef"), random.gauss(0, 1))
    print("own generator", random.Random().random(), random.SystemRandom().randrange(10**9))
    print("shuffled", random.sample(range(10), 10), random.getstate()[1][:2])
    print("secrets", secrets.token_hex(8), secrets.token_urlsafe(8), secrets.choice(range(1000)))
    print("urandom", os.urandom(8).hex(), os.getrandom(4).hex())
    print("uuid", uuid.uuid1(), uuid.uuid4())
    print("process", os.getpid(), os.getppid(), socket.gethostname(), os.cpu_count(), os.getcwd())
    loop = asyncio.get_running_loop()
    before = loop.time()
    await asyncio.sleep(random.uniform(0, 0.02))
    print("slept", loop.time() - before, time.thread_time_ns(), os.times().user >= 0)


asyncio.run(main())
