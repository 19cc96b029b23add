"""Doors of sqlite3: its databases are files that C code reads, and writes.

What a database held when it was opened, or attached, is recorded; a replay works on that, in memory. All ways
to open one lead to ``Connection.__init__``; a statement that opens another file is told by its first word.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

from replay.runtime import real
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.snapshots import MAX_BYTES, refuse
from replay.runtime.boundary.table import Door, plain_argument, replace_slot
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip

_WAL: Final = slice(18, 20)
"""Where a database says that it has a write-ahead log, which one in memory cannot have."""

_IN_MEMORY: Final = re.compile(r":memory:|[?&](?:mode=memory|vfs=memdb)\b")
_READ_ONLY: Final = re.compile(r"[?&](?:mode=ro|immutable=1)\b")

_ATTACH, _VACUUM = "attach", "vacuum"

_FIRST_WORD: Final = re.compile(
    rf"(?:[\s;]|--[^\n]*|/\*.*?(?:\*/|\Z))*({_ATTACH}|{_VACUUM})\b", re.IGNORECASE | re.DOTALL
)
_TOKEN: Final = re.compile(
    r"""
    --[^\n]* | /\*.*?(?:\*/|\Z) |
    '(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] |
    \w+ | \S
    """,
    re.DOTALL | re.VERBOSE,
)

SCRIPTS: Final = "`ATTACH` and `VACUUM INTO` in a script, or where a callback sees them, are not recorded"

_CALLBACKS: Final = ("set_authorizer", "set_progress_handler", "set_trace_callback")
_ERROR_ATTRIBUTES: Final = ("sqlite_errorcode", "sqlite_errorname")


class Databases:
    """The doors of the module ``_sqlite3``, when it has been imported.

    Args:
      boundary: where they are bound.
      say: names what is not recorded of any database.
      say_script: names what is not recorded of a script.
    """

    def __init__(self, boundary: Installer, say: Callable[[], None], say_script: Callable[[], None]) -> None:
        self._boundary = boundary
        self._say, self._say_script = say, say_script
        self._numbers = itertools.count(1)
        self._callbacks: dict[int, set[str]] = {}
        self._opening = boundary.bind(Door("sqlite3.connect", request=_opening_request), self._look)
        self._statement = boundary.bind(Door("sqlite3.execute", request=_statement_request), self._perform)

    def install(self, module: Any) -> None:
        """Put the doors in place, in the C types: whatever has been made of them comes by here."""
        self._module = module
        self._open, self._run = module.Connection.__init__, module.Cursor.execute

        def __init__(connection: Any, /, *args: Any, **kwargs: Any) -> None:
            try:
                self._say()
                self._callbacks.pop(id(connection), None)
                if args:
                    self._connect(connection, args[0], args[1:], kwargs)
                elif "database" in kwargs:
                    self._connect(connection, kwargs.pop("database"), args, kwargs)
                else:
                    self._open(connection, **kwargs)
            except BaseException as error:
                strip(error)
                raise

        __init__.__doc__, __init__.__qualname__ = self._open.__doc__, "Connection.__init__"
        replace_slot(module.Connection, "__init__", __init__)
        for owner in (module.Connection, module.Cursor):
            for name, make in (("execute", self._executing), ("executescript", self._executing_script)):
                before = getattr(owner, name)
                function = make(before)
                function.__doc__ = before.__doc__
                function.__name__, function.__qualname__ = name, f"{owner.__name__}.{name}"
                self._boundary.replace(owner, name, function)

        for name in _CALLBACKS:
            function = self._setting(name, getattr(module.Connection, name))
            function.__name__, function.__qualname__ = name, f"Connection.{name}"
            self._boundary.replace(module.Connection, name, function)

    def _setting(self, name: str, set_real: Callable[..., Any]) -> Callable[..., Any]:
        """Return what sets a callback of a connection, and remembers whether there is one."""

        def set_callback(connection: Any, /, *args: Any, **kwargs: Any) -> Any:
            try:
                result = set_real(connection, *args, **kwargs)
            except BaseException as error:
                strip(error)
                raise
            given = [*args, *kwargs.values()]
            known = self._callbacks.setdefault(id(connection), set())
            (known.add if any(map(callable, given)) else known.discard)(name)
            return result

        return set_callback

    def _executing(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def execute(owner: Any, /, *args: Any) -> Any:
            try:
                if (
                    args
                    and isinstance(args[0], str)
                    and _FIRST_WORD.match(args[0])
                    and current.stream is not None
                ):
                    is_cursor = isinstance(owner, self._module.Cursor)
                    return self._execute(owner if is_cursor else self._module.Connection.cursor(owner), args)
                return run(owner, *args)
            except BaseException as error:
                strip(error)
                raise

        return execute

    def _executing_script(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def executescript(owner: Any, /, *args: Any) -> Any:
            try:
                if args and isinstance(args[0], str) and current.stream is not None:
                    self._look_into(args[0])
                return run(owner, *args)
            except BaseException as error:
                strip(error)
                raise

        return executescript

    # -- opening --------------------------------------------------------------------------------

    def _connect(self, connection: Any, database: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        uri = bool(args[6] if len(args) > 6 else kwargs.get("uri", False))
        if current.stream is None or _is_in_memory(database, uri):
            self._open(connection, database, *args, **kwargs)
            return
        content, is_writable = self._answer(self._opening(database, uri))
        if not self._boundary.is_replay:
            self._open(connection, self._boundary.world.database_file(database, uri), *args, **kwargs)
            return
        if content is None:
            refuse(self._boundary.world, f"the database {database!r}")
        autocommit = kwargs.pop("autocommit", None)  # with a transaction open, nothing can be loaded
        if is_writable:
            self._open(connection, ":memory:", *args[:6], **{**kwargs, "uri": False})
            self._load(connection, content, "main")
        else:
            name = f"file:/replay-{next(self._numbers)}?vfs=memdb"
            with closing(self._made(name)) as filled, closing(self._made(":memory:")) as source:
                self._load(source, content, "main")
                self._module.Connection.backup(source, filled)
                self._open(connection, f"{name}&mode=ro", *args[:6], **{**kwargs, "uri": True})
        if autocommit is not None:
            connection.autocommit = autocommit

    def _look(self, database: Any, uri: bool) -> list[Any]:
        """Open a database by the way, and return what it holds, and whether it may be written to."""

        def look() -> list[Any]:
            with closing(self._made(database, uri)) as connection:
                file = self._rows(connection, "PRAGMA database_list")[0][2]
                is_writable = real.access(file, os.W_OK) and not (
                    uri and _READ_ONLY.search(os.fsdecode(database))
                )
                return [self._content(connection, "main"), is_writable]

        return self._outcome(look)

    def _made(self, database: Any, uri: bool = True) -> Any:
        """Return a connection of ours."""
        connection = self._module.Connection.__new__(self._module.Connection)
        self._open(connection, database, uri=uri)
        return connection

    def _content(self, connection: Any, name: str) -> bytes | None:
        """Return what a database holds; None if that is too much, or cannot be had in this build."""
        quoted = name.replace('"', '""')
        size = 1
        for pragma in ("page_count", "page_size"):
            size *= self._rows(connection, f'PRAGMA "{quoted}".{pragma}')[0][0]
        if not size:
            return b""
        if size > MAX_BYTES or not hasattr(connection, "serialize"):
            return None
        content: bytes = self._module.Connection.serialize(connection, name=name)
        return content

    def _load(self, connection: Any, content: bytes, name: str) -> None:
        """Fill a database in memory with what the file held."""
        if content:
            if content[_WAL] == b"\2\2":
                content = content[: _WAL.start] + b"\1\1" + content[_WAL.stop :]
            self._module.Connection.deserialize(connection, content, name=name)

    # -- statements that open other files -------------------------------------------------------

    def _execute(self, cursor: Any, args: tuple[Any, ...]) -> Any:
        """Run a statement that may open another file, or at replay do what came of it without that file."""
        kind = _other_file(args[0])
        if not kind:
            return self._run(cursor, *args)
        if self._callbacks.get(id(cursor.connection)):  # which would see what we ask
            self._give_up(kind)
            return self._run(cursor, *args)
        name, content = self._answer(self._statement(cursor, args, kind))
        if not self._boundary.is_replay:
            return cursor
        if kind == _VACUUM:
            return self._run(cursor, "")  # the copy is of no consequence for the connection
        if name is None:
            return self._run(cursor, *args)
        if content is None:
            refuse(self._boundary.world, f"the attached database {name!r}")
        self._run(cursor, "ATTACH ':memory:' AS ?", (name,))
        self._load(cursor.connection, content, name)
        return cursor

    def _perform(self, cursor: Any, args: tuple[Any, ...], kind: str) -> list[Any]:
        """Run the statement; return the name of what it attached from a file, and what that holds."""
        connection = cursor.connection

        def attached() -> dict[str, str]:
            return {name: file for _, name, file in self._rows(connection, "PRAGMA database_list")}

        def perform() -> list[Any]:
            before = attached() if kind == _ATTACH else {}
            self._run(cursor, *args)
            new = [(name, file) for name, file in attached().items() if name not in before]
            if kind == _VACUUM or not new or not new[0][1]:
                return [None, None]
            name = new[0][0]
            try:
                return [name, self._content(connection, name)]
            except self._module.Error:  # no database: the program will hear of it when it reads from it
                return [name, None]

        return self._outcome(perform)

    def _look_into(self, script: str) -> None:
        if kind := _other_file(script):
            self._give_up(kind)

    def _give_up(self, kind: str) -> None:
        """Name, or at replay refuse, what cannot be recorded of a statement that opens another file."""
        self._say_script()
        if self._boundary.is_replay:
            refuse(self._boundary.world, f"another database, by {kind.upper()}", SCRIPTS)
        self._boundary.world.give_up(f"{kind.upper()} in a script")

    # -- both -----------------------------------------------------------------------------------

    def _rows(self, connection: Any, sql: str) -> list[Any]:
        """Return the answer to a question of ours, whatever the program has set for its own."""
        cursor = self._module.Cursor(connection)
        factory, connection.text_factory = connection.text_factory, str
        try:
            rows: list[Any] = self._run(cursor, sql).fetchall()
            return rows
        finally:
            connection.text_factory = factory

    def _outcome(self, function: Callable[[], Any]) -> list[Any]:
        """Return what came of ``function``: ``["", result]``, or of an error its name and what it says."""
        try:
            return ["", function()]
        except self._module.Error as error:
            attributes = [[name, getattr(error, name, None)] for name in _ERROR_ATTRIBUTES]
            return [type(error).__name__, [str(one) for one in error.args], attributes]

    def _answer(self, outcome: list[Any]) -> Any:
        """Return the result of an outcome, or raise its error."""
        if outcome[0]:
            error = getattr(self._module, outcome[0])(*outcome[1])
            for name, value in outcome[2]:
                if value is not None:
                    setattr(error, name, value)
            raise error
        return outcome[1]


def _opening_request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    return [plain_argument(args[0]), args[1]]


def _statement_request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    return [plain_argument(one) for one in args[1]]


def _is_in_memory(database: Any, uri: bool) -> bool:
    try:
        name = os.fsdecode(database)
    except TypeError:
        return True  # refused by sqlite3 itself
    return name in ("", ":memory:") or (uri and _IN_MEMORY.search(name) is not None)


def _other_file(sql: str) -> str:
    """Return which kind of statement in ``sql`` opens another file, or nothing."""
    lower = sql.lower()
    if _ATTACH not in lower and _VACUUM not in lower:
        return ""
    first = ""
    for word in _TOKEN.findall(lower):
        if word == ";":
            first = ""
        elif not word.startswith(("--", "/*")):
            first = first or word
            if first == _ATTACH or (first == _VACUUM and word == "into"):
                return first
    return ""
