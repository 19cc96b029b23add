"""The simulated network: who has which address, and what goes from one socket to another.

All sockets are the program's own, so all addresses are too: those of this machine (``127.0.0.0/8`` and
``::1``), and those of the hosts that the world is told of, on which the program may listen as if it were
there. What goes to such a host takes its time, a new connection too; what stays on this machine is answered
by its own kernel.
"""

from __future__ import annotations

import errno
import ipaddress
import itertools
import os
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from replay.runtime.worlds.simulated.agenda import Agenda, Channel
from replay.runtime.worlds.simulated.datagrams import Datagrams, LocalDatagrams
from replay.runtime.worlds.simulated.description import ANY, ANY_6, Address, Socket, fail
from replay.runtime.worlds.simulated.entropy import HOST
from replay.runtime.worlds.simulated.faults import Faults
from replay.runtime.worlds.simulated.names import OWN_ADDRESS, Names
from replay.runtime.worlds.simulated.streams import LocalStream, Stream

_FIRST_PORT: Final = 40_000

_RETRIES: Final = 6
_RETRY_NS: Final = 1_000_000_000
"""A connection for which a listener has no room is asked for again: after this, then twice as long each
time."""

_REUSED_PORT: Final = (socket.SOL_SOCKET, socket.SO_REUSEPORT)
_REUSED_ADDRESS: Final = (socket.SOL_SOCKET, socket.SO_REUSEADDR)
_V6_ONLY: Final = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)

_KINDS: Final = {
    (True, int(socket.SOCK_STREAM)): LocalStream,
    (False, int(socket.SOCK_STREAM)): Stream,
    (True, int(socket.SOCK_DGRAM)): LocalDatagrams,
    (False, int(socket.SOCK_DGRAM)): Datagrams,
}


def _plain(host: str) -> str:
    """Return an address without what says that it is IPv4 within IPv6."""
    return host.removeprefix("::ffff:") if "." in host else host.partition("%")[0]


def _is_any(host: str) -> bool:
    return host in (ANY, ANY_6)


