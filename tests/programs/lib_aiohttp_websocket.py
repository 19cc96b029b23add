"""WebSockets with aiohttp on both sides: a chat, binary messages, a ping, how each end closed."""

import asyncio
import random

import aiohttp
from aiohttp import WSMsgType, web

members = []


async def chat(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    members.append(socket)
    async for message in socket:
        if message.type == WSMsgType.BINARY:
            await socket.send_bytes(message.data[::-1])
        elif message.data == "bye":
            await socket.close(code=4000, message=b"as you wish")
        else:
            for member in list(members):
                await member.send_json({"said": message.data, "number": random.randrange(1000)})
    members.remove(socket)
    return socket


async def member(session, url, name, log):
    async with session.ws_connect(url) as socket:
        await asyncio.sleep(0.005)
        for n in range(3):
            await asyncio.sleep(random.random() * 0.004)
            await socket.send_str(f"{name}{n}")
        await socket.ping(b"still there?")
        await socket.send_bytes(random.randbytes(100))
        await asyncio.sleep(0.01)
        await socket.send_str("bye")
        async for message in socket:
            log.append(
                message.json()["said"] if message.type == WSMsgType.TEXT else f"{len(message.data)} bytes"
            )
        return name, socket.close_code, log


async def main():
    app = web.Application()
    app.router.add_get("/chat", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    async with aiohttp.ClientSession() as session:
        names = "abcd"
        for result in await asyncio.gather(
            *(member(session, f"ws://{host}:{port}/chat", name, []) for name in names)
        ):
            print(*result)
    await runner.cleanup()
    print("members", len(members), port)


asyncio.run(main())
