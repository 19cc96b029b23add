"""The usual chat room: a set of aiohttp's WebSocketResponse, everybody told in the order of the set."""

import asyncio
import random

import aiohttp
from aiohttp import web

room = set()


async def chat(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    room.add(socket)
    await socket.send_str(f"{len(room)} here")
    async for message in socket:
        for place, member in enumerate(room):
            await member.send_str(f"{message.data} {place}")
    room.discard(socket)
    return socket


async def main():
    app = web.Application()
    app.router.add_get("/", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    async with aiohttp.ClientSession() as session:
        sockets = []
        for _ in range(12):
            kept = bytearray(random.randrange(5000))
            sockets.append(await session.ws_connect(f"ws://{host}:{port}/"))
            print(await sockets[-1].receive_str(), len(kept))
        await sockets[0].send_str(f"hello {random.randrange(1000)}")
        print([await socket.receive_str() for socket in sockets])
        for socket in sockets:
            await socket.close()
    await runner.cleanup()


asyncio.run(main())
