"""A second event loop in another thread, questions and answers between the two, and its end from outside."""

import asyncio
import random
import threading


class Background:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.run, name="background")
        self.thread.start()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


async def job(n):
    await asyncio.sleep(random.random() * 0.005)
    return n, threading.current_thread().name, random.randrange(1000)


async def own_work(ticks):
    while True:
        ticks.append(random.randrange(10))
        await asyncio.sleep(0.0005)


async def main(background):
    ticks = []
    task = asyncio.create_task(own_work(ticks))
    jobs = [asyncio.wrap_future(asyncio.run_coroutine_threadsafe(job(n), background.loop)) for n in range(6)]
    for first in asyncio.as_completed(jobs):
        print(await first, len(ticks))
    late = asyncio.run_coroutine_threadsafe(asyncio.sleep(60), background.loop)
    await asyncio.sleep(0.002)
    print("cancelled", late.cancel(), late.cancelled())
    task.cancel()
    whole = await asyncio.to_thread(asyncio.run, job(99))
    print("a loop of its own", whole[0], whole[1].startswith("asyncio_"), whole[2])


background = Background()
try:
    asyncio.run(main(background))
finally:
    background.stop()
print("stopped", background.loop.is_closed(), background.thread.is_alive())
