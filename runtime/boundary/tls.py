"""Doors of TLS: the C object of one connection, and what a context asks of the outside.

``ssl.SSLObject`` and ``ssl.SSLSocket`` keep a C object in ``_sslobj``, which ``SSLContext._wrap_bio`` and
``_wrap_socket`` make. In its place they get one of ours. While recording it performs each call on the C
object behind it; at replay there is nothing behind it, no cryptography is done and no certificate read.

A connection over memory BIOs changes these as a side effect: it takes ciphertext out of the incoming one
and puts ciphertext into the outgoing one. The BIOs themselves are plain memory and real in both runs;
recorded is what moved: how many bytes were taken (they came in by a socket, and are recorded there), and
the bytes that were put, so that what the program then sends is the same to the byte. To see what was
put, the C object writes into a BIO of its own, which is emptied into the program's after each call.

OpenSSL calls back: for the name that a client asks for, for passwords, for keys shared before, for each
message. A callback is an event that stands where it was called, and a replay calls it there again.
"""

from __future__ import annotations

import _ssl
import encodings.idna  # noqa: F401  # C functions behind doors would import it, and at replay they do not run
import functools
import itertools
import operator
import re
import ssl
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Final

from replay.recording.codec import bytes_checksum
from replay.recording.events import TAG_BITS
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, nothing, plain_argument, without_self
from replay.runtime.hot import hot
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip
from replay.runtime.worlds.live import BATCH_ITEMS

_C: Any = getattr(_ssl, "_SSLSocket")  # noqa: B009  # type checkers do not know it
_Context: Any = _ssl._SSLContext

CALLS = ("do_handshake", "read", "write", "shutdown")
"""Exchange messages with the other side."""

QUESTIONS = (
    "cipher",
    "compression",
    "get_channel_binding",
    "getpeercert",
    "pending",
    "selected_alpn_protocol",
    "shared_ciphers",
    "verify_client_post_handshake",
    "version",
)
CHAINS = ("get_unverified_chain", "get_verified_chain")

CONTEXT_QUESTIONS = (
    "cert_store_stats",
    "get_ca_certs",
    "get_ciphers",
    "load_dh_params",
    "load_verify_locations",
    "session_stats",
    "set_ciphers",
    "set_ecdh_curve",
)
"""Methods of a context that read files, or tell what is in it: at replay nothing was ever loaded into it."""

MODULE_QUESTIONS = ("RAND_status", "RAND_pseudo_bytes", "get_default_verify_paths", "_test_decode_cert")

_HANDSHAKE_FAILURE: Final = int(ssl.AlertDescription.ALERT_DESCRIPTION_HANDSHAKE_FAILURE)
_INTERNAL_ERROR: Final = int(ssl.AlertDescription.ALERT_DESCRIPTION_INTERNAL_ERROR)
_TOO_LONG: Final = 1 << 16
"""A key, or an identity, that OpenSSL has no room for: how a callback refuses without an exception."""


class _Inside(threading.local):
    """The call of a door that this thread is inside of, for the callbacks made from there."""

    stream: Any = None
    connection: Any = None
    error: BaseException | None = None


_inside = _Inside()


def install(boundary: Installer) -> None:
    """Put the doors of TLS in place."""
    callbacks = Callbacks(boundary)
    _connections(boundary)
    _wrapping(boundary)
    for name in CONTEXT_QUESTIONS:
        boundary.door(Door(f"ssl.{name}", request=without_self), _Context, name)
    if boundary.is_replay:
        # Succeeds whatever files there are. No event: threads come by here when they create contexts, and
        # those that are shared, such as urllib's, are created under no lock.
        boundary.replace(_Context, "set_default_verify_paths", _set_no_paths)
    for name in MODULE_QUESTIONS:
        boundary.door(Door(f"ssl.{name}"), _ssl if name.startswith(("get", "_")) else ssl, name)
    boundary.replace(_Context, "keylog_filename", _keylog(boundary))
    callbacks.install()
    if boundary.is_replay:
        # A recorded run hands out the C types, of which none can be made without a connection.
        for kind in (SSLSession, Certificate):
            setattr(_ssl, kind.__name__, kind)
        ssl.SSLSession = SSLSession  # type: ignore[misc, assignment]


