"""Signals that the program sends itself, with handlers of the loop's and Python's own."""

import asyncio
import os
import random
import signal
import threading

log = []


def plain(number, frame):
    log.append(f"plain {signal.Signals(number).name} {frame is not None}")


def of_the_loop(name, task):
    log.append(f"loop {name}")
    task.cancel(name)


async def patient():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError as error:
        return f"cancelled by {error}"


async def main():
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(patient())
    loop.add_signal_handler(signal.SIGUSR1, of_the_loop, "USR1", task)
    print("previous", signal.signal(signal.SIGUSR2, plain), signal.getsignal(signal.SIGUSR2) is plain)
    loop.call_later(random.random() * 0.005, os.kill, os.getpid(), signal.SIGUSR1)
    loop.call_later(random.random() * 0.005, os.kill, os.getpid(), signal.SIGUSR2)
    print(await task)
    await asyncio.sleep(0.006)
    signal.raise_signal(signal.SIGUSR2)
    os.kill(os.getpid(), signal.SIGUSR2)
    sender = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR2))
    sender.start()
    sender.join()
    await asyncio.sleep(0.001)
    print(len(log), *sorted(log), sep="; ")
    print("removed", loop.remove_signal_handler(signal.SIGUSR1), loop.remove_signal_handler(signal.SIGUSR1))
    print(signal.strsignal(signal.SIGUSR1), signal.getsignal(signal.SIGUSR1), random.random())


asyncio.run(main())
