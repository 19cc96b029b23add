"""Reading the clock and drawing random numbers: three million of each, in one step."""

import asyncio
import random
import time

READS = 3_000_000


async def main():
    last = time.monotonic()
    total = 0.0
    for _ in range(READS):
        now = time.monotonic()
        assert now >= last
        last = now
        total += random.random()
    assert 0 < total < READS


asyncio.run(main())
