"""Values of the program as plain data, and back: what a recorded result or argument looks like.

Encoding is closed: plain scalars stand for themselves, everything else is a list whose first item
names one of the forms below. Decoding builds only these forms, from a fixed register of types, and
so never runs code of whoever made the recording. What has no form is refused with
``Unrecordable``; the boundary then says so by name instead of storing something else.
"""

from __future__ import annotations

import builtins
import errno
import os
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from enum import Enum
from typing import Any, Final
from zlib import crc32

import msgspec

try:
    import grp
    import pwd
    import resource
    import termios
except ImportError:  # not on this platform; reading a recording works without them
    grp = pwd = resource = termios = None  # type: ignore[assignment]

Plain = Any
"""None, bool, int, float, str, bytes and lists of these: what the file can hold."""

_INT64_MIN: Final = -(1 << 63)
_UINT64_MAX: Final = (1 << 64) - 1
_MAX_DEPTH: Final = 64

_encode = msgspec.msgpack.Encoder().encode


class Unrecordable(Exception):  # noqa: N818 - the name says what the value is
    """A value has no plain form; ``args[0]`` names its type."""


class Malformed(Exception):  # noqa: N818 - the name says what the form is
    """A stored value is none of the known forms."""


def _structs() -> dict[str, type[Any]]:
    found: dict[str, type[Any]] = {}
    for module in (os, time, resource, pwd, grp, signal):
        for name in (
            "stat_result",
            "statvfs_result",
            "uname_result",
            "times_result",
            "terminal_size",
            "sched_param",
            "waitid_result",
            "struct_time",
            "struct_rusage",
            "struct_passwd",
            "struct_group",
            "struct_siginfo",
        ):
            value = getattr(module, name, None)
            if isinstance(value, type):
                found[name] = value
    return found


STRUCTS: Final = _structs()
_STRUCT_NAMES: Final = {value: name for name, value in STRUCTS.items()}

ENUMS: Final[dict[str, type[Enum]]] = {
    cls.__name__: cls
    for cls in (
        socket.AddressFamily,
        socket.SocketKind,
        socket.AddressInfo,
        socket.MsgFlag,
        signal.Signals,
        signal.Handlers,
        ssl.TLSVersion,
    )
}
_ENUM_NAMES: Final[dict[type, str]] = {value: name for name, value in ENUMS.items()}

ERRORS: Final[dict[str, type[BaseException]]] = {
    **{
        name: value
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, Exception) and value is not ExceptionGroup
    },
    "socket.herror": socket.herror,
    "socket.gaierror": socket.gaierror,
    "ssl.SSLError": ssl.SSLError,
    "ssl.SSLZeroReturnError": ssl.SSLZeroReturnError,
    "ssl.SSLWantReadError": ssl.SSLWantReadError,
    "ssl.SSLWantWriteError": ssl.SSLWantWriteError,
    "ssl.SSLSyscallError": ssl.SSLSyscallError,
    "ssl.SSLEOFError": ssl.SSLEOFError,
    "ssl.SSLCertVerificationError": ssl.SSLCertVerificationError,
    "subprocess.SubprocessError": subprocess.SubprocessError,
    "io.UnsupportedOperation": __import__("io").UnsupportedOperation,
    **({} if termios is None else {"termios.error": termios.error}),
}
_ERROR_NAMES: Final = {value: name for name, value in ERRORS.items()}

_ERROR_ATTRIBUTES: Final = ("library", "reason", "verify_code", "verify_message")


def pack(value: object, depth: int = 0) -> Plain:
    """Return the plain form of ``value``.

    Raises:
      Unrecordable: the value, or one inside it, has no plain form.
    """
    kind = type(value)
    if value is None or kind in (bool, float, bytes):
        return value
    if kind is str:
        return _pack_text(value)  # type: ignore[arg-type]
    if kind is int:
        return value if _INT64_MIN <= value <= _UINT64_MAX else ["i", hex(value)]  # type: ignore[operator, arg-type]
    if depth > _MAX_DEPTH:
        raise Unrecordable(f"{kind.__name__} nested over {_MAX_DEPTH} deep")
    depth += 1
    if kind is tuple:
        return ["t", *[pack(item, depth) for item in value]]  # type: ignore[attr-defined]
    if kind is list:
        return ["l", *[pack(item, depth) for item in value]]  # type: ignore[attr-defined]
    if kind is dict:
        return ["d", *[pack(item, depth) for pair in value.items() for item in pair]]  # type: ignore[attr-defined]
    if kind in (bytearray, memoryview):
        return ["y", bytes(value)]  # type: ignore[call-overload]
    if kind in (set, frozenset):
        return ["s", *[pack(item, depth) for item in value]]  # type: ignore[attr-defined]
    name = _STRUCT_NAMES.get(kind)
    if name is not None:
        _, (fields, extra) = value.__reduce__()  # type: ignore[str-unpack]
        return ["r", name, [pack(item, depth) for item in fields], pack(extra, depth)]
    name = _ENUM_NAMES.get(kind)
    if name is not None:
        return ["e", name, int(value.value)]  # type: ignore[attr-defined]
    if isinstance(value, int):  # IntEnum and the like: the number is what the outside meant
        return pack(int(value), depth)
    raise Unrecordable(f"{kind.__module__}.{kind.__qualname__}")


