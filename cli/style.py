"""Colour by role: on a terminal, never with ``NO_COLOR``, and nothing that only colour says."""

from __future__ import annotations

import os
from typing import Final, Literal, NamedTuple, TextIO

Role = Literal["heading", "error", "hint", "good", "position", "name", "dim", "waiting", "source", "marker"]

Choice = Literal["auto", "always", "never"]

_CODES: Final[dict[Role, str]] = {
    "heading": "1",
    "error": "1;31",
    "hint": "36",
    "good": "32",
    "position": "33",
    "name": "1",
    "dim": "2",
    "waiting": "36",
    "source": "34",
    "marker": "1;35",
}


class Style(NamedTuple):
    """Paints text by role, or leaves it alone."""

    is_coloured: bool

    def __call__(self, role: Role, text: str) -> str:
        """Return the text as that role looks; unchanged without colour."""
        if not self.is_coloured or not text:
            return text
        return f"\x1b[{_CODES[role]}m{text}\x1b[0m"


def style_for(stream: TextIO, choice: Choice = "auto") -> Style:
    """Return the style for what is written to a stream.

    Colour needs a terminal that can show it; a ``NO_COLOR`` that is not empty turns it off
    (https://no-color.org), a ``FORCE_COLOR`` that is not empty turns it on, and so does a ``choice``.
    """
    if choice != "auto":
        return Style(choice == "always")
    if os.environ.get("FORCE_COLOR") and not os.environ.get("NO_COLOR"):
        return Style(True)
    return Style(stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb")
