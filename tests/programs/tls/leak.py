"""Sends other bytes over TLS, as many, when a file is there that it asks the C library about.

python leak.py FOLDER FILE blocking|asyncio
"""

import asyncio
import ctypes
import os
import socket
import ssl
import sys
import threading

CERT, KEY = os.path.join(sys.argv[1], "cert.pem"), os.path.join(sys.argv[1], "key.pem")
changed = ctypes.CDLL(None).access(os.fsencode(sys.argv[2]), 0) == 0
DATA = b"9876543210" if changed else b"0123456789"
server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
server_context.load_cert_chain(CERT, KEY)
client_context = ssl.create_default_context(cafile=CERT)


def blocking():
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener, server_context.wrap_socket(listener.accept()[0], server_side=True) as sock:
            sock.recv(10)
            sock.sendall(b"understood")

    thread = threading.Thread(target=serve)
    thread.start()
    plain = socket.create_connection(listener.getsockname())
    with client_context.wrap_socket(plain, server_hostname="localhost") as sock:
        print("before", flush=True)
        sock.sendall(DATA)
        print(sock.recv(10), flush=True)
    thread.join()


async def over_asyncio():
    async def serve(reader, writer):
        await reader.readexactly(10)
        writer.write(b"understood")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context)
    address = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(*address, ssl=client_context, server_hostname="localhost")
    print("before", flush=True)
    writer.write(DATA)
    print(await reader.read(), flush=True)
    writer.close()
    server.close()


if sys.argv[3] == "blocking":
    blocking()
else:
    asyncio.run(over_asyncio())
