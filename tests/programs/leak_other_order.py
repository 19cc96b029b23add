"""Starts its tasks in another order when a file is there that it asks the C library about; prints no order.

python leak_other_order.py FILE
"""

import asyncio
import ctypes
import os
import sys

done = set()


async def one():
    await asyncio.sleep(0)
    done.add(1)


async def two():
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    done.add(2)


async def main():
    changed = ctypes.CDLL(None).access(os.fsencode(sys.argv[1]), 0) == 0
    print("before", flush=True)
    await asyncio.gather(*([two(), one()] if changed else [one(), two()]))
    print(sorted(done), flush=True)


asyncio.run(main())
