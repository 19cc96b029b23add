"""Events in words, for messages and listings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from replay.recording.codec import describe_error
from replay.recording.events import FIRST_DOOR, Kind, split_key

_TEXT_LIMIT = 200


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


def describe_event(key: int, value: Any, names: Mapping[int, str]) -> str:
    """Return one line about an event; ``names`` maps tags to the names of doors."""
    if key >= 0:
        return f"step of T{key}" if key else "step of a callback"
    tag, fd = split_key(key)
    name = event_name(key, names)
    about = f" fd={fd}" if fd else ""
    if tag == Kind.ERROR and isinstance(value, list):
        inner = event_name(value[0], names)
        inner_fd = split_key(value[0])[1] if value[0] < 0 else 0
        return f"{inner}{f' fd={inner_fd}' if inner_fd else ''} raises {describe_error(value[1])}"
    if tag == Kind.EFFECT and isinstance(value, list):
        return describe_event(value[0], None, names)
    if tag == Kind.OUTPUT:
        text = f": {value[1]!r}" if isinstance(value, list) else ""
        return _cut(f"output to {'stdout' if fd == 1 else 'stderr'}{text}")
    if tag == Kind.EXIT and isinstance(value, list):
        return f"the end of the program: {value[0]} {value[1]}"
    if tag == Kind.POLL:
        return "poll" if not value else f"poll -> {value}"
    if tag == Kind.END:
        return _cut(f"end of {_outcome(value)}")
    if value is None:
        return f"{name}{about}"
    if isinstance(value, bytes):
        return f"{name}{about} -> {len(value)} bytes"
    return _cut(f"{name}{about} {value!r}")


def _outcome(value: Any) -> str:
    if isinstance(value, int):
        return f"T{value}: returned"
    if isinstance(value, list) and len(value) == 2:
        return f"T{value[0]}: cancelled"
    if isinstance(value, list) and len(value) == 3:
        return f"T{value[0]}: {value[1]}: {value[2]}"
    return "a task"


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT]}..."
