"""What must come of a run: each expectation met, and missed with what was expected and what came."""

from __future__ import annotations

from typing import Any

import pytest

from replay.scenario.expectations import Expectation, Miss
from replay.scenario.scenario import Result, Scenario
from replay.simulation import Outcome


def outcome(how: str = "exit", detail: Any = 0, **more: Any) -> Outcome:
    usual: dict[str, Any] = {
        "where": None,
        "error": None,
        "decisions": (),
        "decisions_count": 0,
        "steps": 1,
        "digest": 2,
        "unmet": (),
        "output": "",
        "now_s": 0.0,
    }
    return Outcome(how, detail, **{**usual, **more})


PASSES = outcome(output="done\n")
RAISES = outcome(
    detail=1,
    error={"type": "shop.errors.LostOrder", "message": "bought 2 times", "where": "/w/app/shop.py:7 in main"},
    output="no answer\nTraceback ...\nshop.errors.LostOrder: bought 2 times\n",
)
RAISED = "shop.errors.LostOrder: bought 2 times at shop.py:7 in main"
EXITS = outcome(detail=3)
EXITS_0 = outcome()
PRINTS_NOTHING = "the program prints nothing"
STUCK = outcome("deadlock", None, where="/w/app/shop.py:9 in use", blocked=({"label": "a"}, {"label": "b"}))
STUCK_SAID = "deadlock: nothing that the program waits for can ever happen at shop.py:9 in use"
ENDLESS = outcome("endless", None, where="/w/app/shop.py:3 in spin")
KILLED = outcome("signal", 9)
LEAVES = outcome(leaks=("socket 3",))
REFUSED = outcome("refused", "os.fork")


@pytest.mark.parametrize(
    ("expected", "observed"),
    [
        (Expectation(), PASSES),
        (Expectation(passes=True), PASSES),
        (Expectation(output=("do", "ne\n")), PASSES),
        (Expectation(exit_code=0), PASSES),
        (Expectation(type="LostOrder"), RAISES),
        (Expectation(type="shop.errors.LostOrder", message="2 times", file="shop.py"), RAISES),
        (Expectation(kind="exception", file="app/shop.py"), RAISES),
        (Expectation(message="bought", output=("no answer",), exit_code=1), RAISES),
        (Expectation(passes=False), RAISES),
        (Expectation(exit_code=1), RAISES),
        (Expectation(exit_code=3), EXITS),
        (Expectation(kind="exit code"), EXITS),
        (Expectation(deadlock=()), STUCK),
        (Expectation(deadlock=("b",), file="shop.py"), STUCK),
        (Expectation(kind="deadlock"), STUCK),
        (Expectation(kind="endless run", file="shop.py"), ENDLESS),
        (Expectation(kind="signal", message="signal 9"), KILLED),
        (Expectation(strict=True), PASSES),
        (Expectation(), LEAVES),
        (Expectation(kind="leak", message="socket"), LEAVES),
        (Expectation(passes=False, strict=True), LEAVES),
    ],
)
def test_met(expected: Expectation, observed: Outcome) -> None:
    assert expected.misses(observed, "/w/app") == []


