"""Prints an order that follows addresses, by a set of slotted objects and by a sort by id."""

import asyncio
import random


class Slotted:
    __slots__ = ("number",)

    def __init__(self, number):
        self.number = number


async def main():
    print("before", flush=True)
    await asyncio.sleep(0)
    kept, objects = [], []
    for number in range(3000):
        kept.append(bytearray(random.randrange(400)))
        objects.append(Slotted(number))
    print([one.number for one in set(objects)][:100], flush=True)
    print([one.number for one in sorted(objects, key=lambda one: id(one) >> 4 & 0xFFFF)][:100], flush=True)


asyncio.run(main())
