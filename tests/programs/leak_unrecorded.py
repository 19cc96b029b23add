"""Prints what no recorder sees: the process's number and a clock, straight from the C library.

python leak_unrecorded.py
"""

import asyncio
import ctypes

libc = ctypes.CDLL(None)


class Time(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


async def main():
    print("this is the same", flush=True)
    await asyncio.sleep(0.001)
    now = Time()
    libc.clock_gettime(1, ctypes.byref(now))
    print("this is not", libc.getpid(), now.seconds, now.nanoseconds, flush=True)


asyncio.run(main())
