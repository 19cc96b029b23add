"""trio: whatever wakes a task: a timer, a descriptor, another task or its end, a scope, a thread, a signal."""

import os
import signal
import socket

import trio
import trio.testing


async def sleeper(seconds=0.001):
    await trio.sleep(seconds)


async def waits(event):
    await event.wait()


async def sets(event):
    await trio.sleep(0.001)
    event.set()


async def yields():
    await trio.sleep(0)


async def late():
    with trio.move_on_after(0.002) as patience:
        await trio.sleep_forever()
    print("late", patience.cancelled_caught)


async def too_slow():
    try:
        with trio.fail_after(0.002):
            await trio.sleep(100)
    except trio.TooSlowError:
        print("too slow")


async def job():
    print(await trio.to_thread.run_sync(len, "job"))


async def stays(scope):
    with scope:
        await trio.sleep_forever()


async def cancels(scope):
    await trio.sleep(0.001)
    scope.cancel()


async def holds(lock, taken):
    async with lock:
        taken.set()
        await trio.testing.wait_all_tasks_blocked()


async def wants(lock, taken):
    await taken.wait()
    async with lock:
        print("locked")


async def receives(channel):
    print("received", await channel.receive())


async def sends(channel):
    await trio.sleep(0.001)
    await channel.send("item")


async def group():
    async with trio.open_nursery() as inner:
        inner.start_soon(sleeper, name="child")


async def fails():
    await trio.sleep(0.001)
    raise ValueError("bad")


async def unlucky():
    try:
        async with trio.open_nursery() as broken:
            broken.start_soon(fails, name="fails")
            broken.start_soon(sleeper, 100, name="sibling")
    except* ValueError:
        print("failed")


async def reads(stream):
    print(await stream.receive_some(10))


async def writes(stream):
    await trio.sleep(0.001)
    await stream.send_all(b"data")


async def listens(task_status):
    with trio.open_signal_receiver(signal.SIGUSR1) as signals:
        task_status.started()
        print("signal", await anext(signals))


async def closed(channel):
    try:
        await channel.receive()
    except trio.EndOfChannel:
        print("closed")


async def main():
    one, two = (trio.SocketStream(trio.socket.from_stdlib_socket(one)) for one in socket.socketpair())
    event, taken, scope, lock = trio.Event(), trio.Event(), trio.CancelScope(), trio.Lock()
    send, receive = trio.open_memory_channel(0)
    other_send, other_receive = trio.open_memory_channel(0)
    async with trio.open_nursery() as nursery:
        start = nursery.start_soon
        start(sleeper, name="sleeper")
        start(waits, event, name="waits")
        start(sets, event, name="sets")
        start(yields, name="yields")
        start(late, name="late")
        start(too_slow, name="too_slow")
        start(job, name="job")
        start(stays, scope, name="stays")
        start(cancels, scope, name="cancels")
        start(holds, lock, taken, name="holds")
        start(wants, lock, taken, name="wants")
        start(receives, receive, name="receives")
        start(sends, send, name="sends")
        start(group, name="group")
        start(unlucky, name="unlucky")
        start(reads, one, name="reads")
        start(writes, two, name="writes")
        start(closed, other_receive, name="closed")
        await trio.sleep(0.005)
        other_send.close()
        await nursery.start(lambda task_status: listens(task_status), name="listens")
        os.kill(os.getpid(), signal.SIGUSR1)


trio.run(main)
