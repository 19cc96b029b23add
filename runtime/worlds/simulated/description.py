"""What a descriptor of the simulated world leads to, and what all of them have in common."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from replay.runtime.worlds.simulated.network import Network

READABLE: Final = 1
WRITABLE: Final = 4
FAILED: Final = 8
HUNG_UP: Final = 16
PEER_CLOSED: Final = 0x2000
"""As of ``select.EPOLL*``; the first four are the same for ``poll``."""

BUFFER_BYTES: Final = 262_144
"""So much is on its way or unread in one direction before the sender has to wait."""

ANY: Final = "0.0.0.0"  # noqa: S104 - nothing is bound really
ANY_6: Final = "::"
"""All addresses."""

Address = Any
"""As of the ``socket`` module: a pair, four for IPv6, a path for UNIX sockets."""


def fail(number: int) -> OSError:
    """Return the exception of an error number."""
    return OSError(number, os.strerror(number))


def would_block() -> OSError:
    """Return the exception of what cannot be done without waiting."""
    return fail(errno.EAGAIN)


class Description:
    """What a descriptor leads to: a socket, the end of a pipe, a counter, an ``epoll``.

    Attributes:
      references: how many descriptors lead to it.
      changed: when it last became ready for something: what is ready is reported in that order.
      is_blocking: whether calls on the bare descriptor wait (``O_NONBLOCK`` is not set).
      mode: what kind of file ``fstat`` says it is.
      access: whether it can be read and written, as ``fcntl`` says it.
    """

    mode = stat.S_IFSOCK | 0o777
    access = os.O_RDWR

    def __init__(self, network: Network) -> None:
        self.network = network
        self.references = 0
        self.changed = 0
        self.is_blocking = True

    def events(self) -> int:
        """Return what it is ready for."""
        raise NotImplementedError

    def read(self, size: int) -> bytes:
        """Take bytes out, as ``os.read`` does.

        Raises:
          BlockingIOError: there are none yet.
        """
        raise fail(errno.EINVAL)

    def write(self, data: bytes) -> int:
        """Put bytes in, as ``os.write`` does; return how many.

        Raises:
          BlockingIOError: there is no room yet.
        """
        raise fail(errno.EINVAL)

    def unread_bytes(self) -> int:
        """Return how many bytes wait to be read."""
        return 0

    def touch(self) -> None:
        """Note that it became ready for something."""
        self.changed = next(self.network.changes)

    def let_go(self) -> None:
        """One descriptor less leads here."""
        self.references -= 1
        if not self.references:
            self.close()

    def close(self) -> None:
        """The last descriptor is closed."""


class Passing:
    """Descriptors on their way through a UNIX socket, each with what it came beside.

    Attributes:
      taken: those that came with what was received last.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, int, list[Description]]] = deque()
        self.put_count = 0
        self.taken_count = 0
        self.taken: list[Description] = []

    def put(self, size: int, passed: list[Description]) -> None:
        """So many bytes have come, or messages, and these with them."""
        if passed:
            self._waiting.append((self.put_count, self.put_count + size, passed))
        self.put_count += size

    def most(self, size: int) -> int:
        """Return how much of ``size`` can be taken at once: what comes beside one part ends it."""
        return min(size, self._waiting[0][1] - self.taken_count) if self._waiting else size

    def take(self, size: int) -> None:
        """So much is taken."""
        self.drop()
        self.taken_count += size
        if self._waiting and self._waiting[0][0] < self.taken_count:
            self.taken = self._waiting.popleft()[2]

    def drop(self) -> None:
        """Let go of what came last: somebody has it by now, or nobody wants it."""
        for one in self.taken:
            one.let_go()
        self.taken = []

    def close(self) -> None:
        """Let go of all."""
        self.drop()
        for _, _, passed in self._waiting:
            for one in passed:
                one.let_go()
        self._waiting.clear()


class Socket(Description):
    """What all sockets have in common.

    Attributes:
      address: its own; None if it has none yet.
      key: of a UNIX socket: what its path leads to.
      error: the number of what has failed, and was not told yet.
      label: what it is called where something is decided about it.
    """

    def __init__(self, network: Network, family: int, kind: int, proto: int) -> None:
        super().__init__(network)
        self.family = family
        self.kind = kind
        self.proto = proto
        self.address: Address = None
        self.key: Any = None
        self.options: dict[tuple[int, int], Any] = {}
        self.error = 0
        self.label = ""

    @property
    def name(self) -> Address:
        """Return its own address, as ``getsockname`` does."""
        if self.address is not None:
            return self.address
        if self.family == socket.AF_UNIX:
            return ""
        return (ANY, 0) if self.family == socket.AF_INET else (ANY_6, 0, 0, 0)

    @property
    def peer_name(self) -> Address:
        """Return the address of the other end, as ``getpeername`` does; None if there is none."""
        raise NotImplementedError

    def take_error(self) -> int:
        """Return what has failed since somebody last asked."""
        number, self.error = self.error, 0
        return number

    def connect(self, address: Address) -> None:
        """Connect it, or begin to."""
        raise NotImplementedError

    def send(self, data: bytes) -> int:
        """Put bytes on their way; return how many."""
        raise NotImplementedError

    def shutdown(self, how: int) -> None:
        """Send no more, receive no more, or both."""
        raise NotImplementedError

    def write(self, data: bytes) -> int:
        """Put bytes on their way; return how many."""
        return self.send(data)
