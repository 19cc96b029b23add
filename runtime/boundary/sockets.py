"""Doors of sockets: the methods of ``_socket.socket`` and the functions beside it.

They are replaced in the dictionary of the C type, so that ``socket.socket``, ``ssl.SSLSocket``,
``asyncio`` and captured references all come by here, and ``type(s) is socket.socket`` stays true. At
replay no socket is ever opened: the C object behind is never initialised, and what it would know
(descriptor, family, timeout) is kept beside it.
"""

from __future__ import annotations

import _socket
import socket
import sys
import warnings
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from replay.recording.codec import bytes_checksum, pack, unpack
from replay.recording.events import TAG_BITS, Kind
from replay.runtime import hot
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, nothing, plain_argument, replace, replace_slot, without_self
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip

_C = _socket.socket
_SHORT_KEY: Final = -Kind.SHORT
_ERROR_KEY: Final = -Kind.ERROR
_EFFECT_KEY: Final = -Kind.EFFECT

QUERIES = ("getsockname", "getpeername", "getsockopt", "setsockopt", "bind", "listen")
LOOKUPS = (
    "getaddrinfo",
    "gethostbyname",
    "gethostbyname_ex",
    "gethostbyaddr",
    "getnameinfo",
    "getservbyname",
)


class _Sock:
    """What a replayed socket knows of itself."""

    __slots__ = ("family", "fd", "proto", "timeout", "type")

    def __init__(self, fd: int, family: int, type: int, proto: int, timeout: float | None) -> None:
        self.fd = fd
        self.family = family
        self.type = type
        self.proto = proto
        self.timeout = timeout


class _Opened(NamedTuple):
    fd: int
    family: int
    type: int
    proto: int


def _fd(args: tuple[Any, ...]) -> int:
    fd: int = args[0].fileno()
    return fd


def _may_wait(args: tuple[Any, ...]) -> bool:
    return bool(args[0].gettimeout() != 0.0)


def install(boundary: Installer) -> None:
    """Put the doors of sockets in place."""
    state = {} if boundary.has_system else _state_beside(boundary)
    _creation(boundary, state)
    for name in QUERIES:
        boundary.door(Door(f"socket.{name}", request=without_self, fd=_fd), _C, name)
    for name in ("connect", "connect_ex"):
        boundary.door(
            Door(f"socket.{name}", request=without_self, fd=_fd, effect=True, blocking=_may_wait), _C, name
        )
    boundary.door(Door("socket.shutdown", request=without_self, fd=_fd, effect=True), _C, "shutdown")
    for name in ("sendall", "sendto", "sendmsg"):
        boundary.door(
            Door(f"socket.{name}", request=without_self, fd=_fd, effect=True, blocking=_may_wait), _C, name
        )
    for name in ("recvfrom", "recvmsg"):
        boundary.door(Door(f"socket.{name}", request=nothing, fd=_fd, blocking=_may_wait), _C, name)
    boundary.door(Door("socket.accept", request=nothing, fd=_fd, blocking=_may_wait), _C, "_accept")
    for name in ("recv_into", "recvfrom_into"):
        boundary.door(
            Door(
                f"socket.{name}",
                request=nothing,
                fd=_fd,
                blocking=_may_wait,
                captured=_captured,
                replayed=_filled,
            ),
            _C,
            name,
        )
    boundary.door(
        Door(
            "socket.recvmsg_into",
            request=nothing,
            fd=_fd,
            blocking=_may_wait,
            captured=_captured_parts,
            replayed=_filled_parts,
        ),
        _C,
        "recvmsg_into",
    )
    boundary.door(
        Door("socket.sendmsg_afalg", request=without_self, fd=_fd, effect=True), _C, "sendmsg_afalg"
    )
    _receive_and_send(boundary, state)
    for name in LOOKUPS:
        boundary.door(Door(f"socket.{name}", blocking=True), _socket, name)
    for name in (
        "gethostname",
        "sethostname",
        "if_nameindex",
        "if_nametoindex",
        "if_indextoname",
        "getservbyport",
        "getprotobyname",
    ):
        boundary.door(Door(f"socket.{name}"), _socket, name)
    for name in ("dup", "close"):
        boundary.door(Door(f"socket.{name}", effect=True), _socket, name)


