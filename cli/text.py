"""Text for a terminal: made harmless, measured, and put into columns; quantities in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from replay.cli.style import Role, Style

UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
"""What moves a cursor, changes colours, turns the reading direction, or cannot be seen."""


class Cell(NamedTuple):
    """A cell of a table: its text, harmless already, and how it looks."""

    text: str
    role: Role | None = None


class Column(NamedTuple):
    """A column of a table."""

    title: str
    align: Literal["left", "right"] = "left"


def printable(text: str) -> str:
    """Return untrusted text with every character that does something escaped, line ends too."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def printable_lines(text: str) -> str:
    """Return untrusted text of several lines, escaped but for the line ends."""
    return "\n".join(map(printable, text.split("\n")))


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 1 + (east_asian_width(char) in "WF") for char in text)


def pad(text: str, columns: int, align: Literal["left", "right"] = "left") -> str:
    """Return the text, filled up to so many columns."""
    filler = " " * (columns - width(text))
    return filler + text if align == "right" else text + filler


def shorten(text: str, columns: int) -> str:
    """Return the text, cut with three dots if it takes more than so many columns."""
    if width(text) <= columns:
        return text
    while width(text) > columns - 3:
        text = text[:-1] if len(text) <= columns else text[:columns]
    return text + "..."


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], style: Style) -> list[str]:
    """Return the lines of a table, with its titles; columns that are empty in every row are left out."""
    shown = [at for at in range(len(columns)) if any(row[at].text for row in rows)]
    widths = {at: max(width(columns[at].title), *(width(row[at].text) for row in rows)) for at in shown}
    lines: list[str] = []
    for row in ([Cell(column.title, "dim") for column in columns], *rows):
        cells: list[str] = []
        for at in shown:
            text, role = row[at]
            full = text if at == shown[-1] else pad(text, widths[at], columns[at].align)
            cells.append(full if role is None else full.replace(text, style(role, text), 1))
        lines.append("  ".join(cells).rstrip())
    return lines