def _set_no_paths(self: Any) -> None:
    """Load the certificates that the system trusts by default; not at replay."""


def _keylog(boundary: Installer) -> property:
    """Return what stands for the name of the file that keys are written to; at replay none are."""
    real = vars(_Context)["keylog_filename"]
    # By address: hashing a context here alone would change the hashes of what the program hashes later.
    names: dict[int, Any] = {}
    door = boundary.bind(Door("ssl.keylog_filename", request=without_self, effect=True), real.__set__)

    def get(self: Any) -> Any:
        return names.get(id(self))  # no event, for the reason above

    def assign(self: Any, value: Any) -> None:
        try:
            door(self, value)
        except BaseException as error:
            strip(error)
            raise
        names[id(self)] = value

    return property(real.__get__ if boundary.has_system else get, assign)


# -- connections ----------------------------------------------------------------------------------


class Connection:
    """What stands for the C object: the part that is the same over BIOs and over a socket."""

    __slots__ = (
        "__weakref__",
        "_context",
        "_owner",
        "_real",
        "first_context",
        "number",
        "server_hostname",
        "server_side",
    )

    def __init__(self, context: Any, found: Wrapped, server_side: bool, owner: Any) -> None:
        self.number = found.number
        self.server_hostname = found.hostname
        self.server_side = server_side
        self._real = found.real
        self._context = self.first_context = context
        self._owner = None if owner is None else weakref.ref(owner)

    @property
    def context(self) -> Any:
        """The context, which a callback may have changed."""
        return self._context

    @context.setter
    def context(self, value: Any) -> None:
        if not isinstance(value, _Context):
            raise TypeError("The value must be a SSLContext")
        if self._real is not None:
            self._real.context = value
        self._context = value

    @property
    def owner(self) -> Any:
        """The ``SSLObject`` or ``SSLSocket`` around this."""
        return None if self._owner is None else self._owner()

    @owner.setter
    def owner(self, value: Any) -> None:
        self._owner = weakref.ref(value)
        if self._real is not None:
            self._real.owner = value

    def target(self) -> Any:
        """What a callback is given for this connection."""
        return self if self._owner is None else self._owner()


class OverBio(Connection):
    """A connection over memory BIOs."""

    __slots__ = ("_incoming", "_inner", "_outgoing")

    def __init__(
        self, context: Any, found: Wrapped, server_side: bool, owner: Any, incoming: Any, outgoing: Any
    ) -> None:
        super().__init__(context, found, server_side, owner)
        self._incoming = incoming
        self._outgoing = outgoing
        self._inner = found.inner


class OverSocket(Connection):
    """A connection over a socket that OpenSSL reads and writes itself."""

    __slots__ = ("_inner", "_sock")

    def __init__(self, context: Any, found: Wrapped, server_side: bool, owner: Any, sock: Any) -> None:
        super().__init__(context, found, server_side, owner)
        self._sock = weakref.ref(sock)
        self._inner = found.inner

    def target(self) -> Any:
        """What a callback is given for this connection."""
        return self._sock() if self._owner is None else self._owner()

    def may_wait(self) -> bool:
        """Whether the other side is waited for."""
        sock = self._sock()
        return sock is not None and sock.gettimeout() != 0.0


for _kind in (OverBio, OverSocket):
    _kind.__name__ = _kind.__qualname__ = "_SSLSocket"  # what a program may see of it
    _kind.__module__ = "_ssl"


class Wrapped:
    """What a new connection is made of."""

    __slots__ = ("hostname", "inner", "number", "real")

    def __init__(self, number: int, hostname: str | None, real: Any = None, inner: Any = None) -> None:
        self.number = number
        self.hostname = hostname
        self.real = real
        self.inner = inner


def _number(args: tuple[Any, ...]) -> int:
    number: int = args[0].number
    return number


def _forward(name: str) -> Callable[..., Any]:
    method = getattr(_C, name)

    def call(self: Any, *args: Any) -> Any:
        return method(self._real, *args)

    call.__doc__ = method.__doc__
    return call


