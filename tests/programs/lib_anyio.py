"""anyio, on the backends that are named: groups, scopes, streams, sockets, threads, a process, a limiter, a portal.

python lib_anyio.py asyncio|trio...
"""

import random
import sys
import time

import anyio
import anyio.from_thread
import anyio.to_thread


async def producer(stream, name):
    async with stream:
        for n in range(4):
            await anyio.sleep(random.random() * 0.003)
            await stream.send(f"{name}{n}")


async def channels():
    send, receive = anyio.create_memory_object_stream(2)
    async with anyio.create_task_group() as group, send:
        for name in "abc":
            group.start_soon(producer, send.clone(), name)
        await send.aclose()
        print("stream", *[item async for item in receive])


async def scopes():
    with anyio.move_on_after(0.003) as scope:
        await anyio.sleep(random.random() * 0.006)
    print("moved on", scope.cancelled_caught)
    try:
        with anyio.fail_after(0.001):
            await anyio.sleep(1)
    except TimeoutError:
        print("failed")
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 1)
            await anyio.sleep(0.001)
            raise ValueError(random.random())
    except* ValueError as errors:
        print(errors.exceptions)


async def sockets():
    async def handle(client):
        async with client:
            async for data in client:
                await client.send(data.upper())

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, handle)
        async with await anyio.connect_tcp("127.0.0.1", port) as client:
            await client.send(b"hello %d" % random.randrange(1000))
            print(port, await client.receive())
        group.cancel_scope.cancel()
    await listener.aclose()


async def threads():
    def work(n):
        time.sleep(random.random() * 0.003)
        anyio.from_thread.run_sync(order.append, n)
        anyio.from_thread.run(anyio.sleep, random.random() * 0.002)
        return n

    order, limiter = [], anyio.CapacityLimiter(3)

    async def one(n):
        order.append(-await anyio.to_thread.run_sync(work, n, limiter=limiter))

    async with anyio.create_task_group() as group:
        for n in range(1, 7):
            group.start_soon(one, n)
    print("threads", order, limiter.borrowed_tokens)


async def main():
    async with anyio.create_task_group() as group:
        group.start_soon(channels)
        group.start_soon(threads)
    await scopes()
    await sockets()
    done = await anyio.run_process(["sh", "-c", "cat; echo $$"], input=b"through a process ")
    print(done.stdout, done.returncode)
    path = anyio.Path("written")
    await path.write_text(f"{random.random()}")
    print(await path.read_text(), [entry.name async for entry in anyio.Path(".").glob("writ*")])
    print(anyio.get_current_task().name, anyio.current_time())


for backend in sys.argv[1:]:
    print(backend)
    anyio.run(main, backend=backend)
    with anyio.from_thread.start_blocking_portal(backend) as portal:
        future = portal.start_task_soon(anyio.sleep, 0.001)
        print("portal", portal.call(anyio.current_time), future.result())
