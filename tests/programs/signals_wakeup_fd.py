"""A program's own `signal.set_wakeup_fd`: for `select`, beside a loop with handlers, and given back."""

import asyncio
import os
import select
import signal
import threading


def pipe():
    ends = os.pipe()
    for fd in ends:
        os.set_blocking(fd, False)
    return ends


def attempt(*args):
    try:
        print("set", signal.set_wakeup_fd(*args))
    except (OSError, ValueError) as error:
        print("refused", repr(error))


def by_select(inner, outer):
    signal.signal(signal.SIGALRM, lambda number, frame: print("handler", number))
    attempt(outer)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    print("woken", select.select([inner], [], [], 5)[0] == [inner], list(os.read(inner, 10)))
    signal.raise_signal(signal.SIGALRM)
    print("raised", list(os.read(inner, 10)))
    attempt(-1)
    signal.raise_signal(signal.SIGALRM)
    try:
        os.read(inner, 10)
    except BlockingIOError as error:
        print(error)


def refusals():
    attempt(12345)
    blocking = os.pipe()
    attempt(blocking[1])
    for fd in blocking:
        os.close(fd)
    thread = threading.Thread(target=attempt, args=(-1,))
    thread.start()
    thread.join()


async def beside_a_loop(inner, outer):
    loop = asyncio.get_running_loop()
    seen = asyncio.Queue()
    loop.add_signal_handler(signal.SIGUSR1, seen.put_nowait, "handler of the loop")
    os.kill(os.getpid(), signal.SIGUSR1)
    print(await seen.get())
    loops_own = signal.set_wakeup_fd(outer)
    print("the loop had one", loops_own >= 0)
    loop.add_reader(inner, lambda: seen.put_nowait(list(os.read(inner, 10))))
    signal.signal(signal.SIGUSR2, lambda number, frame: print("plain handler"))
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    print("by the reader", await seen.get())
    os.kill(os.getpid(), signal.SIGUSR2)
    print("by the reader", await seen.get())
    print("given back", signal.set_wakeup_fd(loops_own) == outer)
    os.kill(os.getpid(), signal.SIGUSR1)
    print(await seen.get())
    loop.remove_signal_handler(signal.SIGUSR1)
    print("none", signal.set_wakeup_fd(outer))
    loop.remove_reader(inner)


inner, outer = pipe()
by_select(inner, outer)
refusals()
asyncio.run(beside_a_loop(inner, outer))
signal.raise_signal(signal.SIGALRM)
print("after the loop", list(os.read(inner, 10)))