@pytest.mark.parametrize(
    ("expected", "observed", "said"),
    [
        (Expectation(), RAISES, [Miss("the run passes", RAISED)]),
        (Expectation(passes=True), EXITS, [Miss("the run passes", "the program ends with 3")]),
        (Expectation(passes=False), PASSES, [Miss("a failure", "the run passes")]),
        (Expectation(strict=True), LEAVES, [Miss("the run passes", "leak: open at the end: socket 3")]),
        (Expectation(kind="unhandled exception"), PASSES, [Miss("unhandled exception", "the run passes")]),
        (
            Expectation(output=("two", "do")),
            PASSES,
            [Miss("the output has 'two' in it", "it is not there")],
        ),
        (Expectation(output=("x",)), EXITS_0, [Miss("the output has 'x' in it", PRINTS_NOTHING)]),
        (Expectation(exit_code=2), PASSES, [Miss("exit code 2", "the run passes")]),
        (Expectation(exit_code=2), EXITS, [Miss("exit code 2", "exit code 3")]),
        (Expectation(exit_code=0), EXITS, [
            Miss("the run passes", "the program ends with 3"), Miss("exit code 0", "exit code 3"),
        ]),
        (Expectation(exit_code=1), KILLED, [Miss("exit code 1", "signal 9 ends the program")]),
        (Expectation(type="Order"), RAISES, [Miss("Order", RAISED)]),
        (Expectation(type="LostOrder", message="3 times"), RAISES, [Miss("LostOrder: 3 times", RAISED)]),
        (Expectation(type="LostOrder", file="op.py"), RAISES, [Miss("LostOrder from op.py", RAISED)]),
        (Expectation(message="bought"), EXITS, [Miss("an exception: bought", "the program ends with 3")]),
        (Expectation(deadlock=()), RAISES, [Miss("a deadlock", RAISED)]),
        (Expectation(kind="endless step"), STUCK, [Miss("endless step", STUCK_SAID)]),
        (Expectation(deadlock=("a", "c")), STUCK, [
            Miss("c waits in the deadlock", "those that wait are a, b"),
        ]),
        (Expectation(passes=False), REFUSED, [
            Miss("a run of the program", "refused: os.fork is not there in the simulated world"),
        ]),
        (Expectation(exit_code=1), outcome("lost", 9), [
            Miss("a run of the program", "the process of the run ended (lost, 9)"),
        ]),
    ],
)  # fmt: skip
def test_missed(expected: Expectation, observed: Outcome, said: list[Miss]) -> None:
    assert expected.misses(observed, "/w/app") == said


@pytest.mark.parametrize("observed", [RAISES, EXITS, STUCK, ENDLESS, KILLED])
def test_a_failure_that_was_found_is_expected(observed: Outcome) -> None:
    assert observed.failure is not None
    expected = Expectation.of_failure(observed.failure, observed)
    assert expected.misses(observed) == []
    assert Expectation.of_plain(expected.plain()) == expected
    others = [one for one in (PASSES, RAISES, EXITS, STUCK, ENDLESS, KILLED) if one is not observed]
    assert all(expected.misses(other) for other in others)


DECISIONS = Scenario(("app.py",), decisions=(("arrival a", 1, "later"), ("stall b", 22, "now")), lines=(4, 5))
RULES = Scenario(("app.py",), rules=({"cancel": {"task": "a"}}, {"deliver": {"thread": "t"}, "when": {}}))


def test_decisions_that_did_not_come_up() -> None:
    observed = outcome(unmet=(("stall b", 22, "now"),))
    result = Result.of(DECISIONS, observed)
    assert not result.passed
    assert result.reasons() == [
        "decision 2, line 5, did not come up: `stall b`, the 22nd time, `now`",
        "observed  the run passes",
    ]


@pytest.mark.parametrize("on_unmet", ["fail", "warn"])
def test_rules_that_never_matched(on_unmet: str) -> None:
    scenario = Scenario(("app.py",), name="lost", rules=RULES.rules, on_unmet=on_unmet)
    observed = outcome(
        output="one\ntwo\n", unmet=({"rule": 1, "problem": "no such thread", "near": ["t1", "t2"]},)
    )
    result = Result.of(scenario, observed)
    assert result.unmet == ("rule 2 (deliver): no such thread; nearest: t1, t2",)
    assert result.passed is (on_unmet == "warn")
    if result.passed:
        assert result.message == "lost: the run passes"
    else:
        assert result.message == (
            "lost: the run is not as the scenario says\n"
            "rule 2 (deliver): no such thread; nearest: t1, t2\n"
            "observed  the run passes\n"
            "the program's last lines:\n"
            "  one\n"
            "  two"
        )


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (PASSES, None),
        (outcome(output="gone\n", digest=3), "it prints 'done', and: 'gone'"),
        (outcome(output="done\n", digest=3), "other steps, or steps in another order"),
        (outcome(detail=3, digest=3), "the run passes, and: the program ends with 3"),
        (outcome(output="done\nmore\n", digest=3), "it prints nothing more, and: 'more'"),
    ],
)
def test_runs_that_are_not_the_same(other: Outcome, said: str | None) -> None:
    scenario = Scenario(("app.py",))
    assert Result.of(scenario, PASSES).difference(Result.of(scenario, other)) == said
