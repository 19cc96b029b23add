"""Signals that a program sends to itself, from any thread and by timers: in waits, blocked, waited for, ignored."""

import asyncio
import os
import signal
import threading
import time


def soon(function, *args):
    threading.Timer(0.02, function, args).start()


def raising(*_):
    raise ZeroDivisionError


ticks = []
signal.signal(signal.SIGUSR1, lambda number, frame: print("handled", number))
signal.signal(signal.SIGALRM, lambda number, frame: ticks.append(number))
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
while len(ticks) < 3:
    time.sleep(1)
signal.setitimer(signal.ITIMER_REAL, 0)
print("ticks", ticks[:3], signal.getitimer(signal.ITIMER_REAL))

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
os.kill(os.getpid(), signal.SIGUSR1)
print("held", signal.sigpending())
print("waited for", signal.sigwait({signal.SIGUSR1}), signal.sigpending())
os.kill(os.getpid(), signal.SIGUSR1)
print("let through", signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1}))

lock = threading.Lock()
lock.acquire()
soon(signal.pthread_kill, threading.main_thread().ident, signal.SIGUSR1)
print("lock", lock.acquire(timeout=0.1))
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
os.kill(os.getpid(), signal.SIGUSR2)
signal.signal(signal.SIGUSR2, raising)
soon(os.kill, os.getpid(), signal.SIGUSR2)
try:
    time.sleep(10)
except ZeroDivisionError:
    print("raised in a sleep")
soon(os.kill, os.getpid(), signal.SIGUSR1)
print("paused", signal.pause())


async def main():
    loop = asyncio.get_running_loop()
    terminated, rung = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, terminated.set)
    soon(os.kill, os.getpid(), signal.SIGTERM)
    await terminated.wait()
    print("terminated")
    loop.add_signal_handler(signal.SIGALRM, rung.set)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    await rung.wait()
    print("rung")
    loop.call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        print("cancelled")
        raise


try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
