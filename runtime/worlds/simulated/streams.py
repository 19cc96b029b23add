"""Sockets of streams: TCP's, and those of UNIX that are like them; what their ends see of each other.

The conditions of ``events``, ``send`` and ``receive``, and their order, are those of Linux (``tcp_poll``,
``tcp_sendmsg``, ``tcp_recvmsg`` and their like of ``af_unix``): programs come to depend on each.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from typing import TYPE_CHECKING

from replay.runtime.worlds.simulated.agenda import Channel
from replay.runtime.worlds.simulated.description import (
    BUFFER_BYTES,
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


class Stream(Socket):
    """A socket of TCP.

    Attributes:
      state: ``closed`` (as a new one is too), ``listening``, ``connecting``, ``connected``.
      peer: the other end.
      received: what has come and was not read.
      is_shut_for_reading: nothing more is to be read, since this end said so or the other did.
      is_shut_for_writing: nothing more can be sent.
      is_ended: the other end sends no more.
      is_closed: no descriptor leads here any more.
      in_flight: how many bytes are on their way from here.
      has_late: whether something came late. That alone breaks no connection off, though it would in a
        network: else most programs fail where one end closes while the other still sends. Resets are faults
        to ask for.
    """

    def __init__(self, network: Network, family: int, kind: int, proto: int) -> None:
        super().__init__(network, family, kind, proto)
        self.state = "closed"
        self.peer: Stream | None = None
        self.peer_address: Address = None
        self.received = bytearray()
        self.is_shut_for_reading = False
        self.is_shut_for_writing = False
        self.is_ended = False
        self.is_closed = False
        self.in_flight = 0
        self.has_late = False
        self.outgoing: Channel | None = None
        self.backlog: deque[Stream] = deque()
        self.backlog_size = 0
        self._is_told = True  # whether a call of `connect` has said what came of it
        self._has_failed = False

    @property
    def peer_name(self) -> Address:
        """Return the address of the other end."""
        return self.peer_address if self.state == "connected" else None

    # -- readiness ------------------------------------------------------------------------------

    def events(self) -> int:
        """Return what it is ready for, as ``EPOLL*``."""
        if self.state == "listening":
            return READABLE if self.backlog else 0
        found = 0
        if self.state == "closed" or (self.is_shut_for_reading and self.is_shut_for_writing):
            found |= HUNG_UP
        if self.is_shut_for_reading:
            found |= READABLE | PEER_CLOSED
        if self.state != "connecting":
            if self.received:
                found |= READABLE
            if self.is_shut_for_writing or self.room() > 0:
                found |= WRITABLE
        if self.error:
            found |= FAILED
        return found

    def room(self) -> int:
        """Return how many bytes can be sent now."""
        if self.peer is None:
            return BUFFER_BYTES
        return BUFFER_BYTES - self.in_flight - len(self.peer.received)

    def unread_bytes(self) -> int:
        """Return how many bytes wait to be read."""
        return len(self.received)

    # -- making a connection --------------------------------------------------------------------

    def listen(self, size: int) -> None:
        """Wait for connections."""
        if self.state == "listening":
            self.backlog_size = max(0, size)
            return
        if self.state != "closed" or self.peer is not None:
            raise fail(errno.EINVAL)
        if self.address is None:
            self.network.bind(self, ("", 0))
        self.network.listen(self)
        self.state = "listening"
        self.backlog_size = max(0, size)

    @property
    def is_full(self) -> bool:
        """Whether no more connections can wait to be accepted."""
        return len(self.backlog) > self.backlog_size

    def connect(self, address: Address) -> None:
        """Begin to connect; it is done when it is writable. Called again, says what came of it.

        Raises:
          BlockingIOError: it is under way.
        """
        target = self.network.resolved(self, address, "connect")
        if self.state == "listening":
            raise fail(errno.EISCONN)
        if self.state == "connecting":
            raise fail(errno.EALREADY)
        if not self._is_told:
            self._is_told = True
            if self._has_failed:
                self._has_failed = self.is_shut_for_reading = self.is_shut_for_writing = False
                raise fail(self.take_error() or errno.ECONNABORTED)
            return
        if self.peer is not None:
            raise fail(errno.EISCONN)
        self._is_told = False
        try:
            self.network.connect(self, target)
        except OSError:
            self._is_told = True
            raise
        raise fail(errno.EINPROGRESS)

    def fail_to_connect(self, number: int) -> None:
        """Nobody took the connection."""
        self.state = "closed"
        self.error = number
        self._has_failed = self.is_shut_for_reading = self.is_shut_for_writing = True
        self.touch()

    # -- data -----------------------------------------------------------------------------------

    def send(self, data: bytes) -> int:
        """Put bytes on their way; return how many."""
        if self.state == "connecting":
            raise would_block()
        if self.state != "connected" or self.error or self.is_shut_for_writing:
            raise fail(self.take_error() or errno.EPIPE)
        return self._put(data)

    def _put(self, data: bytes) -> int:
        faults = self.network.faults
        part = data[: faults.write_size(self.label, max(0, self.room()))]
        if part:
            self.in_flight += len(part)
            self.network.transmit(self, lambda: self._arrived(part), len(part))
            if faults.resets(self.label, len(part)):
                self.cut()
        elif data:
            raise would_block()
        return len(part)

    def _arrived(self, data: bytes) -> None:
        self.in_flight -= len(data)
        peer = self.peer
        assert peer is not None
        is_late = self.network.is_late()
        is_gone = peer.is_closed or peer.state != "connected"
        if is_gone or (peer.is_shut_for_reading and peer.is_shut_for_writing):
            if is_late:
                self.touch()  # what nobody will read has left room
                return
            if not is_gone:
                peer.break_off(errno.ECONNRESET)
            self._reset_by_peer()
            return
        peer.has_late = peer.has_late or is_late
        peer.received += data
        peer.touch()

    def receive(self, size: int, *, peek: bool = False) -> bytes:
        """Return what has come, up to so many bytes; nothing at the end."""
        if self.state == "listening":
            raise fail(errno.ENOTCONN)
        if self.received:
            return self._take(size, peek=peek)
        if self.is_ended:
            return b""
        if self.error:
            raise fail(self.take_error())
        if self.is_shut_for_reading:
            return b""
        if self.state == "closed":
            raise fail(errno.ENOTCONN)
        raise would_block()

    def _take(self, size: int, *, peek: bool) -> bytes:
        size = self.network.faults.read_size(self.label, size)
        data = bytes(self.received[:size])
        if not peek:
            was_full = self.peer is not None and self.peer.room() <= 0
            del self.received[:size]
            if was_full and self.peer is not None:
                self.peer.touch()
        return data

    def read(self, size: int) -> bytes:
        """Return what has come."""
        return self.receive(size)

    # -- the end --------------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        """Send no more, receive no more, or both."""
        reads = how in (socket.SHUT_RD, socket.SHUT_RDWR)
        writes = how in (socket.SHUT_WR, socket.SHUT_RDWR)
        if self.state == "listening":
            if reads:  # it waits for connections no more
                self._refuse_waiting()
                self.state = "closed"
                self.touch()
            return
        if self.state == "connecting":
            self.state = "closed"
            self._is_told = True
            self.touch()
            return
        was_shut = self.is_shut_for_writing
        self.is_shut_for_reading |= reads
        self.is_shut_for_writing |= writes
        self.touch()
        if self.state == "closed":
            raise fail(errno.ENOTCONN)
        if writes and not was_shut:
            self._end()

    def _end(self) -> None:
        self.is_shut_for_writing = True
        self.network.transmit(self, self._ended)

    def _ended(self) -> None:
        peer = self.peer
        assert peer is not None
        if peer.state != "connected":
            return
        peer.is_ended = peer.is_shut_for_reading = True
        if self.is_ended and self.state == "connected":
            self.state = peer.state = "closed"
            self.touch()
        peer.touch()

    def reset(self) -> None:
        """Break the connection off: the other end learns of it."""
        if self.state == "connected":
            self.state = "closed"
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
        if self.state == "connected":
            self.state = "closed"
            self.is_shut_for_reading = self.is_shut_for_writing = True
            self.error = errno.EPIPE if self.is_ended else number
            self.touch()

    def cut(self) -> None:
        """Break the connection off, for both ends: a fault."""
        if self.state == "connected":
            self.break_off(errno.ECONNRESET)
            self.network.transmit(self, self._peer_is_reset)

    def vanish(self) -> None:
        """Be there for nobody any more, as on a host that has crashed."""
        if self.state == "listening":
            self._refuse_waiting()
            self.network.release(self)
        else:
            self.cut()

    def _refuse_waiting(self) -> None:
        for waiting in self.backlog:
            waiting.reset()
            waiting.close()
        self.backlog.clear()

    def close(self) -> None:
        """Close this end."""
        self.is_closed = True
        if self.state == "listening":
            self._refuse_waiting()
            self.state = "closed"
        elif self.state == "connected":
            if self._is_reset_by_closing():
                self.reset()
            elif not self.is_shut_for_writing:
                self._end()
            if self.received and self.peer is not None:
                self.received.clear()  # what nobody will read leaves room
                self.peer.touch()
        elif self.state == "connecting":
            self.state = "closed"
        self.network.release(self)

    def _is_reset_by_closing(self) -> bool:
        linger = self.options.get((socket.SOL_SOCKET, socket.SO_LINGER))
        is_hasty = isinstance(linger, bytes) and len(linger) == 8 and linger[:4] != bytes(4) == linger[4:]
        # What nobody will read was sent in vain.
        return is_hasty or (bool(self.received) and not self.has_late)


class LocalStream(Stream):
    """A socket of UNIX that is like TCP's: both ends are in one kernel, and see everything at once."""

    def __init__(self, network: Network, family: int, kind: int, proto: int) -> None:
        super().__init__(network, family, kind, proto)
        self.passing = Passing()
        self.beside: list[Description] = []

    @property
    def peer_name(self) -> Address:
        """Return the address of the other end, which remembers it."""
        return None if self.peer is None else self.peer.name

    def events(self) -> int:
        """Return what it is ready for, as ``EPOLL*``."""
        found = 0
        if self.error:
            found |= FAILED
        if self.state == "closed" or (self.is_shut_for_reading and self.is_shut_for_writing):
            found |= HUNG_UP
        if self.is_shut_for_reading:
            found |= READABLE | PEER_CLOSED
        if self.received or self.backlog:
            found |= READABLE
        if self.state != "listening" and self.room() > 0:
            found |= WRITABLE
        return found

    def connect(self, address: Address) -> None:
        """Connect.

        Raises:
          BlockingIOError: too many wait to be accepted.
        """
        target = self.network.resolved(self, address, "connect")
        if self.state == "connected":
            raise fail(errno.EISCONN)
        if self.state == "listening":
            raise fail(errno.EINVAL)
        self.network.connect_locally(self, target)

    def send(self, data: bytes) -> int:
        """Put bytes into the other end; return how many."""
        if self.state != "connected" or self.peer is None:
            raise fail(errno.ENOTCONN)
        if self.is_shut_for_writing or self.peer.is_closed or self.peer.is_shut_for_reading:
            raise fail(errno.EPIPE)
        return self._put(data)

    def _arrived(self, data: bytes) -> None:
        assert isinstance(self.peer, LocalStream)
        self.in_flight -= len(data)
        self.peer.passing.put(len(data), self.beside)
        self.beside = []
        self.peer.received += data
        self.peer.touch()

    def receive(self, size: int, *, peek: bool = False) -> bytes:
        """Return what has come, up to so many bytes; nothing at the end."""
        if self.state != "connected":
            raise fail(errno.EINVAL)
        if self.received:
            data = self._take(self.passing.most(size), peek=peek)
            if not peek:
                self.passing.take(len(data))
            return data
        if self.error:
            raise fail(self.take_error())
        if self.is_shut_for_reading:
            return b""
        raise would_block()

    def break_off(self, number: int) -> None:
        """The connection is gone, with this error; what had come can still be read."""
        self.is_shut_for_reading = self.is_shut_for_writing = True
        self.error = number
        self.touch()

    def shutdown(self, how: int) -> None:
        """Send no more, receive no more, or both: the other end cannot do the opposite any more."""
        reads = how in (socket.SHUT_RD, socket.SHUT_RDWR)
        writes = how in (socket.SHUT_WR, socket.SHUT_RDWR)
        self.is_shut_for_reading |= reads
        self.is_shut_for_writing |= writes
        self.touch()
        if self.peer is not None:
            self.peer.is_shut_for_reading |= writes
            self.peer.is_shut_for_writing |= reads
            self.peer.touch()

    def close(self) -> None:
        """Close this end."""
        self.is_closed = True
        for waiting in self.backlog:
            waiting.received += b"\0"  # somebody who was not accepted is told so
            waiting.close()
        self.backlog.clear()
        peer = self.peer
        if peer is not None and not peer.is_closed:
            peer.is_shut_for_reading = peer.is_shut_for_writing = True
            if self.received:
                peer.error = errno.ECONNRESET
            peer.touch()
        self.passing.close()
        self.network.release(self)