def _creation(boundary: Installer, state: dict[int, _Sock]) -> None:
    """Opening a socket, with a new descriptor or around one."""
    initialise = _C.__init__
    has_system = boundary.has_system

    def opened(family: int, type: int, proto: int, fileno: int | None, self: Any) -> _Opened:
        initialise(self, family, type, proto, fileno)
        return _Opened(self.fileno(), int(_family(self)), int(_type(self)), _proto(self))

    _family, _type, _proto = (_getter(name) for name in ("family", "type", "proto"))
    door = boundary.bind(
        Door("socket.open", request=_open_request, captured=lambda result, args, kwargs: list(result)), opened
    )

    def __init__(
        self: Any, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
    ) -> None:
        try:
            if fileno is not None and min(family, type, proto) >= 0:
                # Around a descriptor already recorded: nothing is asked of the outside.
                if not has_system and current.stream is not None:
                    state[id(self)] = _Sock(fileno, int(family), int(type), proto, socket.getdefaulttimeout())
                else:
                    initialise(self, family, type, proto, fileno)
                return
            found = door(family, type, proto, fileno, self)
            if not has_system and current.stream is not None:
                state[id(self)] = _Sock(found[0], found[1], found[2], found[3], socket.getdefaulttimeout())
        except BaseException as error:
            strip(error)
            raise

    replace_slot(_C, "__init__", __init__)

    pair = boundary.world.performer("socket.pair", _socket.socketpair)

    def paired(*args: Any) -> tuple[Any, Any]:
        made: tuple[Any, Any] = pair(*args)
        return made if has_system else as_sockets(made, args, {})

    def as_plain(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[int]:
        one, other = result
        return [one.fileno(), other.fileno(), int(_family(one)), int(_type(one)), _proto(one)]

    def as_sockets(value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        made = []
        for fd in value[:2]:
            one = _C.__new__(_C)
            state[id(one)] = _Sock(fd, value[2], value[3], value[4], None)
            made.append(one)
        return made[0], made[1]

    bound = boundary.bind(Door("socket.socketpair", captured=as_plain, replayed=as_sockets), paired)
    boundary.replace(_socket, "socketpair", bound)


def _open_request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    return [plain_argument(item) for item in args[:4]]


def _getter(name: str) -> Callable[[Any], Any]:
    return vars(_C)[name].__get__  # type: ignore[no-any-return]


def _captured(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    count = result[0] if type(result) is tuple else result
    return [bytes(memoryview(args[1]).cast("B")[:count]), result]


def _filled(value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    data = value[0]
    memoryview(args[1]).cast("B")[: len(data)] = data
    return value[1]


def _captured_parts(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    filled = b"".join(bytes(memoryview(buffer).cast("B")) for buffer in args[1])
    return [filled[: result[0]], pack(result)]


def _filled_parts(value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    data = value[0]
    for buffer in args[1]:
        view = memoryview(buffer).cast("B")
        part, data = data[: len(view)], data[len(view) :]
        view[: len(part)] = part
    return unpack(value[1])


def _receive_and_send(boundary: Installer, state: dict[int, _Sock]) -> None:
    world = boundary.world
    recv_door = Door("socket.recv", request=nothing, fd=_fd, blocking=_may_wait)
    send_door = Door("socket.send", request=without_self, fd=_fd, effect=True, blocking=_may_wait)
    recv_tag, send_tag = boundary.names.add(recv_door.name), boundary.names.add(send_door.name)
    recv = boundary.world.performer(recv_door.name, _C.recv)
    send = boundary.world.performer(send_door.name, _C.send)
    general_recv, general_send = boundary.bind(recv_door, recv), boundary.bind(send_door, send)
    if boundary.is_replay:
        replace(_C, "recv", _recorded_receive(state, world, recv_tag, general_recv))
        replace(_C, "send", _recorded_send(state, world, send_tag, general_send))
    else:
        replace(_C, "recv", hot.receive(world, recv_tag, recv, general_recv))
        replace(_C, "send", hot.send(world, send_tag, send, general_send))


def _recorded_receive(
    state: dict[int, _Sock], world: Any, tag: int, general: Callable[..., bytes]
) -> Callable[..., bytes]:
    def recv(self: Any, bufsize: int, flags: int = 0, /) -> bytes:
        stream = current.stream
        known = state.get(id(self))
        if stream is not None and known is not None:
            key = -(tag | known.fd << TAG_BITS) if known.fd > 0 else -tag
            pos = stream.pos
            items = stream.items
            if pos < len(items) and items[pos] == key:
                stream.pos = pos + 2
                return items[pos + 1]  # type: ignore[no-any-return]
            if pos < len(items) and items[pos] == _ERROR_KEY and items[pos + 1][0] == key:
                # Mostly that there is nothing yet: some loops try before they wait.
                stream.pos = pos + 2
                try:
                    raise world.decoded_error(items[pos + 1][1])
                except BaseException as error:
                    error.__traceback__ = None
                    raise
        try:
            return general(self, bufsize, flags)
        except BaseException as error:
            strip(error)
            raise

    recv.__qualname__ = "recv"
    recv.__module__ = _C.__module__
    return recv


def _recorded_send(
    state: dict[int, _Sock], world: Any, tag: int, general: Callable[..., int]
) -> Callable[..., int]:
    def send(self: Any, data: Any, flags: int = 0, /) -> int:
        stream = current.stream
        known = state.get(id(self))
        try:
            if stream is None or known is None:
                return general(self, data, flags)
            size = len(data if type(data) is bytes else hot.bytes_of(data))
        except BaseException as error:
            strip(error)
            raise
        key = -(tag | known.fd << TAG_BITS) if known.fd > 0 else -tag
        pos = stream.pos
        items = stream.items
        # The common case: the same bytes, all of them taken, and something else comes next.
        if pos + 2 < len(items) and items[pos] == key and items[pos + 1] == bytes_checksum(data):
            following = items[pos + 2]
            if following not in (_SHORT_KEY, _ERROR_KEY):
                stream.pos = pos + 2
                if world.sent is not None:
                    world.sent(stream, stream.passed + pos, "socket.send", (self, data))
                return size
        try:
            return _compared_send(stream, world, key, known.fd, general, self, data, size, flags)
        except BaseException as error:
            strip(error)
            raise

    send.__qualname__ = "send"
    send.__module__ = _C.__module__
    return send


def _compared_send(
    stream: Any, world: Any, key: int, fd: int, general: Any, sock: Any, data: Any, size: int, flags: int
) -> int:
    if stream.peek() == _EFFECT_KEY:
        return general(sock, data, flags)  # type: ignore[no-any-return]
    recorded = stream.take(key, lambda: f"socket.send fd={fd} {size} bytes {bytes(data)[:80]!r}")
    if recorded != bytes_checksum(data):
        stream.pos -= 2
        world.diverge(
            stream,
            f"socket.send fd={fd} of other bytes (checksum {recorded:08x})",
            f"socket.send fd={fd} of {size} bytes {bytes(data)[:80]!r} (checksum {bytes_checksum(data):08x})",
            "the program sent something else than when it was recorded",
        )
    item = stream.passed + stream.pos - 2
    if stream.pos >= len(stream.items):
        stream.fill()
    if stream.pos < len(stream.items):
        following, value = stream.items[stream.pos : stream.pos + 2]
        if following == _SHORT_KEY:
            stream.pos += 2
            size = value
        elif following == _ERROR_KEY and value[0] == key:
            stream.pos += 2
            raise world.decoded_error(value[1])
    if world.sent is not None:
        world.sent(stream, item, "socket.send", (sock, bytes(data)[:size]))
    return size


def _state_beside(boundary: Installer) -> dict[int, _Sock]:
    """Methods that need no recording: they speak of the object alone."""
    state: dict[int, _Sock] = {}
    real_fileno, real_detach, real_close = _C.fileno, _C.detach, _C.close
    close_descriptor = boundary.world.close_socket
    set_blocking = boundary.world.set_blocking

    def fileno(self: Any) -> int:
        known = state.get(id(self))
        return real_fileno(self) if known is None else known.fd

    def detach(self: Any) -> int:
        known = state.get(id(self))
        if known is None:
            return real_detach(self)
        fd, known.fd = known.fd, -1
        return fd

    def close(self: Any) -> None:
        known = state.get(id(self))
        if known is None:
            real_close(self)
        elif known.fd >= 0:
            fd, known.fd = known.fd, -1
            close_descriptor(fd)

    def gettimeout(self: Any) -> float | None:
        known = state.get(id(self))
        return None if known is None else known.timeout

    def settimeout(self: Any, value: Any, /) -> None:
        if value is not None:
            value = float(value)
            if value < 0.0:
                raise ValueError("Timeout value out of range")
        keep_timeout(self, value)

    def setblocking(self: Any, flag: Any, /) -> None:
        keep_timeout(self, None if flag else 0.0)

    def keep_timeout(self: Any, value: float | None) -> None:
        known = state[id(self)]
        known.timeout = value
        set_blocking(known.fd, value is None)

    def getblocking(self: Any) -> bool:
        return state[id(self)].timeout != 0.0

    def __del__(self: Any) -> None:
        known = state.pop(id(self), None)
        if known is not None and known.fd >= 0 and sys is not None:
            state[id(self)] = known
            try:
                warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            finally:
                del state[id(self)]
            close_descriptor(known.fd)

    for function in (fileno, detach, close, gettimeout, settimeout, setblocking, getblocking):
        replace(_C, function.__name__, function)
    replace(_C, "timeout", property(gettimeout))
    for name in ("family", "type", "proto"):
        replace(_C, name, property(_attribute(state, name, _getter(name))))
    socket.socket.__del__ = __del__  # type: ignore[attr-defined]
    return state


def _attribute(state: dict[int, _Sock], name: str, real_get: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def get(self: Any) -> Any:
        known = state.get(id(self))
        return real_get(self) if known is None else getattr(known, name)

    return get
