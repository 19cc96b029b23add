"""logging to a file, a rotating one and stderr, with times, process and thread, from tasks and threads."""

import asyncio
import logging
import logging.handlers
import os
import random

FORMAT = "%(asctime)s %(relativeCreated)d %(process)d %(threadName)s %(filename)s:%(lineno)d %(message)s"
log = logging.getLogger("app")
log.setLevel(logging.DEBUG)
log.addHandler(logging.FileHandler("app.log"))
log.addHandler(logging.handlers.RotatingFileHandler("rotated.log", maxBytes=400, backupCount=2))
log.addHandler(logging.StreamHandler())
for handler in log.handlers:
    handler.setFormatter(logging.Formatter(FORMAT))


def blocking(n):
    log.debug("in a thread %d", n)
    return n


async def work(n):
    await asyncio.sleep(random.random() * 0.005)
    log.info("working on %d: %s", n, random.random())
    await asyncio.to_thread(blocking, n)
    try:
        raise LookupError(n)
    except LookupError:
        if n % 3 == 0:
            log.exception("failed")


async def main():
    await asyncio.gather(*(work(n) for n in range(5)))


asyncio.run(main())
logging.shutdown()
for name in sorted(os.listdir()):
    if name.endswith(".log") or ".log." in name:
        with open(name) as file:
            print(name, os.path.getsize(name), file.read(), sep="\n")
