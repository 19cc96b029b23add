"""50 TCP connections at once, 400 round trips of 64 bytes each, server and clients in this process."""

import asyncio

CONNECTIONS = 50
ROUND_TRIPS = 400
MESSAGE = b"x" * 63 + b"\n"


async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def client(host, port):
    reader, writer = await asyncio.open_connection(host, port)
    for _ in range(ROUND_TRIPS):
        writer.write(MESSAGE)
        await writer.drain()
        assert await reader.readline() == MESSAGE
    writer.close()
    await writer.wait_closed()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    await asyncio.gather(*(client(host, port) for _ in range(CONNECTIONS)))
    server.close()
    await server.wait_closed()


asyncio.run(main())
