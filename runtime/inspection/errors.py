"""Exceptions, with those that they come from, read without running anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from replay.runtime.inspection.data import ErrorTree, Place
from replay.runtime.inspection.frames import Codes
from replay.runtime.inspection.values import describe_error, group_exceptions_of, is_a

MOST: Final = 200
"""So many exceptions are shown of one tree."""
DEEPEST: Final = 20

_FIELDS: Final = vars(BaseException)
_traceback_of: Final = _FIELDS["__traceback__"].__get__
_cause_of: Final = _FIELDS["__cause__"].__get__
_context_of: Final = _FIELDS["__context__"].__get__
_is_context_hidden: Final = _FIELDS["__suppress_context__"].__get__


def place_of_error(codes: Codes, error: BaseException) -> Place | None:
    """Return the innermost line of the program's own code that an exception went through."""
    found, entry = None, _traceback_of(error)
    while entry is not None:
        if codes.is_users(entry.tb_frame):
            found = entry
        entry = entry.tb_next
    if found is None:
        return None
    place = codes.place(found.tb_frame)
    place.line = found.tb_lineno
    return place


def tree_of(codes: Codes, error: BaseException) -> ErrorTree:
    """Return an exception with its parts, its cause, or else its context, and theirs."""
    return _Trees(codes).tree_of(error, "", 0)


class _Trees:
    def __init__(self, codes: Codes) -> None:
        self._codes = codes
        self._seen: set[int] = set()
        self._count = 0

    def tree_of(self, error: Any, how: str, depth: int) -> ErrorTree:
        self._count += 1
        tree = ErrorTree(describe_error(error), place_of_error(self._codes, error), how)
        if id(error) in self._seen:
            tree.is_again = True
            return tree
        self._seen.add(id(error))
        for part, its in _below(error):
            if self._count < MOST and depth < DEEPEST:
                tree.below.append(self.tree_of(part, its, depth + 1))
            else:
                tree.more_count += 1
        return tree


def _below(error: Any) -> Iterator[tuple[Any, str]]:
    """Yield what an exception comes from, and how."""
    if is_a(error, BaseExceptionGroup):
        yield from ((part, "part") for part in group_exceptions_of(error))
    cause, context = _cause_of(error), _context_of(error)
    if cause is not None:
        yield cause, "cause"
    elif context is not None and not _is_context_hidden(error):
        yield context, "context"
