"""Tracebacks without frames of ours.

A frame enters a traceback when an exception first reaches it, and not again when the exception is
raised further with a bare ``raise`` (``ceval.c``: re-raising goes past the place that adds an entry).
So a door that takes its own entries off and raises again leaves no trace of itself.
"""

from __future__ import annotations

from types import TracebackType


def is_ours(traceback: TracebackType) -> bool:
    """Whether the entry is of a frame of this package's machinery."""
    name = traceback.tb_frame.f_globals.get("__name__")
    return type(name) is str and name.startswith("replay.runtime.")


def strip(error: BaseException) -> None:
    """Take our entries off the head of the traceback of ``error``."""
    traceback = error.__traceback__
    while traceback is not None and is_ours(traceback):
        traceback = traceback.tb_next
    error.__traceback__ = traceback


def strip_all(error: BaseException) -> None:
    """Take our entries out of the tracebacks of ``error`` and of all it was caused by."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        strip(one)
        entry = one.__traceback__
        while entry is not None:
            while entry.tb_next is not None and is_ours(entry.tb_next):
                entry.tb_next = entry.tb_next.tb_next
            entry = entry.tb_next
        todo += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            todo += one.exceptions
