"""A server that stops on SIGTERM: finishes what it has, refuses what is new, says goodbye, exits with 0."""

import asyncio
import random
import signal

handled = []


async def serve(reader, writer):
    while line := await reader.readline():
        await asyncio.sleep(random.random() * 0.002)
        handled.append(line.strip().decode())
        writer.write(line)
        await writer.drain()
    writer.close()


async def client(n, port, stopping):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not stopping.is_set():
        writer.write(b"%d\n" % n)
        await reader.readline()
    writer.close()
    await writer.wait_closed()


async def main():
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in signal.SIGTERM, signal.SIGHUP:
        loop.add_signal_handler(number, lambda number=number: (print("got", number.name), stopping.set()))
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clients = [asyncio.create_task(client(n, port, stopping)) for n in range(5)]
    await asyncio.sleep(0.005)
    print("READY", flush=True)
    await stopping.wait()
    server.close()
    await asyncio.gather(*clients)
    await server.wait_closed()
    print("handled", len(handled), handled[-10:], port)


asyncio.run(main())
