"""Threads that log for the first time, all at once: loggers keep what they found out in shared caches."""

import asyncio
import hashlib
import logging
import sys

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(threadName)s %(name)s %(message)s")


def work(n):
    data = b""
    for _ in range(3000):
        data = hashlib.sha256(data).digest()
    for name in ("one", "two", "three"):
        logging.getLogger(name).info("job %d", n)
        logging.getLogger(name).debug("never seen")
    return n


async def main():
    print(await asyncio.gather(*(asyncio.to_thread(work, n) for n in range(12))))


asyncio.run(main())
