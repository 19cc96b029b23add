"""Two transfers read a balance, wait for the network, and write it back: one of them is lost."""

import asyncio


async def main() -> None:
    balance = 100

    async def bank(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal balance
        while line := await reader.readline():
            if line.startswith(b"get"):
                writer.write(b"%d\n" % balance)
            else:
                balance = int(line.split()[1])
                writer.write(b"ok\n")
        writer.close()

    server = await asyncio.start_server(bank, "127.0.0.1", 7001)

    async def transfer(amount: int, delay: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", 7001)
        await asyncio.sleep(delay)
        writer.write(b"get\n")
        read = int(await reader.readline())
        writer.write(b"set %d\n" % (read + amount))
        await reader.readline()
        writer.close()

    await asyncio.gather(transfer(10, 0.0), transfer(20, 0.05))
    await asyncio.sleep(0.01)
    server.close()
    assert balance == 130, f"a transfer was lost: the balance is {balance}"
    print("balance", balance)


asyncio.run(main())
