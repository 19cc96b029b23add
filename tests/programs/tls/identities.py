"""Certificates of both sides, names that a server is asked for, sessions used again, messages."""
import asyncio
import os
import socket
import ssl
import sys
import threading

folder = sys.argv[1]
CERT, KEY = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")


def mutual(version):
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=CERT)
    server_context.load_cert_chain(CERT, KEY)
    server_context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    said = []

    def serve():
        for _ in range(3):
            plain = listener.accept()[0]
            try:
                with server_context.wrap_socket(plain, server_side=True) as sock:
                    certificate = sock.getpeercert()
                    sock.sendall(certificate["serialNumber"].encode() + b" %d" % sock.session_reused)
                    sock.recv(1)
                    sock.unwrap()
            except ssl.SSLError as error:
                said.append(error.reason)
            except ConnectionError:
                said.append("the connection is gone")

    thread = threading.Thread(target=serve)
    thread.start()
    context = ssl.create_default_context(cafile=CERT)
    context.maximum_version = version
    session = None
    with socket.create_connection(listener.getsockname()) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as sock:
                print("without:", sock.recv(100))
        except ssl.SSLError as error:
            print("without:", error.reason)
        except ConnectionError:
            print("without: gone")
    context.load_cert_chain(CERT, KEY)
    for _ in range(2):
        plain = socket.create_connection(listener.getsockname())
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as sock:
            print(sock.recv(100).split()[1], sock.session_reused, sock.session == session, sock.session == sock.session)
            session = sock.session
            print(type(session), isinstance(session, ssl.SSLSession), session.has_ticket, session.timeout, session.time)
            print(session.id.hex(), session.ticket_lifetime_hint)
            inner = sock._sslobj
            for chain in (inner.get_verified_chain(), inner.get_unverified_chain()):
                print([(repr(one), one.get_info()["subject"], len(one.public_bytes())) for one in chain or ()], chain == chain)
            try:
                inner.session = 3
            except TypeError as error:
                print(error)
            try:
                inner.session = session
            except ValueError as error:
                print(error)
            sock.sendall(b".")
            sock.unwrap()
    thread.join()
    print("server:", *said)
    listener.close()
    other = ssl.create_default_context(cafile=CERT)
    try:
        other.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost", session=session)
    except ValueError as error:
        print(error)


async def names():
    async def serve(reader, writer):
        tls = writer.get_extra_info("ssl_object")
        writer.write(f"{tls.context is special} {tls.selected_alpn_protocol()}\n".encode())
        writer.close()

    contexts = []
    for protocol in ("common", "special"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERT, KEY)
        context.set_alpn_protocols([protocol])
        contexts.append(context)
    common, special = contexts

    def choose(tls, name, context):
        print("asked for", name, type(tls).__name__, context is common, tls.server_side)
        if name == "broken.localhost":
            raise LookupError(name)
        if name == "strange.localhost":
            return "not a number"
        if name == "refused.localhost":
            return ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        if name == "special.localhost":
            tls.context = special

    common.sni_callback = choose
    print(common.sni_callback is choose, special.sni_callback)
    for wrong in (3, "text"):
        try:
            common.sni_callback = wrong
        except TypeError as error:
            print(error)
    common.sni_callback = choose
    sys.unraisablehook = lambda given: print("unraisable:", repr(given.exc_value), given.object is choose, given.err_msg)
    asyncio.get_running_loop().set_exception_handler(lambda loop, about: print("handler:", about["message"], repr(about.get("exception"))))
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=common)
    client = ssl.create_default_context(cafile=CERT)
    client.check_hostname = False
    client.set_alpn_protocols(["special", "common"])
    for name in ("localhost", "special.localhost", "refused.localhost", "broken.localhost", "strange.localhost"):
        try:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=client, server_hostname=name)
            print(await reader.readline())
            writer.close()
            await writer.wait_closed()
        except OSError as error:
            print(name, error)
    server.close()
    await server.wait_closed()


def blocking_name():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERT, KEY)
    context.set_servername_callback(lambda sock, name, context: print(type(sock), name, sock.getsockname()[0]))
    listener = socket.create_server(("127.0.0.1", 0))

    def connect():
        client = ssl.create_default_context(cafile=CERT)
        with client.wrap_socket(socket.create_connection(listener.getsockname()), server_hostname="localhost") as sock:
            sock.sendall(b"hello")
            sock.recv(1)

    thread = threading.Thread(target=connect)
    thread.start()
    with listener, context.wrap_socket(listener.accept()[0], server_side=True) as sock:
        print(sock.recv(10))
    thread.join()


def messages():
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERT, KEY)
    client = ssl.create_default_context(cafile=CERT)
    seen = []
    is_failing = False

    def message(connection, direction, version, content, kind, data):
        seen.append((type(connection).__name__, direction, version, content, kind, len(data)))
        if is_failing and len(seen) > 3:
            raise KeyError("seen enough")

    client._msg_callback = message
    print(client._msg_callback is message)
    for is_failing in (False, True):
        seen.clear()
        bios = [ssl.MemoryBIO() for _ in range(4)]
        one = client.wrap_bio(bios[0], bios[1], server_hostname="localhost")
        other = server.wrap_bio(bios[2], bios[3], server_side=True)
        for _ in range(3):
            for tls, output, there in ((one, bios[1], bios[2]), (other, bios[3], bios[0])):
                try:
                    tls.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                except Exception as error:
                    print(repr(error), repr(error.__context__))
                there.write(output.read())
        print(one.version(), *seen, sep="\n")


for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    mutual(version)
asyncio.run(names())
blocking_name()
messages()
