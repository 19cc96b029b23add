"""An event that is set and cleared at once wakes who waits already, and nobody who comes a little later."""

import asyncio


async def main() -> None:
    changed = asyncio.Event()

    async def prepare() -> None:
        await asyncio.sleep(0.01)
        await asyncio.sleep(0)  # a look at the configuration

    async def watcher() -> None:
        await prepare()
        async with asyncio.timeout(3):
            await changed.wait()

    async def writer() -> None:
        await asyncio.sleep(0.03)
        changed.set()
        changed.clear()

    await asyncio.gather(watcher(), writer())
    print("the watcher was woken")


asyncio.run(main())
