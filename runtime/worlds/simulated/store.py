"""Where the overlay keeps what files hold: a folder of the run's own, flat, of files that are called by
number.

The folder is made when the first file is written, nobody else may look into it, and who started the run
removes it when the run is over (``remove``), however it ended.
"""

from __future__ import annotations

import os
from typing import Final

_open, _close, _read, _write, _mkdir, _rmdir = os.open, os.close, os.read, os.write, os.mkdir, os.rmdir
_listdir, _unlink, _lstat = os.listdir, os.unlink, os.lstat
_copy_range = getattr(os, "copy_file_range", None)

NO_ATIME: Final = getattr(os, "O_NOATIME", 0)

_PART_BYTES: Final = 1 << 20
_COPIED_AT_ONCE: Final = 1 << 30

BESIDE: Final = ("-journal", "-wal", "-shm")
"""What sqlite calls the files that it makes beside a database."""


class Store:
    """The folder.

    Args:
      path: where it is to be; nothing may be there.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._is_made = False
        self._count = 0

    def folder(self) -> str:
        """Return the folder, which is there from now on."""
        if not self._is_made:
            _mkdir(self.path, 0o700)
            self._is_made = True
        return self.path

    def name(self) -> str:
        """Return the path of a file that is not there yet."""
        self._count += 1
        return f"{self.folder()}/{self._count}"

    def make(self) -> str:
        """Make an empty file; return its path."""
        path = self.name()
        _close(_open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        return path

    def copy(self, source: str) -> str:
        """Copy a file; return the path of the copy."""
        reader = open_quietly(source, os.O_RDONLY)
        try:
            path = self.name()
            writer = _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                _copy(reader, writer)
            except BaseException:
                _unlink(path)
                raise
            finally:
                _close(writer)
        finally:
            _close(reader)
        return path

    def drop(self, path: str) -> None:
        """Remove a file, and what sqlite has made beside it."""
        for one in (path, *(path + ending for ending in BESIDE)):
            if exists(one):
                _unlink(one)


def open_quietly(path: str, flags: int) -> int:
    """Open a real file, and leave the time of its last reading as it is, if we may."""
    flags |= os.O_CLOEXEC
    try:
        return _open(path, flags | NO_ATIME)
    except PermissionError:
        return _open(path, flags)


def exists(path: str) -> bool:
    """Whether there is something in the real system."""
    try:
        _lstat(path)
    except OSError:
        return False
    return True


def _copy(reader: int, writer: int) -> None:
    try:
        while _copy_range is not None and _copy_range(reader, writer, _COPIED_AT_ONCE):
            pass
    except OSError:  # not between these file systems; what it has copied, it has copied
        pass
    while data := _read(reader, _PART_BYTES):
        left = memoryview(data)
        while left:
            left = left[_write(writer, left) :]


def remove(path: str) -> None:
    """Remove the folder of a run that is over, if it made one."""
    try:
        names = _listdir(path)
    except FileNotFoundError:
        return
    for name in names:
        _unlink(f"{path}/{name}")
    _rmdir(path)
