"""Connections in memory: what a socket is behind its descriptor, and what goes from one end to the other.

As TCP, UDP and UNIX sockets do on Linux, as far as a program can see: a connection is made or refused a
little later, bytes come in order, a full receiver stops the sender, an end that is closed is seen as such,
and data for an end that is gone comes back as a reset.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import weakref
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final

from replay.runtime.worlds.simulated.agenda import Agenda, Channel
from replay.runtime.worlds.simulated.faults import Faults

READABLE: Final = 1
WRITABLE: Final = 4
FAILED: Final = 8
HUNG_UP: Final = 16
PEER_CLOSED: Final = 0x2000
"""As of ``select.EPOLL*``; the first five are the same for ``poll``."""

BUFFER_BYTES: Final = 262_144
"""So much is on its way or unread in one direction before the sender has to wait."""

_THIS_MACHINE: Final = ("127.0.0.1", "::1")

_FIRST_PORT: Final = 40_000

HOST: Final = "simulated"
"""The name of the machine that the program runs on."""

ANY: Final = "0.0.0.0"  # noqa: S104 - nothing is bound but in memory

Address = Any
"""As of the ``socket`` module: a pair, four for IPv6, a path for UNIX sockets."""


def fail(number: int) -> OSError:
    """Return the exception of an error number."""
    return OSError(number, os.strerror(number))


class Description:
    """What a descriptor leads to: a socket or the end of a pipe.

    Attributes:
      references: how many descriptors lead to it.
      changed: when it last became ready for something: what is ready is reported in that order.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.references = 0
        self.changed = 0

    def events(self) -> int:
        """Return what it is ready for."""
        raise NotImplementedError

    def touch(self) -> None:
        """Note that it became ready for something."""
        self.changed = next(self.network.changes)

    def close(self) -> None:
        """The last descriptor is closed."""


class Socket(Description):
    """What all sockets have in common."""

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
        if self.family == socket.AF_INET:
            return (ANY, 0)
        return ("::", 0, 0, 0) if self.family == socket.AF_INET6 else ""

    def take_error(self) -> int:
        """Return what has failed since somebody last asked."""
        number, self.error = self.error, 0
        return number


