"""Default reprs, which hold addresses, in a log file, on a socket, in an error, in arguments of a child."""

import asyncio
import logging
import subprocess
import sys


class Order:
    pass


async def fails():
    raise ValueError(f"bad {Order()}")


async def receive(reader, writer):
    print("received", len(await reader.read()) > 10)
    writer.close()


async def main():
    logging.basicConfig(filename="app.log", level=logging.INFO)
    logging.info("processing %r", Order())
    server = await asyncio.start_server(receive, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(f"{Order()} and {fails}".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    print(len(await asyncio.gather(fails(), return_exceptions=True)))
    print(subprocess.run([sys.executable, "-c", "pass", str(Order())]).returncode)
    await asyncio.sleep(0.01)
    server.close()


asyncio.run(main())
