"""Trees of tasks, drawn: no more of one than anybody looks through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

MOST: Final = 200
"""So many nodes of a tree are drawn."""
MOST_BELOW: Final = 40
"""So many of those below one."""

T = TypeVar("T")


class Branch(NamedTuple, Generic[T]):
    """A node that is to be drawn, or, instead of all that are left out, how many they are.

    Attributes:
      node: None if this is the end of what is drawn.
      first: what its own line begins with; further: what those below it do.
      more_count: of those that are left out.
    """

    node: T | None
    first: str
    further: str
    more_count: int = 0

    @property
    def more(self) -> str:
        """The line that says how many are left out."""
        return f"{self.first}and {self.more_count} more"


class Room:
    """How much of a tree is still to be drawn.

    Args:
      is_bounded: whether not all of it is.
    """

    def __init__(self, *, is_bounded: bool) -> None:
        self._left = MOST if is_bounded else None

    def below(self, nodes: Sequence[T], rest: str) -> Iterator[Branch[T]]:
        """Yield what is below a node whose further lines begin with ``rest``."""
        count = len(nodes)
        for at, node in enumerate(nodes):
            is_last = at == count - 1
            if self._is_full(at, is_last=is_last):
                yield Branch(None, f"{rest}└─ ", "", count - at)
                return
            yield Branch(node, rest + ("└─ " if is_last else "├─ "), rest + ("   " if is_last else "│  "))

    def roots(self, nodes: Sequence[T]) -> Iterator[Branch[T]]:
        """Yield the nodes that are below no other."""
        for at, node in enumerate(nodes):
            if self._is_full(at, is_last=at == len(nodes) - 1):
                yield Branch(None, "", "", len(nodes) - at)
                return
            yield Branch(node, "", "")

    def _is_full(self, at: int, *, is_last: bool) -> bool:
        if self._left is None:
            return False
        if self._left <= 0 or (at >= MOST_BELOW and not is_last):
            return True
        self._left -= 1
        return False
