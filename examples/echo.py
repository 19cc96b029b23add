"""An echo server and five clients in one process.

Which port the server gets, who connects first, how the answers interleave, the identifiers and the times:
all of it is different on each run. Record one run, and each replay prints the same lines again.

    replay record -o echo.rec examples/echo.py
    replay play echo.rec
"""

import asyncio
import random
import time
import uuid

CLIENTS = 5
MESSAGES = 3


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send each line back, after thinking about it for a moment."""
    host, port = writer.get_extra_info("peername")
    print(f"server: connection from {host}:{port}")
    while line := await reader.readline():
        await asyncio.sleep(random.uniform(0, 0.05))
        writer.write(line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def talk(name: str, port: int) -> float:
    """Send some lines with a fresh identifier each, check the answers, return how long it took."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in range(1, MESSAGES + 1):
        message = f"{name} {number}/{MESSAGES} {uuid.uuid4()}"
        writer.write(message.encode() + b"\n")
        answer = await reader.readline()
        assert answer.decode().rstrip() == message
        print(f"  {message}")
    writer.close()
    await writer.wait_closed()
    return time.perf_counter() - started


async def main() -> None:
    """Start the server on a free port, let all clients talk at once, say who was first."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(f"server: listening on port {port} at {time.strftime('%H:%M:%S')}")
    names = [f"client-{number}" for number in range(1, CLIENTS + 1)]
    async with server, asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(talk(name, port), name=name) for name in names}
    for name, task in sorted(tasks.items(), key=lambda item: item[1].result()):
        print(f"{name}: {task.result() * 1000:.3f} ms")


if __name__ == "__main__":
    asyncio.run(main())
