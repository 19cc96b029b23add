"""Tasks that start at once, inside the one that made them (3.12)."""

import asyncio
import random
import sys

log = []


async def cached(n):
    log.append(f"start{n}")
    if random.random() < 0.5:
        return n
    await asyncio.sleep(random.random() * 0.005)
    log.append(f"end{n}")
    return -n


async def main():
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    tasks = [asyncio.create_task(cached(n)) for n in range(10)]
    print("done at once", [task.done() for task in tasks])
    print("results", await asyncio.gather(*tasks))
    async with asyncio.TaskGroup() as group:
        kept = {group.create_task(cached(n)) for n in range(10, 20)}
    print("group", [task.result() for task in kept])
    print(*log)


if sys.version_info < (3, 12):
    print("no eager tasks before 3.12")
    sys.exit()
asyncio.run(main())
