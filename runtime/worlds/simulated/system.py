"""What the program asks of ``os`` and the like about descriptors that are simulated."""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from replay.runtime.worlds.simulated.agenda import START_NS, Agenda
from replay.runtime.worlds.simulated.descriptors import Descriptors
from replay.runtime.worlds.simulated.entropy import PID
from replay.runtime.worlds.simulated.network import (
    BUFFER_BYTES,
    FAILED,
    HUNG_UP,
    READABLE,
    WRITABLE,
    Description,
    Network,
    Stream,
    fail,
)

Real = Callable[..., Any]

_ABOUT_PROCESSES: Final = (
    "os.sched_getaffinity",
    "os.sched_getparam",
    "os.sched_getscheduler",
    "os.sched_rr_get_interval",
    "resource.prlimit",
)
_FIRST_INODE: Final = 1 << 20
_MEMORY_KB: Final = 1 << 16
"""What a program has used at most, as far as it is told."""

_geteuid, _getegid, _getpid = os.geteuid, os.getegid, os.getpid


def _of_itself(real: Real) -> Real:
    """Return what asks the system about a process, which can only be this one."""

    def ask(pid: int, *args: Any) -> Any:
        if pid not in (0, PID):
            raise fail(errno.ESRCH)
        return real(0, *args)

    return ask


class _Pipe:
    """What both ends of a pipe share."""

    def __init__(self) -> None:
        self.held: deque[bytes] = deque()
        self.size = 0


class PipeEnd(Description):
    """One end of a pipe."""

    def __init__(self, network: Network, pipe: _Pipe, *, writes: bool) -> None:
        super().__init__(network)
        self._pipe = pipe
        self._writes = writes
        self.other: PipeEnd | None = None
        self.is_open = True
        self.is_blocking = True

    def events(self) -> int:
        """Return what it is ready for."""
        other_open = self.other is not None and self.other.is_open
        if self._writes:
            return (WRITABLE if self._pipe.size < BUFFER_BYTES else 0) | (0 if other_open else FAILED)
        return (READABLE if self._pipe.size else 0) | (0 if other_open else HUNG_UP)

    def write(self, data: bytes) -> int:
        """Put bytes in; return how many."""
        if not self._writes:
            raise fail(errno.EBADF)
        if self.other is None or not self.other.is_open:
            raise fail(errno.EPIPE)
        part = data[: BUFFER_BYTES - self._pipe.size]
        if data and not part:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self._pipe.held.append(part)
        self._pipe.size += len(part)
        self.other.touch()
        return len(part)

    def read(self, size: int) -> bytes:
        """Take bytes out; nothing at the end."""
        if self._writes:
            raise fail(errno.EBADF)
        if not self._pipe.size:
            if self.other is None or not self.other.is_open:
                return b""
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        held = b"".join(self._pipe.held)
        self._pipe.held.clear()
        if held[size:]:
            self._pipe.held.append(held[size:])
        self._pipe.size = len(held[size:])
        if self.other is not None:
            self.other.touch()
        return held[:size]

    def close(self) -> None:
        """Close it: the other end sees that."""
        self.is_open = False
        if self.other is not None:
            self.other.touch()


