"""add_reader and add_writer on pipes by hand, read and write transports on others, an eventfd."""

import asyncio
import os
import random


async def by_hand():
    loop = asyncio.get_running_loop()
    inner, outer = os.pipe()
    os.set_blocking(inner, False)
    os.set_blocking(outer, False)
    left, sizes, received, done = random.randbytes(200_000), [], 0, loop.create_future()

    def writable():
        nonlocal left
        sizes.append(os.write(outer, left))
        left = left[sizes[-1] :]
        if not left:
            loop.remove_writer(outer)
            os.close(outer)

    def readable():
        nonlocal received
        data = os.read(inner, random.randrange(1, 20_000))
        received += len(data)
        if not data:
            print("removed", loop.remove_reader(inner), loop.remove_reader(inner))
            os.close(inner)
            done.set_result(None)

    loop.add_reader(inner, readable)
    loop.add_writer(outer, writable)
    await done
    print("by hand", inner, outer, received, len(sizes), sizes)


async def by_transport():
    loop = asyncio.get_running_loop()
    inner, outer = os.pipe()
    reader = asyncio.StreamReader()
    with os.fdopen(inner, "rb", 0) as source, os.fdopen(outer, "wb", 0) as sink:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
        transport, _ = await loop.connect_write_pipe(asyncio.Protocol, sink)
        for n in range(3):
            transport.write(b"%d %d\n" % (n, random.randrange(1000)))
            print("line", await reader.readline())
        transport.close()
        print("end", await reader.read())


async def by_event():
    loop = asyncio.get_running_loop()
    event, woken = os.eventfd(0, os.EFD_NONBLOCK), asyncio.Event()
    loop.add_reader(event, woken.set)
    loop.call_later(random.random() * 0.005, os.eventfd_write, event, random.randrange(1, 100))
    await woken.wait()
    loop.remove_reader(event)
    print("eventfd", event, os.eventfd_read(event))
    os.close(event)


async def main():
    await asyncio.gather(by_hand(), by_transport(), by_event())


asyncio.run(main())
