"""Reads its standard input as an asyncio stream, and writes its standard output as one."""

import asyncio
import random
import sys


async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    while line := await reader.readline():
        writer.write(b"%d %s" % (random.randrange(10**6), line))
        await writer.drain()
    writer.write(b"end\n")
    await writer.drain()
    writer.close()


asyncio.run(main())