class Stream(Socket):
    """A socket of TCP, or a UNIX one that is like it.

    Attributes:
      state: ``new``, ``listening``, ``connecting``, ``connected``, ``refused``.
      peer: the other end.
      received: what has come and was not read.
      is_ended: the other end sends no more.
      is_reset: the connection is gone.
      in_flight: how many bytes are on their way from here.
      has_late: whether something came late. That alone breaks no connection off, though it would in a
        network:
        else most programs fail where one end closes while the other still sends. Resets are faults to ask
        for.
    """

    def __init__(self, network: Network, family: int, kind: int, proto: int) -> None:
        super().__init__(network, family, kind, proto)
        self.state = "new"
        self.peer: Stream | None = None
        self.peer_address: Address = None
        self.received = bytearray()
        self.is_ended = False
        self.is_reset = False
        self.is_shut = False
        self.is_read_shut = False
        self.is_closed = False
        self.in_flight = 0
        self.has_late = False
        self.outgoing: Channel | None = None
        self.backlog: deque[Stream] = deque()
        self.backlog_size = 0

    # -- readiness ------------------------------------------------------------------------------

    def events(self) -> int:
        """Return what it is ready for, as ``EPOLL*``."""
        if self.state == "listening":
            return READABLE if self.backlog else 0
        if self.state == "new":
            return WRITABLE | HUNG_UP
        if self.state == "connecting":
            return 0
        found = 0
        ended = self.is_ended or self.is_read_shut or self.is_reset
        if self.received or ended or self.is_reset:
            found |= READABLE
        if self.room() > 0 or self.is_shut or self.is_reset:
            found |= WRITABLE
        if self.error or self.state == "refused":
            found |= FAILED | READABLE | WRITABLE
        if ended:
            found |= PEER_CLOSED
        if self.is_reset or self.state == "refused" or (ended and self.is_shut):
            found |= HUNG_UP
        return found

    def room(self) -> int:
        """Return how many bytes can be sent now."""
        if self.peer is None:
            return 0
        return BUFFER_BYTES - self.in_flight - len(self.peer.received)

    # -- making a connection --------------------------------------------------------------------

    def listen(self, size: int) -> None:
        """Wait for connections."""
        if self.state not in ("new", "listening"):
            raise fail(errno.EINVAL)
        if self.address is None:
            self.network.bind(self, ("", 0))
        self.state = "listening"
        self.backlog_size = max(1, size)
        self.network.listen(self)

    def connect(self, address: Address) -> None:
        """Begin to connect; it is done when it is writable."""
        if self.state == "connected":
            raise fail(errno.EISCONN)
        if self.state == "connecting":
            raise fail(errno.EALREADY)
        if self.state == "listening":
            raise fail(errno.EISCONN)
        self.network.connect(self, address)

    # -- data -----------------------------------------------------------------------------------

    def send(self, data: bytes) -> int:
        """Put bytes on their way; return how many."""
        if self.error:
            raise fail(self.take_error())
        if self.is_reset or self.is_shut:
            raise fail(errno.EPIPE)
        if self.state != "connected" or self.outgoing is None or self.peer is None:
            raise fail(errno.ENOTCONN)
        room = self.room()
        if room <= 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        faults = self.network.faults
        part = data[: faults.write_size(self.label, room)]
        if part:
            self.in_flight += len(part)
            self.network.transmit(self, lambda: self._arrived(part), len(part))
            if faults.resets(self.label, len(part)):
                self.break_off(errno.ECONNRESET)
                self.network.transmit(self, self._peer_is_reset)
        return len(part)

    def _arrived(self, data: bytes) -> None:
        self.in_flight -= len(data)
        peer = self.peer
        assert peer is not None
        if peer.is_closed or peer.is_read_shut:
            if not self.network.is_late():
                self._reset_by_peer()
            return
        peer.has_late = peer.has_late or self.network.is_late()
        peer.received += data
        peer.touch()

    def receive(self, size: int, *, peek: bool = False) -> bytes:
        """Return what has come, up to so many bytes; nothing at the end."""
        if self.received:
            size = self.network.faults.read_size(self.label, size)
            data = bytes(self.received[:size])
            if not peek:
                was_full = self.peer is not None and self.peer.room() <= 0
                del self.received[:size]
                if was_full and self.peer is not None:
                    self.peer.touch()
            return data
        if self.is_ended or self.is_read_shut:
            return b""
        if self.error:
            raise fail(self.take_error())
        if self.is_reset:
            return b""
        if self.state != "connected":
            raise fail(errno.EINVAL if self.state == "listening" else errno.ENOTCONN)
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    # -- the end --------------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        """Send no more, receive no more, or both."""
        if self.state != "connected":
            raise fail(errno.ENOTCONN)
        if how in (socket.SHUT_RD, socket.SHUT_RDWR) and not self.is_read_shut:
            self.is_read_shut = True
            self.touch()
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            self._end()

    def _end(self) -> None:
        if self.is_shut:
            return
        self.is_shut = True
        self.touch()
        if self.peer is not None and not self.is_reset:
            self.network.transmit(self, self._ended)

    def _ended(self) -> None:
        peer = self.peer
        assert peer is not None
        peer.is_ended = True
        peer.touch()

    def reset(self) -> None:
        """Break the connection off: the other end learns of it."""
        self.is_shut = True
        if self.peer is not None and not self.is_reset:
            self.network.transmit(self, self._peer_is_reset)

    def _peer_is_reset(self) -> None:
        assert self.peer is not None
        self.peer.break_off(errno.ECONNRESET)

    def _reset_by_peer(self) -> None:
        """What was sent came to nobody: this end learns of it, on the way back."""
        peer = self.peer
        assert peer is not None
        self.network.transmit(peer, lambda: self.break_off(errno.ECONNRESET))

    def break_off(self, number: int) -> None:
        """The connection is gone, with this error; what had come can still be read."""
        if not self.is_reset:
            self.is_reset = True
            self.error = errno.EPIPE if self.is_ended else number
            self.touch()

    def close(self) -> None:
        """Close this end."""
        self.is_closed = True
        if self.state == "listening":
            self.network.forget(self)
            for waiting in self.backlog:
                waiting.reset()
            self.backlog.clear()
        elif self.state == "connected":
            if self.received and self.family != socket.AF_UNIX and not self.has_late:
                self.reset()  # as TCP does: what nobody will read was sent in vain
            else:
                self._end()
        elif self.state == "connecting":
            self.state = "refused"
        if self.address is not None:
            self.network.release(self)


