"""Events in words, for messages and listings.

What is in a recording may come from anybody: nothing here raises, whatever a value is, and nothing builds a
text much longer than was asked for. Control characters are left in: who prints escapes them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, cast

from replay.recording.codec import Malformed, describe_error, unpack
from replay.recording.events import FIRST_DOOR, Kind, split_key

_TEXT_LIMIT: Final = 200
_MAX_DEPTH: Final = 8
CHECKSUM_END: Final = 1 << 32
_READINESS: Final = ((1, "in"), (2, "pri"), (4, "out"), (8, "err"), (16, "hup"))


def cut(text: str, limit: int | None = _TEXT_LIMIT) -> str:
    """Return the text, or its begin and three dots."""
    return text if limit is None or len(text) <= limit else f"{text[:limit]}..."


def event_name(key: int, names: Mapping[int, str]) -> str:
    """Return the name of an event's type: a door's, or a kind's."""
    if key >= 0:
        return "step"
    tag, _ = split_key(key)
    if tag >= FIRST_DOOR:
        return names.get(tag, f"door {tag}")
    try:
        return Kind(tag).name.lower()
    except ValueError:
        return f"kind {tag}"


def concerned(key: int, value: Any) -> int:
    """Return the key of the request that an event is about: its own, or that of its error or effect."""
    if key < 0 and split_key(key)[0] in (Kind.ERROR, Kind.EFFECT):
        inner = value[0] if isinstance(value, list) and value else None
        if type(inner) is int:
            return inner
    return key


def describe_event(key: int, value: Any, names: Mapping[int, str]) -> str:
    """Return one line about an event, for a message; ``names`` maps tags to the names of doors."""
    if key >= 0:
        return f"step of T{key}" if key else "step of a callback"
    tag, fd = split_key(key)
    if tag == Kind.OUTPUT:
        text = "" if value is None else describe_value(key, value)
        return f"output to {'stdout' if fd == 1 else 'stderr'}{f': {text}' if text else ''}"
    if tag == Kind.EXIT:
        return f"the end of the program: {describe_value(key, value)}"
    if tag == Kind.END:
        return f"end of {describe_value(key, value)}"
    if tag == Kind.POLL:
        return "poll" if not value else f"poll -> {cut(show(value))}"
    inner = concerned(key, value)
    about = _named(inner, names)
    if tag == Kind.EFFECT:
        return about
    if tag == Kind.ERROR:
        return f"{about} raises {_error(value)}"
    if value is None:
        return about
    if isinstance(value, bytes):
        return f"{about} -> {len(value)} bytes"
    return f"{about} {describe_value(key, value)}"


def describe_value(key: int, value: Any, limit: int | None = _TEXT_LIMIT) -> str:
    """Return what an event says beyond its name and descriptor, in at most about ``limit`` characters."""
    return cut(_value(key, value, limit), limit)


def _value(key: int, value: Any, limit: int | None) -> str:
    if key >= 0:
        return f"T{key}" if key else "a callback"
    tag, about = split_key(key)
    if tag >= FIRST_DOOR:
        match result := _result(value):
            case ["content", bytes() as data]:
                return f"-> {show(data, limit)}"
            case ["content", int() as number]:
                return f"-> content {number} again"
        return f"-> {show(_unpacked(result), limit)}"
    match tag, value:
        case Kind.ERROR, [int(), *_]:
            return f"raises {_error(value)}"
        case Kind.EFFECT, [int(), *_]:
            return "goes out"
        case Kind.OUTPUT, [_, bytes() as data]:
            return show(data, limit)
        case Kind.POLL, list():
            return " ".join(_readiness(pair) for pair in value[:64]) + (" ..." if len(value) > 64 else "")
        case Kind.POLL, 0:
            return "nothing"
        case Kind.SPAWN, int():
            return f"T{value} at site {about}" if about else f"T{value}"
        case Kind.END, _:
            return _outcome(value)
        case Kind.NAME, [int() as task, name, *_]:
            return f"T{task} is {show(name, limit)}"
        case Kind.EAGER, int():
            return f"T{value} begins" if value else "ends"
        case Kind.SITE, [number, str() as path, line, name, *_]:
            return f"{show(number)}: {path}:{show(line)} in {name if isinstance(name, str) else show(name)}"
        case Kind.EXIT, [how, detail, *_]:
            return f"{how if isinstance(how, str) else show(how)} {show(detail)}"
        case Kind.SIGNAL, int() if about == 2:
            return f"{value} is over"
        case Kind.CLOCK, int():
            return f"+{value} ns"
        case Kind.GC, int():
            return f"generation {value}"
        case Kind.LOOP, int():
            return "runs" if value else "stops"
        case Kind.NOTE, str():
            return value
        case Kind.DECIDED, [str() as what, int() as nth, str() as option]:
            return f"{what}{f' ({nth})' if nth > 1 else ''}: {option}"
        case Kind.DECIDED, int():
            return f"T{value} is cancelled"
        case Kind.THREAD, [int() as stream, *_]:
            return f"thread {stream}"
        case Kind.ARRIVALS, list():
            return " ".join(show(item) for item in value[:64])
        case Kind.SOURCE, [str() as module, _, str() as path, str() as digest, bytes() as text, *_]:
            return f"{module} from {path}, {len(text)} bytes, sha256 {digest[:12]}"
        case Kind.FOUND, [str() as what, *rest]:
            return f"{what} {' '.join(item if isinstance(item, str) else show(item, limit) for item in rest)}"
        case Kind.REDACTED, list():
            return f"{len(value)} secrets"
        case _:
            return show(value, limit)


