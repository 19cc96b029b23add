"""Two replicas take writes while they do not see each other: a confirmed one is in one of them only."""

import asyncio

stores: dict[str, dict[str, int]] = {"east": {}, "west": {}}


async def replica(name: str, port: int, peer: str, peer_port: int) -> asyncio.Server:
    store = stores[name]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            word, key, value = line.decode().split()
            store[key] = int(value)
            if word == "write":
                try:
                    async with asyncio.timeout(0.2):
                        _, other = await asyncio.open_connection(peer, peer_port)
                        other.write(f"copy {key} {value}\n".encode())
                        await other.drain()
                        other.close()
                except (TimeoutError, OSError):
                    pass  # it will be told later, by somebody
            writer.write(b"ok\n")
        writer.close()

    return await asyncio.start_server(serve, name, port)


async def write(name: str, port: int, value: int) -> None:
    reader, writer = await asyncio.open_connection(name, port)
    writer.write(f"write x {value}\n".encode())
    await reader.readline()
    writer.close()


async def main() -> None:
    servers = [await replica("east", 7101, "west", 7102), await replica("west", 7102, "east", 7101)]
    await write("east", 7101, 1)
    await asyncio.sleep(1)
    await write("west", 7102, 2)
    await asyncio.sleep(1)
    for server in servers:
        server.close()
    assert stores["east"] == stores["west"], f"the replicas differ: {stores}"
    print("the replicas agree")


asyncio.run(main())
