"""Threads that look at source lines at the same time: those are kept in a cache that all of them share."""

import argparse
import ast
import asyncio
import decimal
import json
import linecache
import queue
import random
import threading
import traceback

MODULES = [argparse, ast, asyncio.events, asyncio.tasks, decimal, json.decoder, queue, random, threading]


def fail(depth):
    if depth:
        return fail(depth - 1)
    return random.choice([1, 2, 3]) // 0


def work(number, lengths):
    for at in range(len(MODULES)):
        try:
            fail(number)
        except ZeroDivisionError:
            lengths.append(len(traceback.format_exc()))
        module = MODULES[(at + 3 * number) % len(MODULES)]
        lengths.append(len(linecache.getline(module.__file__, 1)))
        linecache.checkcache()


async def main():
    # In debug mode, each handle and each task looks at the stack.
    asyncio.get_running_loop().set_debug(True)
    lengths = [[] for _ in range(3)]
    threads = [threading.Thread(target=work, args=(number, lengths[number])) for number in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        await asyncio.sleep(0.0001)
    for thread in threads:
        await asyncio.to_thread(thread.join)
    print([sorted(set(one)) for one in lengths], random.random())


asyncio.run(main())
