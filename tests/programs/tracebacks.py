"""Prints tracebacks of what is raised through the loop, and by its methods."""

import asyncio
import signal
import traceback


async def nothing():
    pass


def interrupts():
    raise KeyboardInterrupt("in a callback")


async def interrupted():
    asyncio.get_running_loop().call_soon(interrupts)
    await asyncio.sleep(1)


async def leaves():
    raise SystemExit("in a task")


async def left():
    await asyncio.create_task(leaves())


async def nested():
    asyncio.get_running_loop().run_forever()


async def wrongly_created():
    for create in (asyncio.create_task, asyncio.get_running_loop().create_task):
        try:
            create(5)
        except TypeError:
            traceback.print_exc()
    try:
        asyncio.create_task(nothing(), nme="misspelt")
    except TypeError:
        traceback.print_exc()


async def current():
    return asyncio.get_running_loop()


def attempt(function, *args):
    try:
        function(*args)
    except BaseException:
        traceback.print_exc()


async def made_by_a_factory():
    def refuse(loop, coroutine, **kwargs):
        coroutine.close()
        raise LookupError("no task today")

    loop = asyncio.get_running_loop()
    loop.set_task_factory(refuse)
    attempt(loop.create_task, nothing())
    attempt(asyncio.create_task, nothing())
    loop.set_task_factory(None)


for main in (interrupted, left, nested, wrongly_created, made_by_a_factory):
    attempt(lambda main=main: asyncio.run(main()))
loop = asyncio.run(current())
attempt(loop.call_soon_threadsafe, print)
attempt(loop.add_signal_handler, signal.SIGKILL, print)
attempt(loop.add_signal_handler, signal.SIGUSR1, print)
for create in (asyncio.create_task, loop.create_task, loop.run_until_complete):
    coroutine = nothing()
    attempt(create, coroutine)
    coroutine.close()
asyncio.run(interrupted())
