"""Which schedules are tried, and running them: several at a time, each in a process of its own.

The default is a mixture. Races that need one thing to be late are found by trying each in turn; those that
need several by chance, with few deviations in some runs and many in others.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from replay.errors import ReplayError
from replay.simulation import Failure, Outcome, Policy, Simulation, Taken, taking

POLICIES: Final = ("mixed", "random", "pct", "dfs", "fifo")
DEFAULT_SCHEDULES: Final = 1000
MAX_DEPTH: Final = 4
"""As many deviations of a schedule by ``pct``, and of one by ``dfs``."""

_CANCELLED_AGAIN: Final = 3
"""A task that was cancelled once is cancelled again at one of its next so many awaits."""


@dataclass(frozen=True, slots=True)
class Found:
    """A failure, and the run that showed it.

    Attributes:
      schedule: after how many schedules, from 1.
    """

    failure: Failure
    outcome: Outcome
    schedule: int


@dataclass(slots=True)
class Progress:
    """How far a search has come.

    Attributes:
      schedules: how many runs there were.
      distinct: checksums of what they did.
      found: the failures, each once.
      seconds: how long it took.
    """

    schedules: int = 0
    distinct: set[int] = field(default_factory=set[int])
    found: list[Found] = field(default_factory=list[Found])
    seconds: float = 0.0


Judge = Callable[[Outcome], Failure | None]


def baseline(simulation: Simulation) -> Outcome:
    """Run the program with all defaults, twice, and return what came of it.

    Raises:
      ReplayError: it behaves differently for the same decisions.
    """
    first = simulation.run({"kind": "fifo"}, is_watched=True)
    second = simulation.run({"kind": "fifo"}, is_watched=True)
    if first.digest != second.digest or first.failure != second.failure:
        raise ReplayError(
            "the program behaves differently for the same decisions: " + difference(first, second),
            hint="something that it does depends on what is not simulated; `replay record` may name it",
        )
    return first


def difference(one: Outcome, other: Outcome) -> str:
    """Say where two runs went apart that should have been the same."""
    for at, (left, right) in enumerate(zip(one.points, other.points, strict=False)):
        if left != right:
            return f"decision {at + 1} is about {left[0]!r} in one run and {right[0]!r} in the next"
    if one.output != other.output:
        pairs = zip(one.output.splitlines(), other.output.splitlines(), strict=False)
        for left_line, right_line in pairs:
            if left_line != right_line:
                return f"it prints {left_line!r:.200} in one run and {right_line!r:.200} in the next"
    return "another order of steps"


def schedules(kind: str, seed: int, default: Outcome) -> Iterator[Policy]:
    """Yield the schedules to try, one after another, without end unless the kind has one.

    Where tasks may be cancelled, they are first: at each of their awaits in turn, once, and then twice.
    """
    return itertools.chain(_cancelling(default), _schedules(kind, seed, default))


def _cancelling(default: Outcome) -> Iterator[Policy]:
    count = sum(key.startswith("cancel ") for key, _, _ in default.points)
    for then in (None, *range(1, _CANCELLED_AGAIN + 1)):
        for first in range(count):
            yield {"kind": "cancel", "first": first, "then": then}


def _schedules(kind: str, seed: int, default: Outcome) -> Iterator[Policy]:
    length = max(1, default.decisions_count)
    match kind:
        case "random":
            return ({"kind": "random", "seed": f"{seed} {at}"} for at in itertools.count())
        case "pct":
            return (_pct(f"{seed} {at}", 1 + at % MAX_DEPTH, length) for at in itertools.count())
        case "dfs":
            return _by_depth(default)
        case "fifo":
            return iter([{"kind": "fifo"}])
        case _:
            return _mixed(seed, default, length)


def _pct(seed: str, depth: int, length: int) -> Policy:
    return {"kind": "pct", "seed": seed, "depth": depth, "length": length}


def _singles(default: Outcome) -> Iterator[Taken]:
    for key, nth, options in default.points:
        for option in options[1:]:
            yield key, nth, option


def _by_depth(default: Outcome) -> Iterator[Policy]:
    """Yield all schedules with one deviation of the default one, then with two, and so on."""
    singles = list(_singles(default))
    for depth in range(1, MAX_DEPTH + 1):
        for taken in itertools.combinations(singles, depth):
            if len({(key, nth) for key, nth, _ in taken}) == depth:
                yield taking(taken)


def _mixed(seed: int, default: Outcome, length: int) -> Iterator[Policy]:
    order = random.Random(seed)
    singles = list(_singles(default))
    order.shuffle(singles)
    left = iter(singles)
    for at in itertools.count():
        yield {"kind": "random", "seed": f"{seed} {at}"}
        one = next(left, None)
        if one is not None:
            yield taking([one])
        else:
            yield _pct(f"{seed} {at}", 2 + at % (MAX_DEPTH - 1), length)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a search ends.

    Attributes:
      schedules: after so many runs.
      seconds: after so much time; None if it does not matter.
      all: go on after the first failure, and collect others.
    """

    schedules: int = DEFAULT_SCHEDULES
    seconds: float | None = None
    all: bool = False


def search(
    start: Callable[[], Simulation],
    policies: Iterator[Policy],
    limits: Limits,
    jobs: int,
    on_progress: Callable[[Progress], None],
    judge: Judge,
) -> Progress:
    """Run schedules until one fails, or the limits are reached.

    Args:
      start: starts a process for one of the jobs.
      policies: the schedules.
      jobs: how many run at a time.
      on_progress: is told after each run.
      judge: says how a run failed, if it did.

    Raises:
      ReplayError: a process ended.
    """
    progress = Progress()
    lock = threading.Lock()
    started = time.monotonic()
    problems: list[BaseException] = []
    is_over = threading.Event()
    seen: set[tuple[Any, ...]] = set()
    given = itertools.count(1)

    def take() -> tuple[int, Policy] | None:
        with lock:
            number = next(given)
            late = limits.seconds is not None and time.monotonic() - started > limits.seconds
            if is_over.is_set() or late or number > limits.schedules:
                return None
            policy = next(policies, None)
            return None if policy is None else (number, policy)

    def work() -> None:
        try:
            with start() as simulation:
                while (taken := take()) is not None:
                    number, policy = taken
                    outcome = simulation.run(policy)
                    with lock:
                        _note(progress, outcome, number, seen, judge(outcome))
                        progress.seconds = time.monotonic() - started
                        if progress.found and not limits.all:
                            is_over.set()
                        on_progress(progress)
        except BaseException as problem:
            problems.append(problem)
            is_over.set()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(jobs)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        is_over.set()
    for problem in problems:
        raise problem
    progress.found.sort(key=_by_schedule)
    return progress


def _note(
    progress: Progress, outcome: Outcome, number: int, seen: set[tuple[Any, ...]], failure: Failure | None
) -> None:
    progress.schedules += 1
    progress.distinct.add(outcome.digest)
    if failure is not None and failure.identity not in seen:
        seen.add(failure.identity)
        progress.found.append(Found(failure, outcome, number))


def _by_schedule(found: Found) -> int:
    return found.schedule
