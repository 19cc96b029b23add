"""C code that opens files by their names: sqlite, and OpenSSL.

It is given the name of what the overlay has there; and what it makes beside a database is found beside it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import urllib.parse
from collections.abc import Callable
from typing import Any, Final, NoReturn

from replay.runtime.worlds.simulated.description import fail
from replay.runtime.worlds.simulated.handles import Handles
from replay.runtime.worlds.simulated.store import BESIDE
from replay.runtime.worlds.simulated.tree import PASS, WRITE, Place, Tree

Real = Callable[..., Any]

_URI: Final = re.compile(r"file:(?://[^/]*)?([^?#]*)(.*)", re.DOTALL)
_OTHER_FILE: Final = re.compile(
    r"((?:[\s;]|--[^\n]*|/\*.*?\*/)*(?:attach(?:\s+database)?|vacuum(?:\s+\w+)?\s+into)\s+)('(?:[^']|'')*'|\?)",
    re.DOTALL | re.IGNORECASE,
)

_NOWHERE: Final = f"{os.devnull}/nothing"
"""What C code cannot open, wherever it is."""

_PATHS: Final = (str, bytes, os.PathLike)

_link = os.link


class ByName:
    """The calls.

    Args:
      tree: what there is.
      handles: has what is open.
      find: returns where a path leads.
      refuse: ends the run, for what is not simulated.
    """

    def __init__(
        self,
        tree: Tree,
        handles: Handles,
        find: Callable[[Any], Place],
        refuse: Callable[[str], NoReturn],
    ) -> None:
        self._tree = tree
        self._handles = handles
        self._find = find
        self._refuse = refuse

    def table(self) -> dict[str, Callable[[Real], Real]]:
        """Return, by door, what makes the answer out of the real function."""
        return {
            "sqlite3.connect": self._connecting,
            "sqlite3.execute": self._attaching,
            "ssl.keylog_filename": self._logging,
            "ssl.load_cert_chain": self._loading,
            "ssl.load_verify_locations": self._loading,
        }

    def _loading(self, real: Real) -> Real:
        """C code of OpenSSL opens files by name."""

        def load(context: Any, *paths: Any, **named: Any) -> Any:
            given = [self.readable(one) if isinstance(one, _PATHS) else one for one in paths[:2]]
            kept = {
                key: self.readable(one) if key.endswith(("file", "path")) and isinstance(one, _PATHS) else one
                for key, one in named.items()
            }
            return real(context, *given, *paths[2:], **kept)

        return load

    def _logging(self, real: Real) -> Real:
        def assign(context: Any, path: Any) -> None:
            real(context, self.writable(path) if isinstance(path, _PATHS) else path)

        return assign

    def readable(self, path: Any) -> str:
        """Return where C code finds what the program calls so; only to read it.

        Raises:
          OSError: there is nothing.
        """
        node = self._find(path).node
        if node is None:
            raise fail(errno.ENOENT)
        return node.real or _NOWHERE

    def writable(self, path: Any) -> str:
        """Return where C code, as that of sqlite, finds or makes the file that the program calls so.

        Raises:
          OSError: nothing can be there.
        """
        place = self._find(path)
        store = self._tree.store
        node = place.node
        if node is None:
            if place.folder.is_gone:
                raise fail(errno.ENOENT)
            self._tree.check(place.folder, WRITE | PASS)
            real = store.name()
            place.folder.beside[place.name] = real
        else:
            if node.kind != stat.S_IFREG:
                raise fail(errno.EISDIR)
            self._handles.own(node)
            self._tree.stat(node)
            node.is_foreign = True
            assert node.real is not None
            real = node.real
        for ending in BESIDE:
            name = place.name + ending
            other = self._tree.child(place.folder, name)
            if other is not None and not other.is_own and other.real is not None:
                _link(store.copy(other.real), real + ending)
            place.folder.beside[name] = real + ending
        return real

    def database(self, database: Any, uri: bool) -> Any:
        """Return what sqlite is to open where the program names a database, by a path or a URI."""
        name = os.fsdecode(database)
        found = _URI.fullmatch(name) if uri else None
        path = name if found is None else urllib.parse.unquote(found[1])
        try:
            real = self.writable(path)
        except OSError:
            real = f"{_NOWHERE}/{path.lstrip('/')}"  # sqlite says itself what is wrong
        return real if found is None else f"file:{real}{found[2]}"

    def _connecting(self, real: Real) -> Real:
        def look(database: Any, uri: bool) -> Any:
            return real(self.database(database, uri), uri)

        return look

    def _attaching(self, real: Real) -> Real:
        """``ATTACH`` and ``VACUUM INTO`` name files in a statement, or in its first parameter."""

        def perform(cursor: Any, args: tuple[Any, ...], kind: str) -> Any:
            found = _OTHER_FILE.match(args[0])
            is_given = found is not None and found[2] == "?" and isinstance(args[1], (tuple, list))
            if found is None or (found[2] == "?" and not is_given):
                self._refuse(f"{kind.upper()} other than with a plain name")
            name = os.fsdecode(args[1][0]) if is_given else found[2][1:-1].replace("''", "'")
            if name not in ("", ":memory:"):
                name = self.database(name, True)
            if is_given:
                return real(cursor, (args[0], [name, *args[1][1:]], *args[2:]), kind)
            literal = "'" + name.replace("'", "''") + "'"
            return real(cursor, (found[1] + literal + args[0][found.end() :], *args[1:]), kind)

        return perform
