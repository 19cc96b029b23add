"""Sends fewer bytes when a file is there that it asks the C library about; prints the answer alone.

python leak_fewer_bytes.py FILE
"""

import asyncio
import ctypes
import os
import sys


async def serve(reader, writer):
    await reader.readline()
    writer.write(b"understood")
    writer.close()


async def main():
    changed = ctypes.CDLL(None).access(os.fsencode(sys.argv[1]), 0) == 0
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    print("before", flush=True)
    writer.write(b"short\n" if changed else b"rather longer\n")
    print(await reader.read(), flush=True)
    writer.close()
    server.close()


asyncio.run(main())
