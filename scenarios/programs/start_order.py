"""A task of trio relies on another one having begun: nobody says which of two begins first."""

import trio


async def main() -> None:
    ready: list[str] = []

    async def server() -> None:
        ready.append("listening")

    async def client() -> None:
        assert ready, "the client begins before the server"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(server)
        nursery.start_soon(client)
    print("in order")


trio.run(main)
