"""A cache that looks first and fetches then: two that ask at the same time fetch twice."""

import asyncio

cache: dict[str, str] = {}
fetched: list[str] = []


async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        fetched.append(line.decode().strip())
        writer.write(b"the page\n")
    writer.close()


async def fetch(key: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", 7002)
    writer.write(f"{key}\n".encode())
    text = (await reader.readline()).decode().strip()
    writer.close()
    return text


async def get(key: str) -> str:
    if key not in cache:
        cache[key] = await fetch(key)
    return cache[key]


async def visitor(delay: float) -> str:
    await asyncio.sleep(delay)
    return await get("home")


async def main() -> None:
    server = await asyncio.start_server(origin, "127.0.0.1", 7002)
    await asyncio.gather(visitor(0.0), visitor(0.03))
    await asyncio.sleep(0.01)
    server.close()
    assert fetched == ["home"], f"fetched {len(fetched)} times"
    print("fetched once")


asyncio.run(main())
