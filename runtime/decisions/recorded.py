"""The policy ``recorded``: the decisions of an earlier run, found by what they are about."""

from __future__ import annotations

from collections.abc import Iterable

from replay.runtime.decisions.decision import DEFAULT, Point, Taken


class Recorded:
    """Takes what was taken; the default where nothing else was.

    Args:
      taken: the decisions other than the default.

    Attributes:
      unmet: those that have not come up, or not with that option, so far.
    """

    def __init__(self, taken: Iterable[Taken]) -> None:
        self.unmet = {one.key: one.option for one in taken}

    def choose(self, point: Point) -> int:
        """Return what was taken here."""
        option = self.unmet.get(point.key)
        if option is None or option not in point.options:
            return DEFAULT
        del self.unmet[point.key]
        return point.options.index(option)
