"""trio: at replay, the tasks of a batch take their steps in the other order.

python leak_trio_order.py TOGGLE
"""

import ctypes
import sys

import trio

is_other = ctypes.CDLL(None).access(sys.argv[1].encode(), 0) == 0


async def worker(n):
    await trio.lowlevel.checkpoint()


async def main():
    async with trio.open_nursery() as nursery:
        for n in range(2):
            nursery.start_soon(worker, n)
        if is_other:
            runq = trio.lowlevel.current_task()._runner.runq
            runq.reverse()
    print("the same is printed")


trio.run(main)
