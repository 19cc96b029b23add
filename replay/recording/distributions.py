"""Installed distributions: which there are, and whose a module is.

Looked up by the names of folders, which is quick; the files that list what belongs to a distribution
are read only where a name does not tell.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable, Iterator

# Held by name: where these are used, those of `os` may be doors.
from os import O_CLOEXEC, O_RDONLY, listdir
from os import close as close_descriptor
from os import open as open_descriptor
from os import read as read_descriptor
from typing import Final

_SITE_NAMES: Final = ("site-packages", "dist-packages")
_TOP: Final = re.compile(rb'(?m)^"?([^/,"\n]+)')


def site_folders(path: Iterable[str]) -> list[str]:
    """Return the folders of ``sys.path`` that distributions are installed in."""
    return [entry for entry in path if os.path.basename(entry) in _SITE_NAMES]


def canonical(name: str) -> str:
    """Return the one spelling of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _entries(folder: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, version and path of the distributions in a folder."""
    try:
        names = listdir(folder)
    except OSError:
        return
    for name in names:
        stem, _, kind = name.rpartition(".")
        if kind not in ("dist-info", "egg-info"):
            continue
        parts = stem.split("-")
        if len(parts) >= 2:
            yield canonical(parts[0]), parts[1], os.path.join(folder, name)


def installed(path: Iterable[str]) -> dict[str, str]:
    """Return the version of each installed distribution; of two, the one that is imported."""
    found: dict[str, str] = {}
    for folder in site_folders(path):
        for name, version, _ in _entries(folder):
            found.setdefault(name, version)
    return found


class Owners:
    """Says which distribution a file in a folder of distributions belongs to."""

    def __init__(self, folder: str) -> None:
        self._names = {name: (version, where) for name, version, where in _entries(folder)}
        self._known: dict[str, tuple[str, str] | None] = {}
        self._unread = list(self._names)

    def owner(self, top: str) -> tuple[str, str] | None:
        """Return name and version of the distribution whose this entry of the folder is, or None."""
        if top in self._known:
            return self._known[top]
        guess = canonical(top.partition(".")[0])
        if guess in self._names:
            found = self._known[top] = (guess, self._names[guess][0])
            return found
        while self._unread:
            self._read(self._unread.pop())
            if top in self._known:
                return self._known[top]
        self._known[top] = None
        return None

    def _read(self, name: str) -> None:
        version, where = self._names[name]
        for file in ("RECORD", "top_level.txt"):
            try:
                descriptor = open_descriptor(os.path.join(where, file), O_RDONLY | O_CLOEXEC)
            except OSError:
                continue
            try:
                data = b""
                while piece := read_descriptor(descriptor, 1 << 20):
                    data += piece
            finally:
                close_descriptor(descriptor)
            for top in set(_TOP.findall(data)):
                entry = top.decode(errors="replace")
                for one in (entry, f"{entry}.py"):
                    self._known.setdefault(one, (name, version))
            return
