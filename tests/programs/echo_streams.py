"""An echo server and 30 clients in one process, each with pauses of its own; who was served when."""

import asyncio
import random

served = []


async def serve(reader, writer):
    peer = writer.get_extra_info("peername")
    while line := await reader.readline():
        await asyncio.sleep(random.random() * 0.003)
        writer.write(line.upper())
        await writer.drain()
        served.append(line.split()[0].decode())
    print("closed by", peer)
    writer.close()


async def client(n, host, port):
    reader, writer = await asyncio.open_connection(host, port)
    for turn in range(3):
        await asyncio.sleep(random.random() * 0.005)
        writer.write(f"c{n} {turn} {random.random()}\n".encode())
        await writer.drain()
        answer = await reader.readline()
    me = writer.get_extra_info("sockname")
    writer.close()
    await writer.wait_closed()
    return me[1], answer.decode().strip()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print("listening on", port)
    for me, answer in await asyncio.gather(*(client(n, host, port) for n in range(30))):
        print(me, answer)
    print(*served)
    server.close()
    await server.wait_closed()


asyncio.run(main())
