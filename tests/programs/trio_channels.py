"""trio: memory channels with several senders and receivers, closed and broken ones; events, locks, semaphores."""

import random

import trio


async def producer(send, name):
    async with send:
        for n in range(4):
            await trio.sleep(random.random() * 0.002)
            await send.send(f"{name}{n}")


async def consumer(receive, got):
    async with receive:
        async for item in receive:
            got.append(item)
            await trio.sleep(random.random() * 0.001)


async def main():
    for size in 0, 2, float("inf"):
        got = []
        send, receive = trio.open_memory_channel(size)
        async with trio.open_nursery() as nursery:
            async with send, receive:
                for name in "abc":
                    nursery.start_soon(producer, send.clone(), name)
                for _ in range(3):
                    nursery.start_soon(consumer, receive.clone(), got)
        print(size, *got)

    send, receive = trio.open_memory_channel(0)
    order = []

    async def waiting(n):
        try:
            await receive.receive()
        except trio.ClosedResourceError:
            order.append(n)

    async with trio.open_nursery() as nursery:
        for n in range(10):
            nursery.start_soon(waiting, n)
        await trio.sleep(0.001)
        receive.close()
    print("closed", *order)
    try:
        await send.send(1)
    except trio.BrokenResourceError as error:
        print(repr(error))

    lock, condition, semaphore = trio.Lock(), trio.Condition(), trio.Semaphore(2)
    order = []

    async def user(n):
        async with semaphore:
            await trio.sleep(random.random() * 0.001)
        async with lock:
            order.append(n)
            await trio.sleep(0)
        async with condition:
            await condition.wait()
            order.append(-n)

    async with trio.open_nursery() as nursery:
        for n in range(1, 9):
            nursery.start_soon(user, n)
        while len(order) < 8:
            await trio.sleep(0.001)
        await trio.sleep(0.001)
        async with condition:
            condition.notify(3)
        async with condition:
            condition.notify_all()
    print(*order)


trio.run(main)