def show(value: object, limit: int | None = _TEXT_LIMIT, depth: int = 0) -> str:
    """Return the value as Python writes it, cut after about ``limit`` characters; never raises."""
    if isinstance(value, (bytes, bytearray, str)):
        if limit is None or len(value) <= limit:
            return repr(value)
        unit = "characters" if isinstance(value, str) else "bytes"
        return f"{value[:limit]!r}... ({len(value)} {unit})"
    if type(value) is int and value.bit_length() > 1000:
        return f"an integer of {value.bit_length()} bits"
    if depth > _MAX_DEPTH:
        return "..."
    kind = type(value)
    if kind is list or kind is tuple or kind is set:
        items = list(cast("Collection[object]", value))
        kept = items if limit is None else items[: max(limit // 2, 1)]
        texts = [show(item, limit, depth + 1) for item in kept] + ["..."] * (len(kept) < len(items))
        brackets = "[]" if kind is list else "()" if kind is tuple else "{}"
        return (
            f"{brackets[0]}{', '.join(texts)}{',' if kind is tuple and len(items) == 1 else ''}{brackets[1]}"
        )
    if isinstance(value, dict):
        pairs = list(value.items())
        kept_pairs = pairs if limit is None else pairs[: max(limit // 2, 1)]
        texts = [f"{show(key, limit, depth + 1)}: {show(item, limit, depth + 1)}" for key, item in kept_pairs]
        return f"{{{', '.join(texts + ['...'] * (len(kept_pairs) < len(pairs)))}}}"
    try:
        return repr(value)
    except Exception:  # a value inside one of the register's types may be anything
        return f"a {type(value).__name__}"


def error_name(name: object) -> str:
    """Return the name of an exception's type as a traceback prints it."""
    return name.removeprefix("builtins.") if isinstance(name, str) else show(name)


def _named(key: int, names: Mapping[int, str]) -> str:
    if key >= 0:
        return "step"
    tag, fd = split_key(key)
    return f"{event_name(key, names)}{f' fd={fd}' if fd and tag != Kind.SPAWN else ''}"


def _error(value: Any) -> str:
    if not isinstance(value, list) or len(value) < 2:
        return "an exception"
    try:
        return cut(describe_error(value[1]))
    except Exception:  # its arguments may be nested too deeply to be written out
        return "an exception"


def _readiness(pair: Any) -> str:
    match pair:
        case [int() as fd, int() as mask]:
            words = [word for bit, word in _READINESS if mask & bit]
            return f"{fd}:{'+'.join(words) or mask}"
        case _:
            return show(pair)


def _result(value: Any) -> Any:
    """Return a door's result; one that compares its request stores the checksum of that beside it."""
    match value:
        case [int() as asked, result] if 0 <= asked < CHECKSUM_END:
            return result
        case _:
            return value


def _unpacked(value: Any) -> Any:
    try:
        return unpack(value)
    except Malformed:
        return value


def _outcome(value: Any) -> str:
    match value:
        case int():
            return f"T{value}: returned"
        case [int() as task, _]:
            return f"T{task}: cancelled"
        case [int() as task, name, message]:
            text = message if isinstance(message, str) else show(message)
            return f"T{task}: {error_name(name)}{f': {text}' if text else ''}"
        case _:
            return "a task"
