"""Sets, whose order follows hashes: strings, tasks, futures, objects, and what asyncio keeps in sets."""

import asyncio
import random


class Order:
    def __init__(self, number):
        self.number = number


class Failure(Exception):
    pass


async def number(n):
    await asyncio.sleep(0)
    return n


async def patient(n, cancelled):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        cancelled.append(n)
        raise


async def failing():
    await asyncio.sleep(0.001)
    raise Failure("enough")


async def main():
    keep = [[] for _ in range(random.randrange(3000))]  # so that addresses differ from run to run
    print("strings", list({"apple", "banana", "cherry", "date", "elderberry"}))
    print("objects", [order.number for order in {Order(n) for n in range(20)}])
    print("errors", [error.args[0] for error in {Failure(n) for n in range(20)}])
    tasks = {asyncio.create_task(number(n), name=f"n{n}") for n in range(20)}
    print("tasks", [task.get_name() for task in tasks])
    print("all_tasks", [task.get_name() for task in asyncio.all_tasks()])
    done, _ = await asyncio.wait(tasks)
    print("done", [task.result() for task in done])
    loop = asyncio.get_running_loop()
    numbered = {loop.create_future(): n for n in range(20)}
    print("futures", [numbered[future] for future in set(numbered)])
    print("as_completed", [await first for first in asyncio.as_completed([number(n) for n in range(20)])])
    in_threads = [loop.run_in_executor(None, lambda n=n: n) for n in range(8)]
    print("executor", [future.result() for future in (await asyncio.wait(in_threads))[0]])
    cancelled = []
    try:
        async with asyncio.TaskGroup() as group:
            for n in range(20):
                group.create_task(patient(n, cancelled))
            group.create_task(failing())
    except* Failure as errors:
        print("cancelled", cancelled, errors.exceptions, len(keep) < 3000)


asyncio.run(main())
