"""What goes wrong with files on purpose: a disk that is full, an error of it."""

from __future__ import annotations

import errno
import fnmatch
from collections.abc import Iterable
from typing import Any

from replay.runtime.worlds.simulated.description import fail


class _Full:
    """A disk that takes so many bytes."""

    def __init__(self, path: str, after_bytes: int = 0) -> None:
        self.pattern = _pattern(path)
        self.left = after_bytes


class _Broken:
    """A disk that cannot be read or written."""

    def __init__(self, path: str, errno: str = "EIO") -> None:
        self.pattern = _pattern(path)
        self.error = errno


class Disk:
    """What is wrong with the files.

    Args:
      faults: as of a scenario: ``{"disk_full": {"path": GLOB, "after_bytes": n}}`` and
        ``{"io_error": {"path": GLOB, "errno": "EIO"}}``; those of other kinds are for others. A pattern that
        does not begin with ``/`` says how a path ends.
    """

    def __init__(self, faults: Iterable[dict[str, Any]] = ()) -> None:
        self._full: list[_Full] = []
        self._broken: list[_Broken] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: dict[str, Any]) -> None:
        """Let this go wrong from now on.

        Raises:
          ValueError: there is no such error number.
        """
        for kind, told in fault.items():
            if kind == "disk_full":
                self._full.append(_Full(**told))
            elif kind == "io_error":
                if not isinstance(getattr(errno, told.get("errno", "EIO"), None), int):
                    raise ValueError(f"there is no error number {told['errno']!r}")
                self._broken.append(_Broken(**told))

    def check(self, path: str) -> None:
        """Raise the error that comes of any use of this file."""
        for one in self._broken:
            if fnmatch.fnmatchcase(path, one.pattern):
                raise fail(getattr(errno, one.error))

    def take(self, path: str, count: int) -> int:
        """Return how many of so many bytes there is room for; they are gone then.

        Raises:
          OSError: for none of them, or nothing can be written.
        """
        self.check(path)
        full = [one for one in self._full if fnmatch.fnmatchcase(path, one.pattern)]
        taken = min([count, *(one.left for one in full)])
        if count and taken <= 0:
            raise fail(errno.ENOSPC)
        for one in full:
            one.left -= taken
        return taken


def _pattern(path: str) -> str:
    return path if path.startswith(("/", "*")) else f"*/{path}"
