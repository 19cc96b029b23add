"""Two tasks take two locks, each in its own order: a deadlock, if both hold one."""

import asyncio


async def main() -> None:
    accounts, audit = asyncio.Lock(), asyncio.Lock()

    async def use(first: asyncio.Lock, then: asyncio.Lock, delay: float) -> None:
        await asyncio.sleep(delay)
        async with first:
            await asyncio.sleep(0.01)
            async with then:
                pass

    async with asyncio.TaskGroup() as group:
        group.create_task(use(accounts, audit, 0.0), name="transfer")
        group.create_task(use(audit, accounts, 0.02), name="report")
    print("both are done")


asyncio.run(main())
