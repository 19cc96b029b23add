"""trio: TCP echo with nurseries, clients that pause by chance, half-closed and aborted connections, UDP, UNIX."""

import os
import random
import tempfile

import trio
import trio.testing


async def echo(stream):
    async for data in stream:
        if data.startswith(b"drop"):
            return
        await stream.send_all(data.upper())
    try:
        await stream.send_all(b"<end>")
    except trio.BrokenResourceError as error:
        print("broken", error)


async def client(port, n, order):
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        for i in range(5):
            await trio.sleep(random.random() * 0.002)
            await stream.send_all(b"%d-%d" % (n, i))
            order.append((await stream.receive_some()).decode())
        await stream.send_eof()
        while rest := await stream.receive_some(3):
            order.append(rest)


async def tcp():
    order = []
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, echo, 0)
        name = listeners[0].socket.getsockname()
        print("listening", name)
        async with trio.open_nursery() as clients:
            for n in range(6):
                clients.start_soon(client, name[1], n, order)
        stream = await trio.testing.open_stream_to_socket_listener(listeners[0])
        await stream.send_all(b"drop")
        print("dropped", await stream.receive_some())
        await stream.aclose()
        try:
            await stream.send_all(b"more")
        except trio.ClosedResourceError as error:
            print(repr(error))
        nursery.cancel_scope.cancel()
    print(*order)
    try:
        await trio.open_tcp_stream("127.0.0.1", name[1])
    except OSError as error:
        print(type(error).__name__, error)


async def udp():
    server, other = (trio.socket.socket(type=trio.socket.SOCK_DGRAM) for _ in range(2))
    with server, other:
        await server.bind(("127.0.0.1", 0))
        for n in range(3):
            await other.sendto(b"datagram %d" % n, server.getsockname())
            data, address = await server.recvfrom(100)
            print(data, address == other.getsockname())


async def unix():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.relpath(os.path.join(folder, "socket"))  # the system takes no long ones
        listener = trio.socket.socket(trio.socket.AF_UNIX)
        await listener.bind(path)
        listener.listen()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, echo, [trio.SocketListener(listener)])
            async with await trio.open_unix_socket(path) as stream:
                await stream.send_all(b"through a path")
                print(await stream.receive_some())
            nursery.cancel_scope.cancel()


async def main():
    await tcp()
    await udp()
    await unix()
    one, other = trio.socket.socketpair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(echo, trio.SocketStream(other))
        stream = trio.SocketStream(one)
        with trio.move_on_after(0.005) as scope:
            await stream.receive_some()
        print("nothing came", scope.cancelled_caught)
        data = random.randbytes(500_000)
        nursery.start_soon(stream.send_all, data)
        length = 0
        while length < len(data):
            length += len(await stream.receive_some())
        print(length)
        await stream.aclose()


trio.run(main)
