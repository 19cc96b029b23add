"""Which of the tasks are meant, and which are alike: what `tasks` shows where there are thousands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from replay.cli.repl.command import Result
from replay.cli.repl.state import State
from replay.cli.repl.waits import labels, what_text
from replay.cli.text import Cell, Column, printable, shorten, table
from replay.errors import UsageError

Row = dict[str, Any]

_MAX_GROUPS: Final = 200
_MAX_TEXT: Final = 60


_TEXTS: Final[dict[str, Callable[[Row], str]]] = {
    "state": lambda row: str(row["state"]),
    "where": lambda row: str(row["where"] or ""),
    "awaiting": lambda row: "" if row["wait"] is None else what_text(row["wait"]),
    "parent": lambda row: str(row["parent"] or ""),
    "nursery": lambda row: str(row["nursery"] or ""),
    "error": lambda row: str(row["error_text"]),
}
GROUPED: Final = tuple(_TEXTS)
"""Columns by which tasks are alike; of what is awaited, without what differs from task to task."""

_FILTERED: Final[dict[str, Callable[[Row], str]]] = {
    **_TEXTS,
    "awaiting": lambda row: str(row["awaiting"] or ""),
    "name": lambda row: str(row["name"]),
}


def filtered(rows: Iterable[Row], texts: Iterable[str]) -> list[Row]:
    """Return the rows that each of some texts is in: in any column, or with ``COLUMN=TEXT`` in that one.

    Raises:
      UsageError: there is no such column; ``=TEXT`` is for a text that has the sign itself.
    """
    found = list(rows)
    for text in texts:
        column, is_one, part = text.partition("=")
        if column not in _FILTERED and is_one and column:
            known = ", ".join(_FILTERED)
            raise UsageError(
                f"no such column: {column!r:.60}", hint=f"there are {known}; `={shorten(text, 40)}` is a text"
            )
        of = [_FILTERED[column]] if is_one and column else list(_FILTERED.values())
        wanted = (part if is_one else text).casefold()
        found = [row for row in found if any(wanted in one(row).casefold() for one in of)]
    return found


def grouped(state: State, rows: Iterable[Row], column: str) -> Result:
    """Return how many tasks have the same in a column, the most first."""
    alike: dict[str, list[Row]] = {}
    for row in rows:
        alike.setdefault(_TEXTS[column](row), []).append(row)
    found = sorted(alike.items(), key=lambda one: (-len(one[1]), one[0]))
    titles = (Column("count", "right"), Column(column), Column("tasks"))
    cells = [
        (
            Cell(str(len(some))),
            Cell(shorten(printable(text), _MAX_TEXT) or "-"),
            Cell(labels(state, [row["id"] for row in some]), "name"),
        )
        for text, some in found[:_MAX_GROUPS]
    ]
    lines = table(titles, cells, state.style)
    if len(found) > _MAX_GROUPS:
        lines.append(state.style("dim", f"({len(found) - _MAX_GROUPS} more, with fewer tasks)"))
    return Result(
        lines,
        [
            {column: text or None, "count": len(some), "tasks": [f"T{row['id']}" for row in some]}
            for text, some in found
        ],
    )
