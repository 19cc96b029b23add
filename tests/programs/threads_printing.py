"""Several threads print at once, in pieces and in whole lines, while an asyncio task does too."""

import asyncio
import random
import sys
import threading
import time


def whole(name):
    for n in range(5):
        time.sleep(random.random() * 0.002)
        print(name, n, random.randrange(1000))


def pieces(name):
    for n in range(5):
        time.sleep(random.random() * 0.002)
        sys.stdout.write(f"<{name}{n}>")


def errors(name):
    for n in range(3):
        time.sleep(random.random() * 0.002)
        print(name, n, file=sys.stderr)


async def ticker():
    for n in range(8):
        await asyncio.sleep(random.random() * 0.001)
        print("tick", n)


async def main():
    threads = [threading.Thread(target=whole, args=(name,)) for name in "ab"]
    threads += [threading.Thread(target=pieces, args=(name,)) for name in "pq"]
    threads += [threading.Thread(target=errors, args=("e",))]
    for thread in threads:
        thread.start()
    await ticker()
    await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))
    print("end", random.random())


asyncio.run(main())