class Datagrams(Socket):
    """A socket of UDP, or a UNIX one that is like it."""

    def __init__(self, network: Network, family: int, kind: int, proto: int) -> None:
        super().__init__(network, family, kind, proto)
        self.received: deque[tuple[bytes, Address]] = deque()
        self.peer_address: Address = None
        self.peer: Datagrams | None = None
        self.is_closed = False

    def events(self) -> int:
        """Return what it is ready for."""
        return WRITABLE | (READABLE if self.received or self.error else 0) | (FAILED if self.error else 0)

    def connect(self, address: Address) -> None:
        """Send to this address, and take from no other."""
        if self.address is None:
            self.network.bind(self, ("", 0) if self.family != socket.AF_UNIX else "")
        self.peer_address = self.network.resolved(self, address)

    def send(self, data: bytes, address: Address = None) -> int:
        """Put one datagram on its way."""
        if self.error:
            raise fail(self.take_error())
        if self.peer is not None:
            self.peer.put(data, self.name)
            return len(data)
        target = self.peer_address if address is None else self.network.resolved(self, address)
        if target is None:
            raise fail(errno.EDESTADDRREQ)
        if self.address is None:
            self.network.bind(self, ("", 0) if self.family != socket.AF_UNIX else "")
        self.network.deliver(self, target, data)
        return len(data)

    def put(self, data: bytes, sender: Address) -> None:
        """A datagram has come."""
        if not self.is_closed and self.peer_address in (None, sender):
            self.received.append((data, sender))
            self.touch()

    def receive(self, size: int, *, peek: bool = False) -> tuple[bytes, Address]:
        """Return one datagram, cut to so many bytes, and whose it is."""
        if self.error:
            raise fail(self.take_error())
        if not self.received:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        data, sender = self.received[0] if peek else self.received.popleft()
        return data[:size], sender

    def close(self) -> None:
        """Close it."""
        self.is_closed = True
        if self.address is not None:
            self.network.release(self)


def _is_abstract(address: Address) -> bool:
    """Whether the name of a UNIX socket is none of a file."""
    return os.fsencode(address).startswith(b"\0")


