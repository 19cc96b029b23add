"""Scheduling alone, with trio: 1000 tasks, each yielding 300 times."""

import trio
import trio.testing  # as in the program whose start-up is taken off


async def worker():
    for _ in range(300):
        await trio.lowlevel.checkpoint()


async def main():
    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(worker)


trio.run(main)
