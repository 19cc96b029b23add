"""What the program asks of sockets, answered by the simulated network.

Functions take what the doors of ``boundary.sockets`` take: the socket object first, whose descriptor and
timeout are kept beside it.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NoReturn, TypeVar

from replay.runtime.worlds.simulated.agenda import Agenda
from replay.runtime.worlds.simulated.datagrams import Datagrams, LocalDatagrams
from replay.runtime.worlds.simulated.description import (
    FAILED,
    HUNG_UP,
    READABLE,
    WRITABLE,
    Description,
    Socket,
    fail,
)
from replay.runtime.worlds.simulated.descriptors import Descriptors, is_open
from replay.runtime.worlds.simulated.network import Network
from replay.runtime.worlds.simulated.streams import LocalStream, Stream

_Result = TypeVar("_Result")

_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
_KINDS: Final = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
_KIND_BITS: Final = 0xF
_FLAGS: Final = (
    socket.MSG_PEEK
    | socket.MSG_WAITALL
    | socket.MSG_DONTWAIT
    | socket.MSG_NOSIGNAL
    | socket.MSG_TRUNC
    | socket.MSG_CMSG_CLOEXEC
    | getattr(socket, "MSG_MORE", 0)
)
_NEVER_SMALLER: Final = {socket.SO_SNDBUF: 4608, socket.SO_RCVBUF: 2304}
_BUFFER: Final = 212_992
_STREAM_BUFFERS: Final = {socket.SO_SNDBUF: 16_384, socket.SO_RCVBUF: 131_072}
_MOST_WAITING: Final = 4096
"""As many connections wait to be accepted at most, whatever a program asks for (``somaxconn``)."""
_TAKES: Final = READABLE | FAILED | HUNG_UP
_PUTS: Final = WRITABLE | FAILED | HUNG_UP


class Sockets:
    """The calls.

    Args:
      agenda: where blocking ones wait.
      network: what they act on.
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
            "socket.close": self._descriptors.close_socket,
            "socket.dup": self._descriptors.doubled_socket,
        }

    # -- opening --------------------------------------------------------------------------------

    def _make(self, family: int, kind: int, proto: int) -> Socket:
        if kind & ~(_KIND_BITS | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC):
            raise fail(errno.EINVAL)
        if family not in _FAMILIES:
            raise fail(errno.EAFNOSUPPORT)
        if kind & _KIND_BITS == socket.SOCK_SEQPACKET and family == socket.AF_UNIX:
            self._refuse("a socket of SOCK_SEQPACKET")
        if kind & _KIND_BITS == socket.SOCK_RAW:
            if family != socket.AF_UNIX:
                raise fail(errno.EPERM)  # as for who may not have one
            kind += socket.SOCK_DGRAM - socket.SOCK_RAW  # as Linux does
        if kind & _KIND_BITS not in _KINDS:
            raise fail(errno.ESOCKTNOSUPPORT)
        made = self._network.make(family, kind & _KIND_BITS, proto)
        made.is_blocking = not kind & socket.SOCK_NONBLOCK
        return made

    def open(self, family: int, kind: int, proto: int, number: Any, own: Any) -> tuple[int, int, int, int]:
        """Open a socket, or take over the one of a descriptor."""
        if number is not None:
            if number < 0:
                raise ValueError("negative file descriptor")
            found = self._descriptors.socket(number)
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
        if isinstance(one, LocalStream) and isinstance(other, LocalStream):
            self._network.pair(one, other, "")
        elif isinstance(one, LocalDatagrams) and isinstance(other, LocalDatagrams):
            one.peer, other.peer = other, one
        else:
            raise fail(errno.EOPNOTSUPP)
        return [self._descriptors.open(one), self._descriptors.open(other), family, one.kind, proto]

    # -- addresses ------------------------------------------------------------------------------

    def of(self, own: Any) -> Socket:
        """Return what is behind a socket object."""
        return self._descriptors.socket(own.fileno())

    def _stream(self, own: Any) -> Stream:
        found = self.of(own)
        if not isinstance(found, Stream):
            raise fail(errno.EOPNOTSUPP)
        return found

    def bind(self, own: Any, address: Any) -> None:
        """Give it an address."""
        self._network.bind(self.of(own), address)

    def listen(self, own: Any, size: int = 128) -> None:
        """Wait for connections."""
        self._stream(own).listen(min(size, _MOST_WAITING))

    def name(self, own: Any) -> Any:
        """Return its own address."""
        return self.of(own).name

    def peer_name(self, own: Any) -> Any:
        """Return the address of the other end."""
        address = self.of(own).peer_name
        if address is None:
            raise fail(errno.ENOTCONN)
        return address

    def option(self, own: Any, level: int, name: int, size: int = 0) -> Any:
        """Return an option."""
        found = self.of(own)
        value: Any = found.options.get((level, name), 0)
        if level == socket.SOL_SOCKET:
            if name == socket.SO_ERROR:
                value = found.take_error()
            elif name == socket.SO_TYPE:
                value = found.kind
            elif name == socket.SO_PROTOCOL:
                value = found.proto or _PROTOCOLS.get((found.family, found.kind), 0)
            elif name == socket.SO_DOMAIN:
                value = found.family
            elif name == socket.SO_ACCEPTCONN:
                value = int(isinstance(found, Stream) and found.state == "listening")
            elif name in _NEVER_SMALLER and not value:
                value = _STREAM_BUFFERS[name] if _is_tcp(found) else _BUFFER
        if size and not isinstance(value, bytes):
            return int(value).to_bytes(4, "little").ljust(size, b"\0")[:size]
        if not size and isinstance(value, bytes):
            return struct.unpack("i", value[:4].ljust(4, b"\0"))[0]
        return value

    def set_option(self, own: Any, level: int, name: int, value: Any, size: int = 0) -> None:
        """Set an option; most change nothing here."""
        found = self.of(own)
        if value is None:
            value = bytes(size)
        elif not isinstance(value, int):
            value = bytes(value)
            if len(value) == 4:
                (value,) = struct.unpack("i", value)
        if level == socket.SOL_SOCKET and name in _NEVER_SMALLER:
            value = max(_NEVER_SMALLER[name], min(int(value), _BUFFER) * 2)  # as Linux counts
        found.options[level, name] = value

    # -- waiting --------------------------------------------------------------------------------

    def deadline_ns(self, own: Any, found: Socket, flags: int = 0) -> int | None:
        """Return until when a call may wait: 0 if it may not, None for ever."""
        timeout = own.gettimeout()
        if flags & socket.MSG_DONTWAIT or timeout == 0.0 or (timeout is None and not found.is_blocking):
            return 0
        return None if timeout is None else self._agenda.now_ns + int(timeout * 1e9)

    def until(
        self, deadline_ns: int | None, is_ready: Callable[[], bool], attempt: Callable[[], _Result]
    ) -> _Result:
        """Do something as soon as it can be done without waiting."""
        while True:
            try:
                return attempt()
            except BlockingIOError:
                if deadline_ns == 0:
                    raise
            if deadline_ns is not None and self._agenda.now_ns >= deadline_ns:
                raise TimeoutError("timed out")
            self._agenda.wait(is_ready, deadline_ns)

    # -- connections ----------------------------------------------------------------------------

    def accept(self, own: Any) -> tuple[int, Any]:
        """Return a descriptor for the next connection, and whose it is."""
        found = self._stream(own)

        def take() -> Stream:
            if found.state != "listening":
                raise fail(errno.EINVAL)
            if not found.backlog:
                raise fail(errno.EINVAL if found.is_shut_for_reading else errno.EAGAIN)
            return found.backlog.popleft()

        made = self.until(
            self.deadline_ns(own, found),
            lambda: bool(found.backlog) or found.state != "listening" or found.is_shut_for_reading,
            take,
        )
        return self._descriptors.open(made), made.peer_address

    def connect(self, own: Any, address: Any) -> None:
        """Connect."""
        found = self.of(own)
        deadline_ns = self.deadline_ns(own, found)
        if isinstance(found, LocalStream):
            self.until(
                deadline_ns,
                lambda: self._network.has_room(self._network.resolved(found, address, "connect")),
                lambda: found.connect(address),
            )
            return
        try:
            found.connect(address)
        except BlockingIOError as error:
            if deadline_ns == 0 or error.errno != errno.EINPROGRESS:
                raise
            assert isinstance(found, Stream)
            if found.state == "connecting":
                self._agenda.wait(lambda: found.state != "connecting", deadline_ns)
            if found.state == "connecting":
                raise TimeoutError("timed out") from None
            found.connect(address)

    def connect_ex(self, own: Any, address: Any) -> int:
        """Connect; return the number of the error, or 0."""
        try:
            self.connect(own, address)
        except TimeoutError as error:
            return error.errno or errno.EAGAIN
        except socket.gaierror:
            raise
        except OSError as error:
            if error.errno is None:
                raise
            return error.errno
        return 0

    def shutdown(self, own: Any, how: int) -> None:
        """Send no more, receive no more, or both."""
        if how not in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR):
            raise fail(errno.EINVAL)
        self.of(own).shutdown(how)

    # -- sending --------------------------------------------------------------------------------

    def _check(self, flags: int) -> None:
        if flags & ~_FLAGS:
            self._refuse(f"a call of a socket with the flags {flags & ~_FLAGS:#x}")

    def _put(self, own: Any, flags: int, attempt: Callable[[Socket], int]) -> int:
        self._check(flags)
        found = self.of(own)
        deadline_ns = self.deadline_ns(own, found, flags)
        return self.until(deadline_ns, lambda: bool(found.events() & _PUTS), lambda: attempt(found))

    def send(self, own: Any, data: Any, flags: int = 0) -> int:
        """Send; return how much was taken."""
        self._agenda.act()
        taken = _bytes(data)
        return self._put(own, flags, lambda found: found.send(taken))

    def send_all(self, own: Any, data: Any, flags: int = 0) -> None:
        """Send all of it."""
        self._check(flags)
        found = self.of(own)
        deadline_ns = self.deadline_ns(own, found, flags)
        left = _bytes(data)
        while True:
            count = self.until(deadline_ns, lambda: bool(found.events() & _PUTS), partial(found.send, left))
            left = left[count:]
            if not left:
                return

    def send_to(self, own: Any, data: Any, *args: Any) -> int:
        """Send one datagram to an address."""
        flags, address = args if len(args) == 2 else (0, *args)
        return self._send_to(own, _bytes(data), flags, address)

    def _send_to(self, own: Any, data: bytes, flags: int, address: Any) -> int:
        def attempt(found: Socket) -> int:
            if isinstance(found, Datagrams):
                return found.send_to(data, address)
            if found.family == socket.AF_UNIX and address is not None:
                raise fail(errno.EISCONN if found.peer_name is not None else errno.EOPNOTSUPP)
            return found.send(data)

        return self._put(own, flags, attempt)

    def send_parts(
        self, own: Any, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None
    ) -> int:
        """Send what lies in several buffers."""
        data = b"".join(map(_bytes, buffers))
        passed = self._passed(ancdata)
        if not passed:
            return self._send_to(own, data, flags, address)
        found = self.of(own)
        if not isinstance(found, (LocalStream, LocalDatagrams)):
            raise fail(errno.EINVAL)
        for one in passed:
            one.references += 1
        found.beside = passed
        try:
            return self._send_to(own, data, flags, address)
        finally:
            for one in found.beside:  # it was not sent
                one.let_go()
            found.beside = []

    def _passed(self, ancdata: Any) -> list[Description]:
        """Return what the descriptors lead to that are to be passed."""
        passed = []
        for level, kind, data in ancdata:
            if (level, kind) != (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self._refuse("ancillary data of a socket other than descriptors")
            for (number,) in struct.iter_unpack("i", _bytes(data)):
                found = self._descriptors.find(number)
                if found is None:
                    if not is_open(number):
                        raise fail(errno.EBADF)
                    self._refuse("the descriptor of a file as ancillary data")
                passed.append(found)
        return passed

    # -- receiving ------------------------------------------------------------------------------

    def _take(self, own: Any, size: int, flags: int) -> tuple[bytes, Any, int, int]:
        """Return what has come, from whom, how much of it there was, and flags that say what it is like."""
        self._check(flags)
        found = self.of(own)
        deadline_ns = self.deadline_ns(own, found, flags)
        peek = bool(flags & socket.MSG_PEEK)

        def is_ready() -> bool:
            return bool(found.events() & _TAKES)

        if isinstance(found, Datagrams):
            data, sender = self.until(deadline_ns, is_ready, lambda: found.receive(peek=peek))
            length = len(data) if flags & socket.MSG_TRUNC else min(len(data), size)
            return data[:size], sender, length, int(socket.MSG_TRUNC) if len(data) > size else 0
        assert isinstance(found, Stream)
        data = self.until(deadline_ns, is_ready, lambda: found.receive(size, peek=peek))
        sender = found.peer.address if isinstance(found, LocalStream) and found.peer is not None else None
        while flags & socket.MSG_WAITALL and not peek and data and len(data) < size and deadline_ns != 0:
            try:
                more = self.until(deadline_ns, is_ready, partial(found.receive, size - len(data)))
            except OSError:
                break
            if not more:
                break
            data += more
        return data, sender, len(data), 0

    def _take_alone(self, own: Any, size: int, flags: int) -> tuple[bytes, Any, int, int]:
        """Return the same; what came beside it is lost."""
        taken = self._take(own, size, flags)
        found = self.of(own)
        if isinstance(found, (LocalStream, LocalDatagrams)):
            found.passing.drop()
        return taken

    def receive(self, own: Any, size: int, flags: int = 0) -> bytes:
        """Return what has come."""
        if size < 0:
            raise ValueError("negative buffersize in recv")
        return self._take_alone(own, size, flags)[0] if size else b""

    def _into(self, buffer: Any, size: int, call: str) -> memoryview:
        view = memoryview(buffer).cast("B")
        if size < 0:
            raise ValueError(f"negative buffersize in {call}")
        if size > len(view):
            raise ValueError("buffer too small for requested bytes")
        return view[: size or len(view)]

    def receive_into(self, own: Any, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Put what has come into a buffer."""
        view = self._into(buffer, nbytes, "recv_into")
        if not view:
            return 0
        data, _, length, _ = self._take_alone(own, len(view), flags)
        view[: len(data)] = data
        return length

    def receive_from(self, own: Any, size: int, flags: int = 0) -> tuple[bytes, Any]:
        """Return what has come, and from whom."""
        if size < 0:
            raise ValueError("negative buffersize in recvfrom")
        data, sender, _, _ = self._take_alone(own, size, flags)
        return data, sender

    def receive_from_into(self, own: Any, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        """Put what has come into a buffer; return how much, and from whom."""
        view = self._into(buffer, nbytes, "recvfrom_into")
        data, sender, length, _ = self._take_alone(own, len(view), flags)
        view[: len(data)] = data
        return length, sender

    def receive_parts(
        self, own: Any, size: int, anc_size: int = 0, flags: int = 0
    ) -> tuple[bytes, list[Any], int, Any]:
        """Return what has come, and the descriptors that came beside it, as ``recvmsg`` does."""
        if size < 0:
            raise ValueError("negative buffer size in recvmsg()")
        data, sender, _, found = self._take(own, size, flags)
        beside, more = self._beside(own, anc_size, flags)
        return data, beside, found | more, sender

    def _beside(self, own: Any, size: int, flags: int) -> tuple[list[Any], int]:
        """Return what came beside the data that was received last, and flags that say what it is like."""
        found = self.of(own)
        told = int(flags & socket.MSG_CMSG_CLOEXEC)
        if not isinstance(found, (LocalStream, LocalDatagrams)) or not found.passing.taken:
            return [], told
        passing = found.passing
        room = max(0, size - socket.CMSG_LEN(0)) // 4
        kept = passing.taken[:room]
        if len(kept) < len(passing.taken):
            told |= int(socket.MSG_CTRUNC)
        numbers = [self._descriptors.open(one) for one in kept]
        for number in numbers:
            self._descriptors.set_inheritable(number, not told & socket.MSG_CMSG_CLOEXEC)
        passing.drop()
        packed = struct.pack(f"{len(numbers)}i", *numbers)
        return ([(socket.SOL_SOCKET, socket.SCM_RIGHTS, packed)] if numbers else []), told

    def receive_parts_into(
        self, own: Any, buffers: Any, anc_size: int = 0, flags: int = 0
    ) -> tuple[int, list[Any], int, Any]:
        """Put what has come into several buffers."""
        views = [memoryview(one).cast("B") for one in buffers]
        data, sender, length, found = self._take(own, sum(map(len, views)), flags)
        left = data
        for view in views:
            part, left = left[: len(view)], left[len(view) :]
            view[: len(part)] = part
        beside, more = self._beside(own, anc_size, flags)
        return length, beside, found | more, sender


def _is_tcp(found: Socket) -> bool:
    return found.family != socket.AF_UNIX and found.kind == socket.SOCK_STREAM


def _bytes(data: Any) -> bytes:
    try:
        return bytes(memoryview(data))
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not '{type(data).__name__}'") from None


_PROTOCOLS: Final = {
    (int(family), int(kind)): int(proto)
    for family in (socket.AF_INET, socket.AF_INET6)
    for kind, proto in ((socket.SOCK_STREAM, socket.IPPROTO_TCP), (socket.SOCK_DGRAM, socket.IPPROTO_UDP))
}
