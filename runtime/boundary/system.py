"""Doors of ``os``: descriptors, files, folders, processes, terminals, what the system says of itself.

Every function of ``os`` is a door or known to be harmless: ``tests/unit/test_classification.py`` fails on
one that is neither, on each Python; so it does for the other modules of the boundary. What a door answers
at replay is what the system answered then, so no file is read or written: a program that reads back what
it wrote gets what it read back then.
"""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import resource
import termios
from collections.abc import Iterator
from typing import Any, Self

from replay.recording.codec import pack
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, nothing, plain_request
from replay.runtime.tracebacks import strip

ANSWERS = """
    access confstr cpu_count ctermid eventfd_read device_encoding fpathconf fstat fstatvfs get_blocking
    get_inheritable get_terminal_size getcwd getcwdb getegid geteuid getgid getgrouplist getgroups
    getloadavg getlogin getpgid getpgrp getpid getppid getpriority getresgid getresuid getsid getuid
    getxattr isatty listdir listxattr lseek lstat major memfd_create open openpty pathconf pidfd_open
    pipe pipe2 posix_openpt ptsname readlink sched_getaffinity sched_getparam sched_getscheduler
    sched_rr_get_interval stat statvfs sysconf tcgetpgrp times ttyname umask uname eventfd grantpt
    unlockpt timerfd_create timerfd_gettime timerfd_gettime_ns
    """.split()  # noqa: SIM905 - a list of words reads better as words
"""Ask the system, or open something; nothing that others could see goes out."""

READS = ("read", "pread")
READS_INTO = ("readv", "preadv")

EFFECTS = """
    chdir chmod chown chroot close closerange copy_file_range dup dup2 eventfd_write fchdir fchmod
    fchown fdatasync fsync ftruncate initgroups kill killpg lchown link lockf login_tty mkdir mkfifo
    mknod nice posix_fadvise posix_fallocate pwrite pwritev remove removexattr rename replace rmdir
    sched_setaffinity sched_setparam sched_setscheduler sched_yield sendfile set_blocking
    set_inheritable setegid seteuid setgid setgroups setpgid setpriority setregid setresgid setresuid
    setreuid setsid setuid setxattr splice symlink sync tcsetpgrp truncate unlink utime writev
    timerfd_settime timerfd_settime_ns setpgrp setns unshare
    """.split()  # noqa: SIM905 - a list of words reads better as words
"""Change something that others could see."""

LONG = frozenset(
    "copy_file_range eventfd_write lockf sendfile splice writev".split()  # noqa: SIM905 - see above
)
"""Effects that may wait."""

USERS = (
    *((pwd, name) for name in ("getpwall", "getpwnam", "getpwuid")),
    *((grp, name) for name in ("getgrall", "getgrgid", "getgrnam")),
)
"""What is known of users and groups."""

WAITS = ("wait", "wait3", "wait4", "waitid", "waitpid")

_IN_OTHER_MODULES = frozenset(("getpid", "getppid", "isatty", "get_terminal_size", "ttyname"))


def first_descriptor(args: tuple[Any, ...]) -> int:
    """Return the descriptor that a call names first, 0 if none."""
    fd = args[0] if args else 0
    return fd if type(fd) is int else 0


def _waits_for_lock(args: tuple[Any, ...]) -> bool:
    return len(args) > 1 and args[1] in (fcntl.F_SETLKW, getattr(fcntl, "F_OFD_SETLKW", None))


_ABOUT_FD = frozenset(
    """
    close fstat lseek read pread readv preadv ftruncate fsync set_blocking get_blocking dup fchmod
    """.split()  # noqa: SIM905 - a list of words reads better as words
)


_BELOW_BUFFERS = frozenset(("close", "ftruncate", "lseek"))


