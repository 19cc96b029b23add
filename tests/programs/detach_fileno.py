"""Sockets that change hands: detach, socket(fileno=), dup, from a listening server, numbers used again."""

import asyncio
import os
import random
import socket


async def serve(reader, writer):
    writer.write(b"%d\n" % random.randrange(10**9))
    await writer.drain()
    writer.write(await reader.readline())
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    loop = asyncio.get_running_loop()
    for turn in range(3):
        first = socket.create_connection(address)
        number = first.detach()
        print(turn, first.fileno(), number, first)
        second = socket.socket(fileno=number)
        third = second.dup()
        copy = os.dup(third.fileno())
        print(second.family, second.type, second.getpeername(), third.fileno(), copy)
        third.setblocking(False)
        second.close()
        print(await loop.sock_recv(third, 100))
        fourth = socket.socket(fileno=copy)
        fourth.setblocking(False)
        await loop.sock_sendall(fourth, b"through another number\n")
        reader, writer = await asyncio.open_connection(sock=fourth)
        print(await reader.readline(), await reader.read())
        writer.close()
        third.close()
    try:
        second.recv(1)
    except OSError as error:
        print(error)
    server.close()
    await server.wait_closed()


asyncio.run(main())
