"""Exploring a program from its baseline to the files that keep what was found."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from replay.errors import ReplayError
from replay.exploration import search as searching
from replay.exploration.anchoring import Rule
from replay.exploration.explaining import explain
from replay.exploration.keeping import SCENARIO_START, is_ours, rules_of, save_scenario
from replay.exploration.options import Options
from replay.exploration.search import Found, Progress
from replay.exploration.shrinking import Shrunk, cost, shrink
from replay.recording.container import MAGIC
from replay.simulation import (
    Failure,
    Outcome,
    Simulation,
    Taken,
    taking,
)


@dataclass(frozen=True, slots=True)
class Explored:
    """One failure, with all that is kept of it.

    Attributes:
      schedule: after how many schedules it came.
      decisions: the shrunk ones; those of the run as it was if it did not come again.
      moved: how many things are late in them, or loops stall.
      explanation: a sentence.
      recording: the path of the file; None if none was kept.
      scenario: likewise.
      rules: that lead to it too, and survive edits of the program; None if none were found.
      is_confirmed: whether it came again when it was run once more.
      seed: of the world.
    """

    failure: Failure
    schedule: int
    decisions: tuple[Taken, ...]
    moved: int
    explanation: str
    recording: str | None
    scenario: str | None
    rules: tuple[Rule, ...] | None
    is_confirmed: bool
    outcome: Outcome
    seed: int


@dataclass(frozen=True, slots=True)
class Report:
    """What came of exploring.

    Attributes:
      failures: each once; with its files.
      schedules: how many runs there were, without those of shrinking.
      distinct: how many of them did different things.
      seconds: how long it took.
      default: of the run with all defaults.
    """

    failures: tuple[Explored, ...]
    schedules: int
    distinct: int
    seconds: float
    default: Outcome

    @property
    def found(self) -> bool:
        """Whether the program can fail."""
        return bool(self.failures)


class FailsByDefaultError(ReplayError):
    """The program fails already when nothing is late."""

    def __init__(self, failure: Failure, outcome: Outcome) -> None:
        where = f" at {failure.where}" if failure.where else ""
        super().__init__(
            f"the program fails already when nothing is late{where}: {failure.message}",
            hint=_hint(failure),
        )
        self.outcome = outcome


def _hint(failure: Failure) -> str:
    if failure.kind == "refused" and failure.message.startswith("os.fork_exec "):
        return "`--real-subprocess` lets the program start real children"
    if failure.kind == "refused":
        return "the simulated world is in memory; what leaves it is refused, see docs/exploring.md"
    if "gaierror" in failure.message:
        return "names of hosts are given by a scenario: `world: {hosts: [NAME]}` in a file for `--world`"
    return "mend that first, or record it: `replay record` and `replay debug`"


def explore(options: Options, on_progress: Callable[[Progress], None] | None = None) -> Report:
    """Look for schedules that break a program.

    Raises:
      ReplayError: it cannot be run, fails already by default (``FailsByDefaultError``), or does not do the
        same
        for the same decisions.
    """

    setting = {
        "seed": options.seed,
        "cancel": options.cancel,
        "any_order": options.any_order,
        **(options.setting or {}),
    }

    def start() -> Simulation:
        return Simulation.start(
            options.target, options.argv, setting, folder=options.runs_in, limit_s=options.run_limit_s
        )

    with start() as simulation:
        default = searching.baseline(simulation)
        failure = options.judge(default)
        if failure is not None:
            raise FailsByDefaultError(failure, default)
        if not default.decisions_count:
            return Report((), 1, 1, 0.0, default)
        policies = searching.schedules(options.policy, options.seed, default)
        progress = searching.search(
            start,
            policies,
            options.limits,
            options.jobs,
            on_progress or _nothing,
            options.judge,
        )
        names = _Names(options)
        failures = tuple(_keep(simulation, one, default, options, names) for one in progress.found)
    return Report(failures, progress.schedules, len(progress.distinct), progress.seconds, default)


def _nothing(progress: Progress) -> None:
    pass


def _keep(
    simulation: Simulation,
    found: Found,
    default: Outcome,
    options: Options,
    names: _Names,
) -> Explored:
    shrunk: Shrunk | None = shrink(simulation, found.failure, found.outcome, default, options.judge)
    decisions = found.outcome.decisions if shrunk is None else shrunk.decisions
    path = names.next()
    recording = f"{path}.rec"
    if os.path.exists(recording):
        os.unlink(recording)
    expect = {"strict": options.is_strict}
    outcome = simulation.run(taking(decisions), recording=recording, expect=expect)
    failure = options.judge(outcome)
    rules = rules_of(simulation, found.failure, tuple(decisions), options)
    is_confirmed = shrunk is not None and failure is not None and failure.kind == found.failure.kind
    kept = failure if is_confirmed and failure is not None else found.failure
    return Explored(
        failure=kept,
        schedule=found.schedule,
        decisions=tuple(decisions),
        moved=cost(decisions),
        explanation=explain(decisions, kept),
        recording=recording,
        scenario=save_scenario(f"{path}.yaml", kept, outcome, decisions, rules, options),
        rules=None if rules is None else tuple(rules),
        is_confirmed=is_confirmed,
        outcome=outcome,
        seed=options.seed,
    )


class _Names:
    """Names of the files of failures: after the program, numbered if there are several."""

    def __init__(self, options: Options) -> None:
        name = (
            options.argv[0].rpartition(".")[2] if options.target == "module" else Path(options.argv[0]).stem
        )
        self._base = os.path.join(options.folder, name)
        self._count = 0

    def next(self) -> str:
        """Return the path of the next failure's files, without their endings."""
        while True:
            self._count += 1
            path = self._base if self._count == 1 else f"{self._base}-{self._count}"
            if is_ours(f"{path}.rec", MAGIC) and is_ours(f"{path}.yaml", SCENARIO_START):
                return path
