"""Which descriptors lead to the program's stdout and stderr, and every way to write to these.

What is written there is the program's output: it is shown again at replay, which real descriptors are
not touched for. So a descriptor that is doubled or opened by name (``/dev/stdout``) is followed, one that
is closed or made to lead elsewhere is forgotten, and each way to write becomes the one that the world
knows, ``output``. Both in the recorded run and in its replay, from what the program asks alone.
"""

from __future__ import annotations

import fcntl
import os
import re
from typing import Any, Final

from replay.runtime import real, unrecorded
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.system import first_descriptor
from replay.runtime.boundary.table import Door
from replay.runtime.tracebacks import unseen

_OWN_NAME: Final = re.compile(r"/dev/(stdout|stderr)|/dev/fd/(\d+)|/proc/(?:self|thread-self)/fd/(\d+)")
_NAMED: Final = {"stdout": 1, "stderr": 2}

_MOST_AT_ONCE: Final = 1 << 20
"""Bytes that one call takes over from another descriptor; a program goes on with the rest."""


class Outputs:
    """Which descriptors lead to our stdout and stderr."""

    def __init__(self, boundary: Installer) -> None:
        self._boundary = boundary
        self._targets = {1: 1, 2: 2}

    def target(self, fd: int) -> int:
        """Return 1 or 2 if ``fd`` leads to stdout or stderr, else 0."""
        return self._targets.get(fd, 0)

    def install(self) -> None:
        """Watch descriptors being doubled and closed, and take over writing; after the doors of ``os``."""
        self._install_following()
        self._install_writing()
        self._install_passing_on()
        for name in ("pwrite", "pwritev"):
            self._put(os, name, self._naming(getattr(os, name), name))

    def _put(self, owner: Any, name: str, function: Any) -> None:
        self._boundary.replace(owner, name, unseen(function))

    # -- where descriptors lead ------------------------------------------------------------------

    def _follow(self, fd: int, new: int) -> None:
        """``new`` leads from now on where ``fd`` does."""
        target = self._targets.get(fd)
        if target is not None:
            self._targets[new] = target
        elif new != fd:
            self._targets.pop(new, None)

    def _install_following(self) -> None:
        targets = self._targets
        follow = self._follow
        dup, dup2, close, closerange, open_file = os.dup, os.dup2, os.close, os.closerange, os.open
        control = fcntl.fcntl
        doublings = {fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC}

        def dup_(fd: int, /) -> int:
            new = dup(fd)
            follow(fd, new)
            return new

        def dup2_(fd: int, fd2: int, inheritable: bool = True) -> int:
            new = dup2(fd, fd2, inheritable)
            follow(fd, fd2)
            return new

        def close_(fd: int) -> None:
            close(fd)
            targets.pop(fd, None)

        def closerange_(fd_low: int, fd_high: int, /) -> None:
            closerange(fd_low, fd_high)
            for fd in [fd for fd in targets if fd_low <= fd < fd_high]:
                del targets[fd]

        def open_(path: Any, *args: Any, **kwargs: Any) -> int:
            new = open_file(path, *args, **kwargs)
            own = _OWN_NAME.fullmatch(os.fsdecode(path))
            if own is None:
                targets.pop(new, None)
            else:
                follow(_NAMED.get(own[1]) or int(own[2] or own[3]), new)
            return new

        def fcntl_(fd: Any, cmd: int, arg: Any = 0, /) -> Any:
            result = control(fd, cmd, arg)
            if cmd in doublings:
                follow(fd if isinstance(fd, int) else fd.fileno(), result)
            return result

        for function in (dup_, dup2_, close_, closerange_, open_):
            self._put(os, function.__name__.strip("_"), function)
        self._put(fcntl, "fcntl", fcntl_)

    # -- writing ---------------------------------------------------------------------------------

    def _install_writing(self) -> None:
        targets = self._targets
        world = self._boundary.world
        general = self._boundary.bind(
            Door("os.write", fd=first_descriptor, effect=True, blocking=True, collects=False), real.write
        )
        writev = os.writev

        def write(fd: int, data: Any, /) -> int:
            target = targets.get(fd)
            if target is None:
                return general(fd, data)  # type: ignore[no-any-return]
            return world.output(fd, target, bytes(data))  # type: ignore[no-any-return]

        def writev_(fd: int, buffers: Any, /) -> int:
            target = targets.get(fd)
            if target is None:
                return writev(fd, buffers)
            return world.output(fd, target, b"".join(map(bytes, buffers)))  # type: ignore[no-any-return]

        self._put(os, "write", write)
        self._put(os, "writev", writev_)

    def _install_passing_on(self) -> None:
        """What the system copies from one descriptor to another goes by our hands if it is output."""
        targets = self._targets
        world = self._boundary.world

        def passed_on(fd: int, target: int, source: int, count: int, offset: int | None) -> int:
            count = min(count, _MOST_AT_ONCE)
            data = os.read(source, count) if offset is None else os.pread(source, count, offset)
            if not data:
                return 0
            taken: int = world.output(fd, target, data)
            if offset is None and taken < len(data):
                os.lseek(source, taken - len(data), os.SEEK_CUR)
            return taken

        sendfile = os.sendfile

        def sendfile_(out_fd: int, in_fd: int, offset: int | None, count: int) -> int:
            target = targets.get(out_fd)
            if target is None:
                return sendfile(out_fd, in_fd, offset, count)
            return passed_on(out_fd, target, in_fd, count, offset)

        self._put(os, "sendfile", sendfile_)
        for name in ("splice", "copy_file_range"):
            if hasattr(os, name):
                self._put(os, name, self._copying(name, passed_on))

    def _copying(self, name: str, passed_on: Any) -> Any:
        copy = getattr(os, name)
        placed = self._naming(copy, name, first=1)
        targets = self._targets

        def copying(
            src: int,
            dst: int,
            count: int,
            offset_src: int | None = None,
            offset_dst: int | None = None,
            **flags: int,
        ) -> int:
            target = targets.get(dst)
            if target is None:
                return copy(src, dst, count, offset_src, offset_dst, **flags)  # type: ignore[no-any-return]
            if offset_dst is not None:
                return placed(src, dst, count, offset_src, offset_dst, **flags)  # type: ignore[no-any-return]
            return passed_on(dst, target, src, count, offset_src)  # type: ignore[no-any-return]

        return copying

    def _naming(self, write: Any, name: str, first: int = 0) -> Any:
        """Return a door that writes to a place of a file, which says so if that is our output."""

        def placed(*args: Any, **kwargs: Any) -> Any:
            if args and args[first] in self._targets:
                unrecorded.say(unrecorded.PLACED.format(name))
            return write(*args, **kwargs)

        return placed
