"""Sockets of datagrams: UDP's, and those of UNIX that are like them."""

from __future__ import annotations

import errno
import socket
from collections import deque
from typing import TYPE_CHECKING, Final

from replay.runtime.worlds.simulated.description import (
    FAILED,
    HUNG_UP,
    PEER_CLOSED,
    READABLE,
    WRITABLE,
    Address,
    Description,
    Passing,
    Socket,
    fail,
    would_block,
)

if TYPE_CHECKING:
    from replay.runtime.worlds.simulated.network import Network

_MOST_BYTES: Final = 65_507
"""No datagram of UDP is longer."""
_UNREAD_BYTES: Final = 212_992
"""So much waits to be read; what comes then is lost."""
_LOCAL_UNREAD_COUNT: Final = 10
"""So many datagrams wait in a UNIX socket; who sends one more has to wait."""


class Datagrams(Socket):
    """A socket of UDP.

    Attributes:
      received: what has come and was not read, and from where.
      peer_address: where it is connected to.
    """

    def __init__(self, network: Network, family: int, kind: int, proto: int) -> None:
        super().__init__(network, family, kind, proto)
        self.received: deque[tuple[bytes, Address]] = deque()
        self.peer_address: Address = None
        self.is_closed = False
        self.is_shut_for_reading = False
        self.is_shut_for_writing = False

    @property
    def peer_name(self) -> Address:
        """Return where it is connected to."""
        return self.peer_address

    def events(self) -> int:
        """Return what it is ready for."""
        found = WRITABLE if self.can_send() else 0
        if self.received or self.is_shut_for_reading:
            found |= READABLE
        if self.is_shut_for_reading:
            found |= PEER_CLOSED | (HUNG_UP if self.is_shut_for_writing else 0)
        return found | (FAILED if self.error else 0)

    def can_send(self) -> bool:
        """Whether a datagram would be taken."""
        return True

    def unread_bytes(self) -> int:
        """Return how long the next datagram is."""
        return len(self.received[0][0]) if self.received else 0

    def connect(self, address: Address) -> None:
        """Send to this address, and take from no other."""
        target = self.network.resolved(self, address, "connect")
        self.network.take_source(self, target)
        self.peer_address = target

    def send(self, data: bytes) -> int:
        """Put a datagram on its way to where this is connected."""
        return self.send_to(data, None)

    def send_to(self, data: bytes, address: Address) -> int:
        """Put one datagram on its way."""
        if self.is_shut_for_writing:
            raise fail(errno.EPIPE)
        target = self.peer_address if address is None else self.network.resolved(self, address, "sendto")
        if target is None:
            raise fail(errno.EDESTADDRREQ)
        if len(data) > _MOST_BYTES:
            raise fail(errno.EMSGSIZE)
        if self.error:
            raise fail(self.take_error())
        if self.address is None:
            self.network.bind(self, ("", 0))
        self.network.deliver(self, target, data)
        return len(data)

    def put(self, data: bytes, sender: Address) -> None:
        """A datagram has come."""
        if sum(len(one) for one, _ in self.received) + len(data) <= _UNREAD_BYTES:
            self.received.append((data, sender))
            self.touch()

    def receive(self, *, peek: bool = False) -> tuple[bytes, Address]:
        """Return one datagram, and whose it is."""
        if self.error:
            raise fail(self.take_error())
        if self.received:
            return self.received[0] if peek else self.received.popleft()
        if self.is_shut_for_reading:
            return b"", None
        raise would_block()

    def read(self, size: int) -> bytes:
        """Return the beginning of one datagram."""
        return self.receive()[0][:size]

    def shutdown(self, how: int) -> None:
        """Send no more, receive no more, or both."""
        self.is_shut_for_reading |= how in (socket.SHUT_RD, socket.SHUT_RDWR)
        self.is_shut_for_writing |= how in (socket.SHUT_WR, socket.SHUT_RDWR)
        self.touch()
        if self.peer_address is None:
            raise fail(errno.ENOTCONN)

    def close(self) -> None:
        """Close it."""
        self.is_closed = True
        self.network.release(self)


class LocalDatagrams(Datagrams):
    """A socket of UNIX for datagrams: they come at once, none is lost."""

    def __init__(self, network: Network, family: int, kind: int, proto: int) -> None:
        super().__init__(network, family, kind, proto)
        self.peer: LocalDatagrams | None = None
        self.passing = Passing()
        self.beside: list[Description] = []

    @property
    def peer_name(self) -> Address:
        """Return where it is connected to."""
        return None if self.peer is None else self.peer.name

    def can_send(self) -> bool:
        """Whether a datagram would be taken."""
        return self.peer is None or self.peer.is_closed or not self.peer.is_full(self)

    def is_full(self, sender: LocalDatagrams) -> bool:
        """Whether this sender has to wait."""
        if self.peer is sender:
            return sum(len(one) for one, _ in self.received) >= _UNREAD_BYTES
        return len(self.received) > _LOCAL_UNREAD_COUNT

    def connect(self, address: Address) -> None:
        """Send to this address, and take from no other."""
        self.peer = self._target(self.network.resolved(self, address, "connect"))
        self.touch()

    def _target(self, address: Address) -> LocalDatagrams:
        found = self.network.local(address)
        if not isinstance(found, LocalDatagrams):
            raise fail(errno.EPROTOTYPE)
        if found.peer not in (None, self):
            raise fail(errno.EPERM)
        return found

    def send_to(self, data: bytes, address: Address) -> int:
        """Put one datagram into the other one."""
        peer = self.peer if address is None else self._target(self.network.resolved(self, address, "sendto"))
        if self.is_shut_for_writing:
            raise fail(errno.EPIPE)
        if peer is None:
            raise fail(errno.ENOTCONN)
        if len(data) > _UNREAD_BYTES:
            raise fail(errno.EMSGSIZE)
        if peer.is_closed:
            if peer is self.peer:
                self.peer = None
            raise fail(errno.ECONNREFUSED)
        if peer.is_shut_for_reading:
            raise fail(errno.EPIPE)
        if peer.is_full(self):
            raise would_block()
        peer.received.append((data, self.address))
        peer.passing.put(1, self.beside)
        self.beside = []
        peer.touch()
        return len(data)

    def receive(self, *, peek: bool = False) -> tuple[bytes, Address]:
        """Return one datagram, and whose it is."""
        has_one = bool(self.received) and not peek
        taken = super().receive(peek=peek)
        if has_one:
            self.passing.take(1)
        if self.peer is not None:
            self.peer.touch()
        return taken

    def shutdown(self, how: int) -> None:
        """Send no more, receive no more, or both."""
        self.is_shut_for_reading |= how in (socket.SHUT_RD, socket.SHUT_RDWR)
        self.is_shut_for_writing |= how in (socket.SHUT_WR, socket.SHUT_RDWR)
        self.touch()

    def close(self) -> None:
        """Close it."""
        super().close()
        self.passing.close()
        if self.peer is not None and self.peer.peer is self:
            if self.received:
                self.peer.error = errno.ECONNRESET
            self.peer.touch()
