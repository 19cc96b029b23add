"""The policy ``cancel``: cancels a task at one await, and perhaps again at a later one; else as ``fifo``."""

from __future__ import annotations

from replay.runtime.decisions.decision import DEFAULT, Point


class Cancel:
    """Cancels once or twice.

    Args:
      first: at which of the decisions about cancelling, from 0.
      then: at which one after that, from 1; None for none.
    """

    def __init__(self, first: int, then: int | None) -> None:
        self._at = {first} if then is None else {first, first + then}
        self._count = -1

    def choose(self, point: Point) -> int:
        """Return the default, or cancel."""
        if point.kind != "cancel":
            return DEFAULT
        self._count += 1
        return 1 if self._count in self._at else DEFAULT
