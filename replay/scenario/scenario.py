"""A scenario: loaded from YAML, written to it, run in the simulated world, judged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

from replay.errors import UsageError
from replay.options import Target
from replay.scenario import documents
from replay.scenario.documents import Mapping, Node, Problems, ScenarioError
from replay.scenario.expectations import Expectation, Miss, described
from replay.scenario.format import SCENARIO, STRICT_KINDS, VERSION
from replay.scenario.shapes import BAD, Plain
from replay.simulation import RUN_LIMIT_S, Outcome, Simulation, Taken, taking

OnUnmet = str
"""``fail`` or ``warn``."""

_PCT_LENGTH: Final = 100
_LAST_LINES: Final = 12
_CANCEL: Final = "cancel "
_GROUPS: Final = (("world", "policy", "any_order"), ("rules", "decisions"), ("expect", "on_unmet"))
"""Keys that stand together in a file."""


@dataclass(frozen=True)
class Scenario:
    """A run in the simulated world that is described, and what must come of it.

    Attributes:
      argv: the script, module or script of a command, and its arguments.
      target: what ``argv[0]`` is.
      name: what it is called.
      about: what it shows.
      folder: where the program runs, seen from the folder that the scenario is in.
      world: what the program finds: ``seed``, ``start_s``, ``hosts``, ..., as a `Simulation` takes them.
      policy: decides what no rule decides; ``kind``, and what that wants.
      any_order: callbacks run in any order, also one that no real loop has.
      rules: what happens otherwise than by itself, as plain data.
      decisions: as a run took them, other than by default.
      expect: what must come of it.
      on_unmet: what it means if a rule never matched, or a decision never came up: ``fail`` or ``warn``.
      path: of the file, if it was loaded from one; paths are seen from its folder, else from the current one.
      lines: of the rules or decisions in the file.
    """

    argv: tuple[str, ...]
    target: Target = "script"
    name: str | None = None
    about: str | None = None
    folder: str | None = None
    world: dict[str, Plain] = field(default_factory=dict[str, Plain])
    policy: dict[str, Plain] = field(default_factory=lambda: {"kind": "fifo"})
    any_order: bool = False
    rules: tuple[dict[str, Plain], ...] = ()
    decisions: tuple[Taken, ...] = ()
    expect: Expectation = field(default_factory=Expectation)
    on_unmet: OnUnmet = "fail"
    path: str | None = field(default=None, compare=False)
    lines: tuple[int, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Scenario:
        """Read a scenario from a file.

        Raises:
          ScenarioError: it is none; all that is wrong with it is told, with lines and columns.
          UsageError: it cannot be read at all.
        """
        shown = os.fspath(path)
        try:
            with open(shown, "rb") as file:
                data = file.read(documents.MAX_BYTES + 1)
        except FileNotFoundError:
            raise UsageError(f"no such file: {shown}") from None
        except OSError as error:
            raise UsageError(f"{shown} cannot be read: {error.strerror}") from None
        return cls.parse(documents.decode(data, shown), shown)

    @classmethod
    def parse(cls, text: str, path: str | None = None) -> Scenario:
        """Read a scenario from text.

        Args:
          text: is YAML.
          path: of the file that it is, or will be, in; then the program must be there, seen from it.

        Raises:
          ScenarioError: it is none.
        """
        shown = path or "<scenario>"
        node = documents.compose(text, shown)
        problems = Problems()
        plain = SCENARIO.read(node, problems)
        if plain is BAD:
            raise ScenarioError(shown, problems.found)
        made = _of_plain(plain, path, _lines(node))
        problem = None if path is None else made._missing_program()
        if problem is not None:
            problems.add(_value(node, "program"), problem)
            raise ScenarioError(shown, problems.found)
        return made

    @classmethod
    def of_run(
        cls,
        path: str | os.PathLike[str],
        target: Target,
        argv: tuple[str, ...],
        *,
        folder: str | None = None,
        **settings: Any,
    ) -> Scenario:
        """Return a scenario for a program as it was run, to be saved at a path.

        Args:
          path: where it is to be saved: the program is found from there.
          target: what ``argv[0]`` is.
          argv: the program as a `Simulation` was given it.
          folder: where the program ran; the current one if left out.
          settings: the other attributes.
        """
        seen = os.path.relpath(folder or os.getcwd(), os.path.dirname(os.path.abspath(path)))
        return cls(argv, target, folder=None if seen == "." else seen, path=os.fspath(path), **settings)

    def __post_init__(self) -> None:
        if self.decisions and (self.rules or self.policy != {"kind": "fifo"}):
            raise ValueError("decisions leave nothing to rules or to a policy")

    @property
    def title(self) -> str:
        """What it is called; by its file if it has no name."""
        if self.name is not None:
            return self.name
        return os.path.splitext(os.path.basename(self.path or self.argv[0]))[0]

    @property
    def home(self) -> str:
        """The absolute path of the folder where the program runs."""
        here = os.path.dirname(os.path.abspath(self.path)) if self.path else os.getcwd()
        return os.path.normpath(os.path.join(here, self.folder or ""))

    def _missing_program(self) -> str | None:
        """Say what is not there of what is to run."""
        if not os.path.isdir(self.home):
            return f"no such folder: {self.home}"
        if self.target != "module" and not os.path.exists(os.path.join(self.home, self.argv[0])):
            return f"no such file: {os.path.join(self.home, self.argv[0])}"
        return None

    def text(self) -> str:
        """Return it as YAML; `parse` makes the same of it."""
        plain = SCENARIO.write(_plain(self))
        apart = [next((name for name in group if name in plain), None) for group in _GROUPS]
        return documents.dump(plain, [name for name in apart if name is not None])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file; paths in it stay as they are."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.text())

    def setting(self) -> dict[str, Plain]:
        """Return what the world is like, as a `Simulation` takes it."""
        told = dict(self.world)
        # A task is asked about at each of its awaits only if it may be cancelled there.
        labels = [rule["cancel"]["task"] for rule in self.rules if "cancel" in rule]
        labels += [
            key[len(_CANCEL) :].partition(" at ")[0] for key, *_ in self.decisions if key.startswith(_CANCEL)
        ]
        if labels:
            told["cancel"] = sorted(set(labels))
        if self.any_order:
            told["any_order"] = True
        return told

    def decides(self) -> dict[str, Plain]:
        """Return what decides, as a `Simulation` takes it."""
        if self.decisions:
            return taking(self.decisions)
        policy = dict(self.policy)
        if policy["kind"] in ("random", "pct"):
            policy.setdefault("seed", self.world.get("seed", 0))
        if policy["kind"] == "pct":
            policy.setdefault("length", _PCT_LENGTH)
        if self.rules:
            return {"kind": "rules", "rules": list(self.rules), "otherwise": policy}
        return policy

    def run(
        self,
        *,
        recording: str | os.PathLike[str] | None = None,
        is_watched: bool = False,
        limit_s: float = RUN_LIMIT_S,
    ) -> Result:
        """Run the program once, in a process of its own, and judge what came of it.

        Args:
          recording: where to write one; nowhere if left out.
          is_watched: tell all decisions, as ``outcome.points``.
          limit_s: real time after which the run is one that never ends.

        Raises:
          ReplayError: the program cannot be started.
        """
        expect = {
            "invariant": self.expect.invariant,
            "strict": self.expect.strict or self.expect.kind in STRICT_KINDS,
        }
        with Simulation.start(
            self.target, self.argv, self.setting(), folder=self.home, limit_s=limit_s
        ) as simulation:
            outcome = simulation.run(
                self.decides(),
                recording=None if recording is None else os.path.abspath(recording),
                is_watched=is_watched,
                expect=expect,
            )
        return Result.of(self, outcome)

    def item(self, index: int) -> str:
        """Name one of the rules or decisions, with its line if that is known.

        Args:
          index: which one.
        """
        what = "decision" if self.decisions else "rule"
        line = f", line {self.lines[index]}," if index < len(self.lines) else ""
        return f"{what} {index + 1}{line}"


@dataclass(frozen=True)
class Result:
    """What came of a scenario.

    Attributes:
      scenario: that was run.
      outcome: of the run.
      misses: what did not come as expected.
      unmet: rules that never matched, or decisions that did not come up, in words.
    """

    scenario: Scenario
    outcome: Outcome
    misses: tuple[Miss, ...] = ()
    unmet: tuple[str, ...] = ()

    @classmethod
    def of(cls, scenario: Scenario, outcome: Outcome) -> Result:
        """Judge a run."""
        misses = scenario.expect.misses(outcome, scenario.home)
        unmet = _decisions_unmet if scenario.decisions else _rules_unmet
        return cls(scenario, outcome, tuple(misses), tuple(unmet(scenario, outcome)))

    @property
    def passed(self) -> bool:
        """Whether the scenario did what it says."""
        return not self.misses and not (self.unmet and self.scenario.on_unmet == "fail")

    @property
    def _observed(self) -> str:
        return described(self.scenario.expect.failure_of(self.outcome), self.scenario.home)

    @property
    def message(self) -> str:
        """What came of it: a line if it did what it says, else all that it did not, and the last output."""
        if self.passed:
            return f"{self.scenario.title}: {self._observed}"
        lines = [f"{self.scenario.title}: the run is not as the scenario says", *self.reasons()]
        if self.last_lines:
            lines += ["the program's last lines:", *(f"  {line}" for line in self.last_lines)]
        return "\n".join(lines)

    @property
    def last_lines(self) -> list[str]:
        """What the program printed last."""
        return self.outcome.output.rstrip("\n").splitlines()[-_LAST_LINES:]

    def difference(self, other: Result) -> str | None:
        """Say where another run of the same scenario was not the same; None if it was."""
        one, two = self.outcome, other.outcome
        if one.digest == two.digest and one.failure == two.failure:
            return None
        if self._observed != other._observed:
            return f"{self._observed}, and: {other._observed}"
        for line, also in zip_longest(one.output.splitlines(), two.output.splitlines()):
            if line != also:
                shown = ["nothing more" if it is None else repr(it) for it in (line, also)]
                return f"it prints {shown[0]}, and: {shown[1]}"
        return "other steps, or steps in another order"

    def reasons(self) -> list[str]:
        """Return what did not come as expected, in lines."""
        lines = list(self.unmet)
        for miss in self.misses:
            lines += [f"expected  {miss.expected}", f"observed  {miss.observed}"]
        if not self.misses and self.unmet:
            lines.append(f"observed  {self._observed}")
        return lines


def _decisions_unmet(scenario: Scenario, outcome: Outcome) -> Iterator[str]:
    known = {(key, nth): index for index, (key, nth, _) in enumerate(scenario.decisions)}
    for key, nth, option in outcome.unmet:
        item = scenario.item(known[key, nth])
        yield f"{item} did not come up: `{key}`, the {_ordinal(nth)} time, `{option}`"


def _rules_unmet(scenario: Scenario, outcome: Outcome) -> Iterator[str]:
    for one in outcome.unmet:
        index = one["rule"]
        kind = next(iter(scenario.rules[index]))
        near = f"; nearest: {', '.join(one['near'])}" if one.get("near") else ""
        yield f"{scenario.item(index)} ({kind}): {one['problem']}{near}"


def _ordinal(number: int) -> str:
    ending = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _of_plain(plain: dict[str, Plain], path: str | None, lines: tuple[int, ...]) -> Scenario:
    program = plain["program"]
    target: Target = "script"
    argv = program
    if isinstance(program, dict):
        target = "module" if "module" in program else "command"
        argv = [program[target], *program.get("args", [])]
    policy = plain.get("policy", "fifo")
    if isinstance(policy, str):
        policy = {policy: {}}
    ((kind, wants),) = policy.items()
    return Scenario(
        argv=tuple(argv),
        target=target,
        name=plain.get("name"),
        about=plain.get("about"),
        folder=plain.get("folder"),
        world=plain.get("world", {}),
        policy={"kind": kind, **wants},
        any_order=plain.get("any_order", False),
        rules=tuple(plain.get("rules", ())),
        decisions=tuple((key, nth, option) for key, nth, option in plain.get("decisions", ())),
        expect=Expectation.of_plain(plain.get("expect", {})),
        on_unmet=plain.get("on_unmet", "fail"),
        path=path,
        lines=lines,
    )


def _plain(scenario: Scenario) -> dict[str, Plain]:
    wants = {name: value for name, value in scenario.policy.items() if name != "kind"}
    kind = scenario.policy["kind"]
    first, *arguments = scenario.argv
    program: Plain = {scenario.target: first, **({"args": arguments} if arguments else {})}
    told = {
        "replay": VERSION,
        "name": scenario.name,
        "about": scenario.about,
        "program": list(scenario.argv) if scenario.target == "script" else program,
        "folder": scenario.folder,
        "world": scenario.world or None,
        "policy": None if scenario.policy == {"kind": "fifo"} else {kind: wants} if wants else kind,
        "any_order": scenario.any_order or None,
        "rules": list(scenario.rules) or None,
        "decisions": [list(one) for one in scenario.decisions] or None,
        "expect": scenario.expect.plain() or None,
        "on_unmet": None if scenario.on_unmet == "fail" else scenario.on_unmet,
    }
    return {name: value for name, value in told.items() if value is not None}


def _value(node: Node, name: str) -> Node:
    """Return the value of a key that is there."""
    assert isinstance(node, Mapping)
    found: list[Node] = [value for key, value in node.value if key.value == name]
    return found[0]


def _lines(node: Node) -> tuple[int, ...]:
    """Return the lines of the rules or decisions."""
    assert isinstance(node, Mapping)
    items = [value.value for key, value in node.value if key.value in ("rules", "decisions")]
    return tuple(documents.place(one)[0] for one in items[0]) if items else ()
