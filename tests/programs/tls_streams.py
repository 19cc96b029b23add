"""TLS server and clients: ALPN, the certificate seen, one not trusted, a wrong name, data both ways."""

import asyncio
import os
import random
import ssl
import sys

folder = sys.argv[1]
CERT, KEY = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")


def server_context():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERT, KEY)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def serve(reader, writer):
    tls = writer.get_extra_info("ssl_object")
    while line := await reader.readline():
        await asyncio.sleep(random.random() * 0.002)
        writer.write(b"%s %s" % (str(tls.selected_alpn_protocol()).encode(), line))
        await writer.drain()
    writer.close()


async def client(n, port, context):
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    tls = writer.get_extra_info("ssl_object")
    if n == 0:
        certificate = writer.get_extra_info("peercert")
        print(certificate["subject"], certificate["serialNumber"], certificate["subjectAltName"])
        print(len(tls.getpeercert(True)), tls.version(), tls.cipher(), writer.get_extra_info("cipher")[0])
        print(tls.get_channel_binding("tls-unique"), tls.server_hostname, tls.server_side)
    writer.write(b"hello %d %d\n" % (n, random.randrange(10**6)))
    print(n, await reader.readline(), writer.get_extra_info("sockname")[1])
    writer.write(random.randbytes(60_000).replace(b"\n", b"") + b"\n")
    print(n, len(await reader.readuntil(b"\n")))
    writer.close()
    await writer.wait_closed()


async def failing(port, context, name):
    try:
        await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        print(error.verify_code, error.verify_message, error.reason)


async def main():
    asyncio.get_running_loop().set_exception_handler(lambda loop, about: print("handler:", about["message"]))
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context(), limit=200_000)
    port = server.sockets[0].getsockname()[1]
    context = ssl.create_default_context(cafile=CERT)
    context.set_alpn_protocols(["spdy", "http/1.1"])
    await asyncio.gather(*(client(n, port, context) for n in range(4)))
    await failing(port, ssl.create_default_context(), "localhost")
    await failing(port, context, "example.org")
    await asyncio.sleep(0.01)
    server.close()
    await server.wait_closed()
    print(context.cert_store_stats(), len(context.get_ca_certs()), ssl.RAND_bytes(4).hex())


asyncio.run(main())
