"""Signals that come just when the loop is about to wait, and nothing else that would end the wait."""

import asyncio
import random
import signal

TIMES = 1500


async def main():
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    loop.add_signal_handler(signal.SIGALRM, came.set)
    for _ in range(TIMES):
        came.clear()
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 3e-4))
        await came.wait()
    print(TIMES, "signals", random.random())


asyncio.run(main())
