"""trio: TLS on both sides, over TCP and over memory; data both ways, an end, a name that is wrong.

python trio_tls.py FOLDER
"""

import os
import random
import ssl
import sys

import trio
import trio.testing

folder = sys.argv[1]
CERT, KEY = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
server_context.load_cert_chain(CERT, KEY)
client_context = ssl.create_default_context(cafile=CERT)


async def serve(stream):
    try:
        async for data in stream:
            await trio.sleep(random.random() * 0.002)
            await stream.send_all(data[::-1])
    except trio.BrokenResourceError as error:
        print("server:", type(error.__cause__).__name__)


async def client(port, n):
    stream = await trio.open_ssl_over_tcp_stream(
        "127.0.0.1", port, ssl_context=client_context, https_compatible=True
    )
    async with stream:
        for _ in range(3):
            await stream.send_all(b"%d: %d" % (n, random.randrange(10**6)))
            print(await stream.receive_some(), stream.version())
    return stream


async def over_memory():
    one, other = trio.testing.memory_stream_pair()
    ours = trio.SSLStream(one, client_context, server_hostname="localhost")
    theirs = trio.SSLStream(other, server_context, server_side=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.do_handshake)
        nursery.start_soon(theirs.do_handshake)
    data = random.randbytes(100_000)
    got = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(theirs.send_all, data)
        while len(got) < len(data):
            got += await ours.receive_some()
    print(got == data, ours.cipher()[0], len(ours.getpeercert(True)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.aclose)
        nursery.start_soon(theirs.aclose)


async def main():
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            lambda task_status: trio.serve_ssl_over_tcp(
                serve,
                0,
                server_context,
                host="127.0.0.1",
                https_compatible=True,
                task_status=task_status,
            )
        )
        port = listeners[0].transport_listener.socket.getsockname()[1]
        async with trio.open_nursery() as clients:
            for n in range(4):
                clients.start_soon(client, port, n)
        try:
            stream = await trio.open_ssl_over_tcp_stream("127.0.0.1", port)
            await stream.do_handshake()
        except trio.BrokenResourceError as error:
            print("client:", type(error.__cause__).__name__, error.__cause__.verify_message)
        await trio.sleep(0.005)
        nursery.cancel_scope.cancel()
    await over_memory()


trio.run(main)
