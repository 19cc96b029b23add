"""One TCP connection, 12,000 round trips of 64 bytes, server and client in this process."""

import asyncio

ROUND_TRIPS = 12_000
MESSAGE = b"x" * 63 + b"\n"


async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    for _ in range(ROUND_TRIPS):
        writer.write(MESSAGE)
        await writer.drain()
        assert await reader.readline() == MESSAGE
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


asyncio.run(main())
