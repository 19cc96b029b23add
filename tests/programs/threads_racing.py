"""to_thread and run_in_executor: results in the order in which the threads were done."""

import asyncio
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor


def work(n):
    time.sleep(random.random() * 0.01)
    if n % 5 == 4:
        raise ValueError(f"{n} failed in {threading.current_thread().name}")
    return n, random.randrange(1000)


async def main():
    for first in asyncio.as_completed([asyncio.to_thread(work, n) for n in range(10)]):
        try:
            print(await first)
        except ValueError as error:
            print("error", error)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(2, thread_name_prefix="mine") as pool:
        done = await asyncio.gather(
            *(loop.run_in_executor(pool, work, n) for n in range(8)), return_exceptions=True
        )
        print(done)
    late = asyncio.create_task(asyncio.to_thread(work, 20))
    try:
        await asyncio.wait_for(asyncio.shield(late), 0.004)
        print("in time")
    except asyncio.TimeoutError:
        print("late")
    cancelled = asyncio.create_task(asyncio.to_thread(work, 21))
    await asyncio.sleep(random.random() * 0.008)
    print("cancelled", cancelled.cancel(), await asyncio.gather(cancelled, late, return_exceptions=True))


asyncio.run(main())
