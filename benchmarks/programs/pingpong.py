"""Two tasks and two queues: 40,000 messages there and back, each waking the other task."""

import asyncio

MESSAGES = 40_000


async def ponger(pings, pongs):
    while (message := await pings.get()) is not None:
        await pongs.put(message)


async def main():
    pings, pongs = asyncio.Queue(), asyncio.Queue()
    task = asyncio.create_task(ponger(pings, pongs))
    for message in range(MESSAGES):
        await pings.put(message)
        assert await pongs.get() == message
    await pings.put(None)
    await task


asyncio.run(main())
