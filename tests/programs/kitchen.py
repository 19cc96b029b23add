import sys

import anyio


async def cook(dish, seconds, table):
    await anyio.sleep(seconds)
    await table.send(dish)


async def waiter(table):
    async with table:
        async for dish in table:
            print("served", dish)


async def main():
    table, seat = anyio.create_memory_object_stream(1)
    async with anyio.create_task_group() as group:
        group.start_soon(waiter, seat)
        async with table, anyio.create_task_group() as kitchen:
            kitchen.start_soon(cook, "soup", 0.01, table)
            kitchen.start_soon(cook, "bread", 0.02, table)
    with anyio.move_on_after(0.01) as dessert:
        await anyio.sleep(1)
    print("no dessert" if dessert.cancelled_caught else "dessert")


anyio.run(main, backend=sys.argv[1])
