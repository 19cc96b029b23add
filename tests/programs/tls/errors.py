"""What TLS raises, with tracebacks and attributes: over asyncio, over blocking sockets, and out of contexts."""
import asyncio
import os
import socket
import ssl
import sys
import threading
import traceback

folder = sys.argv[1]
CERT, KEY = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")


def show(error):
    print(type(error), repr(error), str(error), error.args, sep="\n  ")
    for name in ("errno", "strerror", "filename", "library", "reason", "verify_code", "verify_message"):
        print("   ", name, repr(getattr(error, name, "none")))
    print("".join(traceback.format_exception(error)))


def attempt(function, *args, **kwargs):
    try:
        print("fine", function(*args, **kwargs))
    except Exception as error:
        show(error)


def contexts():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    attempt(context.load_verify_locations, "/no/such/file")
    attempt(context.load_verify_locations, KEY)
    attempt(context.load_verify_locations, cadata="nothing")
    attempt(context.load_verify_locations)
    attempt(context.load_cert_chain, "/no/such/file")
    attempt(context.load_cert_chain, KEY)
    attempt(context.load_cert_chain, CERT, CERT)
    attempt(context.load_cert_chain, certfile=CERT, keyfile=KEY)
    attempt(context.set_ciphers, "NONE-SUCH")
    attempt(context.set_ecdh_curve, "none-such")
    attempt(context.load_dh_params, "/no/such/file")
    attempt(context.wrap_bio, ssl.MemoryBIO(), ssl.MemoryBIO())
    attempt(context.wrap_bio, ssl.MemoryBIO(), None, server_hostname="localhost")
    attempt(context.wrap_bio, ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    attempt(setattr, context, "keylog_filename", "/no/such/folder/keys")
    print(context.keylog_filename)


def serve_one(context, then):
    """A server in a thread, for one connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    said = []

    def serve():
        with listener:
            plain = listener.accept()[0]
            try:
                with plain if context is None else context.wrap_socket(plain, server_side=True) as sock:
                    then(sock)
            except OSError as error:
                said.append((type(error).__name__, getattr(error, "reason", error.errno)))

    thread = threading.Thread(target=serve)
    thread.start()

    def join():
        thread.join()
        print("server:", *said)

    return listener.getsockname(), join


def blocking():
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(CERT, KEY)
    trusting = ssl.create_default_context(cafile=CERT)
    for context, name in ((ssl.create_default_context(), "localhost"), (trusting, "example.org")):
        address, join = serve_one(server, lambda sock: sock.recv(1))
        with socket.create_connection(address) as plain:
            attempt(context.wrap_socket, plain, server_hostname=name)
        join()
    # no TLS on the other side
    address, join = serve_one(None, lambda sock: sock.sendall(b"this is no TLS at all\r\n"))
    with socket.create_connection(address) as plain:
        attempt(trusting.wrap_socket, plain, server_hostname="localhost")
    join()
    # the other side leaves in the middle of the handshake
    address, join = serve_one(None, lambda sock: sock.recv(10_000))
    with socket.create_connection(address) as plain:
        attempt(trusting.wrap_socket, plain, server_hostname="localhost")
    join()

    def reset(sock):
        sock.recv(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    address, join = serve_one(None, reset)
    with socket.create_connection(address) as plain:
        attempt(trusting.wrap_socket, plain, server_hostname="localhost")
    join()
    # a connection that times out, and one that would wait
    release = threading.Event()
    address, join = serve_one(server, lambda sock: release.wait())
    with trusting.wrap_socket(socket.create_connection(address), server_hostname="localhost") as sock:
        sock.settimeout(0.01)
        attempt(sock.recv, 10)
        sock.setblocking(False)
        attempt(sock.recv, 10)
        attempt(sock.read, 10, bytearray(10))
        attempt(sock.write, "text")
        release.set()
        join()
        sock.settimeout(5)
        sock.suppress_ragged_eofs = False
        attempt(sock.recv, 10)
        attempt(sock.unwrap)


async def over_asyncio():
    async def serve(reader, writer):
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERT, KEY)
    asyncio.get_running_loop().set_exception_handler(lambda loop, about: print("handler:", about["message"]))
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    address = server.sockets[0].getsockname()
    for context, name in ((ssl.create_default_context(), "localhost"), (ssl.create_default_context(cafile=CERT), "a.b")):
        try:
            await asyncio.open_connection(*address, ssl=context, server_hostname=name)
        except ssl.SSLError as error:
            show(error)
    server.close()
    await server.wait_closed()

    async def reset(reader, writer):
        await reader.read(100)
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    try:
        await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=context, server_hostname="localhost")
    except OSError as error:
        show(error)
    server.close()
    await server.wait_closed()


contexts()
blocking()
asyncio.run(over_asyncio())
