"""Nothing: what it costs to start and stop, taken off every other program."""

import asyncio


async def main():
    pass


asyncio.run(main())