class System:
    """The calls.

    Args:
      agenda: where blocking ones wait.
      network: what descriptors of pipes belong to.
      descriptors: who is who.
    """

    def __init__(self, agenda: Agenda, network: Network, descriptors: Descriptors) -> None:
        self._agenda = agenda
        self._network = network
        self._descriptors = descriptors
        self._wakeup_fd = -1

    def table(self) -> dict[str, Callable[[Real], Real]]:
        """Return, by door, what makes the answer out of the real function, which still does all else."""
        return {
            "os.pipe": lambda real: self.pipe,
            "os.pipe2": lambda real: lambda flags: self.pipe(blocks=not flags & os.O_NONBLOCK),
            "os.close": self._either(self._descriptors.close),
            "os.dup": self._either(self._descriptors.doubled),
            "os.dup2": self._either(self._double_to),
            "os.read": self._either(self.read),
            "os.write": self._either(self.write),
            "os.writev": self._either(lambda fd, parts: self.write(fd, b"".join(map(bytes, parts)))),
            "os.sendfile": self._sending,
            "os.set_blocking": self._either(self._set_blocking),
            "os.get_blocking": self._either(self._is_blocking),
            "os.set_inheritable": self._either(lambda fd, inheritable: None),
            "os.get_inheritable": self._either(lambda fd: False),
            "os.isatty": self._either(lambda fd: False),
            "os.kill": self._killing,
            "os.fstat": self._either(self._stat),
            "os.times": lambda real: self._times,
            "os.getloadavg": lambda real: lambda: (0.0, 0.0, 0.0),
            "resource.getrusage": self._using,
            **dict.fromkeys(_ABOUT_PROCESSES, _of_itself),
            "signal.set_wakeup_fd": lambda real: self._set_wakeup,
        }

    def _either(self, simulated: Real) -> Callable[[Real], Real]:
        def make(real: Real) -> Real:
            find = self._descriptors.find

            def call(fd: Any, *args: Any, **kwargs: Any) -> Any:
                return (real if find(fd) is None else simulated)(fd, *args, **kwargs)

            return call

        return make

    @staticmethod
    def _killing(real: Real) -> Real:
        def kill(pid: int, number: int) -> None:
            if pid not in (PID, 0):
                raise fail(errno.ESRCH)
            real(_getpid(), number)

        return kill

    def _set_wakeup(self, fd: int, /, *, warn_on_full_buffer: bool = True) -> int:
        """Keep it: signals come only from the program itself, so there is no wait to be ended."""
        before, self._wakeup_fd = self._wakeup_fd, fd
        return before

    def _stat(self, fd: int) -> os.stat_result:
        """Return what there is to say of a pipe or a socket."""
        kind = (
            stat.S_IFIFO | 0o600 if isinstance(self._descriptors.find(fd), PipeEnd) else stat.S_IFSOCK | 0o777
        )
        now_s = self._agenda.now_ns // 10**9
        about = (kind, _FIRST_INODE + fd, 0, 1, _geteuid(), _getegid(), 0)
        return os.stat_result((*about, now_s, now_s, now_s))

    def _times(self) -> os.times_result:
        used_s = (self._agenda.now_ns - START_NS) / 1e9
        return os.times_result((used_s, 0.0, 0.0, 0.0, self._agenda.now_ns / 1e9))

    def _using(self, real: Real) -> Real:
        def getrusage(who: int, /) -> resource.struct_rusage:
            real(who)
            used_s = (self._agenda.now_ns - START_NS) / 1e9 if who != resource.RUSAGE_CHILDREN else 0.0
            memory_kb = _MEMORY_KB if used_s else 0
            return resource.struct_rusage((used_s, 0.0, memory_kb, *[0] * 13))

        return getrusage

    def pipe(self, *, blocks: bool = True) -> tuple[int, int]:
        """Open a pipe."""
        pipe = _Pipe()
        reader = PipeEnd(self._network, pipe, writes=False)
        writer = PipeEnd(self._network, pipe, writes=True)
        reader.other, writer.other = writer, reader
        reader.is_blocking = writer.is_blocking = blocks
        return self._descriptors.open(reader), self._descriptors.open(writer)

    def _double_to(self, fd: int, other: int, inheritable: bool = True) -> int:
        self._descriptors.doubled_to(fd, other)
        return other

    def _set_blocking(self, fd: int, blocking: bool) -> None:
        found = self._descriptors.find(fd)
        if isinstance(found, PipeEnd):
            found.is_blocking = bool(blocking)

    def _is_blocking(self, fd: int) -> bool:
        found = self._descriptors.find(fd)
        return isinstance(found, PipeEnd) and found.is_blocking

    def read(self, fd: int, size: int) -> bytes:
        """Read from a pipe or a socket."""
        found = self._descriptors.find(fd)
        if isinstance(found, PipeEnd):
            if found.is_blocking:
                self._agenda.wait(lambda: bool(found.events()))
            return found.read(size)
        if isinstance(found, Stream):
            return found.receive(size)
        raise fail(errno.EINVAL)

    def write(self, fd: int, data: Any) -> int:
        """Write to a pipe or a socket."""
        found = self._descriptors.find(fd)
        if isinstance(found, PipeEnd):
            if found.is_blocking:
                self._agenda.wait(lambda: bool(found.events()))
            return found.write(bytes(data))
        if isinstance(found, Stream):
            return found.send(bytes(data))
        raise fail(errno.EINVAL)

    def _sending(self, real: Real) -> Real:
        pread, read = os.pread, os.read

        def sendfile(out_fd: int, in_fd: int, offset: int | None, count: int) -> int:
            if self._descriptors.find(out_fd) is None:
                sent: int = real(out_fd, in_fd, offset, count)
                return sent
            data = read(in_fd, count) if offset is None else pread(in_fd, min(count, BUFFER_BYTES), offset)
            return self.write(out_fd, data) if data else 0

        return sendfile
