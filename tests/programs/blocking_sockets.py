"""Plain blocking sockets in threads against an asyncio server: timeouts, makefile, recv_into, urllib."""

import asyncio
import random
import socket
import socketserver
import threading
import time
import urllib.error
import urllib.request


async def serve(reader, writer):
    request = await reader.readline()
    while (await reader.readline()).strip():
        pass
    if not request:
        writer.close()
        return
    await asyncio.sleep(random.random() * 0.005)
    path = request.split()[1]
    status = b"404 Not Found" if path == b"/lost" else b"200 OK"
    body = b"%s %d" % (path, random.randrange(10**6))
    writer.write(
        b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)
    )
    await writer.drain()
    writer.close()


def by_hand(address, n):
    with socket.create_connection(address, timeout=2) as sock, sock.makefile("rw", newline="\r\n") as file:
        file.write(f"GET /by-hand/{n} HTTP/1.1\r\n\r\n")
        file.flush()
        return file.readline().strip(), file.read().splitlines()[-1], sock.getsockname()[1]


def by_urllib(address, path):
    try:
        with urllib.request.urlopen(f"http://{address[0]}:{address[1]}/{path}", timeout=2) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def too_slow(address):
    with socket.create_connection(address, timeout=0.01) as sock:
        try:
            return sock.recv(10)
        except TimeoutError as error:
            return repr(error), sock.gettimeout()


class Upper(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


def ask_upper(address, n):
    time.sleep(random.random() * 0.003)
    with socket.create_connection(address) as sock:
        sock.sendall(f"threaded {n}\n".encode())
        buffer = bytearray(100)
        count = sock.recv_into(buffer)
        return bytes(buffer[:count]), sock.getsockname()[1]


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    calls = [asyncio.to_thread(by_hand, address, n) for n in range(4)]
    calls += [asyncio.to_thread(by_urllib, address, path) for path in ("a", "b", "lost")]
    for first in asyncio.as_completed([*calls, asyncio.to_thread(too_slow, address)]):
        print(await first)
    server.close()
    await server.wait_closed()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Upper) as threaded:
        thread = threading.Thread(target=threaded.serve_forever, args=(0.01,), name="server")
        thread.start()
        print(
            await asyncio.gather(
                *(asyncio.to_thread(ask_upper, threaded.server_address, n) for n in range(4))
            )
        )
        threaded.shutdown()
        thread.join()


asyncio.run(main())
