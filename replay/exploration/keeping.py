"""The scenario of a run: the rules that lead to it, or else its decisions, and what it came to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from replay.exploration.anchoring import Rule, rules_for
from replay.exploration.explaining import explain
from replay.exploration.options import Options
from replay.exploration.shrinking import is_same
from replay.scenario.expectations import Expectation
from replay.scenario.scenario import Scenario
from replay.simulation import Failure, Outcome, Simulation, Taken, taking

SCENARIO_START: Final = b"replay: 1"


def scenario_of(path: str, options: Options, **more: Any) -> Scenario:
    """Return a scenario, to be saved at a path, that runs a program as ``options`` say; ``more`` as of it."""
    return Scenario.of_run(
        path,
        options.target,
        options.argv,
        folder=options.runs_in,
        world={"seed": options.seed, **(options.setting or {})},
        any_order=options.any_order,
        **more,
    )


def save_scenario(
    path: str,
    failure: Failure | None,
    outcome: Outcome,
    decisions: tuple[Taken, ...],
    rules: list[Rule] | None,
    options: Options,
    *,
    invariant: str | None = None,
    policy: dict[str, Any] | None = None,
) -> str:
    """Write what leads to a failure, or to none, to a file, by rules if there are any; return its path.

    Args:
      invariant: an expression that is to be true at the end.
      policy: what decides beside rules; by default, nothing is late.
    """
    expected = Expectation(passes=True) if failure is None else Expectation.of_failure(failure, outcome)
    scenario = scenario_of(
        path,
        options,
        about=None if failure is None or not decisions else explain(decisions, failure),
        rules=tuple(rules or ()),
        decisions=() if rules else decisions,
        **({} if policy is None else {"policy": policy}),
        expect=replace(expected, strict=options.is_strict, invariant=invariant),
    )
    scenario.save(path)
    return path


def rules_of(
    simulation: Simulation, failure: Failure, decisions: tuple[Taken, ...], options: Options
) -> list[Rule] | None:
    """Return rules that lead to the same failure; None if none were found."""
    watched = simulation.run(taking(decisions), is_watched=True)

    def reproduces(rules: list[Rule]) -> bool:
        outcome = simulation.run({"kind": "rules", "rules": rules})
        found = options.judge(outcome)
        return found is not None and is_same(found, failure) and not outcome.unmet

    return rules_for(decisions, watched, reproduces)


def is_ours(path: str, start: bytes) -> bool:
    """Whether nothing but an older file of this kind is lost if this one is replaced."""
    try:
        with open(path, "rb") as file:
            return file.read(len(start)) in (b"", start)
    except FileNotFoundError:
        return True
    except OSError:
        return False
