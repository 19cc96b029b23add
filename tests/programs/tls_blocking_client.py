"""Blocking TLS clients in threads, with ssl.wrap_socket and urllib, against an asyncio TLS server."""

import asyncio
import contextlib
import os
import random
import socket
import ssl
import sys
import threading
import urllib.request

folder = sys.argv[1]
CERT, KEY = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")


async def serve(reader, writer):
    request = await reader.readline()
    while (await reader.readline()).strip():
        pass
    await asyncio.sleep(random.random() * 0.003)
    body = b"%s %d" % (request.strip() or b"nothing", random.randrange(10**6))
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
    await writer.drain()
    writer.close()


def by_hand(port, context, n):
    with socket.create_connection(("127.0.0.1", port)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as sock:
            sock.sendall(b"GET /%d HTTP/1.0\r\n\r\n" % n)
            buffer, answer = bytearray(1000), b""
            while count := sock.recv_into(buffer):
                answer += buffer[:count]
            certificate = sock.getpeercert()
            return answer.split(b"\r\n")[-1], sock.version(), sock.cipher()[0], certificate["notAfter"]


def by_urllib(port, context):
    with urllib.request.urlopen(f"https://localhost:{port}/by-urllib", context=context) as answer:
        return answer.read(), answer.headers["Content-Length"]


def refused(port):
    with socket.create_connection(("127.0.0.1", port)) as plain:
        try:
            ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
        except ssl.SSLError as error:
            return type(error).__name__, error.reason


def blocking_server():
    """A TLS server in a thread, for one connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERT, KEY)

    def serve_one():
        with listener, contextlib.suppress(ConnectionError):
            with context.wrap_socket(listener.accept()[0], server_side=True) as sock:
                sock.recv(1)

    threading.Thread(target=serve_one).start()
    return listener.getsockname()[1]


async def main():
    asyncio.get_running_loop().set_exception_handler(lambda loop, about: print("handler:", about["message"]))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERT, KEY)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    trusting = ssl.create_default_context(cafile=CERT)
    calls = [asyncio.to_thread(by_hand, port, trusting, n) for n in range(3)]
    for first in asyncio.as_completed([*calls, asyncio.to_thread(by_urllib, port, trusting)]):
        print(await first)
    print(await asyncio.to_thread(refused, port))
    print(ssl.get_server_certificate(("127.0.0.1", blocking_server())) == open(CERT).read(), port)
    server.close()
    await server.wait_closed()


asyncio.run(main())
