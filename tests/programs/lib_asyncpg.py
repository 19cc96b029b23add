"""asyncpg against a real server: a pool, transactions, a cursor, a listener, errors, a deadlock.

python lib_asyncpg.py HOST:PORT
"""

import asyncio
import random
import sys

import asyncpg

host, port = sys.argv[1].split(":")


async def add(pool, name):
    async with pool.acquire() as connection, connection.transaction():
        await asyncio.sleep(random.random() * 0.003)
        return await connection.fetchval(
            "insert into item (name, number) values ($1, $2) returning id", name, random.random()
        )


async def transfer(pool, first, second):
    try:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("update item set number = number + 1 where id = $1", first)
            await asyncio.sleep(0.005)
            await connection.execute("update item set number = number - 1 where id = $1", second)
            return "moved"
    except asyncpg.DeadlockDetectedError as error:
        return type(error).__name__


async def main():
    settings = {"deadlock_timeout": "20ms", "client_min_messages": "warning"}
    async with asyncpg.create_pool(
        host=host,
        port=int(port),
        user="tester",
        database="postgres",
        min_size=1,
        max_size=4,
        server_settings=settings,
    ) as pool:
        await pool.execute(
            "drop table if exists item; create table item (id serial primary key, name text, number float8)"
        )
        print("ids", await asyncio.gather(*(add(pool, f"name{n}") for n in range(8))))
        for row in await pool.fetch("select * from item order by number limit 3"):
            print(dict(row))
        async with pool.acquire() as connection:
            heard = asyncio.Queue()
            await connection.add_listener("news", lambda *about: heard.put_nowait(about[1:]))
            await pool.execute(f"notify news, 'number {random.randrange(1000)}'")
            print("heard", await heard.get(), connection.get_server_pid())
            async with connection.transaction():
                print(
                    "cursor",
                    [row[0] async for row in connection.cursor("select name from item order by random()")],
                )
            await connection.reset()
        print(sorted(await asyncio.gather(transfer(pool, 1, 2), transfer(pool, 2, 1))))
        try:
            await pool.fetchval("select 1 / $1::int", 0)
        except asyncpg.DivisionByZeroError as error:
            print(error)
        print(await pool.fetchrow("select now(), gen_random_uuid(), random()"))


asyncio.run(main())
