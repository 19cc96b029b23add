"""trio: two tasks that wait for each other's lock; ended from outside."""

import trio


async def worker(name, first, second):
    async with first:
        print(name, "has its first lock")
        await trio.sleep(0.001)
        async with second:
            print(name, "has both")


async def main():
    one, other = trio.Lock(), trio.Lock()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker, "left", one, other)
        nursery.start_soon(worker, "right", other, one)
        await trio.sleep(0.01)
        print("READY", flush=True)


trio.run(main)
