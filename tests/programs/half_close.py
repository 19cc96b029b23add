"""Half of a connection closed: write_eof then read on, an answer after the end, shutdown, abort."""

import asyncio
import random
import socket


async def serve(reader, writer):
    everything = await reader.read()
    for word in everything.split():
        writer.write(b"<%s %d>" % (word, random.randrange(1000)))
        await asyncio.sleep(random.random() * 0.002)
    writer.write_eof()
    print("after the end", reader.at_eof(), await reader.read())
    writer.close()


async def aborted(reader, writer):
    print("first", await reader.readexactly(3))
    try:
        await reader.readexactly(100)
    except (asyncio.IncompleteReadError, ConnectionResetError) as error:
        print(type(error).__name__, error)
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"one two three")
    print(port, writer.can_write_eof())
    writer.write_eof()
    print(await reader.read())
    writer.close()
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"four five")
        sock.shutdown(socket.SHUT_WR)
        pieces = []
        while piece := await asyncio.to_thread(sock.recv, 100):
            pieces.append(piece)
        print(b"".join(pieces), sock.getsockname())
    server.close()
    await server.wait_closed()
    server = await asyncio.start_server(aborted, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for leave in "close", "abort":
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"abcdef")
        await asyncio.sleep(0.01)
        (writer.close if leave == "close" else writer.transport.abort)()
        await asyncio.sleep(0.01)
    server.close()
    await server.wait_closed()


asyncio.run(main())
