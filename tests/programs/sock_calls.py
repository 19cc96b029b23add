"""The loop's low-level calls on raw sockets: sock_accept, sock_connect, sock_recv, sock_sendall, UDP."""

import asyncio
import random
import socket


async def serve(listener):
    loop = asyncio.get_running_loop()
    for _ in range(4):
        connection, address = await loop.sock_accept(listener)
        with connection:
            data = await loop.sock_recv(connection, 1000)
            print("accepted", address, connection.fileno(), data)
            await loop.sock_sendall(connection, data * 20_000)


async def client(n, address):
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.sleep(random.random() * 0.005)
        await loop.sock_connect(sock, address)
        await loop.sock_sendall(sock, b"%d:%06d;" % (n, random.randrange(10**6)))
        buffer, total, pieces = bytearray(32 * 1024), 0, 0
        while count := await loop.sock_recv_into(sock, buffer):
            total, pieces = total + count, pieces + 1
        print(n, sock.getsockname(), sock.getpeername() == address, total, pieces, bytes(buffer[:9]))


async def datagrams():
    loop = asyncio.get_running_loop()
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        for sock in one, other:
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        await loop.sock_sendto(one, random.randbytes(5), other.getsockname())
        data, address = await loop.sock_recvfrom(other, 100)
        await loop.sock_sendto(other, data + b"!", address)
        buffer = bytearray(10)
        print("datagram", await loop.sock_recvfrom_into(one, buffer), bytes(buffer))


async def main():
    with socket.create_server(("127.0.0.1", 0), backlog=5) as listener:
        listener.setblocking(False)
        address = listener.getsockname()
        print(listener, listener.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
        await asyncio.gather(serve(listener), datagrams(), *(client(n, address) for n in range(4)))
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM, family=socket.AF_INET)
    print(found, await loop.getnameinfo(("127.0.0.1", 80)), socket.gethostbyname("localhost"))


asyncio.run(main())
