"""trio-websocket, both sides: messages both ways, a ping, a message too large, a close."""

import random

import trio
import trio_websocket


async def serve(request):
    socket = await request.accept()
    while True:
        try:
            message = await socket.get_message()
        except trio_websocket.ConnectionClosed as closed:
            print("server:", closed.reason.code, closed.reason.name)
            return
        await trio.sleep(random.random() * 0.002)
        await socket.send_message(message[::-1])


async def client(port, n):
    async with trio_websocket.open_websocket("127.0.0.1", port, "/", use_ssl=False) as socket:
        for i in range(3):
            await socket.send_message(f"{n}-{i}-{random.randrange(10**6)}")
            print(n, await socket.get_message())
        await socket.ping(b"%d" % n)
        await socket.send_message(random.randbytes(20_000))
        print(n, len(await socket.get_message()))


async def main():
    async with trio.open_nursery() as nursery:
        server = await nursery.start(trio_websocket.serve_websocket, serve, "127.0.0.1", 0, None)
        async with trio.open_nursery() as clients:
            for n in range(3):
                clients.start_soon(client, server.port, n)
        nursery.cancel_scope.cancel()


trio.run(main)
