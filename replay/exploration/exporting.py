"""A scenario of a recording of a simulated run: what was decided in it, and what that came to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final

from replay.errors import ReplayError, UnreadableRecording, UsageError
from replay.exploration.anchoring import Rule
from replay.exploration.keeping import SCENARIO_START, is_ours, rules_of, save_scenario, scenario_of
from replay.exploration.options import Options
from replay.options import SHOWN_BYTES
from replay.recording.events import Kind, split_key
from replay.recording.header import check_header
from replay.recording.recording import Recording
from replay.scenario.expectations import Expectation
from replay.scenario.scenario import Scenario
from replay.simulation import Failure, Outcome, Simulation, Taken

_DECIDED_KEY: Final = -Kind.DECIDED
_OUTPUT_TAG: Final = Kind.OUTPUT
_OWN: Final = ("seed", "cancel", "any_order")
"""Of a world's setting, what `Options` has a name for."""
_MOST_S: Final = 3600.0
_NOT_OF_THE_PROGRAM: Final = ("refused", "lost")
"""Ends of runs that no scenario can expect."""


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

    As a replay, this runs what the recording says: the program that it names, with its arguments.

    Args:
      recording: of a simulated run.
      path: where the scenario goes; an older one is replaced.

    Raises:
      UnreadableRecording: it cannot be read, is cut, or says what no recorder writes.
      UsageError: it is of a real run, or another file is in the way.
      ReplayError: the program does not do the same any more, or the world ended the run.
    """
    if not is_ours(path, SCENARIO_START):
        raise UsageError(f"{path} is no scenario, and is not replaced", hint="`-o FILE` names another")
    kept = _Kept.read(recording)
    options = kept.options
    if not os.path.isdir(options.runs_in or "."):
        raise UsageError(f"the folder in which the program ran is not there: {options.runs_in}")
    scenario = kept.scenario(path, recording)
    with Simulation.start(
        options.target,
        options.argv,
        scenario.setting(),
        folder=options.runs_in,
        limit_s=options.run_limit_s,
    ) as simulation:
        again = simulation.run(scenario.decides(), expect={"invariant": kept.invariant})
        kept.check_same(again)
        failure = options.judge(again)
        if failure is not None and failure.kind in _NOT_OF_THE_PROGRAM:
            raise ReplayError(f"no scenario can expect this: {failure.message}")
        rules: list[Rule] | None = [dict(rule) for rule in kept.rules] or None
        if rules is None and failure is not None and kept.decisions:
            rules = rules_of(simulation, failure, kept.decisions, options)
    save_scenario(
        path, failure, again, kept.decisions, rules, options, invariant=kept.invariant, policy=kept.otherwise
    )
    return Exported(path, failure, kept.decisions, None if rules is None else tuple(rules))


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a recording has of a simulated run.

    Attributes:
      options: how it was run.
      decisions: other than by default.
      rules: that decided, if any did.
      otherwise: the policy that decided beside rules; None: nothing was late.
      invariant: an expression that was to be true at the end.
      how: it ended; and detail.
      output: what it printed.
    """

    options: Options
    decisions: tuple[Taken, ...]
    rules: tuple[dict[str, Any], ...]
    otherwise: dict[str, Any] | None
    invariant: str | None
    how: str
    detail: object
    output: bytes

    @classmethod
    def read(cls, path: str) -> _Kept:
        """Read it; nothing that is in it is believed before `scenario` has been made of it."""
        with Recording.open(path) as found:
            outcome = found.outcome
            header: dict[str, Any] = dict(found.header)
            if outcome.is_cut:
                raise UnreadableRecording(f"{path} has no end: what was decided last is not in it")
            if "simulated" not in header:
                raise UsageError(
                    f"{path} is of a real run, in which nothing was decided",
                    hint="`replay explore` looks for a schedule that fails, and keeps it as a scenario",
                )
            check_header(header, path)
            decisions: list[Any] = []
            output: list[bytes] = []
            for event in found.events():
                if event.key == _DECIDED_KEY:
                    decisions.append(event.value)
                elif event.key < 0 and split_key(event.key)[0] == _OUTPUT_TAG:
                    output.append(event.value[1])
        try:
            return cls._of(header, decisions, outcome.how, outcome.detail, b"".join(output))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise _senseless(path) from None

    @classmethod
    def _of(
        cls, header: dict[str, Any], decisions: list[Any], how: str, detail: object, output: bytes
    ) -> _Kept:
        setting, policy, expect = header["simulated"], header["policy"], header["expect"]
        is_ruled = policy["kind"] == "rules"
        return cls(
            options=Options(
                target=header["target"],
                argv=tuple(header["argv"]),
                seed=setting["seed"],
                setting={name: value for name, value in setting.items() if name not in _OWN},
                is_strict=bool(expect.get("strict", False)),
                cancel=tuple(setting.get("cancel", ())),
                any_order=bool(setting.get("any_order", False)),
                runs_in=header["cwd"],
                run_limit_s=min(max(float(header["limit_s"]), 0.01), _MOST_S),
            ),
            decisions=tuple((str(what), int(nth), str(option)) for what, nth, option in decisions),
            rules=tuple(policy["rules"]) if is_ruled else (),
            otherwise=policy.get("otherwise") if is_ruled else None,
            invariant=expect.get("invariant"),
            how=how,
            detail=detail,
            output=output,
        )

    def scenario(self, path: str, recording: str) -> Scenario:
        """Return the scenario that runs it again.

        Raises:
          UnreadableRecording: it would be none.
        """
        try:
            made = scenario_of(
                path,
                self.options,
                rules=self.rules,
                decisions=() if self.rules else self.decisions,
                expect=Expectation(invariant=self.invariant),
                **({} if self.otherwise is None else {"policy": self.otherwise}),
            )
            if Scenario.parse(made.text()) != made:
                raise ValueError
        except Exception:  # anything may be in it, so anything may fail
            raise _senseless(recording) from None
        return made

    def check_same(self, again: Outcome) -> None:
        """Make sure that a run did the same.

        Raises:
          ReplayError: it did not.
        """
        printed = self.output[-SHOWN_BYTES:].decode(errors="backslashreplace")
        is_real = bool((self.options.setting or {}).get("real_subprocess"))  # children print as they like
        if self.how != again.how or (self.detail != again.detail and self.how in ("exit", "signal")):
            told = f"it ended by {self.how} ({self.detail}), now by {again.how} ({again.detail})"
        elif not self.rules and again.unmet:
            told = f"{len(again.unmet)} of its decisions did not come up"
        elif not is_real and printed != again.output:
            told = "it prints something else"
        else:
            return
        raise ReplayError(
            f"the program does not do what it did any more: {told}",
            hint="has it been edited? `replay explore` looks for the failure again",
        )


def _senseless(path: str) -> UnreadableRecording:
    return UnreadableRecording(f"{path} says of its run what no recorder writes: it cannot be exported")


def default_path(recording: str) -> str:
    """Return where the scenario of a recording goes if nothing else is said."""
    return f"{os.path.splitext(recording)[0]}.yaml"
