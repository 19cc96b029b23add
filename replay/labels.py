"""How things are called in the decisions of a simulated run, for those who decide and those who read."""

from __future__ import annotations

from typing import Final

_OWNERS: Final = ("the timer of ", "the timeout of ", "the deadline of ")


def owner(label: str) -> str:
    """Return whose a timer is."""
    for start in _OWNERS:
        if label.startswith(start):
            return owner(label[len(start) :])
    return label


def without_number(option: str) -> str:
    """Return the name of a task in a batch of trio's, without its number."""
    return option.rpartition(" (T")[0] or option


def short(function: str) -> str:
    """Return the qualified name of a function, without those that it was made in."""
    return function.rpartition("<locals>.")[2]
