"""The header of a recording, looked at before a replay takes anything from it.

A recording may come from a stranger, or from a disk that went bad in a way that no checksum shows. What a
replay starts an interpreter with, sets its environment and streams to, and allocates, must be of the shape
and size that a recorder writes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from replay.errors import UnreadableRecording
from replay.recording.events import FIRST_DOOR, TAG_MASK

MAX_TEXT: Final = 1 << 20
"""Characters of a path or an argument; the kernel takes fewer of most."""
MAX_VARIABLE_BYTES: Final = 1 << 21
"""The kernel takes 32 pages for one variable, of 64 KiB at most."""
MAX_ENVIRONMENT_BYTES: Final = 1 << 26
MAX_ITEMS: Final = 100_000
_MAX_ZONE_BYTES: Final = 1 << 16
_MAX_SEED: Final = 2**32 - 1
_MAX_SIGNAL: Final = 128

_FLAG: Final = re.compile("-(O+|d+|B+|S+|v+|b+|q+|I|E|s|P)|-W[^\0]*|-X")
_X_OPTION: Final = re.compile(
    "dev|(faulthandler|tracemalloc|importtime|frozen_modules|showrefcount|utf8|gil)(=[^\0]*)?"
)
_DIGITS: Final = re.compile("[0-9]{1,10}")


def check_header(header: Mapping[str, Any], path: str) -> None:
    """Refuse a recording whose header a replay cannot start from.

    Args:
      header: of the recording.
      path: of the recording, for the message.

    Raises:
      UnreadableRecording: says which part of the header is not what it should be.
    """
    for name, is_right in _CHECKS.items():
        if name not in header:
            raise UnreadableRecording(
                f"{path} cannot be replayed: its header has no `{name}`", hint=_hint(path)
            )
        if not is_right(header[name]):
            raise UnreadableRecording(
                f"{path} cannot be replayed: `{name}` in its header is not what a recorder writes: "
                f"{header[name]!r:.100}",
                hint=_hint(path),
            )


def _hint(path: str) -> str:
    return f"`replay info {path}` shows what can be read of it"


def _is_text(value: object) -> bool:
    return type(value) is str and len(value) <= MAX_TEXT and "\0" not in value


def _is_text_or_none(value: object) -> bool:
    return value is None or _is_text(value)


def _is_list_of_text(value: object) -> bool:
    return type(value) is list and len(value) <= MAX_ITEMS and all(map(_is_text, value))


def _is_flags(value: Any) -> bool:
    """Whether these are options that an interpreter says it was started with, and nothing else."""
    if not _is_list_of_text(value):
        return False
    follows_x = False
    for flag in value:
        if not (_X_OPTION if follows_x else _FLAG).fullmatch(flag):
            return False
        follows_x = not follows_x and flag == "-X"
    return not follows_x


def _is_seed(value: Any) -> bool:
    return _is_text(value) and _DIGITS.fullmatch(value) is not None and int(value) <= _MAX_SEED


def _is_variable(name: Any) -> bool:
    return _is_text(name) and name != "" and "=" not in name


def _is_environment(value: Any) -> bool:
    return (
        type(value) is dict
        and len(value) <= MAX_ITEMS
        and all(_is_variable(name) and _is_text(text) for name, text in value.items())
    )


def _is_lengths(value: Any) -> bool:
    return (
        type(value) is dict
        and len(value) <= MAX_ITEMS
        and all(
            _is_variable(name) and type(length) is int and 0 <= length <= MAX_VARIABLE_BYTES
            for name, length in value.items()
        )
        and sum(value.values()) <= MAX_ENVIRONMENT_BYTES
    )


def _is_zone(value: Any) -> bool:
    return (
        type(value) is dict
        and _is_text_or_none(value.get("name", 0))
        and type(value.get("data")) is bytes
        and len(value["data"]) <= _MAX_ZONE_BYTES
    )


def _is_redaction(value: Any) -> bool:
    if type(value) is not dict or not _is_list_of_text(value.get("patterns")):
        return False
    try:
        for pattern in value["patterns"]:
            re.compile(pattern.encode())
    except (re.error, UnicodeError, OverflowError, RecursionError):
        return False
    return True


def _is_streams(value: Any) -> bool:
    return type(value) is dict and all(
        value.get(name, 0) is None or _is_stream(value.get(name)) for name in ("stdin", "stdout", "stderr")
    )


def _is_stream(setup: Any) -> bool:
    if type(setup) is not dict or not (_is_text(setup.get("encoding")) and _is_text(setup.get("errors"))):
        return False
    if any(
        type(setup.get(name)) is not bool for name in ("line_buffering", "write_through", "is_raw", "is_tty")
    ):
        return False
    try:
        codecs.lookup_error(setup["errors"])
        return bool(codecs.lookup(setup["encoding"])._is_text_encoding)
    except (LookupError, ValueError):
        return False


def _is_signals(value: Any) -> bool:
    return type(value) is dict and all(
        _DIGITS.fullmatch(number) and 0 < int(number) <= _MAX_SIGNAL and disposition in (0, 1)
        for number, disposition in value.items()
    )


def _is_doors(value: Any) -> bool:
    return _is_list_of_text(value) and len(value) < TAG_MASK - FIRST_DOOR


_CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "python": _is_text,
    "implementation": _is_text,
    "hash_seed": _is_seed,
    "flags": _is_flags,
    "target": lambda value: value in ("script", "module", "command"),
    "argv": lambda value: _is_list_of_text(value) and len(value) > 0,
    "first_path": _is_text_or_none,
    "script": _is_text_or_none,
    "own_replay": _is_text_or_none,
    "path": _is_list_of_text,
    "executable": _is_text_or_none,
    "cwd": _is_text,
    "prefix": _is_text,
    "environment": _is_environment,
    "environment_lengths": _is_lengths,
    "timezone": _is_zone,
    "redaction": _is_redaction,
    "streams": _is_streams,
    "signals": _is_signals,
    "doors": _is_doors,
}
"""What a replay takes from the header, and how each part must be."""
