"""BufferedProtocol on the server, a file sent with sendfile by the client, and what came in which pieces."""

import asyncio
import random
import tempfile
import zlib


class Counting(asyncio.BufferedProtocol):
    def __init__(self, done):
        self.done, self.buffer, self.pieces, self.checksum = done, bytearray(16 * 1024), [], 0

    def connection_made(self, transport):
        self.transport = transport

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, count):
        self.checksum = zlib.crc32(memoryview(self.buffer)[:count], self.checksum)
        self.pieces.append(count)

    def eof_received(self):
        self.transport.write(b"%d bytes, checksum %08x" % (sum(self.pieces), self.checksum))

    def connection_lost(self, error):
        self.done.set_result((self.pieces, error))


async def main():
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    server = await loop.create_server(lambda: Counting(done), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with tempfile.TemporaryFile() as file:
        file.write(random.randbytes(300_000))
        file.flush()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        print("sent", await loop.sendfile(writer.transport, file, 1000, 200_000), file.tell())
        writer.write(b"and some more")
        print("and", await loop.sendfile(writer.transport, file, 0, 77, fallback=False))
        writer.write_eof()
    print((await reader.read()).decode(), "port", port)
    writer.close()
    pieces, error = await done
    print("pieces", len(pieces), pieces, error)
    server.close()
    await server.wait_closed()


asyncio.run(main())
