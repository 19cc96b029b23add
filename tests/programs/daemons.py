"""Threads that nobody waits for, each busy with short waits when the program ends."""

import asyncio
import queue
import sys
import threading
import time

nothing: "queue.Queue[int]" = queue.Queue()
never = threading.Event()


def sleeps() -> None:
    while True:
        time.sleep(0.002)


def takes() -> None:
    while True:
        try:
            nothing.get(timeout=0.002)
        except queue.Empty:
            pass


def waits() -> None:
    while not never.wait(0.002):
        pass


def turns() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(0.002)

    asyncio.run(main())


async def main() -> None:
    for target in map(globals().__getitem__, sys.argv[1:]):
        threading.Thread(target=target, daemon=True).start()
    await asyncio.sleep(0.03)
    print("ends")


asyncio.run(main())
