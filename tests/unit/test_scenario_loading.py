"""Scenarios are loaded as they are written; whatever is wrong is told, with its line and column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from replay.errors import UsageError
from replay.scenario import documents
from replay.scenario.documents import ScenarioError
from replay.scenario.expectations import Expectation
from replay.scenario.scenario import Scenario

HEAD = "replay: 1\nprogram: [app.py]\n"

EVERYTHING = """\
replay: 1
name: lost update
about: |
  Two of them read
  before one writes.
program: [app.py, --port, 8080, no]
folder: ..
world:
  seed: 7
  start: 2024-01-01T00:00:00Z
  hosts: [db]
  network: {latency: [1ms, 5ms]}
  limits: {each: 500ms, all: 2s}
  faults:
    - partition: {between: [db, app], from: 1s, until: 1.5min}
    - clock_jump: {at: 250us, by: -1h}
policy: {pct: {seed: "7 1", depth: 2}}
any_order: true
rules:
  - deliver: {arrival: "127.0.0.1:8080#1 to server", nth: 2}
    when: {task: main#1, in: get, at: await fetch(k), state: waiting}
  - hold: {thread: Thread-1}
    until: {passed: {task: a, at: "x[0] = 1"}}
  - together: [{arrival: "server1#1 to client"}, {timer: main#1}]
    when: {arrived: {thread: t, nth: 3}}
  - stall: {until: {timer: main#1}, before: b#1}
    when: {task: a, in: f}
    nth: 2
  - batch_order: [b, a]
    when: {time: 1.5s}
  - fault: {reset: {connection: "*", after_bytes: 0}}
    when: {after_timer: main#1}
  - cancel: {task: a, at: await b, nth: 2}
  - ended: {child: true#1, nth: 2}
    when: {task: a, in: f}
expect:
  failure: {type: AssertionError, message: "lost"}
  from: app.py
  output: [one, two]
  exit_code: 1
  invariant: total == 2
on_unmet: warn
"""


def test_everything_there_is() -> None:
    found = Scenario.parse(EVERYTHING)
    assert found == Scenario(
        argv=("app.py", "--port", "8080", "no"),
        name="lost update",
        about="Two of them read\nbefore one writes.\n",
        folder="..",
        world={
            "seed": 7,
            "start_s": 1704067200.0,
            "hosts": ["db"],
            "network": {"latency_ns": [1_000_000, 5_000_000]},
            "limits": {"each_ns": 500_000_000, "all_ns": 2_000_000_000},
            "faults": [
                {"partition": {"between": ["db", "app"], "from_s": 1.0, "until_s": 90.0}},
                {"clock_jump": {"at_s": 0.00025, "by_s": -3600.0}},
            ],
        },
        policy={"kind": "pct", "seed": "7 1", "depth": 2},
        any_order=True,
        rules=(
            {
                "deliver": {"arrival": "127.0.0.1:8080#1 to server", "nth": 2},
                "when": {"task": "main#1", "in": "get", "at": "await fetch(k)", "state": "waiting"},
            },
            {"hold": {"thread": "Thread-1"}, "until": {"passed": {"task": "a", "at": "x[0] = 1"}}},
            {
                "together": [{"arrival": "server1#1 to client"}, {"timer": "main#1"}],
                "when": {"arrived": {"thread": "t", "nth": 3}},
            },
            {
                "stall": {"until": {"timer": "main#1"}, "before": "b#1"},
                "when": {"task": "a", "in": "f"},
                "nth": 2,
            },
            {"batch_order": ["b", "a"], "when": {"time_s": 1.5}},
            {"fault": {"reset": {"connection": "*", "after_bytes": 0}}, "when": {"after_timer": "main#1"}},
            {"cancel": {"task": "a", "at": "await b", "nth": 2}},
            {"ended": {"child": "true#1", "nth": 2}, "when": {"task": "a", "in": "f"}},
        ),
        expect=Expectation(
            type="AssertionError",
            message="lost",
            file="app.py",
            output=("one", "two"),
            exit_code=1,
            invariant="total == 2",
        ),
        on_unmet="warn",
    )
    assert found.lines == (20, 22, 24, 26, 29, 31, 33, 34)
    assert Scenario.parse(found.text()) == found


def test_what_is_asked_of_a_simulation() -> None:
    found = Scenario.parse(EVERYTHING)
    assert found.setting() == {**found.world, "any_order": True, "cancel": ["a"]}
    assert found.decides() == {
        "kind": "rules",
        "rules": list(found.rules),
        "otherwise": {"kind": "pct", "seed": "7 1", "depth": 2, "length": 100},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"kind": "fifo"}),
        ("policy: fifo", {"kind": "fifo"}),
        ("policy: random", {"kind": "random", "seed": 0}),
        ("policy: random\nworld: {seed: 4}", {"kind": "random", "seed": 4}),
        ("policy: {random: {seed: 3}}\nworld: {seed: 4}", {"kind": "random", "seed": 3}),
        (
            "decisions: [[arrival a, 1, later]]",
            {"kind": "recorded", "decisions": [["arrival a", 1, "later"]]},
        ),
    ],
)
def test_what_decides(text: str, expected: dict[str, object]) -> None:
    assert Scenario.parse(HEAD + text).decides() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("failure: ValueError", Expectation(type="ValueError")),
        ("failure: deadlock", Expectation(kind="deadlock")),
        ("failure: {kind: endless run}", Expectation(kind="endless run")),
        ("output: 42", Expectation(output=("42",))),
        ("deadlock: true", Expectation(deadlock=())),
        ("deadlock: [a, b]", Expectation(deadlock=("a", "b"))),
        ("passes: false", Expectation(passes=False)),
    ],
)
def test_what_is_expected(text: str, expected: Expectation) -> None:
    assert Scenario.parse(f"{HEAD}expect: {{{text}}}").expect == expected


def test_tasks_that_decisions_cancel_may_be_cancelled() -> None:
    decisions = (
        "decisions: [[cancel a b at f(), 2, cancel], [arrival x, 1, later], [cancel a b at g(), 1, cancel]]"
    )
    assert Scenario.parse(HEAD + decisions).setting() == {"cancel": ["a b"]}
    assert Scenario.parse(HEAD).setting() == {}


def test_a_module() -> None:
    found = Scenario.parse("replay: 1\nprogram: {module: pkg.mod, args: [-v, 1.50]}")
    assert (found.target, found.argv) == ("module", ("pkg.mod", "-v", "1.50"))


def test_a_command(tmp_path: Path) -> None:
    found = Scenario.parse("replay: 1\nprogram: {command: bin/serve, args: [-v]}")
    assert (found.target, found.argv) == ("command", ("bin/serve", "-v"))
    assert Scenario.parse(found.text()) == found
    with pytest.raises(ScenarioError, match=r"x\.yaml:3:3: no such file: .*bin/serve$"):
        Scenario.parse(found.text(), str(tmp_path / "x.yaml"))


PAGE = Path(__file__).with_name("scenario_mistakes.txt").read_text(encoding="utf-8")
MISTAKES = re.findall(r"((?:.*\n)+?)-> (.*)\n\n?", PAGE)
"""A document, and what is said of it."""

NINES = "9" * 5000
UNWRITABLE = [
    ("", "1:1: the file is empty"),
    (f"{HEAD}name: {'[' * 500}", "3:18: too many levels within each other"),
    (f"{HEAD}name: a\0b", "3:8: a character that YAML does not have: U+0000"),
    (
        f"{HEAD}world: {{seed: {NINES}}}",
        f"3:15: expected a whole number from 0 on, found the number {NINES[:37]}...",
    ),
]


def test_the_page_of_mistakes_is_read() -> None:
    assert len(MISTAKES) == PAGE.count("\n-> ") > 50


@pytest.mark.parametrize(
    ("text", "expected"), MISTAKES + UNWRITABLE, ids=[expected[:60] for _, expected in MISTAKES + UNWRITABLE]
)
def test_each_mistake(text: str, expected: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario.parse(text, "some/lost.yaml")
    assert caught.value.message == f"some/lost.yaml:{expected}"
    assert len(caught.value.problems) == 1


def test_all_mistakes_are_told_at_once_in_their_order() -> None:
    text = "replay: 1\nprogram: [a]\nexpect: {passes: 1}\nrules: [{}, {}]\nname: ~\n"
    with pytest.raises(ScenarioError) as caught:
        Scenario.parse(text)
    assert [(one.line, one.column) for one in caught.value.problems] == [(3, 18), (4, 9), (4, 13), (5, 7)]
    many = HEAD + "rules:\n" + "- {}\n" * 30
    with pytest.raises(ScenarioError) as caught:
        Scenario.parse(many)
    assert len(caught.value.problems) == 30
    assert caught.value.message.splitlines()[20:] == ["<scenario>: and 10 more"]


def test_too_long_a_file(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    (tmp_path / "app.py").touch()
    path.write_text(HEAD + "#" * (documents.MAX_BYTES - len(HEAD)))
    assert Scenario.load(path).argv == ("app.py",)
    path.write_text(HEAD + "#" * (documents.MAX_BYTES - len(HEAD) + 1))
    with pytest.raises(ScenarioError, match=r"long\.yaml:1:1: the file is longer than 256 KiB"):
        Scenario.load(path)


def test_what_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "bytes.yaml"
    path.write_bytes(HEAD.encode() + "name: é".encode() + b"\xff")
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(path)
    assert caught.value.message == f"{path}:3:8: byte 0xff is no UTF-8"


def test_too_many_rules() -> None:
    with pytest.raises(ScenarioError, match="expected a list of at most 1,000, found 1,001"):
        Scenario.parse(HEAD + "rules:\n" + "- 1\n" * 1001)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^no such file: .*/none\.yaml$"):
        Scenario.load(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match=r"cannot be read: Is a directory$"):
        Scenario.load(tmp_path)


def test_the_program_must_be_there(tmp_path: Path) -> None:
    path = tmp_path / "lost.yaml"
    path.write_text(HEAD)
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(path)
    assert caught.value.message == f"{path}:2:10: no such file: {tmp_path}/app.py"
    (tmp_path / "app.py").touch()
    assert Scenario.load(path).home == str(tmp_path)
    path.write_text(HEAD + "folder: ../none")
    with pytest.raises(ScenarioError, match=r"lost\.yaml:2:10: no such folder: .*/none$"):
        Scenario.load(path)


def test_plain_words_mean_what_they_mean_in_editors() -> None:
    found = Scenario.parse("replay: 1\nprogram: [a, no, 1:30, 010, 0o17, 2024-01-01, =, true, 1e3, .5]")
    assert found.argv == ("a", "no", "1:30", "010", "0o17", "2024-01-01", "=", "true", "1e3", ".5")
    assert Scenario.parse(found.text()) == found
    seeds = [
        Scenario.parse(HEAD + f"policy: {{random: {{seed: {word}}}}}").policy for word in ("010", "'10'")
    ]
    assert seeds == [{"kind": "random", "seed": 10}, {"kind": "random", "seed": "10"}]


@pytest.mark.parametrize(
    "settings",
    [
        {"decisions": (("a", 1, "b"),), "rules": ({"cancel": {"task": "a"}},)},
        {"decisions": (("a", 1, "b"),), "policy": {"kind": "random"}},
    ],
)
def test_decisions_stand_alone(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="decisions leave nothing"):
        Scenario(("app.py",), **settings)  # type: ignore[arg-type]
