"""A fast writer, slow readers: drain waits, the transport pauses and resumes, buffers fill up."""

import asyncio
import random
import time


class Noting(asyncio.Protocol):
    def __init__(self, log):
        self.log = log

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=50_000, low=10_000)
        transport.write(b"y" * 5_000_000)
        self.log.append(f"size {transport.get_write_buffer_size() > 0}")

    def pause_writing(self):
        self.log.append("pause")

    def resume_writing(self):
        self.log.append(f"resume {self.transport.get_write_buffer_size()}")
        asyncio.get_running_loop().call_soon(self.transport.close)


async def fast(reader, writer):
    started, waits = time.monotonic(), 0
    for _ in range(40):
        writer.write(random.randbytes(50_000))
        before = time.monotonic()
        await writer.drain()
        waits += time.monotonic() - before > 0.0005
    print("writer waited", waits, "times", time.monotonic() - started)
    writer.close()


async def main():
    server = await asyncio.start_server(fast, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=10_000)
    total, pieces = 0, []
    while piece := await reader.read(60_000):
        total += len(piece)
        pieces.append(len(piece))
        if len(pieces) % 8 == 0:
            await asyncio.sleep(random.random() * 0.005)
    print(total, len(pieces), pieces[:10], max(pieces))
    writer.close()
    server.close()
    await server.wait_closed()
    log, loop = [], asyncio.get_running_loop()
    server = await loop.create_server(lambda: Noting(log), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await asyncio.sleep(0.01)
    print("read", len(await reader.read()), log)
    writer.close()
    server.close()
    await server.wait_closed()


asyncio.run(main())
