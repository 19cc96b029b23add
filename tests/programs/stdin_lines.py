"""Reads its standard input with input(), by lines, by characters and to the end."""

import asyncio
import random
import sys


async def ticker(ticks):
    while True:
        ticks.append(random.randrange(10))
        await asyncio.sleep(0)


async def main():
    ticks = []
    task = asyncio.create_task(ticker(ticks))
    name = input("name? ")
    await asyncio.sleep(0.001)
    print(f"hello {name}", len(ticks), ticks[:5])
    line = await asyncio.to_thread(sys.stdin.readline)
    print("from a thread", repr(line), sum(ticks))
    print("characters", repr(sys.stdin.read(3)), repr(sys.stdin.readline()))
    for number, line in zip(range(2), sys.stdin):
        print(number, line.rstrip().upper())
        await asyncio.sleep(0)
    rest = sys.stdin.read()
    print("rest", len(rest), rest.split()[-1], random.random())
    task.cancel()
    try:
        input("more? ")
    except EOFError as error:
        print("end", error)


asyncio.run(main())
