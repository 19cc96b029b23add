"""Leaves in the way its argument says, from inside a coroutine; what was to run at exit runs, or not."""

import asyncio
import atexit
import os
import random
import sys


async def main(way):
    print("leaving by", way, random.random())
    try:
        await asyncio.sleep(0.001)
        if way == "message":
            sys.exit(f"a message for stderr {os.getpid()}")
        if way == "none":
            sys.exit()
        if way == "raise":
            raise SystemExit(7)
        if way == "at-once":
            sys.stdout.flush()
            os._exit(9)
        if way == "abort":
            sys.stdout.flush()
            os.abort()
        sys.exit(int(way))
    finally:
        print("finally", random.random())


atexit.register(lambda: print("at exit", random.random()))
try:
    asyncio.run(main(sys.argv[1]))
finally:
    print("after the loop")
