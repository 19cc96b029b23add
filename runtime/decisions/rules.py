"""The policy ``rules``: what a scenario says, and another policy where it says nothing.

A rule names what it is about by label, and when it applies by where a task stands. What is held is held
until its condition is true, however long that takes; if nothing else can happen before, it is let go, and
the rule was not met.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from replay.labels import owner, short, without_number
from replay.runtime.decisions.decision import Point, Policy

_NEAR: Final = 3

Rule = dict[str, Any]


class Surroundings(Protocol):
    """What rules look at."""

    def places(self) -> Iterable[Any]:
        """Where the tasks stand: objects with ``task``, ``function``, ``text``, ``state``."""
        raise NotImplementedError

    def timers(self) -> Iterable[tuple[int, str]]:
        """The next deadlines: when they are due, and their labels."""
        raise NotImplementedError

    def now_ns(self) -> int:
        """The virtual time since the start."""
        raise NotImplementedError

    def turns(self) -> int:
        """How often a thread has gone on."""
        raise NotImplementedError

    def add_fault(self, fault: Rule) -> None:
        """Let something go wrong from now on."""


class Rules:
    """Does what rules say.

    Args:
      rules: plain data; see ``docs/scenarios.md``.
      otherwise: decides what no rule decides.
    """

    def __init__(self, rules: list[Rule], otherwise: Policy) -> None:
        self._rules = rules
        self._otherwise = otherwise
        self._met: set[int] = set()
        self._problems: dict[int, str] = {}
        self._labels: dict[str, None] = {}
        self._anchors: dict[str, None] = {}
        self._arrived: set[tuple[str, int]] = set()
        self._passed: set[str] = set()
        self._seen: dict[int, int] = {}
        self._waiting_together: dict[int, set[str]] = {}
        self._passing = [
            condition["passed"] for rule in rules for condition in _conditions(rule) if "passed" in condition
        ]
        self.surroundings: Surroundings

    # -- what is held ---------------------------------------------------------------------------

    def hold(self, kind: str, label: str) -> Callable[[], bool] | None:
        """Return what tells whether something that could come now may; None if no rule is about it."""
        self._labels.setdefault(f"{kind}: {label}")
        for at, rule in enumerate(self._rules):
            what = _held(rule)
            if what is not None:
                if _is_about(what, kind, label):
                    if "ended" in rule:
                        return functools.partial(self._met.__contains__, at)
                    return self._until(at, rule.get("when") or rule["until"])
            elif any(_is_about(one, kind, label) for one in rule.get("together", ())):
                return self._together(at, rule, kind, label)
        return None

    def _until(self, at: int, condition: Rule) -> Callable[[], bool]:
        test = self._test(condition)

        def may_come() -> bool:
            if test():
                self._met.add(at)
                return True
            return False

        return may_come

    def _together(self, at: int, rule: Rule, kind: str, label: str) -> Callable[[], bool]:
        here = self._waiting_together.setdefault(at, set())
        here.add(f"{kind} {label}")
        wanted = [one for one in rule["together"] if "timer" not in one]
        timers = [self._test({"timer": one["timer"]}) for one in rule["together"] if "timer" in one]
        when = self._test(rule["when"]) if rule.get("when") else None

        def may_come() -> bool:
            if at in self._met:
                return True
            if (
                len(here) < len(wanted)
                or not all(test() for test in timers)
                or (when is not None and not when())
            ):
                return False
            self._met.add(at)
            return True

        return may_come

    # -- conditions -----------------------------------------------------------------------------

    def _test(self, condition: Rule) -> Callable[[], bool]:
        if "passed" in condition:
            key = _anchor_key(condition["passed"])
            return lambda: key in self._passed
        if "arrived" in condition:
            what = condition["arrived"]
            return lambda: (
                (str(what.get("arrival", what.get("thread"))), int(what.get("nth", 1))) in self._arrived
            )
        if "timer" in condition:
            return self._timer(condition["timer"], is_behind=False)
        if "after_timer" in condition:
            return self._timer(condition["after_timer"], is_behind=True)
        if "time_s" in condition:
            return lambda: self.surroundings.now_ns() >= condition["time_s"] * 1e9
        return lambda: self._stands(condition)

    def _timer(self, label: str, *, is_behind: bool) -> Callable[[], bool]:
        wanted = owner(label)
        due_ns: list[int] = []
        turn: list[int] = []

        def is_due() -> bool:
            if not due_ns:
                due_ns.extend(when for when, one in self.surroundings.timers() if owner(one) == wanted)
            if not due_ns or self.surroundings.now_ns() < due_ns[0]:
                return False
            if not is_behind:
                return True
            if not turn:
                turn.append(self.surroundings.turns())
            return self.surroundings.turns() > turn[0]

        return is_due

    def _stands(self, anchor: Rule) -> bool:
        return any(_is_at(place, anchor) for place in self.surroundings.places())

    def watch(self) -> None:
        """Look where tasks stand; called before each thing that happens."""
        places = list(self.surroundings.places()) if self._passing or self._wants_anchors else []
        for place in places:
            self._anchors.setdefault(f"{place.task} in {place.function} at {place.text!r}")
        for at, rule in enumerate(self._rules):
            if (
                "fault" in rule
                and at not in self._met
                and (not rule.get("when") or self._test(rule["when"])())
            ):
                self._met.add(at)
                self.surroundings.add_fault(rule["fault"])
        for anchor in self._passing:
            if any(_is_at(place, anchor) for place in places):
                self._passed.add(_anchor_key(anchor))

    @property
    def _wants_anchors(self) -> bool:
        return len(self._met) < len(self._rules)

    def happened(self, label: str) -> None:
        """Something has arrived, or a thread has gone on."""
        name, _, nth = label.rpartition(" ")
        self._arrived.add((name, int(nth)) if nth.isdigit() else (label, 1))

    def let_go(self, kind: str, label: str) -> None:
        """Nothing else could happen: what was held has come, though its condition was not met."""
        for at, rule in enumerate(self._rules):
            what = _held(rule)
            if at not in self._met and what is not None and _is_about(what, kind, label):
                self._problems[at] = "its condition was never true, and nothing else could happen"

    # -- what is chosen -------------------------------------------------------------------------

    def choose(self, point: Point) -> int:
        """Return what a rule says, or the other policy."""
        if point.kind == "stall":
            self._labels.setdefault(f"before: {_next_step(point.label)}")
        elif point.kind == "exit":
            self._labels.setdefault(f"child: {point.label}")
        for at, rule in enumerate(self._rules):
            if "stall" in rule and point.kind == "stall":
                found = self._stall(at, rule, point)
            elif "batch_order" in rule and point.kind == "batch":
                found = self._batch(at, rule, point)
            elif "cancel" in rule and point.kind == "cancel":
                found = self._cancel(at, rule, point)
            elif "ended" in rule and point.kind == "exit":
                found = self._ended(at, rule, point)
            else:
                continue
            if found is not None:
                self._met.add(at)
                return found
        return self._otherwise.choose(point)

    def _stall(self, at: int, rule: Rule, point: Point) -> int | None:
        if at in self._met:
            return None
        if rule["stall"].get("before") not in (None, _next_step(point.label)):
            return None
        wanted = owner(rule["stall"]["until"]["timer"])
        for index, option in enumerate(point.options):
            if option.startswith("until ") and owner(option.removeprefix("until ")) == wanted:
                if rule.get("when") and not self._test(rule["when"])():
                    return None
                return index if self._is_nth(at, rule) else None
        return None

    def _batch(self, at: int, rule: Rule, point: Point) -> int | None:
        if rule.get("when") and not self._test(rule["when"])():
            return None
        names = [without_number(option) for option in point.options]
        return next((names.index(name) for name in rule["batch_order"] if name in names), None)

    def _cancel(self, at: int, rule: Rule, point: Point) -> int | None:
        asked = rule["cancel"]
        task, _, text = point.label.partition(" at ")
        if at in self._met or task != asked["task"]:
            return None
        if "at" in asked and _expression(str(asked["at"])) != _expression(text):
            return None
        return 1 if self._is_nth(at, asked) else None

    def _ended(self, at: int, rule: Rule, point: Point) -> int | None:
        asked = rule["ended"]
        if at in self._met or point.label != asked["child"]:
            return None
        if rule.get("when") and not self._test(rule["when"])():
            return None
        return 1 if self._is_nth(at, asked) else None

    def _is_nth(self, at: int, said: Rule) -> bool:
        """Whether what a rule is about has come up as often as it says, this time included."""
        self._seen[at] = self._seen.get(at, 0) + 1
        return self._seen[at] == int(said.get("nth", 1))

    # -- what was not met -----------------------------------------------------------------------

    @property
    def unmet(self) -> list[dict[str, Any]]:
        """The rules that never matched, each with the nearest of what there was."""
        found = []
        for at, rule in enumerate(self._rules):
            if at in self._met:
                continue
            found.append(
                {
                    "rule": at,
                    "problem": self._problems.get(at, "it never matched"),
                    "near": self._near(rule),
                }
            )
        return found

    def _near(self, rule: Rule) -> list[str]:
        near: list[str] = []
        what = rule.get("deliver") or rule.get("hold")
        if what is not None:
            wanted = (
                f"arrival: {what['arrival']} {what.get('nth', 1)}"
                if "arrival" in what
                else f"thread: {what['thread']}"
            )
            near += difflib.get_close_matches(wanted, list(self._labels), _NEAR, 0.3)
        for kind, named in (("before", rule.get("stall", {})), ("child", rule.get("ended", {}))):
            if kind in named:
                near += difflib.get_close_matches(f"{kind}: {named[kind]}", list(self._labels), _NEAR, 0.3)
        for condition in _conditions(rule):
            anchor = condition.get("passed", condition)
            if "task" in anchor:
                wanted = f"{anchor['task']} in {anchor.get('in', '')} at {anchor.get('at', '')!r}"
                near += difflib.get_close_matches(wanted, list(self._anchors), _NEAR, 0.3)
        return near


def _conditions(rule: Rule) -> list[Rule]:
    return [condition for condition in (rule.get("when"), rule.get("until")) if condition]


def _held(rule: Rule) -> Rule | None:
    """Return what a rule holds, if it holds anything by itself."""
    if "ended" in rule:
        return {"arrival": f"exit of {rule['ended']['child']}"}
    return rule.get("deliver") or rule.get("hold")


def _is_about(what: Rule, kind: str, label: str) -> bool:
    if "arrival" in what:
        return kind == "arrival" and label == f"{what['arrival']} {what.get('nth', 1)}"
    return kind == "thread" and label == what.get("thread")


def _next_step(label: str) -> str:
    """Return what is about to run in the loop that a decision of kind ``stall`` is about."""
    return label.partition(" before ")[2]


def _anchor_key(anchor: Rule) -> str:
    return repr(sorted(anchor.items()))


def _names(function: str) -> tuple[str, ...]:
    """Return the names by which a function may be called in an anchor."""
    return function, short(function), function.rpartition(".")[2]


def _expression(text: str) -> str:
    return " ".join(text.split()).removeprefix("await ")


def _is_at(place: Any, anchor: Rule) -> bool:
    if place.task != anchor["task"]:
        return False
    function = anchor.get("in")
    if function is not None and function not in _names(place.function):
        return False
    text = anchor.get("at")
    if text is not None and _expression(str(text)) != _expression(place.text):
        return False
    return anchor.get("state", "any") in ("any", place.state)
