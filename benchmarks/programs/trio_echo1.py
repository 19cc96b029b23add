"""One TCP connection, 16,000 round trips of 64 bytes, server and client in this process, with trio."""

import trio
import trio.testing

ROUND_TRIPS = 16_000
MESSAGE = b"x" * 63 + b"\n"


async def serve(stream):
    async for data in stream:
        await stream.send_all(data)


async def main():
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        stream = await trio.testing.open_stream_to_socket_listener(listeners[0])
        async with stream:
            for _ in range(ROUND_TRIPS):
                await stream.send_all(MESSAGE)
                received = b""
                while len(received) < len(MESSAGE):
                    received += await stream.receive_some()
                assert received == MESSAGE
        nursery.cancel_scope.cancel()


trio.run(main)
