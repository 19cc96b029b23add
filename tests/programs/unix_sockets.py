"""UNIX sockets: a pair, a server at a path, an abstract name, ancillary data with a descriptor in it."""

import asyncio
import os
import random
import socket
import tempfile


async def serve(reader, writer):
    name = await reader.readline()
    await asyncio.sleep(random.random() * 0.003)
    writer.write(b"hello " + name)
    await writer.drain()
    writer.close()


async def ask(path, n):
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"%d %d\n" % (n, random.randrange(10**6)))
    answer = await reader.read()
    writer.close()
    return answer.decode().strip()


async def main():
    left, right = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=left)
    right.send(random.randbytes(4).hex().encode() + b"\n")
    print("pair", left.fileno(), right.fileno(), await reader.readline(), right.getpeername())
    writer.close()
    await writer.wait_closed()
    print("end", right.recv(10))
    right.close()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.relpath(os.path.join(folder, "server.sock"))  # the system takes no long ones
        server = await asyncio.start_unix_server(serve, path)
        print(path, os.path.exists(path), server.sockets[0].getsockname() == path)
        for first in asyncio.as_completed([ask(path, n) for n in range(5)]):
            print(await first)
        server.close()
        await server.wait_closed()
    abstract = f"\0example-{os.getpid()}-{random.randrange(10**6)}"
    server = await asyncio.start_unix_server(serve, abstract)
    print(repr(abstract), await ask(abstract, 9))
    server.close()
    await server.wait_closed()
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    inner, outer = os.pipe()
    socket.send_fds(one, [b"a pipe for you"], [inner])
    data, (received,), flags, _ = socket.recv_fds(other, 100, 1)
    os.write(outer, b"through it")
    print(data, received != inner, os.read(received, 100), flags & ~socket.MSG_CMSG_CLOEXEC)
    for fd in inner, outer, received:
        os.close(fd)
    one.close()
    other.close()


asyncio.run(main())
