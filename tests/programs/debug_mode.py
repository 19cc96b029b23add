"""asyncio in debug mode: slow callbacks, where a coroutine was made, calls from a wrong thread."""

import asyncio
import logging
import random
import threading
import time

logging.basicConfig(format="%(relativeCreated)d %(levelname)s %(name)s %(threadName)s %(message)s")
warned = []


async def slow():
    time.sleep(0.02 + random.random() * 0.01)


async def forgotten():
    pass


async def main():
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = 0.01
    print("debug", loop.get_debug(), random.random())
    await asyncio.create_task(slow(), name="slow one")
    forgotten()

    def meddle():
        try:
            loop.call_soon(print)
        except RuntimeError as error:
            warned.append(str(error))

    thread = threading.Thread(target=meddle)
    thread.start()
    thread.join()
    print(warned)
    await asyncio.gather(*(asyncio.sleep(random.random() * 0.005) for _ in range(10)))


asyncio.run(main(), debug=True)
