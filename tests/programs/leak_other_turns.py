"""Does one thing more, or one less, when a file is there that it asks the C library about.

python leak_other_turns.py FILE (turn | task | fewer | early | clock | exit | raise)
"""

import asyncio
import ctypes
import os
import sys
import time


async def nothing():
    pass


async def main(kind):
    changed = ctypes.CDLL(None).access(os.fsencode(sys.argv[1]), 0) == 0
    print("before", flush=True)
    for _ in range(3 + (changed and kind == "turn") - (changed and kind == "fewer")):
        await asyncio.sleep(0)
    if changed and kind == "task":
        asyncio.create_task(nothing())
    if changed and kind == "early":
        return
    (time.time if changed and kind == "clock" else time.monotonic)()
    if changed and kind == "raise":
        raise RuntimeError("not in the recording")
    await asyncio.sleep(0.001)
    print("after", flush=True)
    if changed and kind == "exit":
        sys.exit(3)


asyncio.run(main(sys.argv[2]))