def _pack_text(text: str) -> Plain:
    """Return text as it is, unless it holds bytes of a file name that are no text (PEP 383)."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return ["u", text.encode("utf-8", "surrogatepass")]
    return text


def pack_request(value: object) -> Plain:
    """Return the plain form of what is compared of a call; what has none is compared by its name."""
    try:
        return pack(value)
    except Unrecordable as problem:
        return ["?", str(problem)]


def unrecorded(problem: Unrecordable) -> Plain:
    """Return what stands for a result that has no plain form: decoding it is ``Malformed``."""
    return ["?", f"a result that could not be recorded: {problem}"]


def _refuse(form: Plain) -> Any:
    raise Malformed(str(form[1]))


def unpack(form: Plain) -> Any:
    """Return the value of a plain form.

    Raises:
      Malformed: the form is not one that ``pack`` makes.
    """
    if type(form) is not list:
        return form
    try:
        return _FORMS[form[0]](form)
    except Malformed:
        raise
    except Exception as problem:
        raise Malformed(f"not a recorded value: {form!r:.100}") from problem


def _struct(form: Plain) -> Any:
    return STRUCTS[form[1]](tuple(unpack(item) for item in form[2]), unpack(form[3]))


_FORMS: Final[dict[str, Callable[[Plain], Any]]] = {
    "u": lambda form: form[1].decode("utf-8", "surrogatepass"),
    "?": _refuse,
    "i": lambda form: int(form[1], 16),
    "t": lambda form: tuple([unpack(item) for item in form[1:]]),
    "l": lambda form: [unpack(item) for item in form[1:]],
    "d": lambda form: {unpack(key): unpack(item) for key, item in zip(form[1::2], form[2::2], strict=True)},
    "y": lambda form: bytearray(form[1]),
    "s": lambda form: {unpack(item) for item in form[1:]},
    "r": _struct,
    "e": lambda form: ENUMS[form[1]](form[2]),
}


def pack_error(error: BaseException) -> Plain:
    """Return the plain form of an exception that a door raised.

    Raises:
      Unrecordable: its type is not in the register, or an argument has no plain form.
    """
    name = _ERROR_NAMES.get(type(error))
    if name is None:
        raise Unrecordable(f"{type(error).__module__}.{type(error).__qualname__}")
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ssl.SSLError):
        return [name, [error.errno, error.strerror, pack(error.filename), pack(error.filename2)]]
    attributes = {
        attribute: pack(getattr(error, attribute))
        for attribute in _ERROR_ATTRIBUTES
        if hasattr(error, attribute)
    }
    return [name, [pack(item) for item in error.args], attributes]


def unpack_error(form: Plain) -> BaseException:
    """Return the exception of a plain form.

    Raises:
      Malformed: the form is not one that ``pack_error`` makes.
    """
    try:
        cls = ERRORS[form[0]]
        if len(form) == 2:
            number, text, filename, filename2 = form[1]
            if filename is None and filename2 is None:
                return cls(number, text)
            return OSError(number, text, unpack(filename), None, unpack(filename2))
        error = cls(*[unpack(item) for item in form[1]])
        for attribute, value in form[2].items():
            if attribute in _ERROR_ATTRIBUTES:
                setattr(error, attribute, unpack(value))
    except Exception as problem:
        raise Malformed(f"not a recorded exception: {form!r:.100}") from problem
    return error


def describe_error(form: Plain) -> str:
    """Return one line about a recorded exception, for messages."""
    try:
        if len(form) == 2:
            return f"{form[0]} {errno.errorcode.get(form[1][0], form[1][0])}: {form[1][1]}"
        return f"{form[0]}: {', '.join(str(item) for item in form[1])}"
    except (TypeError, IndexError, KeyError):
        return "an exception"


_MARK: Final = b" at 0x"
_ADDRESS: Final = re.compile(rb" at 0x[0-9a-f]{6,16}")


def bytes_checksum(data: bytes | bytearray | memoryview) -> int:
    """Return the CRC-32 of what goes out, as it is compared by: with its length, and without addresses.

    Where an object lies (``<Order object at 0x7f...>``) differs from process to process, and the default
    ``repr`` gets into messages, logs and failed assertions.
    """
    if type(data) is not bytes:
        data = bytes(data)
    if data.find(_MARK) >= 0:  # `in` would try it as a number first, and make an exception for that
        data = _ADDRESS.sub(_MARK, data)
    return crc32(data, len(data))


def checksum(plain: Plain) -> int:
    """Return the checksum of plain data, as every request is compared by."""
    return bytes_checksum(_encode(plain))
