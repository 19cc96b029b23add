"""trio: tasks in nurseries that wait for each of its things: locks, limits, events, channels, threads, time."""

import trio

TOKENS = trio.CapacityLimiter(1)


class Shelf:
    def __init__(self):
        self.lock = trio.Lock()
        self.room = trio.Semaphore(1)
        self.items = []

    async def put(self, item):
        async with self.room, self.lock:
            await trio.sleep(0.001)
            self.items.append(item)


async def bakes(shelf, name, count):
    for number in range(count):
        with trio.move_on_after(0.1):
            await shelf.put(f"{name}{number}")


async def counts(shelf, opened, done):
    await opened.wait()
    async with TOKENS:
        total = await trio.to_thread.run_sync(sum, [1, 2, 3])
    async with done:
        await done.send(total)


async def limited():
    async with TOKENS:
        await trio.sleep(0.001)


async def gives_up():
    with trio.CancelScope() as patience:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever, name="forever")
            await trio.sleep(0.002)
            patience.cancel()
    return patience.cancelled_caught


async def main():
    shelf, opened = Shelf(), trio.Event()
    send, receive = trio.open_memory_channel(0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(counts, shelf, opened, send, name="counts")
        nursery.start_soon(limited, name="limited")
        async with trio.open_nursery() as kitchen:
            kitchen.start_soon(bakes, shelf, "pie", 2, name="pie")
            kitchen.start_soon(bakes, shelf, "bun", 1, name="bun")
        opened.set()
        async for total in receive:
            print("counted", total, sorted(shelf.items))
        print("gave up", await gives_up())


trio.run(main)