class Network:
    """All sockets of the simulated world, and what connects them.

    Args:
      agenda: what is on its way goes there.
      names: knows the hosts.
      faults: how long things take, and what goes wrong with them.
    """

    def __init__(self, agenda: Agenda, names: Names, faults: Faults) -> None:
        self._agenda = agenda
        self._names = names
        self.faults = faults
        self.changes = itertools.count(1)
        self._holders: dict[tuple[int, int], list[Socket]] = {}
        self._local: dict[Any, Socket] = {}
        self.paths: Any = None
        """Where UNIX sockets have their names (``files.Files``)."""
        self._labels: dict[tuple[int, str, int], str] = {}
        self._connections: Counter[str] = Counter()
        self._next_port = _FIRST_PORT
        self._servers_count: Counter[str] = Counter()
        self._local_count = 0
        self._channels: dict[str, Channel] = {}

    def is_late(self) -> bool:
        """Whether what arrives just now was made to come late."""
        return self._agenda.is_late

    def make(self, family: int, kind: int, proto: int) -> Socket:
        """Make a socket."""
        return _KINDS[family == socket.AF_UNIX, kind](self, family, kind, proto)

    # -- addresses ------------------------------------------------------------------------------

    def resolved(self, one: Socket, address: Address, call: str) -> Address:
        """Return the address with numbers for names, as the system does.

        Args:
          call: what the program asks for, for messages.

        Raises:
          TypeError, OverflowError, OSError: it is none.
        """
        if one.family == socket.AF_UNIX:
            data = os.fsencode(address) if isinstance(address, str) else bytes(memoryview(address))
            return data if data[:1] == b"\0" else os.fsdecode(data)
        name = "AF_INET" if one.family == socket.AF_INET else "AF_INET6"
        if not isinstance(address, tuple):
            raise TypeError(f"{call}(): {name} address must be tuple, not {type(address).__name__}")
        if len(address) < 2 or len(address) > (2 if one.family == socket.AF_INET else 4):
            wants = "a pair (host, port)"
            if one.family == socket.AF_INET6:
                wants = "a tuple (host, port[, flowinfo[, scopeid]])"
            raise TypeError(f"{name} address must be {wants}")
        host, port = address[:2]
        if not isinstance(port, int):
            raise TypeError(f"'{type(port).__name__}' object cannot be interpreted as an integer")
        if not 0 <= port <= 65535:
            raise OverflowError(f"{call}(): port must be 0-65535.")
        number = self._names.number(host, one.family)
        return (number, port) if one.family == socket.AF_INET else (number, port, *(*address[2:], 0, 0)[:2])

    def _is_here(self, host: str) -> bool:
        """Whether this machine, or a host that the world is told of, has an address."""
        if _is_any(host) or host in ("::1", OWN_ADDRESS) or self._names.is_host(host):
            return True
        found = ipaddress.ip_address(host)
        return found.version == 4 and found.is_loopback

    def _is_far(self, host: str) -> bool:
        return self._names.is_host(host)

    def bind(self, one: Socket, address: Address) -> None:
        """Give a socket its address."""
        address = self.resolved(one, address, "bind")
        if one.address is not None:
            raise fail(errno.EINVAL)
        if one.family == socket.AF_UNIX:
            self._bind_locally(one, address)
            return
        host, port = address[:2]
        plain = _plain(host)
        if not self._is_here(plain):
            raise fail(errno.EADDRNOTAVAIL)
        if not port:
            port = self._free_port(one)
        elif any(self._is_conflict(one, plain, other) for other in self._on(one, port)):
            raise fail(errno.EADDRINUSE)
        else:
            self._labels.setdefault((one.kind, plain, port), f"{self._names.name_of(plain)}:{port}")
        one.address = (host, port, *address[2:])
        self._hold(one)

    def _bind_locally(self, one: Socket, path: Any) -> None:
        if not path:
            self._local_count += 1
            path = b"\0%05x" % self._local_count
        key = path if isinstance(path, bytes) else self.paths.bind(path)
        if key in self._local:
            raise fail(errno.EADDRINUSE)
        one.address, one.key = path, key
        self._local[key] = one

    def _on(self, one: Socket, port: int) -> list[Socket]:
        return self._holders.get((one.kind, port), [])

    def _hold(self, one: Socket) -> None:
        self._holders.setdefault((one.kind, one.address[1]), []).append(one)

    def _free_port(self, one: Socket) -> int:
        while self._on(one, self._next_port):
            self._next_port += 1
        self._next_port += 1
        return self._next_port - 1

    def _is_conflict(self, one: Socket, host: str, other: Socket) -> bool:
        """Whether a socket cannot have the port of this host because of another."""
        if other is one or not self._overlap(one, host, other):
            return False
        if one.options.get(_REUSED_PORT) and other.options.get(_REUSED_PORT):
            return False
        is_listening = isinstance(other, Stream) and other.state == "listening"
        return is_listening or not (one.options.get(_REUSED_ADDRESS) and other.options.get(_REUSED_ADDRESS))

    @staticmethod
    def _overlap(one: Socket, host: str, other: Socket) -> bool:
        other_host = _plain(other.address[0])
        if host == other_host:
            return True
        for wild, wild_host, named_host in ((one, host, other_host), (other, other_host, host)):
            if wild_host == ANY and ":" not in named_host:
                return True
            if wild_host == ANY_6 and (":" in named_host or not wild.options.get(_V6_ONLY)):
                return True
        return False

    def release(self, one: Socket) -> None:
        """Give an address back."""
        if one.family == socket.AF_UNIX:
            if self._local.get(one.key) is one:
                del self._local[one.key]
        elif one.address is not None:
            holders = self._on(one, one.address[1])
            if one in holders:
                holders.remove(one)

    def local(self, path: Any) -> Socket:
        """Return the UNIX socket at a path.

        Raises:
          OSError: there is none.
        """
        found = self._local.get(path if isinstance(path, bytes) else self.paths.bound(path))
        if found is None:
            raise fail(errno.ECONNREFUSED)
        return found

    def take_source(self, one: Socket, target: Address) -> None:
        """Give a socket the address from which it reaches another one, if it has none."""
        plain = _plain(target[0])
        if ":" in plain:
            source = "::1"
        else:
            source = OWN_ADDRESS if self._is_far(plain) else "127.0.0.1"
        if one.family == socket.AF_INET6 and ":" not in source:
            source = f"::ffff:{source}"
        if one.address is None:
            self.bind(one, (source, 0))
        elif _is_any(one.address[0]):
            one.address = (source, *one.address[1:])

    # -- connections ----------------------------------------------------------------------------

    def listen(self, one: Stream) -> None:
        """A socket waits for connections from now on: it gets a name."""
        if one.family == socket.AF_UNIX:
            one.label = one.label or os.fsdecode(one.address).replace("\0", "@")
            return
        host, port = one.address[:2]
        plain = _plain(host)
        for other in self._on(one, port):
            is_listening = isinstance(other, Stream) and other.state == "listening"
            if is_listening and self._is_conflict(one, plain, other):
                raise fail(errno.EADDRINUSE)
        if not one.label:
            key = (one.kind, plain, port)
            if key not in self._labels:
                at = f"{self._names.name_of(plain)} " if self._is_far(plain) else ""
                self._servers_count[at] += 1
                self._labels[key] = f"{at}server{self._servers_count[at]}"
            one.label = self._labels[key]

    def _find(self, one: Socket, host: str, port: int) -> list[Socket]:
        """Return who has an address: who has just this one, or else who has all."""
        there = [
            other
            for other in self._on(one, port)
            if not isinstance(other, Stream) or other.state == "listening"
        ]
        named = [other for other in there if _plain(other.address[0]) == host]
        return named or [
            other for other in there if _is_any(other.address[0]) and self._overlap(one, host, other)
        ]

    def _label_of(self, one: Stream, host: str, port: int) -> str:
        if self._is_far(host):
            return self._labels.get((one.kind, host, port), f"{self._names.name_of(host)}:{port}")
        found = self._find(one, host, port)
        if found and isinstance(found[0], Stream):
            return found[0].label
        for known in (host, ANY, ANY_6):
            if (one.kind, known, port) in self._labels:
                return self._labels[one.kind, known, port]
        return f"{host}:{port}"

    def connect(self, one: Stream, target: Address) -> None:
        """Begin to connect a socket to a listening one."""
        host, port = _plain(target[0]), target[1]
        if _is_any(host):
            host = "127.0.0.1" if host == ANY else "::1"
            target = (host, *target[1:])
        if not self._is_here(host):
            raise fail(errno.ENETUNREACH)
        self.take_source(one, target)
        label = self._label_of(one, host, port)
        self._connections[label] += 1
        name = f"{label}#{self._connections[label]}"
        one.peer_address = target
        one.label = name
        one.state = "connecting"
        channel = Channel(f"{name} connects")

        def arrive(retries: int = 0) -> None:
            if one.state != "connecting" or one.is_closed:
                return
            found = [other for other in self._find(one, host, port) if isinstance(other, Stream)]
            if not found or (not retries and self.faults.refuses(name)):
                one.fail_to_connect(errno.ECONNREFUSED)
                return
            listener = found[self._connections[label] % len(found)]
            if not listener.is_full:
                self._join(one, listener, name)
            elif retries == _RETRIES:
                one.fail_to_connect(errno.ETIMEDOUT)
            else:  # nobody answers: it asks again
                self._agenda.send(channel, _RETRY_NS << retries, lambda: arrive(retries + 1))

        if self._is_far(host):
            there_ns = self.faults.delay_ns(name, self._hosts(one), 0)
            self._agenda.send(channel, there_ns + self.faults.latency_ns(name), arrive)
        else:
            arrive()  # its own kernel answers at once, whatever any process does

    def has_room(self, path: Any) -> bool:
        """Whether somebody who listens at the path of a UNIX socket takes a connection, or nobody listens."""
        try:
            found = self.local(path)
        except OSError:
            return True
        return not isinstance(found, Stream) or found.state != "listening" or not found.is_full

    def connect_locally(self, one: Stream, path: Any) -> None:
        """Connect a UNIX socket to a listening one."""
        listener = self.local(path)
        if not isinstance(listener, LocalStream):
            raise fail(errno.EPROTOTYPE)
        if listener.state != "listening" or listener.is_shut_for_reading:
            raise fail(errno.ECONNREFUSED)
        if listener.is_full:
            raise fail(errno.EAGAIN)
        self._connections[listener.label] += 1
        one.peer_address = path
        self._join(one, listener, f"{listener.label}#{self._connections[listener.label]}")

    def _join(self, one: Stream, listener: Stream, name: str) -> None:
        other = type(listener)(self, listener.family, listener.kind, listener.proto)
        other.options = dict(listener.options)
        if listener.family == socket.AF_UNIX:
            other.address = listener.address
            other.peer_address = one.address or ""
        else:
            other.address = _as_of(listener.family, one.peer_address)
            other.peer_address = _as_of(listener.family, one.address)
            self._hold(other)
        self.pair(one, other, name)
        listener.backlog.append(other)
        listener.touch()

    def pair(self, one: Stream, other: Stream, name: str) -> None:
        """Make two sockets the ends of one connection."""
        for end, opposite, direction in ((one, other, "to server"), (other, one, "to client")):
            end.state = "connected"
            end.peer = opposite
            end.label = name
            end.outgoing = Channel(f"{name} {direction}" if name else "")
            end.touch()

    # -- what is sent ---------------------------------------------------------------------------

    def transmit(self, sender: Stream, happen: Callable[[], None], size: int = 0) -> None:
        """Let something happen at the other end, when it gets there."""
        channel = sender.outgoing
        assert channel is not None
        if sender.family == socket.AF_UNIX:
            happen()  # within one machine, and under one lock of its kernel
        else:
            self._agenda.send(channel, self.faults.delay_ns(sender.label, self._hosts(sender), size), happen)

    def _hosts(self, one: Stream) -> tuple[str, str]:
        """Return the hosts at both ends of a connection."""
        return self._host_of(one.address), self._host_of(one.peer_address)

    def _host_of(self, address: Address) -> str:
        host = _plain(address[0])
        return self._names.name_of(host) if self._is_far(host) else HOST

    def crash(self, host: str) -> None:
        """Break off all that a host has: nobody listens there any more, and its connections are reset."""
        for one in [one for holders in self._holders.values() for one in holders]:
            if isinstance(one, Stream) and self._host_of(one.address) == host:
                one.vanish()

    def deliver(self, sender: Datagrams, target: Address, data: bytes) -> None:
        """Put a datagram on its way."""
        host, port = _plain(target[0]), target[1]
        if _is_any(host):
            host = "127.0.0.1" if host == ANY else "::1"
        if not self._is_here(host):
            raise fail(errno.ENETUNREACH)
        source = sender.address
        if _is_any(source[0]):
            here = "::1" if ":" in host else OWN_ADDRESS if self._is_far(host) else "127.0.0.1"
            source = (here, *source[1:2])

        def arrives() -> None:
            found = self._find_receiver(sender, host, port, source)
            if found is not None:
                found.put(data, _as_of(found.family, source))
            elif sender.peer_address is not None:
                sender.error = errno.ECONNREFUSED
                sender.touch()

        known = [self._labels.get((sender.kind, one, port)) for one in (host, ANY, ANY_6)]
        label = next(filter(None, known), f"port {port}")
        name = f"udp to {label}"
        channel = self._channels.setdefault(name, Channel(name))
        hosts = self._host_of(source), self._host_of((host, port))
        if not self.faults.drops(label, hosts):
            self._agenda.send(channel, self.faults.delay_ns(name, hosts, len(data)), arrives)

    def _find_receiver(self, sender: Datagrams, host: str, port: int, source: Address) -> Datagrams | None:
        """Return who gets a datagram: who is connected to its sender, or the last that took the address."""
        others: list[Datagrams] = []
        for one in self._find(sender, host, port):
            if isinstance(one, Datagrams):
                if one.peer_address is None:
                    others.append(one)
                elif (_plain(one.peer_address[0]), one.peer_address[1]) == (_plain(source[0]), source[1]):
                    return one
        if len(others) > 1 and all(one.options.get(_REUSED_PORT) for one in others):
            return others[int(source[1]) % len(others)]
        return others[-1] if others else None


def _as_of(family: int, address: Address) -> Address:
    """Return an address as sockets of a family see it."""
    host = _plain(address[0])
    if family == socket.AF_INET:
        return host, address[1]
    return (host if ":" in host else f"::ffff:{host}"), address[1], *(*address[2:], 0, 0)[:2]
