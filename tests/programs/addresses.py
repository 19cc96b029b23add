"""Default reprs: an address in every line."""

import asyncio
import random


class Order:
    pass


async def work():
    await asyncio.sleep(0)


async def main():
    keep = [bytearray(100) for _ in range(random.randrange(2000))]
    order = Order()
    task = asyncio.create_task(work(), name="worker")
    print(order, object(), work, order.__init__)
    print(f"{order!r} is {order!r}", [Order(), Order()])
    print(task)
    print(asyncio.get_running_loop().create_future(), asyncio.Queue(), asyncio.Lock(), len(keep))
    print({"lambda": lambda: None, "iterator": iter([])})
    await task
    print(task)
    print("%x but not an address" % 0xDEADBEEF)


asyncio.run(main())
