"""The policy ``pct``: deviates at a few decisions, drawn beforehand, and nowhere else.

After "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs" (Burckhardt, Kothari, Musuvathi
and Nagarakatte, ASPLOS 2010): a race that needs ``d`` decisions out of ``k`` is found with a probability
that only depends on ``d`` and ``k``.
"""

from __future__ import annotations

import random

from replay.runtime.decisions.decision import DEFAULT, Point


class Pct:
    """Deviates so many times.

    Args:
      seed: of the generator.
      depth: how often it deviates.
      length: how many decisions there are about, in a run by default.
    """

    def __init__(self, seed: int | str, depth: int, length: int) -> None:
        self._random = random.Random(seed)
        length = max(1, length)
        self._at = set(self._random.sample(range(length), min(depth, length)))
        self._count = -1

    def choose(self, point: Point) -> int:
        """Return the default, or where it was drawn so any other option."""
        self._count += 1
        if self._count not in self._at or len(point.options) == 1:
            return DEFAULT
        return self._random.randrange(1, len(point.options))
