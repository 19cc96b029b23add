"""What the program asks of sockets, answered by the simulated network.

Functions take what the doors of ``boundary.sockets`` take: the socket object first, whose descriptor and
timeout are kept beside it.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any, Final

from replay.runtime.worlds.simulated.agenda import Agenda
from replay.runtime.worlds.simulated.descriptors import Descriptors
from replay.runtime.worlds.simulated.network import (
    FAILED,
    HUNG_UP,
    READABLE,
    WRITABLE,
    Datagrams,
    Network,
    Socket,
    Stream,
    fail,
)

_PEEK: Final = socket.MSG_PEEK
_DONT_WAIT: Final = socket.MSG_DONTWAIT
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
_KIND_BITS: Final = 0xF


class Sockets:
    """The calls.

    Args:
      agenda: where blocking ones wait.
      network: what they act on.
      descriptors: who is who.
    """

    def __init__(self, agenda: Agenda, network: Network, descriptors: Descriptors) -> None:
        self._agenda = agenda
        self._network = network
        self._descriptors = descriptors

    def table(self) -> dict[str, Callable[..., Any]]:
        """Return what answers each door."""
        return {
            "socket.open": self.open,
            "socket.pair": self.pair,
            "socket.bind": self.bind,
            "socket.listen": self.listen,
            "socket.accept": self.accept,
            "socket.connect": self.connect,
            "socket.connect_ex": self.connect_ex,
            "socket.shutdown": self.shutdown,
            "socket.getsockname": self.name,
            "socket.getpeername": self.peer_name,
            "socket.getsockopt": self.option,
            "socket.setsockopt": self.set_option,
            "socket.send": self.send,
            "socket.sendall": self.send_all,
            "socket.sendto": self.send_to,
            "socket.sendmsg": self.send_parts,
            "socket.recv": self.receive,
            "socket.recv_into": self.receive_into,
            "socket.recvfrom": self.receive_from,
            "socket.recvfrom_into": self.receive_from_into,
            "socket.recvmsg": self.receive_parts,
            "socket.recvmsg_into": self.receive_parts_into,
            "socket.close": self._descriptors.close,
            "socket.dup": self._descriptors.doubled,
        }

    # -- opening --------------------------------------------------------------------------------

    def _make(self, family: int, kind: int, proto: int) -> Socket:
        if family not in _FAMILIES:
            raise fail(errno.EAFNOSUPPORT)
        kind &= _KIND_BITS
        if kind == socket.SOCK_STREAM:
            return Stream(self._network, family, kind, proto)
        if kind == socket.SOCK_DGRAM:
            return Datagrams(self._network, family, kind, proto)
        raise fail(errno.EPERM)  # as for who may not have a raw one

    def open(self, family: int, kind: int, proto: int, number: Any, own: Any) -> tuple[int, int, int, int]:
        """Open a socket, or take over the one of a descriptor."""
        if number is not None:
            if number < 0:
                raise ValueError("negative file descriptor")
            found: Socket = self._descriptors.socket(number)
            return (
                number,
                found.family if family == -1 else int(family),
                found.kind if kind == -1 else int(kind),
                found.proto if proto == -1 else proto,
            )
        family = socket.AF_INET if family == -1 else int(family)
        kind = socket.SOCK_STREAM if kind == -1 else int(kind)
        proto = 0 if proto == -1 else proto
        made = self._make(family, kind, proto)
        return self._descriptors.open(made), family, made.kind, proto

    def pair(self, family: int | None = None, kind: int = socket.SOCK_STREAM, proto: int = 0) -> list[int]:
        """Open two sockets that are connected to each other."""
        family = socket.AF_UNIX if family is None else int(family)
        one, other = self._make(family, kind, proto), self._make(family, kind, proto)
        if family != socket.AF_UNIX:
            raise fail(errno.EOPNOTSUPP)
        if isinstance(one, Stream) and isinstance(other, Stream):
            self._network.pair(one, other, "")
            one.peer_address = other.peer_address = ""
        elif isinstance(one, Datagrams) and isinstance(other, Datagrams):
            one.peer, other.peer = other, one
        return [self._descriptors.open(one), self._descriptors.open(other), family, one.kind, proto]

    # -- addresses ------------------------------------------------------------------------------

    def _of(self, own: Any) -> Socket:
        return self._descriptors.socket(own.fileno())

    def _stream(self, own: Any) -> Stream:
        return self._descriptors.socket(own.fileno(), Stream)

    def bind(self, own: Any, address: Any) -> None:
        """Give it an address."""
        self._network.bind(self._of(own), address)

    def listen(self, own: Any, size: int = 128) -> None:
        """Wait for connections."""
        self._stream(own).listen(size)

    def name(self, own: Any) -> Any:
        """Return its own address."""
        return self._of(own).name

    def peer_name(self, own: Any) -> Any:
        """Return the address of the other end."""
        found = self._of(own)
        address = getattr(found, "peer_address", None)
        if isinstance(found, Stream) and found.state != "connected":
            address = None
        if address is None:
            raise fail(errno.ENOTCONN)
        return address

    def option(self, own: Any, level: int, name: int, size: int = 0) -> Any:
        """Return an option."""
        found = self._of(own)
        value: Any = found.options.get((level, name), 0)
        if level == socket.SOL_SOCKET:
            if name == socket.SO_ERROR:
                value = found.take_error()
            elif name == socket.SO_TYPE:
                value = found.kind
            elif name == socket.SO_PROTOCOL:
                value = found.proto
            elif name == socket.SO_DOMAIN:
                value = found.family
            elif name == socket.SO_ACCEPTCONN:
                value = int(isinstance(found, Stream) and found.state == "listening")
            elif name in (socket.SO_SNDBUF, socket.SO_RCVBUF) and not value:
                value = 212_992
        if size and not isinstance(value, bytes):
            return int(value).to_bytes(4, "little").ljust(size, b"\0")[:size]
        return value

    def set_option(self, own: Any, level: int, name: int, value: Any, size: int = 0) -> None:
        """Set an option; most change nothing here."""
        self._of(own).options[level, name] = value

    # -- connections ----------------------------------------------------------------------------

    def _wait(self, own: Any, ready: Callable[[], bool], flags: int = 0) -> None:
        """Wait until it is ready, as long as the socket's timeout allows; not at all if that is 0."""
        timeout = 0.0 if flags & _DONT_WAIT else own.gettimeout()
        if timeout == 0.0 or ready():
            return
        deadline_ns = None if timeout is None else self._agenda.now_ns + int(timeout * 1e9)
        self._agenda.wait(ready, deadline_ns)
        if not ready():
            raise TimeoutError("timed out")

    def accept(self, own: Any) -> tuple[int, Any]:
        """Return a descriptor for the next connection, and whose it is."""
        found = self._stream(own)
        if found.state != "listening":
            raise fail(errno.EINVAL)
        self._wait(own, lambda: bool(found.backlog))
        if not found.backlog:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        made = found.backlog.popleft()
        return self._descriptors.open(made), made.peer_address

    def connect(self, own: Any, address: Any) -> None:
        """Connect."""
        found = self._of(own)
        assert isinstance(found, (Stream, Datagrams))
        found.connect(address)
        if not isinstance(found, Stream) or found.state == "connected":
            return
        if own.gettimeout() == 0.0:
            raise BlockingIOError(errno.EINPROGRESS, os.strerror(errno.EINPROGRESS))
        self._wait(own, lambda: found.state != "connecting")
        if found.error:
            raise fail(found.take_error())

    def connect_ex(self, own: Any, address: Any) -> int:
        """Connect; return the number of the error, or 0."""
        try:
            self.connect(own, address)
        except TimeoutError:
            return errno.EAGAIN
        except OSError as error:
            if error.errno is None:
                raise
            return error.errno
        return 0

    def shutdown(self, own: Any, how: int) -> None:
        """Send no more, receive no more, or both."""
        self._stream(own).shutdown(how)

    # -- sending --------------------------------------------------------------------------------

    def _can_send(self, found: Socket) -> bool:
        return bool(found.events() & (WRITABLE | FAILED | HUNG_UP))

    def send(self, own: Any, data: Any, flags: int = 0) -> int:
        """Send; return how much was taken."""
        found = self._of(own)
        self._wait(own, lambda: self._can_send(found), flags)
        assert isinstance(found, (Stream, Datagrams))
        return found.send(bytes(data))

    def send_all(self, own: Any, data: Any, flags: int = 0) -> None:
        """Send all of it."""
        left = memoryview(data).cast("B")
        while left:
            left = left[self.send(own, left, flags) :]

    def send_to(self, own: Any, data: Any, *args: Any) -> int:
        """Send one datagram to an address."""
        address = args[-1]
        found = self._of(own)
        if isinstance(found, Stream):
            return self.send(own, data)
        assert isinstance(found, Datagrams)
        return found.send(bytes(data), address)

    def send_parts(
        self, own: Any, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None
    ) -> int:
        """Send what lies in several buffers."""
        if list(ancdata):
            raise fail(errno.EOPNOTSUPP)
        data = b"".join(bytes(one) for one in buffers)
        if address is not None:
            return self.send_to(own, data, address)
        return self.send(own, data, flags)

    # -- receiving ------------------------------------------------------------------------------

    def _take(self, own: Any, size: int, flags: int) -> tuple[bytes, Any]:
        found = self._of(own)
        self._wait(own, lambda: bool(found.events() & (READABLE | FAILED | HUNG_UP)), flags)
        if isinstance(found, Stream):
            return found.receive(size, peek=bool(flags & _PEEK)), None
        assert isinstance(found, Datagrams)
        return found.receive(size, peek=bool(flags & _PEEK))

    def receive(self, own: Any, size: int, flags: int = 0) -> bytes:
        """Return what has come."""
        if size < 0:
            raise ValueError("negative buffersize in recv")
        return self._take(own, size, flags)[0]

    def receive_into(self, own: Any, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """Put what has come into a buffer."""
        view = memoryview(buffer).cast("B")
        data = self._take(own, size or len(view), flags)[0]
        view[: len(data)] = data
        return len(data)

    def receive_from(self, own: Any, size: int, flags: int = 0) -> tuple[bytes, Any]:
        """Return what has come, and from whom."""
        return self._take(own, size, flags)

    def receive_from_into(self, own: Any, buffer: Any, size: int = 0, flags: int = 0) -> tuple[int, Any]:
        """Put what has come into a buffer; return how much, and from whom."""
        view = memoryview(buffer).cast("B")
        data, sender = self._take(own, size or len(view), flags)
        view[: len(data)] = data
        return len(data), sender

    def receive_parts(
        self, own: Any, size: int, anc_size: int = 0, flags: int = 0
    ) -> tuple[bytes, list[Any], int, Any]:
        """Return what has come, as ``recvmsg`` does; nothing comes beside it."""
        data, sender = self._take(own, size, flags)
        return data, [], 0, sender

    def receive_parts_into(
        self, own: Any, buffers: Any, anc_size: int = 0, flags: int = 0
    ) -> tuple[int, list[Any], int, Any]:
        """Put what has come into several buffers."""
        views = [memoryview(one).cast("B") for one in buffers]
        data, sender = self._take(own, sum(map(len, views)), flags)
        left = data
        for view in views:
            part, left = left[: len(view)], left[len(view) :]
            view[: len(part)] = part
        return len(data), [], 0, sender
