"""Doors of files that C code reads by itself: memory maps, and the databases of sqlite3.

What such code reads cannot be recorded call by call. Recorded is what the file held when it was opened; a
replay works on that, in memory, and touches no file. What others write into the file later is not recorded,
nor what two connections that are open at once write for each other.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any, Final, NoReturn

from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, plain_argument, without_self
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip

MAX_BYTES: Final = 16_000_000
"""More of one file is not kept; a replay stops where it would be needed."""

_WAL: Final = slice(18, 20)
"""Where a database says that it has a write-ahead log, which one in memory cannot have."""


def _refuse(world: Any, what: str) -> NoReturn:
    raise world.diverge(
        current.stream,
        f"{what}, whose content is not in the recording",
        "the program opens it",
        f"files above {MAX_BYTES // 1_000_000} MB that C code reads are not kept",
    )


# -- memory maps ----------------------------------------------------------------------------------------


def install(boundary: Installer, say: Callable[[], None]) -> None:
    """Put the door of memory maps in place; ``say`` names what is not recorded of them."""
    world = boundary.world
    make = mmap.mmap.__new__

    def content(made: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes | None:
        with suppress(TypeError, ValueError):  # it may not be read
            if len(made) <= MAX_BYTES:
                return made[:]  # type: ignore[no-any-return]
        return None

    def from_content(value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if value is None:
            _refuse(world, f"a memory map of descriptor {args[1]}")
        made = make(args[0], -1, len(value))
        made[:] = value
        return made

    door = boundary.bind(
        Door("mmap.mmap", request=without_self, captured=content, replayed=from_content), make
    )

    ask_size = boundary.bind(Door("mmap.size", request=without_self), mmap.mmap.size)

    class Mapping(mmap.mmap):
        """A memory map; of a file it comes by the door."""

        def __new__(cls, fileno: int, length: int, *args: Any, **kwargs: Any) -> Any:
            try:
                if fileno == -1 or current.stream is None:
                    return make(cls, fileno, length, *args, **kwargs)
                say()
                return door(cls, fileno, length, *args, **kwargs)
            except BaseException as error:
                strip(error)
                raise

        def size(self) -> int:
            """Return the size of the file, which may be larger than what is mapped."""
            try:
                found: int = ask_size(self)
                return found
            except BaseException as error:
                strip(error)
                raise

    Mapping.__name__ = Mapping.__qualname__ = "mmap"
    Mapping.__module__ = "mmap"
    boundary.replace(mmap, "mmap", Mapping)


# -- sqlite3 --------------------------------------------------------------------------------------------


def database_opener(boundary: Installer, say: Callable[[], None]) -> Callable[[Any], None]:
    """Return what puts the door of databases in place, when ``sqlite3.dbapi2`` has been imported."""
    world = boundary.world

    def look(module: Any, connect: Callable[..., Any], database: Any, uri: bool) -> list[Any]:
        """Return the content of a database; what is raised instead, as its name and its arguments."""
        try:
            with closing(connect(database, uri=uri)) as connection:
                size = connection.execute("PRAGMA page_count").fetchone()[0]
                size *= connection.execute("PRAGMA page_size").fetchone()[0]
                return ["", connection.serialize() if 0 < size <= MAX_BYTES else None if size else b""]
        except module.Error as error:
            return [type(error).__name__, [str(one) for one in error.args]]
        except AttributeError:  # a build without `serialize`
            return ["", None]

    door = boundary.bind(Door("sqlite3.connect", request=_database_request), look)

    def replace(module: Any) -> None:
        connect = module.connect

        def connect_(database: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                say()
                uri = bool(args[6] if len(args) > 6 else kwargs.get("uri", False))
                if current.stream is None or _is_in_memory(database, uri):
                    return connect(database, *args, **kwargs)
                problem, found = door(module, connect, database, uri)
                if problem:
                    raise getattr(module, problem)(*found)
                if not boundary.is_replay:
                    return connect(database, *args, **kwargs)
                if found is None:
                    _refuse(world, f"the database {database!r}")
                return _in_memory(module, connect, found, args, kwargs)
            except BaseException as error:
                strip(error)
                raise

        connect_.__name__ = connect_.__qualname__ = "connect"
        connect_.__doc__ = connect.__doc__
        module.connect = connect_

    return replace


def _database_request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    return [plain_argument(args[2]), args[3]]


def _is_in_memory(database: Any, uri: bool) -> bool:
    try:
        name = os.fsdecode(database)
    except TypeError:
        return True  # refused by sqlite3 itself
    return name in ("", ":memory:") or (uri and (":memory:" in name or "mode=memory" in name))


def _in_memory(
    module: Any, connect: Callable[..., Any], content: bytes, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Return a connection to a database in memory that holds what the file held."""
    autocommit = kwargs.pop("autocommit", None)  # with a transaction open, nothing can be loaded
    connection = connect(":memory:", *args[:6], **{**kwargs, "uri": False})
    if content:
        is_wal = content[_WAL] == b"\2\2"
        connection.deserialize(content[:18] + b"\1\1" + content[20:] if is_wal else content)
    # Another file, by `ATTACH`, would be a real one.
    connection.setlimit(module.SQLITE_LIMIT_ATTACHED, 0)
    if autocommit is not None:
        connection.autocommit = autocommit
    return connection
