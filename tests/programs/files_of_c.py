"""Files that C code reads: databases of sqlite3, memory maps; the replay has none of them."""

import asyncio
import contextlib
import mmap
import os
import sqlite3


def database():
    with contextlib.closing(sqlite3.connect("app.db")) as connection:
        connection.execute("create table words (word text)")
        connection.executemany("insert into words values (?)", [("one",), ("two",)])
        connection.commit()
    with contextlib.closing(sqlite3.connect("app.db", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("insert into words values ('three')")
        print([row["word"] for row in connection.execute("select * from words")])
    try:
        sqlite3.connect("no/such/folder.db")
    except sqlite3.OperationalError as error:
        print(error)
    with contextlib.closing(sqlite3.connect("file:app.db?mode=ro", uri=True)) as connection:
        print(connection.execute("select count(*) from words").fetchone())
    with contextlib.closing(sqlite3.connect("wal.db")) as connection:
        connection.execute("pragma journal_mode=wal").fetchone()
        connection.execute("create table t (x)")
    with contextlib.closing(sqlite3.connect("wal.db")) as connection:
        print(connection.execute("select * from t").fetchall())
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        print(connection.execute("select 1").fetchone())


def mapped():
    with open("data", "wb") as file:
        file.write(b"some data of " + str(os.getpid()).encode())
    with open("data", "r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
        print(mapping[:], mapping.size(), type(mapping), isinstance(mapping, mmap.mmap))
        mapping[:4] = b"SOME"
        mapping.flush()
    with open("data", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
        print(mapping.readline(), mapping.find(b"data"))
    with open("empty", "w+b") as file:
        try:
            mmap.mmap(file.fileno(), 0)
        except ValueError as error:
            print(error)
    with mmap.mmap(-1, 10) as mapping:
        mapping.write(b"anonymous")
        print(mapping[:])


async def main():
    await asyncio.to_thread(database)
    mapped()
    print(sorted(os.listdir()))


asyncio.run(main())
