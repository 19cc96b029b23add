"""setitimer and alarm: handlers called during asyncio waits, time.sleep and a blocking read."""

import asyncio
import os
import random
import signal
import time


class Enough(Exception):
    pass


ticks = []


def tick(number, frame):
    ticks.append(time.monotonic())


def enough(number, frame):
    raise Enough(f"after {len(ticks)} ticks")


async def main():
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.001)
    started = time.monotonic()
    await asyncio.sleep(0.01 + random.random() * 0.01)
    signal.setitimer(signal.ITIMER_REAL, 0)
    print("in asyncio", len(ticks), time.monotonic() - started, ticks[0] - started)


signal.signal(signal.SIGALRM, tick)
asyncio.run(main())
before = len(ticks)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
time.sleep(0.02)
print("left", signal.setitimer(signal.ITIMER_REAL, 0))
print("in a sleep", len(ticks) - before)
signal.signal(signal.SIGALRM, enough)
signal.setitimer(signal.ITIMER_REAL, 0.001 + random.random() * 0.005)
try:
    time.sleep(5)
except Enough as error:
    print("sleep ended", error, time.monotonic())
inner, outer = os.pipe()
signal.setitimer(signal.ITIMER_REAL, 0.001 + random.random() * 0.005)
try:
    os.read(inner, 1)
except Enough as error:
    print("read ended", error, time.monotonic())
print("alarm", signal.alarm(0), signal.getitimer(signal.ITIMER_REAL))
