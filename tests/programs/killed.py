"""Prints and sends numbered messages for a long time; somebody kills it in the middle."""

import asyncio
import random
import sys


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    near_reader, near = await asyncio.open_connection(*server.sockets[0].getsockname())
    _, far = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    for number in range(100_000):
        print("sending", number, flush=True)
        near.write(b"%d %f\n" % (number, random.random()))
        far.write(b"%d\n" % number)
        print(await near_reader.readline())


asyncio.run(main())