def _connections(boundary: Installer) -> None:
    """Put the methods of connections in place."""

    def put(owner: type, name: str, door: Door) -> None:
        if hasattr(_C, name):
            setattr(owner, name, boundary.bind(door, _forward(name)))

    for name in QUESTIONS:
        put(Connection, name, Door(f"ssl.{name}", request=without_self, fd=_number))
    for name in CHAINS:
        door = Door(
            f"ssl.{name}", request=nothing, fd=_number, captured=_certificates, replayed=_as_certificates
        )
        put(Connection, name, door)
    session, reused = vars(_C)["session"], vars(_C)["session_reused"]
    get_session = boundary.bind(
        Door("ssl.session", request=nothing, fd=_number, captured=_captured_session, replayed=_as_session),
        lambda self: session.__get__(self._real),
    )
    set_session = boundary.bind(
        Door("ssl.set_session", request=lambda args, kwargs: _session_id(args[1]), fd=_number),
        lambda self, value: session.__set__(self._real, value),
    )
    get_reused = boundary.bind(
        Door("ssl.session_reused", request=nothing, fd=_number), lambda self: reused.__get__(self._real)
    )
    setattr(Connection, "session", property(get_session, set_session))  # noqa: B010
    setattr(Connection, "session_reused", property(get_reused))  # noqa: B010
    _calls_over_socket(boundary)
    for name, call in (_replayed_calls(boundary) if boundary.is_replay else _live_calls(boundary)).items():
        call.__name__ = call.__qualname__ = name
        call.__doc__ = getattr(_C, name).__doc__
        setattr(OverBio, name, call)


def _calls_over_socket(boundary: Installer) -> None:
    def may_wait(args: tuple[Any, ...]) -> bool:
        waits: bool = args[0].may_wait()
        return waits

    doors = {
        "do_handshake": Door("ssl.do_handshake", request=nothing, fd=_number, blocking=may_wait),
        "read": Door(
            "ssl.read", request=nothing, fd=_number, blocking=may_wait, captured=_captured, replayed=_filled
        ),
        "write": Door(
            "ssl.write",
            request=lambda args, kwargs: _sum_of_bytes(args[1:]),
            fd=_number,
            effect=True,
            blocking=may_wait,
        ),
        "shutdown": Door(
            "ssl.shutdown",
            request=nothing,
            fd=_number,
            blocking=may_wait,
            captured=lambda result, args, kwargs: result is not None,
            replayed=lambda value, args, kwargs: args[0]._sock() if value else None,
        ),
    }
    for name, door in doors.items():
        setattr(OverSocket, name, boundary.bind(door, _forward(name)))


def _sum_of_bytes(args: tuple[Any, ...]) -> int:
    try:
        return bytes_checksum(args[0])
    except (TypeError, ValueError, IndexError, BufferError):
        return 0  # the call itself refuses it, with a better message