class Network:
    """All sockets of the simulated world, and what connects them.

    Args:
      agenda: what is on its way goes there.
      host_name: returns the name of the host with an address.
      faults: how long things take, and what goes wrong with them.
    """

    def __init__(self, agenda: Agenda, faults: Faults, host_name: Callable[[str], str]) -> None:
        self._agenda = agenda
        self.faults = faults
        self._host_name = host_name
        self.changes = itertools.count(1)
        self._bound: dict[tuple[int, int, Any], Socket] = {}
        self._labels: dict[Any, str] = {}
        self._connections: Counter[str] = Counter()
        self._next_port = _FIRST_PORT
        self._servers_count = 0
        self._names_count = 0
        self._channels: dict[str, Channel] = {}
        self._ends: weakref.WeakKeyDictionary[Stream, None] = weakref.WeakKeyDictionary()
        self.paths: Any = None
        """Where UNIX sockets have their names (``files.Files``)."""

    def crash(self, host: str) -> None:
        """Break off all that a host has: its listeners are gone, and its connections are reset."""
        for one in list(self._bound.values()):
            if isinstance(one, Stream) and self._host_of(one.address) == host:
                one.close()
        for end in list(self._ends):
            if end.state == "connected" and self._host_of(end.address) == host:
                end.break_off(errno.ECONNRESET)
                self.transmit(end, end._peer_is_reset)

    def is_late(self) -> bool:
        """Whether what arrives just now was made to come late."""
        return self._agenda.is_late

    # -- addresses ------------------------------------------------------------------------------

    def _key(self, one: Socket, address: Address) -> tuple[int, int, Any]:
        kind = one.kind
        if one.family == socket.AF_UNIX:
            return socket.AF_UNIX, kind, address if _is_abstract(address) else self.paths.bound(address)
        return socket.AF_INET, kind, address[1]

    def bind(self, one: Socket, address: Address) -> None:
        """Give a socket its address."""
        if one.address is not None:
            raise fail(errno.EINVAL)
        if one.family == socket.AF_UNIX:
            if not address:
                self._names_count += 1
                address = b"\0%05x" % self._names_count
            elif not _is_abstract(address):
                self.paths.bind(address)
            key = self._key(one, address)
            if key in self._bound:
                raise fail(errno.EADDRINUSE)
            self._labels[key] = os.fsdecode(address).replace("\0", "@")
        else:
            host, port = self.resolved(one, address)[:2]
            asked = port
            if not port:
                while (socket.AF_INET, one.kind, self._next_port) in self._bound:
                    self._next_port += 1
                port = self._next_port
                self._next_port += 1
            address = (host, port) if one.family == socket.AF_INET else (host, port, 0, 0)
            key = self._key(one, address)
            holder = self._bound.get(key)
            if holder is not None and not self._may_share(holder, one, host):
                raise fail(errno.EADDRINUSE)
            self._labels.setdefault(key, f"{host}:{port}" if asked else "")
        one.address, one.key = address, key
        if key not in self._bound:
            self._bound[key] = one

    @staticmethod
    def _may_share(holder: Socket, one: Socket, host: str) -> bool:
        if holder.family != one.family:
            return True
        if holder.address[0] != host and ANY not in (holder.address[0], host):
            return True
        shares = (socket.SOL_SOCKET, socket.SO_REUSEPORT)
        return bool(holder.options.get(shares) and one.options.get(shares))

    def resolved(self, one: Socket, address: Address) -> Address:
        """Return the address with numbers for names, as the system does.

        Raises:
          TypeError, OSError: it is none.
        """
        if one.family == socket.AF_UNIX:
            return os.fsdecode(address) if not isinstance(address, (bytes, bytearray)) else bytes(address)
        host, port = address[0], address[1]
        if not isinstance(port, int):
            raise TypeError(f"'{type(port).__name__}' object cannot be interpreted as an integer")
        if not 0 <= port <= 65535:
            raise OverflowError("bind(): port must be 0-65535.")
        if host in ("", b""):
            host = ANY if one.family == socket.AF_INET else "::"
        if host == "localhost":
            host = "127.0.0.1" if one.family == socket.AF_INET else "::1"
        return (host, port, *address[2:])

    def release(self, one: Socket) -> None:
        """Give an address back."""
        if self._bound.get(one.key) is one:
            del self._bound[one.key]

    # -- connections ----------------------------------------------------------------------------

    def listen(self, one: Stream) -> None:
        """A socket waits for connections from now on: it gets a name."""
        key = one.key
        self._bound[key] = one
        if one.label:
            return
        label = self._labels.get(key)
        if not label:
            self._servers_count += 1
            label = f"server{self._servers_count}"
        one.label = self._labels[key] = label

    def forget(self, one: Stream) -> None:
        """A socket waits no more."""

    def connect(self, one: Stream, address: Address) -> None:
        """Connect a socket to a listening one."""
        target = self.resolved(one, address)
        key = self._key(one, target)
        listener = self._bound.get(key)
        label = self._labels.get(key) or (
            target if one.family == socket.AF_UNIX else f"{target[0]}:{target[1]}"
        )
        self._connections[label] += 1
        name = f"{label}#{self._connections[label]}"
        if one.address is None and one.family != socket.AF_UNIX:
            self.bind(one, ("127.0.0.1" if one.family == socket.AF_INET else "::1", 0))
        one.peer_address = target
        one.label = name
        if one.family == socket.AF_UNIX:
            if not isinstance(listener, Stream) or listener.state != "listening":
                raise fail(errno.ECONNREFUSED)
            self._join(one, listener, name)
            return
        one.state = "connecting"

        def arrives() -> None:
            if one.state != "connecting":
                return
            found = self._bound.get(key)
            is_refused = self.faults.refuses(name)
            if is_refused or not isinstance(found, Stream) or found.state != "listening":
                one.state = "refused"
                one.error = errno.ECONNREFUSED
            elif len(found.backlog) > found.backlog_size:
                return  # as a full backlog does: nobody answers
            else:
                self._join(one, found, name)
            one.touch()

        if target[0] in _THIS_MACHINE:
            arrives()  # its own kernel answers at once, whatever any process does
        else:
            delay_ns = self.faults.delay_ns(name, (HOST, self._host_of(target)), 0)
            self._agenda.send(Channel(f"{name} connects"), delay_ns, arrives)

    def _join(self, one: Stream, listener: Stream, name: str) -> None:
        other = Stream(self, one.family, one.kind, one.proto)
        other.address = listener.address if one.family == socket.AF_UNIX else one.peer_address
        other.peer_address = one.address or ""
        self.pair(one, other, name)
        listener.backlog.append(other)
        listener.touch()

    def pair(self, one: Stream, other: Stream, name: str) -> None:
        """Make two sockets the ends of one connection."""
        for end, opposite, direction in ((one, other, "to server"), (other, one, "to client")):
            end.state = "connected"
            self._ends[end] = None
            end.peer = opposite
            end.label = name
            end.outgoing = Channel(f"{name} {direction}" if name else "")
            end.touch()

    def transmit(self, sender: Stream, happen: Callable[[], None], size: int = 0) -> None:
        """Let something happen at the other end, when it gets there."""
        channel = sender.outgoing
        assert channel is not None
        if not channel.label or sender.family == socket.AF_UNIX:
            happen()  # within one machine, and under one lock of its kernel
        else:
            delay_ns = self.faults.delay_ns(sender.label, self._hosts(sender), size)
            self._agenda.send(channel, delay_ns, happen)

    def _hosts(self, sender: Stream) -> tuple[str, str]:
        """Return the hosts at both ends; that of a client is the program's own."""
        return self._host_of(sender.address), self._host_of(sender.peer_address)

    def _host_of(self, address: Address) -> str:
        name = self._host_name(str(address[0])) if address else HOST
        return HOST if name in ("localhost", ANY, "::") else name

    def deliver(self, sender: Datagrams, target: Address, data: bytes) -> None:
        """Put a datagram on its way."""
        key = self._key(sender, target)
        source = sender.address

        def arrives() -> None:
            found = self._bound.get(key)
            if isinstance(found, Datagrams):
                found.put(data, source)
            elif sender.peer_address is not None:
                sender.error = errno.ECONNREFUSED
                sender.touch()

        if sender.family == socket.AF_UNIX:
            if not isinstance(self._bound.get(key), Datagrams):
                raise fail(errno.ECONNREFUSED)
            arrives()
            return
        label = self._labels.get(key) or f"port {target[1]}"
        name = f"udp to {label}"
        channel = self._channels.setdefault(name, Channel(name))
        hosts = (HOST, self._host_of(target))
        if not self.faults.drops(label, hosts):
            self._agenda.send(channel, self.faults.delay_ns(name, hosts, len(data)), arrives)
