"""TLS of the simulated world: OpenSSL does all of it, with entropy that follows from the seed.

So the bytes on the simulated wire are those of a real handshake between the program's own contexts, and the
same in each run. Tickets are left out, since they hold the time of day: a server keeps sessions in its own
cache.

OpenSSL reads and writes the socket of a blocking connection itself, which it cannot do with a simulated one.
There it gets memory to write to and read from, and what it wants to send and receive is sent and received
here.
"""

from __future__ import annotations

import _ssl
import ctypes
import random
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from replay.runtime.worlds.simulated.description import READABLE, WRITABLE, Socket
from replay.runtime.worlds.simulated.sockets import Sockets

_C: Any = getattr(_ssl, "_SSLSocket")  # noqa: B009  # type checkers do not know it

_READ_BYTES: Final = 16_384

_DRAW = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_STATUS = ctypes.CFUNCTYPE(ctypes.c_int)


class _Method(ctypes.Structure):
    """``RAND_METHOD`` of OpenSSL."""

    _fields_ = (
        ("seed", ctypes.c_void_p),
        ("bytes", _DRAW),
        ("cleanup", ctypes.c_void_p),
        ("add", ctypes.c_void_p),
        ("pseudorand", _DRAW),
        ("status", _STATUS),
    )


_kept: list[Any] = []
"""What OpenSSL points at, for as long as the process lives."""


def seed_openssl(seed: int) -> None:
    """Let all entropy of OpenSSL follow from a seed.

    Where it is built into the interpreter without names, it cannot be reached: there the bytes of TLS differ
    from run to run.
    """
    source = random.Random(f"openssl {seed}")

    def draw(buffer: int, size: int) -> int:
        ctypes.memmove(buffer, source.randbytes(size), size)
        return 1

    try:
        set_method = ctypes.CDLL(_ssl.__file__).RAND_set_rand_method
    except (AttributeError, OSError):
        return
    method = _Method(None, _DRAW(draw), None, None, _DRAW(draw), _STATUS(lambda: 1))
    _kept.append(method)
    set_method.argtypes = [ctypes.c_void_p]
    set_method(ctypes.byref(method))


class Tls:
    """The calls of blocking connections.

    Args:
      sockets: performs what they send and receive.
    """

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._unsent: dict[int, bytes] = {}

    def table(self) -> dict[str, Callable[..., Any]]:
        """Return what answers each door."""
        return {f"ssl.{name}": self._door(name) for name in ("do_handshake", "read", "write", "shutdown")}

    def _door(self, name: str) -> Callable[..., Any]:
        method = getattr(_C, name)
        what = {"do_handshake": "_ssl.c: The handshake", "shutdown": "The read"}.get(name, f"The {name}")

        def call(own: Any, *args: Any) -> Any:
            sock = own._sock()
            if sock is None:
                raise ReferenceError("underlying socket connection gone")
            incoming, outgoing = own._inner
            found = self._sockets.of(sock)
            deadline_ns = self._sockets.deadline_ns(sock, found)
            try:
                self._send(own.number, found, outgoing, deadline_ns)
                while True:
                    try:
                        result = method(own._real, *args)
                    except ssl.SSLWantReadError:
                        self._send(own.number, found, outgoing, deadline_ns)
                        try:
                            data = self._sockets.until(
                                deadline_ns,
                                lambda: bool(found.events() & ~WRITABLE),
                                lambda: found.read(_READ_BYTES),
                            )
                        except BlockingIOError:
                            data = None
                        if data is None:
                            raise
                        if data:
                            incoming.write(data)
                        else:
                            incoming.write_eof()
                    except ssl.SSLError:
                        self._send(own.number, found, outgoing, deadline_ns)  # the alert
                        raise
                    else:
                        self._send(own.number, found, outgoing, deadline_ns)
                        return sock if name == "shutdown" else result
            except TimeoutError:
                raise TimeoutError(f"{what} operation timed out") from None

        return call

    def _send(self, number: int, found: Socket, outgoing: Any, deadline_ns: int | None) -> None:
        left = self._unsent.pop(number, b"") + outgoing.read()
        while left:
            try:
                count = self._sockets.until(
                    deadline_ns, lambda: bool(found.events() & ~READABLE), partial(found.send, left)
                )
            except BlockingIOError:
                self._unsent[number] = left
                raise ssl.SSLWantWriteError(
                    ssl.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)"
                ) from None
            left = left[count:]
