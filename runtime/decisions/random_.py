"""The policy ``random``: deviates from the default with a probability that is drawn anew for each run.

Some races need one thing to be late and all else on time, others need several late at once; no one
probability finds both, so each run draws its own.
"""

from __future__ import annotations

import random
from typing import Final

from replay.runtime.decisions.decision import DEFAULT, Point

RATES: Final = (0.02, 0.06, 0.15, 0.3, 0.5)
"""Probabilities that a decision deviates, one of them for a run."""


class Random:
    """Draws.

    Args:
      seed: of the generator: one seed, one run.
    """

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)
        self._rate = self._random.choice(RATES)

    def choose(self, point: Point) -> int:
        """Return the default, or with some probability any other option."""
        if len(point.options) == 1 or self._random.random() >= self._rate:
            return DEFAULT
        return self._random.randrange(1, len(point.options))
