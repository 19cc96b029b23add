"""Policies, rules and explanations of explored schedules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pytest

from replay.exploration.explaining import explain
from replay.exploration.search import schedules
from replay.runtime.decisions.decision import Decisions, Point, Taken
from replay.runtime.decisions.fifo import Fifo
from replay.runtime.decisions.pct import Pct
from replay.runtime.decisions.random_ import Random
from replay.runtime.decisions.recorded import Recorded
from replay.runtime.decisions.rules import Rules
from replay.simulation import Failure, Outcome

POINTS = [("arrival", f"server#{at % 3}", ("now", "later", "with the timer of x")) for at in range(12)]


def decide(policy: Any) -> Decisions:
    """Let a policy decide a few times."""
    decisions = Decisions(policy)
    for kind, label, options in POINTS:
        decisions.choose(kind, label, options)
    return decisions


def test_fifo_never_deviates() -> None:
    assert decide(Fifo()).deviations == []


@pytest.mark.parametrize("make", [Random, lambda seed: Pct(seed, 3, 12)], ids=["random", "pct"])
def test_one_seed_decides_the_same(make: Any) -> None:
    found = {seed: tuple(decide(make(seed)).deviations) for seed in range(20)}
    assert found == {seed: tuple(decide(make(seed)).deviations) for seed in range(20)}
    assert len(set(found.values())) > 10


def test_pct_deviates_as_often_as_it_is_told() -> None:
    assert {len(decide(Pct(seed, 3, 12)).deviations) for seed in range(20)} == {3}


def test_recorded_decisions_are_found_by_what_they_are_about() -> None:
    taken = decide(Pct(1, 3, 12)).deviations
    assert taken
    again = Recorded(taken)
    assert decide(again).deviations == taken
    assert again.unmet == {}
    other = Recorded([Taken(("arrival elsewhere", 1), "later"), Taken(("arrival server#0", 1), "no option")])
    assert decide(other).deviations == []
    assert set(other.unmet) == {("arrival elsewhere", 1), ("arrival server#0", 1)}


@dataclass
class Place:
    """Where a task stands."""

    task: str
    function: str
    text: str
    state: str


@dataclass
class Surroundings:
    """What the rules of these tests look at."""

    now: int = 0
    turn: int = 0
    stands: list[Place] = field(default_factory=list)
    due: list[tuple[int, str]] = field(default_factory=list)

    def places(self) -> Iterable[Place]:
        """Where the tasks stand."""
        return self.stands

    def timers(self) -> Iterable[tuple[int, str]]:
        """The next deadlines."""
        return [one for one in self.due if one[0] > self.now]

    def now_ns(self) -> int:
        """The time."""
        return self.now

    def turns(self) -> int:
        """How often a thread has gone on."""
        return self.turn

    def add_fault(self, fault: dict[str, Any]) -> None:
        """Nothing goes wrong here."""


def ruled(*rules: dict[str, Any]) -> tuple[Rules, Surroundings]:
    """Return rules, and what they look at."""
    policy, around = Rules(list(rules), Fifo()), Surroundings()
    policy.surroundings = around
    return policy, around


WHAT = {"arrival": "server#1 to client", "nth": 2}


def test_what_is_held_comes_when_a_task_stands_there() -> None:
    anchor = {"task": "user", "in": "get", "at": "fetch(key)", "state": "waiting"}
    rules, around = ruled({"deliver": WHAT, "when": anchor})
    assert rules.hold("arrival", "server#1 to client 1") is None
    may_come = rules.hold("arrival", "server#1 to client 2")
    assert may_come is not None
    assert not may_come()
    around.stands = [Place("user", "main.<locals>.get", "await fetch(key)", "ready")]
    assert not may_come()
    around.stands = [Place("user", "main.<locals>.get", "await fetch(key)", "waiting")]
    assert may_come()
    assert rules.unmet == []


def test_what_is_held_comes_with_a_timer_or_after_it() -> None:
    for condition, turn, expected in (
        ("timer", 0, True),
        ("after_timer", 0, False),
        ("after_timer", 1, True),
    ):
        rules, around = ruled({"hold": WHAT, "until": {condition: "main"}})
        around.due = [(50, "the timer of main")]
        may_come = rules.hold("arrival", "server#1 to client 2")
        assert may_come is not None
        assert not may_come()
        around.now = 50
        may_come()
        around.turn += turn
        assert may_come() is expected


def test_what_is_held_comes_after_another_arrival() -> None:
    rules, _ = ruled({"hold": WHAT, "until": {"arrived": {"arrival": "server#2 to client", "nth": 1}}})
    may_come = rules.hold("arrival", "server#1 to client 2")
    assert may_come is not None
    assert not may_come()
    rules.happened("server#2 to client 1")
    assert may_come()


def test_two_come_together_when_both_could() -> None:
    other = {"arrival": "server#2 to client", "nth": 1}
    rules, _ = ruled({"together": [WHAT, other]})
    first = rules.hold("arrival", "server#1 to client 2")
    assert first is not None
    assert not first()
    second = rules.hold("arrival", "server#2 to client 1")
    assert second is not None
    assert second()
    assert first()


def test_a_rule_that_never_matched_is_told_with_what_is_near() -> None:
    rules, _ = ruled({"deliver": {"arrival": "server#1 to clint", "nth": 2}, "when": {"time_s": 1}})
    rules.hold("arrival", "server#1 to client 2")
    assert rules.unmet == [
        {"rule": 0, "problem": "it never matched", "near": ["arrival: server#1 to client 2"]}
    ]


def test_a_loop_stalls_where_a_task_stands() -> None:
    rules, around = ruled(
        {"stall": {"until": {"timer": "writer#1"}}, "when": {"task": "watcher#1", "at": "changed.wait()"}}
    )
    point = Point("stall", "main before x", 1, ("go on", "until the timer of writer#1"))
    assert rules.choose(point) == 0
    around.stands = [Place("watcher#1", "watcher", "await changed.wait()", "ready")]
    assert rules.choose(point) == 1
    assert rules.choose(point) == 0  # once


def test_a_loop_stalls_before_a_step_that_is_named() -> None:
    rule = {"stall": {"until": {"timer": "writer#1"}, "before": "reader#1"}}
    rules, _ = ruled(rule)
    options = ("go on", "until the timer of writer#1")
    assert rules.choose(Point("stall", "main before raeder#2", 1, options)) == 0
    assert rules.unmet == [{"rule": 0, "problem": "it never matched", "near": ["before: raeder#2"]}]
    assert rules.choose(Point("stall", "main before reader#1", 1, options)) == 1
    assert rules.unmet == []


def test_a_child_has_ended_when_it_is_asked_for_the_second_time() -> None:
    rules, around = ruled({"ended": {"child": "true#1", "nth": 2}, "when": {"task": "main#1"}})
    point = Point("exit", "true#1", 1, ("not yet", "already"))
    assert rules.choose(point) == 0
    around.stands = [Place("main#1", "main", "child.poll()", "running")]
    assert rules.choose(Point("exit", "true#2", 1, ("not yet", "already"))) == 0
    assert [rules.choose(point) for _ in range(3)] == [0, 1, 0]
    assert rules.unmet == []
    rules, _ = ruled({"ended": {"child": "treu#1"}})
    assert rules.choose(point) == 0
    assert rules.unmet == [{"rule": 0, "problem": "it never matched", "near": ["child: true#1"]}]


def outcome(*points: tuple[str, int, tuple[str, ...]]) -> Outcome:
    """Return the outcome of a run with these decisions."""
    return Outcome("exit", 0, None, None, (), len(points), 0, 0, (), "", 0.0, points=points)


def test_dfs_tries_each_decision_then_each_pair() -> None:
    found = list(schedules("dfs", 0, outcome(("a", 1, ("x", "y")), ("b", 1, ("x", "y", "z")))))
    decisions = [tuple(tuple(one) for one in policy["decisions"]) for policy in found]
    assert decisions[:3] == [(("a", 1, "y"),), (("b", 1, "y"),), (("b", 1, "z"),)]
    assert decisions[3:] == [(("a", 1, "y"), ("b", 1, "y")), (("a", 1, "y"), ("b", 1, "z"))]


def test_the_mixture_tries_each_decision_once() -> None:
    default = outcome(("a", 1, ("x", "y")), ("b", 1, ("x", "y", "z")))
    found = list(islice(schedules("mixed", 5, default), 20))
    singles = [tuple(policy["decisions"][0]) for policy in found if policy["kind"] == "recorded"]
    assert sorted(singles) == [("a", 1, "y"), ("b", 1, "y"), ("b", 1, "z")]
    assert {policy["kind"] for policy in found} == {"random", "recorded", "pct"}


def test_cancelling_is_tried_first_once_and_then_twice() -> None:
    found = list(islice(schedules("random", 0, outcome(("cancel a at b", 1, ("go on", "cancel it")))), 5))
    assert [(one.get("first"), one.get("then")) for one in found] == [
        (0, None),
        (0, 1),
        (0, 2),
        (0, 3),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        (
            (("arrival 127.0.0.1:6379#1 to client 2", 1, "after the timeout of main#1"),),
            (
                "the 2nd thing that the server sends on 127.0.0.1:6379#1 arrives after the timeout of "
                "main#1: then AssertionError: user 2 sees the page of user 1"
            ),
        ),
        (
            (
                ("stall main before job#1", 1, "until the timer of main#1"),
                ("thread worker", 1, "400 ms late"),
            ),
            (
                "the loop is busy before job#1 runs, until the timer of main#1 is due, and thread worker "
                "goes on 400 ms late: then AssertionError: user 2 sees the page of user 1"
            ),
        ),
    ],
)
def test_decisions_are_explained(decisions: Any, expected: str) -> None:
    failure = Failure("exception", "AssertionError: user 2 sees the page of user 1\nmore")
    assert explain(decisions, failure) == expected
