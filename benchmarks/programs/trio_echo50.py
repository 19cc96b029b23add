"""50 TCP connections at once, 300 round trips of 64 bytes each, with trio, all in this process."""

import trio
import trio.testing

CONNECTIONS = 50
ROUND_TRIPS = 300
MESSAGE = b"x" * 63 + b"\n"


async def serve(stream):
    async for data in stream:
        await stream.send_all(data)


async def client(listener):
    async with await trio.testing.open_stream_to_socket_listener(listener) as stream:
        for _ in range(ROUND_TRIPS):
            await stream.send_all(MESSAGE)
            received = b""
            while len(received) < len(MESSAGE):
                received += await stream.receive_some()
            assert received == MESSAGE


async def main():
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        async with trio.open_nursery() as clients:
            for _ in range(CONNECTIONS):
                clients.start_soon(client, listeners[0])
        nursery.cancel_scope.cancel()


trio.run(main)
