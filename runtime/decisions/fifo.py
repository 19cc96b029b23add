"""The policy ``fifo``: what the real loop would most likely do. Nothing is late."""

from __future__ import annotations

from replay.runtime.decisions.decision import DEFAULT, Point


class Fifo:
    """Takes the default everywhere."""

    def choose(self, point: Point) -> int:
        """Return the default."""
        return DEFAULT