def _captured(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    if type(result) is bytes:
        return result
    return bytes(memoryview(args[2]).cast("B")[:result])


def _filled(value: bytes, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if len(args) < 3:
        return value
    memoryview(args[2]).cast("B")[: len(value)] = value
    return len(value)


def _keys(boundary: Installer) -> tuple[int, dict[str, int]]:
    """Return the key of what moved, and the tags of calls over BIOs."""
    add = boundary.names.add
    return -add("ssl.moved"), {name: add(f"ssl.{name}") for name in CALLS}


_WANT_READ: Final = "The operation did not complete (read) (_ssl.c:{})"
_WANT_READ_LINE: Final = re.compile(re.escape(_WANT_READ).replace(re.escape("{}"), r"(\d+)"))


class _WantReadLines(dict[Any, int]):
    """The line of ``_ssl.c`` that texts of ``SSLWantReadError`` name; -1 if a text is another."""

    def __missing__(self, text: Any) -> int:
        found = _WANT_READ_LINE.fullmatch(text)
        line = self[text] = int(found[1]) if found else -1
        return line


def _live_calls(boundary: Installer) -> dict[str, Callable[..., Any]]:
    """Return the calls over BIOs, performed and recorded.

    They never wait, so nothing else happens meanwhile. The most frequent exception by far is
    ``SSLWantReadError``: its event is the line of ``_ssl.c`` that its text names.
    """
    world: Any = boundary.world
    moved_key, tags = _keys(boundary)
    failed = world.failed
    lines = _WantReadLines()
    main_items = world.main.items
    flush_main = world.flush_main

    def moved(self: Any, append: Callable[[Any], None], before: int) -> None:
        taken = before - self._incoming.pending
        inner = self._inner
        if inner.pending:
            data = inner.read()
            self._outgoing.write(data)
            append(moved_key)
            append([taken, data])
        elif taken:
            append(moved_key)
            append(taken)

    def raised(append: Callable[[Any], None], key: int, error: BaseException) -> None:
        if type(error) is ssl.SSLWantReadError:
            line = lines[error.args[1]]
            if line >= 0:
                strip(error)
                append(key)
                append(line)
                return
        failed(append, key, error)

    def door(
        tag: int, method: Callable[..., Any], encode: Callable[[Any, tuple[Any, ...]], Any]
    ) -> Callable[..., Any]:
        def call(self: Any, *args: Any) -> Any:
            append = hot.append
            if append is None:
                stream = current.stream
                append = _forget if stream is None else stream.append
            elif len(main_items) > BATCH_ITEMS:
                flush_main()
            before = self._incoming.pending
            try:
                result = method(self._real, *args)
                moved(self, append, before)
            except BaseException as error:
                moved(self, append, before)
                raised(append, -(tag | self.number << TAG_BITS), error)
                raise
            append(-(tag | self.number << TAG_BITS))
            append(encode(result, args))
            return result

        return call

    def read_bytes(result: Any, args: tuple[Any, ...]) -> Any:
        return result if type(result) is bytes else bytes(memoryview(args[1]).cast("B")[:result])

    return {
        "do_handshake": door(tags["do_handshake"], _C.do_handshake, lambda result, args: None),
        "read": door(tags["read"], _C.read, read_bytes),
        "write": door(tags["write"], _C.write, lambda result, args: [bytes_checksum(args[0]), result]),
        "shutdown": door(tags["shutdown"], _C.shutdown, lambda result, args: None),
    }


def _forget(item: Any) -> None:
    """Append to nothing: this thread is not recorded."""


def _replayed_calls(boundary: Installer) -> dict[str, Callable[..., Any]]:
    """Return the calls over BIOs, answered from the recording."""
    world: Any = boundary.world
    moved_key, tags = _keys(boundary)

    def door(
        tag: int,
        finish: Callable[[Any, Any, tuple[Any, ...]], Any],
        described: Callable[[tuple[Any, ...]], str],
    ) -> Callable[..., Any]:
        def call(self: Any, *args: Any) -> Any:
            stream = current.stream
            if stream is None:
                raise RuntimeError("a recorded TLS connection is used where nothing is replayed")
            key = -(tag | self.number << TAG_BITS)

            def describe() -> str:
                return f"{world.describe(key, None)}{described(args)}"

            try:
                if stream.peek() == moved_key:
                    stream.pos += 2
                    move(self, stream, stream.items[stream.pos - 1])
                value = stream.take(key, describe)
                if type(value) is int:
                    raise _want_read(value)
                return finish(stream, value, args)
            except BaseException as error:
                strip(error)
                raise

        return call

    def move(self: Any, stream: Any, value: Any) -> None:
        taken, data = (value, b"") if type(value) is int else value
        if taken:
            there = len(self._incoming.read(taken))
            if there != taken:
                stream.pos -= 2
                world.diverge(
                    stream,
                    f"TLS connection {self.number} takes {taken} bytes from its incoming MemoryBIO",
                    f"there are {there}",
                )
        if data:
            self._outgoing.write(data)

    def read(stream: Any, value: bytes, args: tuple[Any, ...]) -> Any:
        if len(args) < 2:
            return value
        memoryview(args[1]).cast("B")[: len(value)] = value
        return len(value)

    def write(stream: Any, value: Any, args: tuple[Any, ...]) -> Any:
        recorded, count = value
        observed = bytes_checksum(args[0])
        if recorded != observed:
            stream.pos -= 2
            world.diverge(
                stream,
                f"ssl.write of other bytes (checksum {recorded:08x})",
                f"ssl.write{wrote(args)} (checksum {observed:08x})",
                "the program sent something else than when it was recorded",
            )
        if world.sent is not None:
            world.sent(stream, stream.passed + stream.pos - 2, "ssl.write", (None, bytes(args[0])[:count]))
        return count

    def wrote(args: tuple[Any, ...]) -> str:
        data = bytes(args[0])
        return f" of {len(data)} bytes {data[:80]!r}"

    def plainly(stream: Any, value: Any, args: tuple[Any, ...]) -> Any:
        return value

    def in_no_words(args: tuple[Any, ...]) -> str:
        return ""

    return {
        "do_handshake": door(tags["do_handshake"], plainly, in_no_words),
        "read": door(tags["read"], read, in_no_words),
        "write": door(tags["write"], write, wrote),
        "shutdown": door(tags["shutdown"], plainly, in_no_words),
    }


def _want_read(line: int) -> ssl.SSLWantReadError:
    error = ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, _WANT_READ.format(line))
    error.library = error.reason = None  # type: ignore[assignment]
    return error


@contextmanager
def without_tickets(context: Any) -> Iterator[None]:
    """Let what is made of a context keep sessions itself: tickets hold the time of day, on the wire."""
    options = vars(_Context)["options"]
    before = options.__get__(context)
    options.__set__(context, before | ssl.OP_NO_TICKET)
    try:
        yield
    finally:
        options.__set__(context, before)


# -- making connections -----------------------------------------------------------------------------


def _wrapping(boundary: Installer) -> None:
    wrap_bio, wrap_socket = _Context._wrap_bio, _Context._wrap_socket
    numbers = itertools.count(1)
    has_system = boundary.has_system

    def over_bio(
        server_side: bool,
        server_hostname: Any,
        session: Any,
        context: Any,
        incoming: Any,
        outgoing: Any,
        owner: Any,
    ) -> Wrapped:
        inner = _ssl.MemoryBIO() if type(outgoing) is _ssl.MemoryBIO else outgoing
        with without_tickets(context) if not has_system else nullcontext():
            real = wrap_bio(
                context, incoming, inner, server_side, server_hostname, owner=owner, session=session
            )
        return Wrapped(next(numbers), real.server_hostname, real, inner)

    def over_socket(
        server_side: bool, server_hostname: Any, session: Any, context: Any, sock: Any, owner: Any
    ) -> Wrapped:
        inner = None
        if has_system:
            real = wrap_socket(context, sock, server_side, server_hostname, owner=owner, session=session)
        else:  # what it exchanges with the other side goes by the world's hands
            inner = _ssl.MemoryBIO(), _ssl.MemoryBIO()
            with without_tickets(context):
                real = wrap_bio(context, *inner, server_side, server_hostname, owner=owner, session=session)
        return Wrapped(next(numbers), real.server_hostname, real, inner)

    bio_door, socket_door = (
        boundary.bind(
            Door(f"ssl.{name}", request=_wrap_request, captured=_captured_wrap, replayed=_as_wrapped),
            function,
        )
        for name, function in (("wrap_bio", over_bio), ("wrap_socket", over_socket))
    )

    def _wrap_bio(
        self: Any,
        incoming: Any,
        outgoing: Any,
        server_side: Any,
        server_hostname: Any = None,
        *,
        owner: Any = None,
        session: Any = None,
    ) -> Any:
        if current.stream is None:
            return wrap_bio(
                self, incoming, outgoing, server_side, server_hostname, owner=owner, session=session
            )
        try:
            found = bio_door(server_side, server_hostname, session, self, incoming, outgoing, owner)
        except BaseException as error:
            strip(error)
            raise
        return OverBio(self, found, bool(server_side), owner, incoming, outgoing)

    def _wrap_socket(
        self: Any,
        sock: Any,
        server_side: Any,
        server_hostname: Any = None,
        *,
        owner: Any = None,
        session: Any = None,
    ) -> Any:
        if current.stream is None:
            return wrap_socket(self, sock, server_side, server_hostname, owner=owner, session=session)
        try:
            found = socket_door(server_side, server_hostname, session, self, sock, owner)
        except BaseException as error:
            strip(error)
            raise
        return OverSocket(self, found, bool(server_side), owner, sock)

    boundary.replace(_Context, "_wrap_bio", _wrap_bio)
    boundary.replace(_Context, "_wrap_socket", _wrap_socket)


def _wrap_request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    server_side, server_hostname, session = args[:3]
    return [bool(server_side), plain_argument(server_hostname), _session_id(session)]


def _captured_wrap(result: Wrapped, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    return [result.number, result.hostname]


def _as_wrapped(value: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Wrapped:
    return Wrapped(*value)


# -- objects that a connection hands out --------------------------------------------------------------


class SSLSession:
    """``ssl.SSLSession`` of a replay."""

    __slots__ = ("has_ticket", "id", "ticket_lifetime_hint", "time", "timeout")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, has_ticket: bool, id: bytes, ticket_lifetime_hint: int, time: int, timeout: int
    ) -> None:
        self.has_ticket = has_ticket
        self.id = id
        self.ticket_lifetime_hint = ticket_lifetime_hint
        self.time = time
        self.timeout = timeout

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, SSLSession) else NotImplemented


def _captured_session(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return None if result is None else [getattr(result, name) for name in SSLSession.__slots__]


def _as_session(value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> SSLSession | None:
    return None if value is None else SSLSession(*value)


def _session_id(session: Any) -> object:
    found = getattr(session, "id", None)
    return found if type(found) is bytes else plain_argument(session)


class Certificate:
    """``_ssl.Certificate`` of a replay."""

    __slots__ = ("_der", "_hash", "_info", "_pem", "_text")

    def __init__(self, der: bytes, pem: str, info: dict[str, Any], text: str, hash: int) -> None:
        self._der = der
        self._pem = pem
        self._info = info
        self._text = text
        self._hash = hash

    def public_bytes(self, format: int = _ssl.ENCODING_PEM) -> Any:
        """Return it as text, or as bytes."""
        if format == _ssl.ENCODING_PEM:
            return self._pem
        if format == _ssl.ENCODING_DER:
            return self._der
        raise ValueError("Unsupported format")

    def get_info(self) -> dict[str, Any]:
        """Return what is in it, as ``getpeercert`` does."""
        return dict(self._info)

    def __repr__(self) -> str:
        return self._text

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self._der == other._der if isinstance(other, Certificate) else NotImplemented


for _shown in (SSLSession, Certificate):
    _shown.__module__ = "_ssl"


def _certificates(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return result and [
        [one.public_bytes(_ssl.ENCODING_DER), one.public_bytes(), one.get_info(), repr(one), hash(one)]
        for one in result
    ]


def _as_certificates(value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return value and [Certificate(*one) for one in value]


# -- callbacks --------------------------------------------------------------------------------------


class Callbacks:
    """What OpenSSL calls: recorded where it does, and called there again at replay."""

    def __init__(self, boundary: Installer) -> None:
        self._boundary = boundary
        self.world: Any = boundary.world
        self.is_replay = boundary.is_replay
        self.called_key = -boundary.names.add("ssl.callback")
        self.returned_key = -boundary.names.add("ssl.returned")
        self.by_number: weakref.WeakValueDictionary[int, Callback] = weakref.WeakValueDictionary()
        numbers = itertools.count(1)
        self._register = boundary.bind(Door("ssl.set_callback"), lambda kind: next(numbers))
        self._is_watching = False

    def make(self, kind: type[Callback], function: Any) -> Any:
        """Return what is given to OpenSSL in the place of ``function``."""
        if current.stream is None or not callable(function):
            return function
        self.watch()
        made = kind(self, self._register(kind.__name__), function)
        self.by_number[made.number] = made
        return made

    def watch(self) -> None:
        """Let callbacks know which connection they are called from; most programs have none."""
        if not self._is_watching:
            self._is_watching = True
            for kind in (OverBio, OverSocket):
                for name in CALLS:
                    setattr(kind, name, self.watched(getattr(kind, name), is_connection=True))

    def watched(self, call: Callable[..., Any], *, is_connection: bool) -> Callable[..., Any]:
        """Return ``call``, which may call back, and raise what a callback raised."""

        def call_(self_: Any, *args: Any) -> Any:
            before = _inside.stream, _inside.connection, _inside.error
            stream = current.stream
            _inside.stream, _inside.connection, _inside.error = stream, self_ if is_connection else None, None
            try:
                return call(self_, *args)
            except BaseException as error:
                strip(error)
                theirs = _inside.error
                if theirs is None or stream is None or not self._is_raised_instead(stream, error, theirs):
                    raise
            finally:
                _inside.stream, _inside.connection, _inside.error = before
            strip(theirs)
            try:
                raise theirs
            except BaseException:
                strip(theirs)
                raise

        call_.__name__ = call_.__qualname__ = call.__name__
        call_.__doc__ = call.__doc__
        return call_

    def _is_raised_instead(self, stream: Any, error: BaseException, theirs: BaseException) -> bool:
        """Whether what a callback raised is still to be raised; ``error`` came out of the door.

        At replay that is what the recording says of an exception, which may be of any type: if the
        program's own came out, it is at hand.
        """
        if not self.is_replay:
            stream.append(self.returned_key)
            stream.append(theirs is error)
            return False
        if stream.take(self.returned_key):
            return True
        error.__context__ = theirs
        return False

    def install(self) -> None:
        """Put the places where callbacks are given in place."""
        boundary = self._boundary
        if self.is_replay and self.called_key:
            self.world.met[self.called_key] = self._met
        attributes: dict[str, type[Callback]] = {"sni_callback": ServerName, "_msg_callback": Message}
        for name, kind in attributes.items():
            boundary.replace(_Context, name, self._attribute(vars(_Context)[name], kind))
        setters: dict[str, type[Callback]] = {
            "set_psk_client_callback": ClientKey,
            "set_psk_server_callback": ServerKey,
        }
        for name, kind in setters.items():
            if hasattr(_Context, name):
                boundary.replace(_Context, name, self._setter(getattr(_Context, name), kind))
        door = boundary.bind(
            Door(
                "ssl.load_cert_chain", request=lambda args, kwargs: [plain_argument(one) for one in args[1:3]]
            ),
            _Context.load_cert_chain,
        )
        calling_back = self.watched(door, is_connection=False)

        def load_cert_chain(self_: Any, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
            try:
                if callable(password):
                    calling_back(self_, certfile, keyfile, self.make(Password, password))
                else:
                    door(self_, certfile, keyfile, password)
            except BaseException as error:
                strip(error)
                raise

        boundary.replace(_Context, "load_cert_chain", load_cert_chain)

    def _attribute(self, real: Any, kind: type[Callback]) -> property:
        def get(context: Any) -> Any:
            found = real.__get__(context)
            return found.function if isinstance(found, Callback) else found

        def assign(context: Any, value: Any) -> None:
            try:
                real.__set__(context, self.make(kind, value))
            except BaseException as error:
                strip(error)
                raise

        return property(get, assign)

    def _setter(self, real: Any, kind: type[Callback]) -> Callable[..., None]:
        def set_callback(context: Any, callback: Any, *hint: Any, **hints: Any) -> None:
            try:
                real(context, self.make(kind, callback), *hint, **hints)
            except BaseException as error:
                strip(error)
                raise

        set_callback.__name__ = set_callback.__qualname__ = real.__name__
        return set_callback

    def _met(self, stream: Any, value: Any) -> None:
        """Call back, at the place of a recorded callback."""
        number, given = value
        callback = self.by_number.get(number)
        if callback is None:
            stream.pos -= 2
            self.world.diverge(stream, f"TLS callback {number}", "no such callback was set")
            return
        try:
            returned = callback.plain(callback.perform(*callback.arguments(given)))
        except BaseException as error:
            if error is not _inside.error:
                raise
            returned = None
        self.world.event(stream, self.returned_key, returned)


@contextmanager
def _resumed(world: Any, stream: Any) -> Iterator[None]:
    """Record again, inside the call of a door."""
    is_paused = current.stream is None
    if is_paused:
        world.turn(stream)
        current.stream = stream
        if stream.is_main and not world.threads_started:
            hot.append = stream.append
    try:
        yield
    finally:
        if is_paused:
            current.stream = None
            hot.append = None


class Callback:
    """One function of the program that OpenSSL calls."""

    def __init__(self, callbacks: Callbacks, number: int, function: Any) -> None:
        self._callbacks = callbacks
        self.number = number
        self.function = function

    def __call__(self, *args: Any) -> Any:
        """Be called by OpenSSL, while recording."""
        stream = current.stream or _inside.stream
        if stream is None:
            return self.perform(*args)
        callbacks = self._callbacks
        with _resumed(callbacks.world, stream):
            stream.append(callbacks.called_key)
            stream.append([self.number, self.given(args)])
            returned = None
            try:
                result = self.perform(*self.arguments(self.given(args)))
                returned = self.plain(result)
            finally:
                stream.append(callbacks.returned_key)
                stream.append(returned)
            return result

    def given(self, args: tuple[Any, ...]) -> list[Any]:
        """Return what of its arguments comes from the outside."""
        return [*args]

    def arguments(self, given: list[Any]) -> list[Any]:
        """Return its arguments."""
        return given

    def perform(self, *args: Any) -> Any:
        """Call the program's function; what it raises comes out of the call of the door."""
        try:
            return self.function(*args)
        except BaseException as error:
            strip(error)
            _inside.error = error
            raise

    def plain(self, result: Any) -> Any:
        """Return what is compared of the result; keys and passwords are not, not even by a checksum."""
        return True


class Password(Callback):
    """Tells the password of a private key."""


class Message(Callback):
    """Is shown each message of the protocol."""

    def given(self, args: tuple[Any, ...]) -> list[Any]:
        """Return what of its arguments comes from the outside."""
        return [*args[1:]]

    def arguments(self, given: list[Any]) -> list[Any]:
        """Return its arguments."""
        return [_inside.connection.target(), *given]


class _Silent(Callback):
    """A callback whose exceptions are shown, and end the handshake."""

    refusal: Any = None

    def perform(self, *args: Any) -> Any:
        """Call the program's function."""
        try:
            return self.function(*args)
        except BaseException as error:
            strip(error)
            _unraisable(error, self.function)
            return self.refusal


class ServerName(_Silent):
    """Is told the name that a client asks for."""

    refusal = _HANDSHAKE_FAILURE

    def given(self, args: tuple[Any, ...]) -> list[Any]:
        """Return what of its arguments comes from the outside."""
        return [args[1]]

    def arguments(self, given: list[Any]) -> list[Any]:
        """Return its arguments."""
        connection = _inside.connection
        return [connection.target(), given[0], connection.first_context]

    def perform(self, *args: Any) -> Any:
        """Call the program's function."""
        result = super().perform(*args)
        if result is None:
            return None
        try:
            return operator.index(result)
        except TypeError as error:
            strip(error)
            _unraisable(error, result)
            return _INTERNAL_ERROR

    def plain(self, result: Any) -> Any:
        """Return what is compared of the result: the alert that is sent."""
        return result


class ClientKey(_Silent):
    """Tells identity and key, shared before."""

    refusal = ("x" * _TOO_LONG, b"")


class ServerKey(_Silent):
    """Tells the key, shared before, of an identity."""

    refusal = bytes(_TOO_LONG)


def _unraisable(error: BaseException, culprit: Any) -> None:
    """Do with an exception what the interpreter does where it cannot be raised."""
    sys.unraisablehook(_unraisable_kind()((type(error), error, error.__traceback__, None, culprit)))


@functools.cache
def _unraisable_kind() -> Any:
    """Return the type of the argument of ``sys.unraisablehook``, which is to be had from there alone."""
    found: list[Any] = []

    class Failing:
        def __del__(self) -> None:
            raise ValueError

    hook = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: found.append(type(unraisable))
    try:
        Failing()
    finally:
        sys.unraisablehook = hook
    return found[0]
