"""Prints and sends numbered messages for a long time; somebody kills it in the middle.

    python killed.py PORT        kills itself, by SIGKILL, after a random number of messages
"""
import asyncio
import os
import random
import signal
import sys


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    near_reader, near = await asyncio.open_connection(*server.sockets[0].getsockname())
    _, far = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    last = random.randrange(200, 400)
    for number in range(100_000):
        print("sending", number, random.random(), flush=True)
        near.write(b"%d\n" % number)
        far.write(b"%d\n" % number)
        await near_reader.readline()
        if number == last:
            os.kill(os.getpid(), signal.SIGKILL)


asyncio.run(main())
