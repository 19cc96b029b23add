"""Programs that look at their own stack: how deep it is, who is on it, and how deep it can get."""

import asyncio
import inspect
import sys
import traceback


def depth():
    frame, count = sys._getframe(1), 0
    while frame is not None:
        frame, count = frame.f_back, count + 1
    return count


def deepest(level=1):
    try:
        return deepest(level + 1)
    except RecursionError:
        return level


def look(who):
    print(who, depth(), deepest(), [one.function for one in inspect.stack()])
    print([(one.name, one.lineno) for one in traceback.extract_stack()])


async def worker():
    look("task")
    await asyncio.sleep(0)
    look("task, second step")


async def main():
    loop = asyncio.get_running_loop()
    look("main task")
    task = asyncio.create_task(worker())
    loop.call_soon(look, "callback")
    loop.call_later(0.001, look, "timer")
    task.add_done_callback(lambda _: look("done"))
    await task
    await asyncio.sleep(0.002)
    loop.set_debug(True)  # takes effect at the next turn
    task = asyncio.create_task(worker())
    await task
    await asyncio.to_thread(look, "thread")
    await loop.run_in_executor(None, look, "executor")
    loop.call_soon_threadsafe(look, "threadsafe")
    await asyncio.sleep(0.001)


asyncio.run(main())
look("module")
