"""Children that are terminated, killed, signalled, stopped and waited for too long."""

import asyncio
import os
import random
import signal
from asyncio.subprocess import PIPE

TRAP = 'trap "echo trapped; exit 7" USR1; echo ready; while :; do sleep 0.005; done'


async def ended_by(method):
    child = await asyncio.create_subprocess_exec("sleep", "60")
    await asyncio.sleep(random.random() * 0.003)
    getattr(child, method)()
    print(method, child.pid, await child.wait())


async def trapped():
    child = await asyncio.create_subprocess_exec("sh", "-c", TRAP, stdout=PIPE)
    print(await child.stdout.readline())
    child.send_signal(signal.SIGUSR1)
    print("trapped", await child.stdout.read(), await child.wait())
    try:
        child.send_signal(signal.SIGUSR1)
    except ProcessLookupError as error:
        print("too late", repr(error))


async def too_long():
    child = await asyncio.create_subprocess_exec("sh", "-c", "echo begun; exec sleep 60", stdout=PIPE)
    try:
        await asyncio.wait_for(child.communicate(), 0.05)
    except asyncio.TimeoutError:
        child.kill()
        print("too long", await child.wait())


async def many():
    children = [
        await asyncio.create_subprocess_exec("sleep", f"0.00{random.randrange(10)}") for _ in range(5)
    ]
    order = []

    async def wait(n, child):
        await child.wait()
        order.append(n)

    await asyncio.gather(*(wait(n, child) for n, child in enumerate(children)))
    print("order", order)


async def main():
    for method in "terminate", "kill":
        await ended_by(method)
    await asyncio.gather(trapped(), too_long(), many())
    try:
        os.kill(os.getpid(), 0)
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError as error:
        print(error)


asyncio.run(main())
