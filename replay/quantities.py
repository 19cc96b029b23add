"""Quantities as people read them: times, sizes, and what is counted."""

from __future__ import annotations


def duration(nanoseconds: int) -> str:
    """Return a time in the unit that suits it."""
    if nanoseconds >= 60_000_000_000:
        minutes, rest = divmod(nanoseconds // 1_000_000_000, 60)
        return f"{minutes:,} min {rest} s"
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1000)):
        if nanoseconds >= size:
            number = nanoseconds / size
            return f"{number:.{2 if number < 10 else 1 if number < 100 else 0}f} {unit}"
    return f"{nanoseconds} ns"


def byte_size(count: int) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("KB", 1000)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return counted(count, "byte")


def counted(count: int, noun: str) -> str:
    """Return a number and what it counts: ``1 step``, ``2,000 steps``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
