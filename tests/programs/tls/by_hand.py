"""TLS between two objects in memory, without any socket: every call, what it moves, and what is left."""
import os
import random
import ssl
import sys

folder = sys.argv[1]
CERT, KEY = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")


class Side:
    def __init__(self, context, **kwargs):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, **kwargs)

    def attempt(self, name, *args, quiet=False):
        try:
            result = getattr(self.tls, name)(*args)
        except ssl.SSLError as error:
            result = f"{type(error).__name__} {error.reason} {error}"
        shown = (len(result), result[:10]) if isinstance(result, bytes) and len(result) > 20 else result
        if not quiet:
            print(f"  {name}: {shown}; pending {self.tls.pending()}, in {self.incoming.pending}, out {self.outgoing.pending}")
        return result

    def give(self, other, size=-1):
        data = self.outgoing.read(size)
        other.incoming.write(data)
        return len(data)


server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_context.load_cert_chain(CERT, KEY)
server_context.set_alpn_protocols(["h2", "http/1.1"])
client_context = ssl.create_default_context(cafile=CERT)
client_context.set_alpn_protocols(["http/1.1"])
print(client_context.cert_store_stats(), [one["serialNumber"] for one in client_context.get_ca_certs()])
print(len(client_context.get_ciphers()), client_context.session_stats(), client_context.verify_mode)

for newest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    client_context.maximum_version = newest
    client = Side(client_context, server_hostname="localhost")
    server = Side(server_context, server_side=True)
    print(newest, isinstance(client.incoming, ssl.MemoryBIO), type(client.tls), client.tls.server_hostname)
    print(client.tls.version(), client.tls.cipher(), client.tls.selected_alpn_protocol(), client.tls.session)
    try:
        client.tls.getpeercert()
    except ValueError as error:
        print(error)
    for turn in range(4):
        client.attempt("do_handshake")
        if turn == 0:
            client.give(server, 10)  # a part of it
            server.attempt("do_handshake")
        client.give(server)
        server.attempt("do_handshake")
        server.give(client)
    for side in (client, server):
        tls = side.tls
        print(tls.version(), tls.cipher(), tls.compression(), tls.selected_alpn_protocol(), tls.session_reused)
        print(tls.server_side, tls.server_hostname, tls.context is side.tls.context, len(tls.shared_ciphers() or ()))
        print(tls.getpeercert(), tls.getpeercert(True), repr(tls.session)[:18])
        unique = tls.get_channel_binding()
        print(unique.hex() if unique else unique)
    print(client.outgoing.pending, client.outgoing.eof, client.incoming.eof)
    for size in (0, 1, 16384, 100_000):
        data = random.randbytes(size)
        if size != 100_000:
            client.attempt("write", data)
        else:
            client.attempt("write", memoryview(bytearray(data)))
        print("moved", client.give(server), "checked by the replay:", random.random())
        received, buffer = b"", bytearray(7000)
        while True:
            chunk = server.attempt("read", *((len(buffer), buffer) if size == 100_000 else (5000,)), quiet=size > 20_000)
            if isinstance(chunk, str):
                break
            received += buffer[:chunk] if isinstance(chunk, int) else chunk
        print(received == data)
    ciphertext = server.tls.write(b"one") and server.outgoing.read()
    print(len(ciphertext), ciphertext[:5])  # the rest of it is the same at replay, and goes on below
    client.incoming.write(ciphertext[:7])
    client.attempt("read", 100)
    client.incoming.write(ciphertext[7:])
    client.attempt("read", 100)
    print(ciphertext.hex())
    client.attempt("unwrap")
    client.give(server)
    server.attempt("read", 100)
    server.attempt("unwrap")
    server.give(client)
    client.attempt("unwrap")
    client.attempt("write", b"too late")
    client.attempt("read", 1)

# the other side is gone without a word
client, server = Side(client_context, server_hostname="localhost"), Side(server_context, server_side=True)
for _ in range(3):
    client.attempt("do_handshake"), client.give(server)
    server.attempt("do_handshake"), server.give(client)
client.attempt("read", 10)
client.incoming.write_eof()
print(client.incoming.eof)
client.attempt("read", 10)
# nonsense comes in
client = Side(client_context, server_hostname="localhost")
client.attempt("do_handshake")
client.incoming.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
client.attempt("do_handshake")
print(client.outgoing.read().hex())
