"""HTTPS by aiohttp, httpx and a blocking client in a thread, against an asyncio TLS server."""
import asyncio
import os
import random
import ssl
import sys
import urllib.request

import aiohttp
import httpx

folder = sys.argv[1]
CERT, KEY = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")


async def serve(reader, writer):
    while request := await reader.readline():
        length = 0
        while (line := await reader.readline()).strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = await reader.readexactly(length)
        answer = b"%s %d %d" % (request.strip(), len(body), random.randrange(10**6))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
        await writer.drain()
    writer.close()


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERT, KEY)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    trusting = ssl.create_default_context(cafile=CERT)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session:
        for n in range(3):
            async with session.post(f"{url}/aiohttp/{n}", data=random.randbytes(20_000 * n)) as response:
                print(await response.text(), response.headers["Content-Length"])
        try:
            await session.get(url, ssl=ssl.create_default_context())
        except aiohttp.ClientConnectorCertificateError as error:
            print(repr(error), error)

    async with httpx.AsyncClient(verify=trusting) as client:
        for n in range(3):
            print((await client.post(f"{url}/httpx/{n}", content=random.randbytes(20_000 * n))).text)
    try:
        async with httpx.AsyncClient() as client:
            await client.get(url)
    except httpx.ConnectError as error:
        print(repr(error))

    def fetch():
        with urllib.request.urlopen(f"{url}/urllib", context=trusting) as answer:
            return answer.read()

    for _ in range(2):
        print(await asyncio.to_thread(fetch))
    server.close()


asyncio.run(main())
