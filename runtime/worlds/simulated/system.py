"""What the program asks of ``os`` and the like about descriptors that are simulated."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import struct
import termios
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NoReturn, TypeVar

from replay.runtime.worlds.simulated.agenda import START_NS, Agenda
from replay.runtime.worlds.simulated.description import (
    BUFFER_BYTES,
    FAILED,
    HUNG_UP,
    READABLE,
    WRITABLE,
    Description,
    fail,
)
from replay.runtime.worlds.simulated.descriptors import Descriptors
from replay.runtime.worlds.simulated.entropy import PID
from replay.runtime.worlds.simulated.network import Network
from replay.runtime.worlds.simulated.pipes import Counter, pipe

Real = Callable[..., Any]
_Result = TypeVar("_Result")

_ABOUT_PROCESSES: Final = (
    "os.sched_getaffinity",
    "os.sched_getparam",
    "os.sched_getscheduler",
    "os.sched_rr_get_interval",
    "resource.prlimit",
)
_FIRST_INODE: Final = 1 << 20
_DEVICE: Final = 8
_BLOCK_BYTES: Final = 4096
_MEMORY_KB: Final = 1 << 16
"""What a program has used at most, as far as it is told."""

_geteuid, _getegid = os.geteuid, os.getegid

_DOUBLINGS: Final = (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC)

_FAILS: Final = {
    "copy_file_range": errno.EINVAL,
    "fchdir": errno.ENOTDIR,
    "fdatasync": errno.EINVAL,
    "fsync": errno.EINVAL,
    "ftruncate": errno.EINVAL,
    "get_terminal_size": errno.ENOTTY,
    "lseek": errno.ESPIPE,
    "posix_fadvise": errno.ESPIPE,
    "posix_fallocate": errno.ESPIPE,
    "pread": errno.ESPIPE,
    "preadv": errno.ESPIPE,
    "pwrite": errno.ESPIPE,
    "pwritev": errno.ESPIPE,
    "tcgetpgrp": errno.ENOTTY,
    "ttyname": errno.ENOTTY,
}
"""What can be done with files alone, and how it fails with anything else."""


def _of_itself(real: Real) -> Real:
    """Return what asks the system about a process, which can only be this one."""

    def ask(pid: int, *args: Any) -> Any:
        if pid not in (0, PID):
            raise fail(errno.ESRCH)
        return real(0, *args)

    return ask


class System:
    """The calls.

    Args:
      agenda: where blocking ones wait.
      network: what descriptors of pipes belong to.
      descriptors: who is who.
      refuse: is told by name what is not simulated; does not return.
    """

    def __init__(
        self, agenda: Agenda, network: Network, descriptors: Descriptors, refuse: Callable[[str], NoReturn]
    ) -> None:
        self._agenda = agenda
        self._network = network
        self._descriptors = descriptors
        self._refuse = refuse

    def table(self) -> dict[str, Callable[[Real], Real]]:
        """Return, by door, what makes the answer out of the real function, which still does all else."""
        descriptors = self._descriptors
        return {
            **{f"os.{name}": self._either(_failing(number)) for name, number in _FAILS.items()},
            "os.pipe": lambda real: self.pipe,
            "os.pipe2": lambda real: self.pipe,
            "os.eventfd": lambda real: self.counter,
            "os.eventfd_read": lambda real: self.take,
            "os.eventfd_write": lambda real: self.add,
            "os.close": self._either(descriptors.close),
            "os.dup": self._either(descriptors.doubled),
            "os.dup2": self._either(descriptors.doubled_to),
            "os.read": self._either(self.read),
            "os.readv": self._either(self._read_parts),
            "os.write": self._either(self.write),
            "os.writev": self._either(lambda fd, parts: self.write(fd, b"".join(map(bytes, parts)))),
            "os.sendfile": self._sending,
            "os.splice": self._either(self._refusing("os.splice of a socket or a pipe")),
            "os.set_blocking": self._either(self._set_blocking),
            "os.get_blocking": self._either(lambda fd: self._found(fd).is_blocking),
            "os.set_inheritable": self._either(descriptors.set_inheritable),
            "os.get_inheritable": self._either(descriptors.is_inheritable),
            "os.isatty": self._either(lambda fd: False),
            "os.device_encoding": self._either(lambda fd: None),
            "os.fstat": self._either(self._describe),
            "os.stat": self._either(lambda fd, **_: self._describe(fd)),
            "os.fstatvfs": self._either(self._refusing("os.fstatvfs of a socket or a pipe")),
            "os.fchmod": self._either(lambda fd, mode: None),
            "os.lockf": self._either(self._refusing("os.lockf of a socket or a pipe")),
            "os.times": lambda real: self._times,
            "resource.getrusage": self._using,
            **dict.fromkeys(_ABOUT_PROCESSES, _of_itself),
            "fcntl.fcntl": self._either(self.control),
            "fcntl.ioctl": self._either(self._control_device),
            "fcntl.flock": self._either(lambda fd, operation: None),
            "fcntl.lockf": self._either(_failing(errno.EBADF)),
        }

    def _either(self, simulated: Real) -> Callable[[Real], Real]:
        def make(real: Real) -> Real:
            find = self._descriptors.find

            def call(fd: Any, *args: Any, **kwargs: Any) -> Any:
                number = fd if type(fd) is int or not hasattr(fd, "fileno") else fd.fileno()
                if find(number) is None:
                    return real(fd, *args, **kwargs)
                return simulated(number, *args, **kwargs)

            return call

        return make

    def _refusing(self, what: str) -> Real:
        def refuse(*args: Any, **kwargs: Any) -> NoReturn:
            self._refuse(what)

        return refuse

    def _found(self, fd: int) -> Description:
        found = self._descriptors.find(fd)
        if found is None:
            raise fail(errno.EBADF)
        return found

    # -- opening and closing --------------------------------------------------------------------

    def pipe(self, flags: int = os.O_CLOEXEC) -> tuple[int, int]:
        """Open a pipe."""
        ends = pipe(self._network)
        numbers = []
        for end in ends:
            end.is_blocking = not flags & os.O_NONBLOCK
            numbers.append(self._descriptors.open(end))
            self._descriptors.set_inheritable(numbers[-1], not flags & os.O_CLOEXEC)
        return numbers[0], numbers[1]

    def counter(self, initval: int, flags: int = os.EFD_CLOEXEC) -> int:
        """Open an ``eventfd``."""
        made = Counter(self._network, initval, is_semaphore=bool(flags & os.EFD_SEMAPHORE))
        made.is_blocking = not flags & os.EFD_NONBLOCK
        return self._descriptors.open(made)

    # -- reading and writing --------------------------------------------------------------------

    def _when_ready(self, found: Description, events: int, attempt: Callable[[], _Result]) -> _Result:
        while True:
            try:
                return attempt()
            except BlockingIOError:
                if not found.is_blocking:
                    raise
            self._agenda.wait(lambda: bool(found.events() & (events | FAILED | HUNG_UP)))

    def read(self, fd: int, size: int) -> bytes:
        """Read."""
        found = self._found(fd)
        return self._when_ready(found, READABLE, lambda: found.read(size))

    def _read_parts(self, fd: int, buffers: Any) -> int:
        views = [memoryview(one).cast("B") for one in buffers]
        data = self.read(fd, sum(map(len, views)))
        count = len(data)
        for view in views:
            part, data = data[: len(view)], data[len(view) :]
            view[: len(part)] = part
        return count

    def write(self, fd: int, data: Any) -> int:
        """Write: all of it, if the descriptor is a blocking one."""
        found = self._found(fd)
        left = bytes(data)
        count = 0
        while True:
            taken = self._when_ready(found, WRITABLE, partial(found.write, left))
            count += taken
            left = left[taken:]
            if not left or not found.is_blocking:
                return count

    def take(self, fd: int) -> int:
        """Read an ``eventfd``."""
        found = self._found(fd)
        if not isinstance(found, Counter):
            raise fail(errno.EINVAL)
        return self._when_ready(found, READABLE, found.take)

    def add(self, fd: int, value: int) -> None:
        """Write to an ``eventfd``."""
        found = self._found(fd)
        if not isinstance(found, Counter):
            raise fail(errno.EINVAL)
        self._when_ready(found, WRITABLE, lambda: found.add(value))

    def _sending(self, real: Real) -> Real:
        pread, read = os.pread, os.read

        def sendfile(out_fd: int, in_fd: int, offset: int | None, count: int) -> int:
            if self._descriptors.find(in_fd) is not None:
                raise fail(errno.EINVAL if offset is None else errno.ESPIPE)
            found = self._descriptors.find(out_fd)
            if found is None:
                sent: int = real(out_fd, in_fd, offset, count)
                return sent
            place = os.lseek(in_fd, 0, os.SEEK_CUR) if offset is None else offset
            data = pread(in_fd, min(count, BUFFER_BYTES), place)
            taken = self.write(out_fd, data) if data else 0
            if offset is None:
                read(in_fd, taken)
            return taken

        return sendfile

    # -- what a descriptor is like --------------------------------------------------------------

    def _set_blocking(self, fd: int, blocking: bool) -> None:
        self._found(fd).is_blocking = bool(blocking)

    def _describe(self, fd: int) -> os.stat_result:
        found = self._found(fd)
        now_ns = self._agenda.now_ns
        about = (found.mode, _FIRST_INODE + fd, _DEVICE, 1, _geteuid(), _getegid(), 0)
        times = (*[now_ns // 10**9] * 3, *[now_ns / 1e9] * 3, *[now_ns] * 3)
        return os.stat_result((*about, *times, _BLOCK_BYTES, 0, 0))

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

    def control(self, fd: int, command: int, argument: Any = 0) -> Any:
        """Answer ``fcntl``."""
        found = self._found(fd)
        match command:
            case fcntl.F_GETFL:
                return found.access | (0 if found.is_blocking else os.O_NONBLOCK)
            case fcntl.F_SETFL:
                found.is_blocking = not argument & os.O_NONBLOCK
                return 0
            case fcntl.F_GETFD:
                return 0 if self._descriptors.is_inheritable(fd) else fcntl.FD_CLOEXEC
            case fcntl.F_SETFD:
                self._descriptors.set_inheritable(fd, not argument & fcntl.FD_CLOEXEC)
                return 0
            case _ if command in _DOUBLINGS and not argument:
                number = self._descriptors.doubled(fd)
                self._descriptors.set_inheritable(number, command == fcntl.F_DUPFD)
                return number
            case _:
                return self._refuse(f"fcntl.fcntl with command {command} of a socket or a pipe")

    def _control_device(self, fd: int, request: int, argument: Any = 0, mutate_flag: bool = True) -> Any:
        if request != termios.FIONREAD:
            self._refuse(f"fcntl.ioctl with request {request:#x} of a socket or a pipe")
        count = struct.pack("i", self._found(fd).unread_bytes())
        if isinstance(argument, int):
            self._refuse("fcntl.ioctl with an address")
        if isinstance(argument, bytes):
            return count + argument[4:]
        memoryview(argument).cast("B")[:4] = count
        return 0


def _failing(number: int) -> Real:
    def call(*args: Any, **kwargs: Any) -> NoReturn:
        raise fail(number)

    return call
