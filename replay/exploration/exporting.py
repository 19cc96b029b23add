"""A scenario of a recording of a simulated run: what was decided in it, and what that came to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final

from replay.errors import ReplayError, UnreadableRecording, UsageError
from replay.exploration.anchoring import Rule
from replay.exploration.keeping import SCENARIO_START, is_ours, rules_of, save_scenario
from replay.exploration.options import Options
from replay.recording.events import Kind
from replay.recording.recording import Recording
from replay.simulation import Failure, Outcome, Simulation, Taken, plain_failure

_DECIDED_KEY: Final = -Kind.DECIDED
_OWN: Final = ("seed", "cancel", "any_order")
"""Of a world's setting, what `Options` has a name for."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
      path: of the scenario.
      failure: that it leads to; None if the run did not fail.
      decisions: other than by default, of the run.
      rules: in their place, which survive edits of the program; None if none were found.
    """

    path: str
    failure: Failure | None
    decisions: tuple[Taken, ...]
    rules: tuple[Rule, ...] | None


def export(recording: str, path: str) -> Exported:
    """Write the scenario of a recorded run; the program is run some times for it, and must still do the same.

    Args:
      recording: of a simulated run.
      path: where the scenario goes; an older one is replaced.

    Raises:
      UnreadableRecording: it cannot be read, or is cut.
      UsageError: it is of a real run, or another file is in the way.
      ReplayError: the program does not do the same any more.
    """
    with Recording.open(recording) as found:
        outcome = found.outcome
        header: dict[str, Any] = dict(found.header)
        if outcome.is_cut:
            raise UnreadableRecording(f"{recording} has no end: what was decided last is not in it")
        setting: Any = header.get("simulated")
        if not isinstance(setting, dict):
            raise UsageError(
                f"{recording} is of a real run, in which nothing was decided",
                hint="`replay explore` looks for a schedule that fails, and keeps it as a scenario",
            )
        decisions = tuple(
            (str(one[0]), int(one[1]), str(one[2]))
            for one in (event.value for event in found.events() if event.key == _DECIDED_KEY)
            if isinstance(one, list) and len(one) == 3
        )
    cwd, policy, expect = str(header["cwd"]), dict(header["policy"]), dict(header["expect"])
    if policy["kind"] != "rules":
        policy = {"kind": "recorded", "decisions": [list(one) for one in decisions]}
    if not is_ours(path, SCENARIO_START):
        raise UsageError(f"{path} is no scenario, and is not replaced", hint="`-o FILE` names another")
    if not os.path.isdir(cwd):
        raise UsageError(f"the folder in which the program ran is not there: {cwd}")
    options = Options(
        target=header["target"],
        argv=tuple(header["argv"]),
        seed=setting.get("seed", 0),
        setting={name: value for name, value in setting.items() if name not in _OWN},
        cancel=tuple(setting.get("cancel", ())),
        any_order=bool(setting.get("any_order", False)),
        runs_in=cwd,
    )
    with Simulation.start(options.target, options.argv, setting, folder=options.runs_in) as simulation:
        again = simulation.run(policy, expect=expect)
        _check_same(outcome.how, outcome.detail, again)
        failure = plain_failure(again)
        rules: list[Rule] | None = policy.get("rules")
        if rules is None and failure is not None and decisions:
            rules = rules_of(simulation, failure, decisions, options, plain_failure)
    more = {"policy": policy["otherwise"]} if "otherwise" in policy else {}
    save_scenario(path, failure, again, decisions, rules, options, invariant=expect.get("invariant"), **more)
    return Exported(path, failure, decisions, None if rules is None else tuple(rules))


def _check_same(how: str, detail: object, again: Outcome) -> None:
    is_same = how == again.how and (detail == again.detail or how not in ("exit", "signal"))
    if is_same and not again.unmet:
        return
    raise ReplayError(
        f"the program does not do what it did any more: it ended by {how} ({detail}), now by {again.how} "
        f"({again.detail}), and {len(again.unmet)} of the decisions did not come up",
        hint="has it been edited? `replay explore` looks for the failure again",
    )


def default_path(recording: str) -> str:
    """Return where the scenario of a recording goes if nothing else is said."""
    return f"{os.path.splitext(recording)[0]}.yaml"
