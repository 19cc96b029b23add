"""The policy ``random``: deviates from the default with a probability that is drawn anew for each run.

Some races need one thing to be late and all else on time, others need several late at once; no one
probability finds both, so each run draws its own. What is drawn for a decision follows from the seed and from
what the decision is about, not from how many there were before: a decision more, in another version of a
library, changes no other.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from replay.runtime.decisions.decision import DEFAULT, Point

RATES: Final = (0.02, 0.06, 0.15, 0.3, 0.5)
"""Probabilities that a decision deviates, one of them for a run."""

_HALF: Final = 1 << 32


class Random:
    """Draws.

    Args:
      seed: one seed, one run.
    """

    def __init__(self, seed: int | str) -> None:
        self._seed = seed
        self._most = RATES[self._draw("rate")[0] % len(RATES)] * _HALF

    def _draw(self, what: str) -> tuple[int, int]:
        """Return two numbers below ``_HALF``."""
        drawn = int.from_bytes(blake2b(f"{self._seed} {what}".encode(), digest_size=8).digest())
        return divmod(drawn, _HALF)

    def choose(self, point: Point) -> int:
        """Return the default, or with some probability any other option."""
        if len(point.options) == 1:
            return DEFAULT
        chance, which = self._draw(f"{point.kind} {point.label} {point.nth}")
        if chance >= self._most:
            return DEFAULT
        return 1 + which % (len(point.options) - 1)
