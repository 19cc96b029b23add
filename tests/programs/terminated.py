"""Waits for a signal it does not handle: what was printed and flushed is there, nothing else happens."""

import asyncio
import atexit
import os

atexit.register(print, "never printed")


async def main():
    print("process", os.getpid())
    print("READY", flush=True)
    print("buffered, and lost")
    await asyncio.sleep(60)


asyncio.run(main())
