"""A task group is aborted while one of its tasks cleans up: the clean-up is cut short."""

import asyncio


async def main() -> None:
    state = {"file": "open"}

    async def writer() -> None:
        try:
            await asyncio.sleep(0.02)
        finally:
            await asyncio.sleep(0.01)  # flush
            state["file"] = "closed"

    async def checker() -> None:
        await asyncio.sleep(0.05)
        raise ValueError("the check failed")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(writer(), name="writer")
            group.create_task(checker(), name="checker")
    except* ValueError:
        pass
    assert state["file"] == "closed", "the file is still open"
    print("the file is closed")


asyncio.run(main())
