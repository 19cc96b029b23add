"""Databases of sqlite3, opened and attached in each way there is; the replay has none of their files."""

import contextlib
import os
import sqlite3


def attempt(what, function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except sqlite3.Error as error:
        print(what, repr(error), getattr(error, "sqlite_errorname", None))
        return None


def words(path, *values):
    with contextlib.closing(sqlite3.Connection(path)) as connection:
        connection.execute("create table words (word text)")
        connection.executemany("insert into words values (?)", [(value,) for value in values])
        connection.commit()


class Ours(sqlite3.Connection):
    def __init__(self, path, **kwargs):
        super().__init__(f"{path}.db", **kwargs)
        self.row_factory = sqlite3.Row
        self.text_factory = bytes


class Cursor(sqlite3.Cursor):
    def execute(self, sql, *args):
        print("runs", sql)
        return super().execute(sql, *args)


def opened():
    words("main.db", "one", str(os.getpid()))
    words("other.db", "two", os.urandom(4).hex())
    for make in (
        sqlite3.Connection,
        sqlite3.connect,
        lambda path: sqlite3.connect(database=path, isolation_level=None),
        lambda path: Ours("main"),
        lambda path: sqlite3.connect("main", factory=Ours),
        lambda path: sqlite3.Connection(f"file:{path}?mode=ro", uri=True),
    ):
        with contextlib.closing(make("main.db")) as connection:
            print([tuple(row) for row in connection.execute("select * from words")], type(connection).__name__)
    for path in ("no/such/folder.db", "."):
        attempt(path, sqlite3.Connection, path)
        attempt(path, sqlite3.connect, path)
    with contextlib.closing(sqlite3.connect("file:main.db?mode=ro", uri=True)) as connection:
        attempt("read only", connection.execute, "delete from words")
        connection.execute("create temp table own as select * from words")
        print(connection.execute("select count(*) from own, words").fetchall())


def in_memory():
    with contextlib.closing(sqlite3.connect("file:/shared?vfs=memdb", uri=True)) as first:
        first.execute("create table t as select 1")
        with contextlib.closing(sqlite3.Connection("file:/shared?vfs=memdb", uri=True)) as second:
            print(second.execute("select * from t").fetchall())


def in_transactions():
    with contextlib.closing(sqlite3.connect("main.db")) as connection:
        connection.execute("insert into words values ('in a transaction')")
        attempt("attach", connection.execute, "attach 'other.db' as other")
        print(connection.execute("select count(*) > 2 from other.words").fetchall())
        attempt("vacuum", connection.execute, "vacuum into 'another.db'")
        connection.rollback()


def attached():
    for connection in (sqlite3.connect("main.db"), sqlite3.connect(":memory:"), Ours("main")):
        cursor = connection.cursor(Cursor)
        print(cursor.execute("ATTACH DATABASE 'other.db' AS other") is cursor, cursor.description)
        cursor.execute("insert into other.words values ('by ' || (select count(*) from other.words))")
        connection.commit()
        print([tuple(row) for row in connection.execute("select * from other.words")])
        connection.execute("detach other")
        connection.execute("/* a ; */ -- comment\n  attach ? as ?", ("new.db", "a \"new\" one"))
        connection.execute('create table if not exists "a ""new"" one".t as select 1')
        connection.commit()
        print([tuple(row) for row in connection.execute('select * from "a ""new"" one".t')])
        connection.execute("attach ':memory:' as inner")
        connection.execute("create table inner.t (x)")
        connection.commit()
        attempt("twice", connection.execute, "attach 'other.db' as inner")
        attempt("no folder", connection.execute, "attach 'no/such/folder.db' as nowhere")
        attempt("syntax", connection.execute, "attach 'other.db' by other")
        attempt("two", lambda: connection.cursor().execute("attach 'other.db' as other; select 1"))
        connection.execute("create table if not exists attachments (attach, vacuum)")
        connection.executescript("insert into attachments values ('; attach this', 'vacuum into'); -- attach\n")
        print(len(connection.execute("explain attach 'other.db' as other").fetchall()) > 0)
        connection.close()


def copied():
    connection = sqlite3.connect("main.db")
    print(connection.execute("vacuum").fetchall())
    print(connection.execute("vacuum into 'copy.db'").fetchall())
    attempt("again", connection.execute, "VACUUM main INTO ?", ("copy.db",))
    with contextlib.closing(sqlite3.connect("copy.db")) as copy:
        print(copy.execute("select count(*) from words").fetchall(), os.path.getsize("copy.db"))
        connection.backup(copy)
    connection.close()


opened()
in_memory()
attached()
in_transactions()
copied()
print(sorted(os.listdir()))
