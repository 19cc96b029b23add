"""trio: which task of a batch runs first is drawn by lot, in each run; tasks wake, lock and talk in that order."""

import trio
import trio.testing


async def one(name, out):
    for _ in range(10):
        await trio.lowlevel.checkpoint()
        out.append(name)


async def main():
    for names in "ab", "abcdefgh":
        out = []
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(one, name, out)
        print("".join(out))
    print(trio.lowlevel.current_clock().offset if hasattr(trio.lowlevel, "current_clock") else "")
    print(trio.current_time())

    order, event, lock = [], trio.Event(), trio.StrictFIFOLock()

    async def waiting(n):
        await event.wait()
        async with lock:
            order.append(n)
            await trio.sleep(0)

    async with trio.open_nursery() as nursery:
        for n in range(10):
            nursery.start_soon(waiting, n)
        await trio.testing.wait_all_tasks_blocked()
        event.set()
    print(order)
    print(sorted(task.name for task in trio.lowlevel.current_root_task().child_nurseries[0].child_tasks))


trio.run(main)
