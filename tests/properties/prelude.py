"""The beginning of every generated program: what its statements use. It imports nothing of ours."""

import asyncio
import contextlib
import contextvars
import datetime
import gc
import os
import queue
import random
import secrets
import signal
import socket
import sys
import threading
import time
import traceback
import uuid
import weakref
from concurrent.futures import ThreadPoolExecutor

LIMIT_S = 0.1
"""A program that takes longer is cancelled: nearly always it waits for what never comes."""
SHORT_S = 0.02
"""Threads wait no longer than this for anything."""

WORDS = {
    asyncio.CancelledError: "cancelled",
    TimeoutError: "timed out",
    queue.Empty: "empty",
    queue.Full: "full",
}
variable = contextvars.ContextVar("variable", default=0)


signals = []
for number in signal.SIGUSR2, signal.SIGALRM:
    signal.signal(number, lambda number, frame: signals.append(number))


def log(*things):
    print(*things, flush=True)


def name():
    task = asyncio.current_task()
    return task.get_name() if task else threading.current_thread().name


def tell(error):
    if isinstance(error, BaseExceptionGroup):
        log("group", error.message, len(error.exceptions))
        for one in error.exceptions:
            tell(one)
    else:
        log(WORDS.get(type(error), type(error).__name__), error)


class Thing:
    """Hashed by identity: its order in a set comes from where it lies, or from us."""

    def __init__(self, number):
        self.number = number


class Cycle:
    """Can only be freed by the collector of garbage, and tells when."""

    def __init__(self, number):
        self.number = number
        self.me = self

    def __del__(self):
        print("freed", self.number)


class Dropped:
    """Tells when it is freed; without a cycle that is at once."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        print("dropped", self.number)


@contextlib.contextmanager
def held(lock):
    """Hold a lock of threads; one that is held already, by this thread perhaps, is not waited for long."""
    if not lock.acquire(timeout=SHORT_S):
        raise TimeoutError
    try:
        yield
    finally:
        lock.release()


class World:
    """What the tasks and threads of one program share."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.queue = asyncio.Queue(2)
        self.locks = [asyncio.Lock(), asyncio.Lock()]
        self.semaphore = asyncio.BoundedSemaphore(2)
        self.condition = asyncio.Condition()
        self.event = asyncio.Event()
        self.tasks = []
        self.task_set = set()
        self.weak = weakref.WeakSet()
        self.things = {Thing(number) for number in range(6)}
        self.thread_lock = threading.Lock()
        self.thread_rlock = threading.RLock()
        self.thread_event = threading.Event()
        self.thread_condition = threading.Condition()
        self.thread_semaphore = threading.Semaphore(2)
        self.thread_queue = queue.Queue(3)
        self.simple_queue = queue.SimpleQueue()
        self.local = threading.local()
        self.threads = []
        self.pool = ThreadPoolExecutor(2)
        self.count = 0

    async def __aenter__(self):
        self.left, self.right = socket.socketpair()
        self.left.setblocking(False)
        self.right.setblocking(False)
        one, other = socket.socketpair()
        self.reader, _ = self.ends = await asyncio.open_connection(sock=one)
        _, self.writer = self.others = await asyncio.open_connection(sock=other)
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.loop.add_signal_handler(signal.SIGUSR1, log, "USR1")
        return self

    async def __aexit__(self, *exc):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        self.server.close()
        self.writer.close()
        self.ends[1].close()
        self.left.close()
        self.right.close()
        await asyncio.to_thread(self.join)

    def join(self):
        for thread in self.threads:
            thread.join()
        self.pool.shutdown()

    def spawn(self, coroutine, called=None):
        if called:
            task = self.loop.create_task(coroutine, name=called)
        else:
            task = asyncio.create_task(coroutine)
        self.tasks.append(task)
        self.task_set.add(task)
        self.weak.add(task)
        task.add_done_callback(self.task_set.discard)
        return task

    def cancel(self, number):
        if self.tasks:
            log("cancel", self.tasks[number % len(self.tasks)].cancel(f"number {number}"))

    def thread(self, function):
        thread = threading.Thread(target=guarded, args=(function, self))
        self.threads.append(thread)
        thread.start()

    async def serve(self, reader, writer):
        try:
            while line := await reader.readline():
                writer.write(line.upper())
                await writer.drain()
        except OSError as error:
            log("server", type(error).__name__)
        finally:
            writer.close()

    async def ask(self, text, times):
        reader, writer = await asyncio.open_connection(*self.server.sockets[0].getsockname())
        try:
            for number in range(times):
                writer.write(f"{text} {number}\n".encode())
                await writer.drain()
                log(name(), "answer", await reader.readline())
        finally:
            writer.close()

    async def watch(self):
        for task in self.task_set:
            log(task.get_name(), task.done())
        log(len(asyncio.all_tasks()), [task.get_name() for task in self.weak])


def guarded(function, w):
    try:
        function(w)
    except Exception as error:
        tell(error)


async def end_all():
    """Cancel what is left until nothing is: a task may go on after it was cancelled."""
    while rest := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in rest:
            task.cancel()
        await asyncio.wait(rest, timeout=0.01)


async def limited(program):
    async with World() as w:
        main = asyncio.create_task(program(w), name="main")
        await asyncio.wait([main], timeout=LIMIT_S)
        await end_all()
    await end_all()  # what threads have started since
    await main


def run(program, *, debug=False, eager=False):
    log("---", program.__name__)
    try:
        with asyncio.Runner(debug=debug) as runner:
            if eager and sys.version_info >= (3, 12):
                runner.get_loop().set_task_factory(asyncio.eager_task_factory)
            runner.run(limited(program))
    except Exception as error:
        tell(error)
