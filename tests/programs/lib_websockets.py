"""websockets on both sides: several clients, a broadcast, a ping, large messages, closing from either end."""

import asyncio
import random

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import broadcast, serve

connected, closed = set(), []


async def handler(socket):
    connected.add(socket)
    try:
        async for message in socket:
            if message == "everybody":
                broadcast(connected, f"news {random.randrange(1000)}")
            elif message == "close":
                await socket.close(4001, "on request")
            else:
                await asyncio.sleep(random.random() * 0.002)
                await socket.send(message[::-1])
    except websockets.ConnectionClosed as error:
        closed.append(error.rcvd.code)
    finally:
        connected.discard(socket)


async def client(n, port):
    lines = []
    async with connect(f"ws://127.0.0.1:{port}/{n}") as socket:
        for turn in range(3):
            await socket.send(f"{n}.{turn} {random.random()}")
            lines.append(await socket.recv())
        await (await socket.ping())
        lines.append(socket.latency > 0)
        await socket.send(random.randbytes(70_000))
        lines.append(len(await socket.recv()))
        if n == 0:
            await socket.send("everybody")
        if n == 1:
            await socket.send("close")
            try:
                while True:
                    lines.append(await socket.recv())
            except websockets.ConnectionClosed as error:
                lines.append(str(error))
        lines.append(socket.local_address[1])
        lines.append(str(socket.id))
    return n, lines


async def main():
    async with serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        print("port", port)
        for first in asyncio.as_completed([client(n, port) for n in range(4)]):
            print(*await first)
    print("left", len(connected), closed)


asyncio.run(main())
