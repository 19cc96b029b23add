"""What a debuggee can be asked while it is stopped; each answer is plain data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from replay.protocol import Message
from replay.runtime.debuggee.control import Control


def _echo(control: Control, request: Message) -> Any:
    """Return what came, to see that somebody is there."""
    return request.get("value")


ANSWERS: Final[dict[str, Callable[[Control, Message], Any]]] = {"echo": _echo}
