"""Rules in the place of decisions: the same race, told by what a program does instead of by counting.

A decision is known by how often something has come up, which an edit elsewhere changes. A rule says until
when something is held: until something else has arrived, a timer is due, or a task stands at an expression.
The rules for a failure are looked for by running them: first those that say most clearly what happens.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final

from replay.labels import owner, short, without_number
from replay.simulation import Outcome, Taken

MAX_RUNS: Final = 60
_MOST_EACH: Final = 8
"""So many rules are tried for one decision."""

Rule = dict[str, Any]


def rules_for(
    decisions: tuple[Taken, ...], outcome: Outcome, reproduces: Callable[[list[Rule]], bool]
) -> list[Rule] | None:
    """Return rules that lead to the same failure; None if none of those that were tried do.

    Args:
      decisions: that lead to it.
      outcome: of the run with these decisions; with its history.
      reproduces: whether rules lead to it.
    """
    by_what: dict[str, list[Taken]] = {}
    for one in decisions:
        by_what.setdefault(one[0], []).append(one)
    for key in list(by_what):
        kind, _, child = key.partition(" ")
        if kind == "exit":  # the rule for it holds its end
            by_what.pop(f"arrival exit of {child} 1", None)
    each = [
        list(itertools.islice(_candidates(key, taken, outcome), _MOST_EACH)) for key, taken in by_what.items()
    ]
    if not all(each):
        return None
    for tried, rules in enumerate(sorted(itertools.product(*map(enumerate, each)), key=_rank)):
        if tried >= MAX_RUNS:
            return None
        found = [rule for _, rule in rules]
        if reproduces(found):
            return found
    return None


def _rank(rules: tuple[tuple[int, Rule], ...]) -> int:
    return sum(at for at, _ in rules)


def _candidates(key: str, taken: list[Taken], outcome: Outcome) -> Iterator[Rule]:
    kind, _, label = key.partition(" ")
    if kind in ("arrival", "thread"):
        what = _what(kind, label)
        for condition in _conditions(label, taken, outcome):
            yield {"hold": what, "until": condition}
    elif kind == "stall":
        until = {"timer": owner(taken[-1][2].removeprefix("until "))}
        step = label.partition(" before ")[2]
        anchors = list(itertools.islice(_anchors(taken[-1], outcome, step), _MOST_EACH // 2))
        for anchor in anchors:
            yield {"stall": {"until": until}, "when": anchor}
        for anchor in anchors:
            yield {"stall": {"until": until, "before": step}, "when": anchor}
    elif kind == "batch":
        yield {"batch_order": [without_number(taken[-1][2]), without_number(label)]}
    elif kind == "cancel":
        task, _, text = label.partition(" at ")
        yield {"cancel": {"task": task, "at": text, "nth": taken[-1][1]}}
    elif kind == "exit":
        if taken[-1][1] == 1:
            yield {"ended": {"child": label}}
        for anchor in itertools.islice(_anchors(taken[-1], outcome, ""), _MOST_EACH // 2):
            yield {"ended": {"child": label}, "when": anchor}
        yield {"ended": {"child": label, "nth": taken[-1][1]}}


def _what(kind: str, label: str) -> Rule:
    if kind == "thread":
        return {"thread": label}
    channel, _, nth = label.rpartition(" ")
    return {"arrival": channel, "nth": int(nth)}


def _conditions(label: str, taken: list[Taken], outcome: Outcome) -> Iterator[Rule]:
    """Yield until when something may be held: as was decided, what came just before it, where tasks stood."""
    last = taken[-1][2]
    if len(taken) == 1 and last.startswith("with "):
        yield {"timer": owner(last.removeprefix("with "))}
    elif len(taken) == 1 and last.startswith("after "):
        yield {"after_timer": owner(last.removeprefix("after "))}
    before = _before(label, outcome)
    if before is not None:
        came, places = before
        if came is not None:
            yield {"arrived": _of_label(came)}
        for task, function, text, state in places:
            if state == "waiting":
                yield {"task": task, "in": short(function), "at": text, "state": state}
    if last.startswith("after "):
        yield {"after_timer": owner(last.removeprefix("after "))}


def _before(label: str, outcome: Outcome) -> tuple[str | None, list[list[str]]] | None:
    """Return what came last before something, and where the tasks stood that had moved since it was held."""
    came: str | None = None
    held: list[list[str]] | None = None
    for entry in outcome.history:
        if entry.get("taken", [""])[0].partition(" ")[2] == label and held is None:
            held = entry["places"]
        if entry.get("happened") == label and held is not None:
            moved = [place for place in entry["places"] if place not in held]
            return came, moved or entry["places"]
        if held is not None and "happened" in entry:
            came = entry["happened"]
    return None


def _anchors(taken: Taken, outcome: Outcome, step: str) -> Iterator[Rule]:
    """Yield where a task stood when a decision was taken: first the one whose step came next, then all."""
    for entry in outcome.history:
        if entry.get("taken") == list(taken):
            places = sorted(entry["places"], key=lambda place: (place[0] != step, place[3] != "ready"))
            for task, function, text, state in places:
                yield {"task": task, "in": short(function), "at": text, "state": state}
            return


def _of_label(label: str) -> Rule:
    channel, _, nth = label.rpartition(" ")
    return {"arrival": channel, "nth": int(nth)} if channel and nth.isdigit() else {"thread": label}