def install(boundary: Installer) -> None:
    """Put the doors of ``os`` in place."""
    for name in ANSWERS:
        if name not in _IN_OTHER_MODULES:
            fd = first_descriptor if name in _ABOUT_FD else None
            boundary.door(Door(f"os.{name}", fd=fd, collects=name not in _BELOW_BUFFERS), os, name)
    for name in READS:
        boundary.door(
            Door(
                f"os.{name}",
                fd=first_descriptor,
                request=lambda args, kwargs: plain_request(args[1:], kwargs),
                blocking=True,
                has_content=True,
            ),
            os,
            name,
        )
    for name in READS_INTO:
        boundary.door(
            Door(
                f"os.{name}",
                fd=first_descriptor,
                request=nothing,
                captured=_captured,
                replayed=_filled,
                blocking=True,
            ),
            os,
            name,
        )
    for name in EFFECTS:
        fd = first_descriptor if name in _ABOUT_FD else None
        boundary.door(
            Door(
                f"os.{name}",
                effect=True,
                fd=fd,
                blocking=name in LONG,
                collects=name not in _BELOW_BUFFERS,
            ),
            os,
            name,
        )
    for name in WAITS:
        boundary.door(Door(f"os.{name}", blocking=True), os, name)
    boundary.replace(os, "scandir", _scandir(boundary))
    for name in ("flock", "lockf"):
        boundary.door(Door(f"fcntl.{name}", effect=True, blocking=True), fcntl, name)
    boundary.door(Door("fcntl.fcntl", blocking=_waits_for_lock), fcntl, "fcntl")
    boundary.door(Door("fcntl.ioctl"), fcntl, "ioctl")
    for name in ("tcgetattr", "tcgetwinsize"):
        boundary.door(Door(f"termios.{name}"), termios, name)
    for name in ("tcdrain", "tcflow", "tcflush", "tcsendbreak", "tcsetattr", "tcsetwinsize"):
        boundary.door(Door(f"termios.{name}", effect=True, blocking=name == "tcdrain"), termios, name)
    for name in ("getpagesize", "getrlimit", "getrusage"):
        boundary.door(Door(f"resource.{name}"), resource, name)
    for name in ("prlimit", "setrlimit"):
        boundary.door(Door(f"resource.{name}", effect=True), resource, name)
    for module, name in USERS:
        boundary.door(Door(f"{module.__name__}.{name}"), module, name)
    boundary.replace(os, "DirEntry", DirEntry)


def _captured(result: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    filled = b"".join(bytes(buffer) for buffer in args[1])[:result]
    return [filled, result]


def _filled(value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    data, count = value
    for buffer in args[1]:
        view = memoryview(buffer).cast("B")
        part, data = data[: len(view)], data[len(view) :]
        view[: len(part)] = part
    return int(count)


class DirEntry:
    """``os.DirEntry``, from what the folder held when it was read."""

    __slots__ = ("_inode", "_is_dir", "_is_file", "_is_link", "name", "path")

    def __init__(self, name: Any, path: Any, is_dir: bool, is_file: bool, is_link: bool, inode: int) -> None:
        self.name = name
        self.path = path
        self._is_dir = is_dir
        self._is_file = is_file
        self._is_link = is_link
        self._inode = inode

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a folder."""
        return self._is_dir and (follow_symlinks or not self._is_link)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a file."""
        return self._is_file and (follow_symlinks or not self._is_link)

    def is_symlink(self) -> bool:
        """Whether it is a symbolic link."""
        return self._is_link

    def is_junction(self) -> bool:
        """Whether it is a junction: there are none here."""
        return False

    def inode(self) -> int:
        """Return its inode number."""
        return self._inode

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return what the system says of it now."""
        return os.stat(self.path, follow_symlinks=follow_symlinks)

    def __fspath__(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"


DirEntry.__module__ = "posix"  # as the real one says


class _Scan:
    """What ``os.scandir`` returns."""

    def __init__(self, entries: list[DirEntry]) -> None:
        self._entries = iter(entries)

    def __iter__(self) -> Iterator[DirEntry]:
        return self

    def __next__(self) -> DirEntry:
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the rest."""
        self._entries = iter(())


def _scandir(boundary: Installer) -> Any:
    scan = os.scandir

    def listed(path: Any = ".") -> list[Any]:
        with scan(path) as entries:
            return [
                (one.name, one.path, _safe(one.is_dir), _safe(one.is_file), one.is_symlink(), one.inode())
                for one in entries
            ]

    door = boundary.bind(Door("os.scandir", encode=pack), listed)

    def scandir(path: Any = ".") -> _Scan:
        """Return an iterator of DirEntry objects for given path."""
        try:
            return _Scan([DirEntry(*one) for one in door(path)])
        except BaseException as error:
            strip(error)
            raise

    return scandir


def _safe(question: Any) -> bool:
    try:
        return bool(question())
    except OSError:
        return False
