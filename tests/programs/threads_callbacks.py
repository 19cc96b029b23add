"""Threads that reach into a running loop: call_soon_threadsafe, run_coroutine_threadsafe."""

import asyncio
import random
import threading
import time


def caller(loop, name, log):
    for n in range(4):
        time.sleep(random.random() * 0.003)
        loop.call_soon_threadsafe(log.append, f"{name}{n}")


async def answer(n):
    await asyncio.sleep(random.random() * 0.002)
    if n == 3:
        raise LookupError("not three")
    return n * 10


def asker(loop, answers):
    for n in range(5):
        future = asyncio.run_coroutine_threadsafe(answer(n), loop)
        try:
            answers.append(future.result(1))
        except LookupError as error:
            answers.append(repr(error))
    answers.append("end")


async def main():
    loop, log, answers = asyncio.get_running_loop(), [], []
    threads = [threading.Thread(target=caller, args=(loop, name, log)) for name in "abc"]
    threads.append(threading.Thread(target=asker, args=(loop, answers)))
    for thread in threads:
        thread.start()
    future = loop.create_future()
    threading.Timer(
        random.random() * 0.005, loop.call_soon_threadsafe, (future.set_result, "by a timer")
    ).start()
    ticks = 0
    while not future.done():
        ticks += 1
        await asyncio.sleep(0.0005)
    print(await future, ticks)
    for thread in threads:
        await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)
    print(*log)
    print(answers)


asyncio.run(main())
