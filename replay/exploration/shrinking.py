"""The fewest decisions that still break a program.

First by delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE
TSE 2002), which takes away what is not needed; then by trying one or two decisions alone, which finds what
no part of the first set is. All is measured in things that are late and loops that stall: a decision that
is taken once more about the same thing does not count again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from replay.simulation import Failure, Outcome, Simulation, Taken, taking

MAX_RUNS = 400
_MAX_SINGLES = 150


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What is left.

    Attributes:
      decisions: that still break the program.
      outcome: of the run that showed it.
      runs: how many it took.
    """

    decisions: tuple[Taken, ...]
    outcome: Outcome
    runs: int


def cost(decisions: Iterable[Taken]) -> int:
    """Return how many things are moved."""
    return len({key for key, _, _ in decisions})


def shrink(
    simulation: Simulation,
    failure: Failure,
    outcome: Outcome,
    default: Outcome,
    judge: Callable[[Outcome], Failure | None],
) -> Shrunk | None:
    """Return the fewest decisions found that lead to the same failure; None if it does not come again.

    Args:
      simulation: runs the program.
      failure: that is to be kept.
      outcome: of the run that showed it.
      default: of the run with all defaults.
      judge: says how a run failed, if it did.
    """
    search = _Search(simulation, failure, judge)
    decisions = outcome.decisions
    found = search.fails(decisions)
    if found is None:
        return None
    decisions = search.minimal(found.decisions)
    if cost(decisions) > 1:
        decisions = search.fewer(decisions, default)
    assert search.last is not None
    final = search.fails(decisions) or search.last
    return Shrunk(tuple(decisions), final, search.runs)


class _Search:
    def __init__(
        self, simulation: Simulation, failure: Failure, judge: Callable[[Outcome], Failure | None]
    ) -> None:
        self._simulation = simulation
        self._judge = judge
        self._failure = failure
        self.runs = 0
        self.last: Outcome | None = None
        self._known: dict[tuple[Taken, ...], Outcome | None] = {}

    def fails(self, decisions: Sequence[Taken]) -> Outcome | None:
        """Return the outcome if these decisions lead to the failure."""
        key = tuple(decisions)
        if key not in self._known:
            self.runs += 1
            outcome = self._simulation.run(taking(decisions))
            found = self._judge(outcome)
            same = found is not None and is_same(found, self._failure)
            self._known[key] = outcome if same else None
            if same:
                self.last = outcome
        return self._known[key]

    def minimal(self, decisions: Sequence[Taken]) -> tuple[Taken, ...]:
        """Take away as many as can be."""
        left = tuple(decisions)
        parts = 2
        while len(left) > 1 and self.runs < MAX_RUNS:
            size = max(1, len(left) // parts)
            for at in range(0, len(left), size):
                rest = left[:at] + left[at + size :]
                if rest and self.fails(rest) is not None:
                    left = rest
                    parts = max(2, parts - 1)
                    break
            else:
                if size == 1:
                    break
                parts = min(len(left), parts * 2)
        return left

    def fewer(self, decisions: tuple[Taken, ...], default: Outcome) -> tuple[Taken, ...]:
        """Try decisions alone: those of the set, and those that are near it in the default run."""
        singles: dict[Taken, None] = dict.fromkeys(decisions)
        labels = {key for key, _, _ in decisions}
        for only_near in (True, False):
            for key, nth, options in default.points:
                if (key in labels) is only_near:
                    singles.update(dict.fromkeys((key, nth, option) for option in options[1:]))
        tried = list(singles)[:_MAX_SINGLES]
        for one in tried:
            if self.runs >= MAX_RUNS:
                return decisions
            if self.fails((one,)) is not None:
                return (one,)
        if cost(decisions) > 2:
            near = [one for one in tried if one[0] in labels]
            for one, other in itertools.product(decisions, near):
                if self.runs >= MAX_RUNS:
                    break
                if one[:2] != other[:2] and self.fails((one, other)) is not None:
                    return one, other
        return decisions


def is_same(one: Failure, other: Failure) -> bool:
    """Whether two failures are the same but for what varies in their messages."""
    return (one.kind, one.message.partition(":")[0], one.where) == (
        other.kind,
        other.message.partition(":")[0],
        other.where,
    )
