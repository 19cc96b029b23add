"""A connection that begins in clear and goes on in TLS, by start_tls on both sides."""

import asyncio
import os
import random
import ssl
import sys

folder = sys.argv[1]
CERT, KEY = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
SERVER, CLIENT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=CERT)
SERVER.load_cert_chain(CERT, KEY)


async def serve(reader, writer):
    while line := await reader.readline():
        if line == b"STARTTLS\n":
            writer.write(b"go ahead\n")
            await writer.drain()
            await writer.start_tls(SERVER)
        else:
            secret = writer.get_extra_info("ssl_object") is not None
            writer.write(b"%s %d %s" % (b"secret" if secret else b"clear", random.randrange(1000), line))
            await writer.drain()
    writer.close()


async def by_streams(port, n):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello\n")
    print(n, await reader.readline())
    writer.write(b"STARTTLS\n")
    print(n, await reader.readline())
    await writer.start_tls(CLIENT, server_hostname="localhost")
    for turn in range(3):
        writer.write(b"turn %d %d\n" % (turn, random.randrange(10**6)))
        print(n, await reader.readline())
    print(n, writer.get_extra_info("cipher"), writer.get_extra_info("peername"))
    writer.close()
    await writer.wait_closed()


class Shy(asyncio.Protocol):
    def __init__(self, done):
        self.done, self.data = done, b""

    def data_received(self, data):
        self.data += data

    def connection_lost(self, error):
        self.done.set_result((self.data, error))


async def by_transport(port):
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    transport, protocol = await loop.create_connection(lambda: Shy(done), "127.0.0.1", port)
    transport.write(b"STARTTLS\n")
    while not protocol.data.endswith(b"\n"):
        await asyncio.sleep(0.0005)
    secure = await loop.start_tls(transport, protocol, CLIENT, server_hostname="localhost")
    secure.write(b"by transport %d\n" % random.randrange(1000))
    while protocol.data.count(b"\n") < 2:
        await asyncio.sleep(0.0005)
    secure.close()
    print(await done)


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(*(by_streams(port, n) for n in range(2)), by_transport(port))
    server.close()
    await server.wait_closed()


asyncio.run(main())
