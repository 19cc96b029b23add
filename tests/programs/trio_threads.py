"""trio: threads in both directions, an abandoned one, the cache of idle ones, cancellation seen by a thread."""

import inspect
import random
import threading
import time

import trio

names = inspect.signature(trio.to_thread.run_sync).parameters
ABANDON = {"abandon_on_cancel" if "abandon_on_cancel" in names else "cancellable": True}


def work(n, order):
    time.sleep(random.random() * 0.003)
    trio.from_thread.run_sync(order.append, n)
    return trio.from_thread.run(answer, n) + 1


async def answer(n):
    await trio.sleep(random.random() * 0.002)
    return n * 10


async def many():
    order, limiter = [], trio.CapacityLimiter(3)

    async def one(n):
        order.append(await trio.to_thread.run_sync(work, n, order, limiter=limiter))

    async with trio.open_nursery() as nursery:
        for n in range(8):
            nursery.start_soon(one, n)
    print("both ways", order, limiter.statistics().borrowed_tokens)


async def cache():
    names = []
    for _ in range(6):
        async with trio.open_nursery() as nursery:
            for _ in range(random.randrange(1, 5)):

                async def one():
                    def name():
                        time.sleep(random.random() * 0.001)
                        return threading.current_thread().name, threading.get_ident()

                    names.append(await trio.to_thread.run_sync(name))

                nursery.start_soon(one)
    print("cached", len(set(names)), names[-3:])


async def abandoned():
    event, done = threading.Event(), []

    def wait():
        event.wait()
        done.append("ended")

    with trio.move_on_after(0.003) as scope:
        await trio.to_thread.run_sync(wait, **ABANDON)
    print("abandoned", scope.cancelled_caught, done)
    event.set()
    while not done:
        await trio.sleep(0.001)
    print(done)


async def cancelled():
    def busy():
        count = 0
        try:
            while True:
                trio.from_thread.check_cancelled()
                count += 1
                time.sleep(0.0005)
        finally:
            print("looked", count)

    with trio.move_on_after(0.005) as scope:
        await trio.to_thread.run_sync(busy)
    print("cancelled", scope.cancelled_caught)


async def foreign():
    """A thread that is not one of trio's, with a token."""
    token, got = trio.lowlevel.current_trio_token(), []
    send, receive = trio.open_memory_channel(0)

    def run():
        for n in range(20):
            time.sleep(random.random() * 0.0005)
            token.run_sync_soon(got.append, n)
            token.run_sync_soon(again, idempotent=True)
        trio.from_thread.run(send.send, "done", trio_token=token)

    def again():
        got.append("!")

    thread = threading.Thread(target=run)
    thread.start()
    print(await receive.receive(), got)
    await trio.to_thread.run_sync(thread.join)
    return token


async def failing():
    def fail():
        raise ValueError(random.random())

    try:
        await trio.to_thread.run_sync(fail)
    except ValueError as error:
        print("failed", error)
    print(await trio.to_thread.run_sync(lambda: trio.from_thread.run_sync(trio.lowlevel.current_task).name))


async def main():
    await many()
    await cache()
    await abandoned()
    if hasattr(trio.from_thread, "check_cancelled"):
        await cancelled()
    await failing()
    return await foreign()


token = trio.run(main)
try:
    token.run_sync_soon(print)
except trio.RunFinishedError as error:
    print(repr(error))
