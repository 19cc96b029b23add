"""Descriptors of files: what they have open, reading and writing by them, locks and memory maps.

They are real ones, of files of the run's own or of files that are only read; so the system does all of it.
What is done here is to remember who has what open, and when it was written, and what goes wrong on purpose.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from typing import Any, Final, NoReturn

from replay.runtime.worlds.simulated.description import fail
from replay.runtime.worlds.simulated.descriptors import Descriptors
from replay.runtime.worlds.simulated.disk import Disk
from replay.runtime.worlds.simulated.tree import Folder, Node, Tree

Real = Callable[..., Any]

ONCE: Final = os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_NOFOLLOW | os.O_DIRECTORY
"""What is said when a file is opened by its name, and not when it is opened again."""

_LOCKS: Final = frozenset(
    getattr(fcntl, name)
    for name in ("F_SETLK", "F_SETLKW", "F_GETLK", "F_OFD_SETLK", "F_OFD_SETLKW", "F_OFD_GETLK")
    if hasattr(fcntl, name)
)
_DOUBLINGS: Final = (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC)

_close, _dup, _dup2, _lseek, _fstat, _open = os.close, os.dup, os.dup2, os.lseek, os.fstat, os.open
_ftruncate, _get_inheritable, _flock = os.ftruncate, os.get_inheritable, fcntl.flock


class Opened:
    """What one descriptor, or several that were doubled, have open.

    Attributes:
      path: what it was called then.
      is_random: what is read from it is drawn.
    """

    def __init__(self, node: Node, path: str, flags: int) -> None:
        self.node = node
        self.path = path
        self.flags = flags
        self.is_random = False


class Handles:
    """The calls.

    Args:
      tree: what there is.
      descriptors: who is who.
      disk: what is wrong with it.
      wait: lets other threads go on until something is so.
      draw: returns random bytes.
      refuse: ends the run, for what is not simulated.
    """

    def __init__(
        self,
        tree: Tree,
        descriptors: Descriptors,
        disk: Disk,
        *,
        wait: Callable[[Callable[[], bool]], None],
        draw: Callable[[int], bytes],
        refuse: Callable[[str], NoReturn],
    ) -> None:
        self.tree = tree
        self.descriptors = descriptors
        self.opened: dict[int, Opened] = descriptors.files
        self.disk = disk
        self._wait = wait
        self._draw = draw
        self.refuse = refuse
        self._unlocks = 0

    def table(self) -> dict[str, Callable[[Real], Real]]:
        """Return, by door, what makes the answer out of the real function."""
        found: dict[str, Callable[[Real], Real]] = {
            "os.close": constant(self.close),
            "os.closerange": constant(self.close_range),
            "os.dup": constant(self.double),
            "os.dup2": constant(self.double_to),
            "os.ftruncate": constant(self.truncate),
            "os.sendfile": self._sending,
            "os.posix_fallocate": self._allocating,
            "fcntl.flock": constant(self.lock),
            "fcntl.fcntl": self._controlling,
            "mmap.mmap": self._mapping,
        }
        for names, make in (
            (("os.write", "os.pwrite"), self._writing),
            (("os.writev", "os.pwritev"), self._writing_parts),
            (("os.read", "os.pread"), self._reading),
            (("os.readv", "os.preadv"), self._reading_into),
            (("os.fsync", "os.fdatasync"), self._syncing),
            (("os.copy_file_range", "os.splice"), self._copying),
            (("os.lockf", "fcntl.lockf"), self._locking),
        ):
            found.update(dict.fromkeys(names, make))
        return found

    # -- opening and closing ----------------------------------------------------------------------

    def own(self, node: Node, *, is_emptied: bool = False) -> None:
        """Have the content of a file in the store, also for who has it open already."""
        if not self.tree.own(node, is_emptied=is_emptied):
            return
        assert node.real is not None
        made: dict[int, int] = {}
        for number, opened in self.opened.items():
            if opened.node is not node:
                continue
            source = made.get(id(opened))
            if source is None:
                source = _open(node.real, opened.flags & ~ONCE | os.O_CLOEXEC)
                _lseek(source, _lseek(number, 0, os.SEEK_CUR), os.SEEK_SET)
                made[id(opened)] = source
            _dup2(source, number, _get_inheritable(number))
        for source in made.values():
            _close(source)

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        opened = self.opened.pop(fd, None)
        _close(fd)
        self._closed(opened)

    def _closed(self, opened: Opened | None) -> None:
        self._unlocks += 1
        if opened is not None:
            self.drop(opened.node)

    def drop(self, node: Node) -> None:
        """Let go of the content of a file that has no name, and that nobody has open."""
        if node.links > 0 or not node.is_own or node.real is None:
            return
        if all(one.node is not node for one in self.opened.values()):
            self.tree.store.drop(node.real)

    def close_range(self, fd_low: int, fd_high: int, /) -> None:
        """Close descriptors of the program: the others are not its."""
        for number in [one for one in self.opened if fd_low <= one < fd_high]:
            self.close(number)
        self.descriptors.close_range(fd_low, fd_high)

    def double(self, fd: int, /) -> int:
        """Return a second descriptor."""
        number = _dup(fd)
        self._follow(fd, number)
        return number

    def double_to(self, fd: int, fd2: int, inheritable: bool = True) -> int:
        """Make another descriptor a second one of the same."""
        _fstat(fd)
        if fd != fd2:
            self.descriptors.forget(fd2)
            before = self.opened.pop(fd2, None)
            _dup2(fd, fd2, inheritable)
            self._follow(fd, fd2)
            self._closed(before)
        return fd2

    def _follow(self, number: int, new: int) -> None:
        opened = self.opened.get(number)
        if opened is not None:
            self.opened[new] = opened

    # -- content ----------------------------------------------------------------------------------

    def _room(self, number: int, size: int) -> int:
        opened = self.opened.get(number)
        return size if opened is None else self.disk.take(opened.path, size)

    def _written(self, number: int) -> None:
        opened = self.opened.get(number)
        if opened is not None and opened.node.is_own:
            self.tree.changed(opened.node)

    def check(self, number: Any) -> Opened | None:
        """Return what a descriptor of a file has open, if it is one; raise what comes of any use of it.

        Raises:
          OSError: its disk is broken.
        """
        opened = self.opened.get(number) if type(number) is int else None
        if opened is not None:
            self.disk.check(opened.path)
        return opened

    def _writing(self, real: Real) -> Real:
        def write(fd: int, data: Any, *args: Any, **kwargs: Any) -> int:
            if fd not in self.opened:
                return int(real(fd, data, *args, **kwargs))
            view = memoryview(data).cast("B")
            count: int = real(fd, view[: self._room(fd, len(view))], *args, **kwargs)
            self._written(fd)
            return count

        return write

    def _writing_parts(self, real: Real) -> Real:
        def writev(fd: int, buffers: Any, *args: Any, **kwargs: Any) -> int:
            if fd not in self.opened:
                return int(real(fd, buffers, *args, **kwargs))
            data = b"".join(map(bytes, buffers))
            count: int = real(fd, [data[: self._room(fd, len(data))]], *args, **kwargs)
            self._written(fd)
            return count

        return writev

    def _reading(self, real: Real) -> Real:
        def read(fd: int, length: int, *args: Any) -> bytes:
            opened = self.check(fd)
            if opened is not None and opened.is_random:
                return self._draw(length)
            return real(fd, length, *args)  # type: ignore[no-any-return]

        return read

    def _reading_into(self, real: Real) -> Real:
        def readv(fd: int, buffers: Any, *args: Any, **kwargs: Any) -> int:
            opened = self.check(fd)
            if opened is None or not opened.is_random:
                return int(real(fd, buffers, *args, **kwargs))
            views = [memoryview(one).cast("B") for one in buffers]
            for view in views:
                view[:] = self._draw(len(view))
            return sum(map(len, views))

        return readv

    def _syncing(self, real: Real) -> Real:
        def fsync(fd: Any) -> None:
            number = fd if isinstance(fd, int) else fd.fileno()
            if self.check(number) is None:
                real(fd)

        return fsync

    def _copying(self, real: Real) -> Real:
        def copy(src: int, dst: int, count: int, *args: Any, **kwargs: Any) -> int:
            self.check(src)
            copied: int = real(src, dst, self._room(dst, count), *args, **kwargs)
            self._written(dst)
            return copied

        return copy

    def _sending(self, real: Real) -> Real:
        def sendfile(out_fd: int, in_fd: int, offset: int | None, count: int) -> int:
            self.check(in_fd)
            sent: int = real(out_fd, in_fd, offset, self._room(out_fd, count))
            self._written(out_fd)
            return sent

        return sendfile

    def _allocating(self, real: Real) -> Real:
        def posix_fallocate(fd: int, offset: int, length: int, /) -> None:
            if self._room(fd, length) < length:
                raise fail(errno.ENOSPC)
            real(fd, offset, length)
            self._written(fd)

        return posix_fallocate

    def truncate(self, fd: int, length: int) -> None:
        """Cut an open file, or make it longer."""
        opened = self.check(fd)
        _ftruncate(fd, length)
        if opened is not None:
            self.tree.changed(opened.node)

    # -- locks, and memory maps ---------------------------------------------------------------------

    def _owned(self, fd: Any) -> int:
        """Return a descriptor; what it leads to is not on the real disk."""
        number: int = fd if isinstance(fd, int) else fd.fileno()
        opened = self.opened.get(number)
        if opened is not None:
            if opened.node.kind == stat.S_IFREG:
                self.own(opened.node)
            elif isinstance(opened.node, Folder):
                self.refuse("a lock on a folder")
        return number

    def lock(self, fd: Any, operation: int, /) -> None:
        """Lock a file, as ``fcntl.flock`` does; other threads go on meanwhile."""
        number = self._owned(fd)
        if operation & fcntl.LOCK_UN:
            _flock(number, operation)
            self._unlocks += 1
            return
        while True:
            try:
                _flock(number, operation | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if operation & fcntl.LOCK_NB:
                    raise
            before = self._unlocks
            self._wait(lambda: self._unlocks != before)  # noqa: B023 - over before the next turn

    def _locking(self, real: Real) -> Real:
        def lockf(fd: Any, *args: Any, **kwargs: Any) -> Any:
            return real(self._owned(fd), *args, **kwargs)

        return lockf

    def _controlling(self, real: Real) -> Real:
        def control(fd: Any, cmd: int, arg: Any = 0, /) -> Any:
            number = self._owned(fd) if cmd in _LOCKS else fd if isinstance(fd, int) else fd.fileno()
            result = real(number, cmd, arg)
            if cmd in _DOUBLINGS:
                self._follow(number, result)
            return result

        return control

    def _mapping(self, real: Real) -> Real:
        def make(cls: Any, fileno: int, *args: Any, **kwargs: Any) -> Any:
            opened = self.check(fileno)
            made = real(cls, fileno, *args, **kwargs)
            if opened is not None and opened.node.is_own:
                self.tree.stat(opened.node)
                opened.node.is_foreign = True
            return made

        return make


def constant(answer: Real) -> Callable[[Real], Real]:
    """Return what makes an answer that has no use for the real function."""

    def make(real: Real) -> Real:
        return answer

    return make
