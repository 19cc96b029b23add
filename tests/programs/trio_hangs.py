"""trio: tasks that wait for ever, for each other or for the outside; ended by themselves when all wait."""

import os
import signal
import socket
import sys

import trio
import trio.testing


async def takes(first, second, arrived):
    async with first:
        arrived.set()
        await trio.testing.wait_all_tasks_blocked()
        async with second:
            print("has both")


async def reads(stream, lock):
    async with lock:
        await stream.receive_some(1)


async def queues(lock):
    async with lock:
        print("has it")


async def locks(nursery):
    one, other, arrived = trio.Lock(), trio.Lock(), trio.Event()
    nursery.start_soon(takes, one, other, arrived, name="left")
    await arrived.wait()
    nursery.start_soon(takes, other, one, arrived, name="right")


async def outside(nursery):
    stream, kept = (trio.SocketStream(trio.socket.from_stdlib_socket(one)) for one in socket.socketpair())
    lock = trio.Lock()
    nursery.start_soon(reads, stream, lock, name="reads")
    await trio.testing.wait_all_tasks_blocked()
    nursery.start_soon(queues, lock, name="queues")
    return kept


async def ends():
    await trio.testing.wait_all_tasks_blocked(0.001)
    print("all wait", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)


async def main():
    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery:
            kept = [await globals()[way](nursery) for way in sys.argv[1].split(",")]
            nursery.start_soon(ends, name="ends")
    print(kept)


trio.run(main)
