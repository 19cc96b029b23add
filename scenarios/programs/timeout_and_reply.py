"""A client gives a request up, and keeps the connection: the next request reads the reply to the last one."""

import asyncio


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(b"page of " + line)
    writer.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def get(self, user: str) -> str:
        self.writer.write(f"{user}\n".encode())
        return (await self.reader.readline()).decode().strip()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 7003)
    client = Client(*await asyncio.open_connection("127.0.0.1", 7003))
    try:
        async with asyncio.timeout(0.1):
            await client.get("alice")
    except TimeoutError:
        pass
    page = await client.get("bob")
    client.writer.close()
    await asyncio.sleep(0.01)
    server.close()
    assert page == "page of bob", f"bob is shown the {page}"
    print(page)


asyncio.run(main())
