"""Functions of C modules that classes keep: none is bound, and each says of itself what it is."""

import asyncio
import copy
import gc
import inspect
import os
import pickle
import random
import signal
import socket
import threading
import time
import weakref


class Kept:
    draw = random.random
    pick = random.randrange
    entropy = os.urandom
    nap = time.sleep
    process = os.getpid
    nanoseconds = time.time_ns
    seconds = time.monotonic
    fields = time.localtime
    collect = gc.collect
    lock = threading.Lock
    thread = threading.get_ident
    host = socket.gethostname
    pipe = os.pipe
    read = os.read
    write = os.write
    close = os.close
    list = os.listdir
    open = open
    change = os.chdir
    handler = signal.getsignal


FUNCTIONS = (
    *(os.urandom, os.getpid, os.read, os.listdir, os.scandir, os.fork, os._exit, os.chdir, os.write, os.system),
    *(time.sleep, time.monotonic, time.time, time.time_ns, time.localtime, time.strftime),
    *(gc.collect, gc.enable, signal.alarm, threading.get_ident, threading.get_native_id, open),
)


def describe(function):
    try:
        signature = str(inspect.signature(function))
    except ValueError as error:
        signature = str(error)
    return function, function.__module__, function.__qualname__, function.__doc__.split("\n")[0], signature


async def main():
    kept = Kept()
    for _ in range(2):
        print(kept.draw(), kept.pick(5, 10), kept.entropy(4), kept.process() == os.getpid())
        print(kept.nanoseconds(), kept.seconds(), kept.fields()[:6], kept.host(), kept.thread())
        kept.nap(0.001)
        kept.collect()
        with kept.lock():
            ours, theirs = kept.pipe()
        kept.write(theirs, b"through a pipe")
        print(kept.read(ours, 99))
        kept.close(ours)
        kept.close(theirs)
        kept.change(".")
        assert isinstance(kept.list("."), list)
        with kept.open(os.devnull) as file:
            assert file.read() == ""
        await asyncio.to_thread(kept.nap, 0.001)  # from here on there are threads: drawing is a hand-off
    for function in FUNCTIONS:
        assert inspect.isbuiltin(function) and inspect.isroutine(function) and not inspect.isfunction(function)
        assert copy.copy(function) is function and copy.deepcopy([function]) == [function]
        assert pickle.loads(pickle.dumps(function)).__name__ == function.__name__
        assert weakref.ref(function)() is function and len({function, function}) == 1
        print(*describe(function), sep=" | ")
    assert threading.get_ident is Kept.thread and os.urandom is Kept.entropy
    try:
        gc.collect(every=True)
    except TypeError as error:
        print(error)
    try:
        os.close(-1)
    except OSError as error:
        print(error)


asyncio.run(main())
