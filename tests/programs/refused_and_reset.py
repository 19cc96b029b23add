"""Connections that fail: refused, reset in the middle, too slow, an address already taken."""

import asyncio
import random
import socket
import struct


async def resetting(reader, writer):
    await reader.readline()
    writer.write(b"x" * random.randrange(1, 100))
    await writer.drain()
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    await asyncio.sleep(random.random() * 0.003)
    writer.close()


def unused_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


async def main():
    try:
        await asyncio.open_connection("127.0.0.1", unused_port())
    except OSError as error:
        print(type(error).__name__, error)
    server = await asyncio.start_server(resetting, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\n")
        received = b""
        try:
            while piece := await reader.read(1000):
                received += piece
            print("ended", len(received))
        except ConnectionResetError as error:
            print(len(received), error)
        try:
            for _ in range(10):
                writer.write(b"y" * 1000)
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError as error:
            print(type(error).__name__, error)
        writer.close()
    try:
        await asyncio.wait_for(reader.readline(), 0.001)
    except (ConnectionResetError, asyncio.TimeoutError) as error:
        print(repr(error))
    try:
        await asyncio.start_server(resetting, "127.0.0.1", port, reuse_address=False)
    except OSError as error:
        print(error)
    server.close()
    await server.wait_closed()
    reader, writer = await asyncio.wait_for(asyncio.shield(late_server(port)), 2)
    print("at last", await reader.read(), writer.get_extra_info("sockname"))
    writer.close()


async def late_server(port):
    async def answer(reader, writer):
        writer.write(b"late")
        writer.close()

    loop = asyncio.get_running_loop()
    servers = []
    loop.call_later(
        0.01, lambda: servers.append(loop.create_task(asyncio.start_server(answer, "127.0.0.1", port)))
    )
    for attempt in range(100):
        try:
            connection = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.001)
        else:
            print("attempts", attempt)
            (await servers[0]).close()
            return connection


asyncio.run(main())
