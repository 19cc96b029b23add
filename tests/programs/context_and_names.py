"""Context variables through tasks, callbacks and threads; names that asyncio gives; logging from each."""

import asyncio
import contextvars
import logging
import random
import sys
import uuid

request = contextvars.ContextVar("request", default="none")
logging.basicConfig(
    stream=sys.stdout,
    level=logging.INFO,
    format="%(asctime)s %(process)d %(threadName)s %(taskName)s %(message)s"
    if sys.version_info >= (3, 12)
    else "%(asctime)s %(process)d %(threadName)s %(message)s",
)


def blocking():
    logging.info("in a thread, request %s", request.get())
    return request.get()


async def handle(n):
    request.set(f"{n}-{uuid.uuid4().hex[:6]}")
    await asyncio.sleep(random.random() * 0.005)
    asyncio.get_running_loop().call_soon(lambda: logging.info("callback, request %s", request.get()))
    same = await asyncio.to_thread(blocking) == request.get()
    logging.info("%s ends, %s", asyncio.current_task().get_name(), same)


async def main():
    await asyncio.gather(*(handle(n) for n in range(4)))
    print(request.get(), asyncio.create_task(asyncio.sleep(0)).get_name())


asyncio.run(main())
