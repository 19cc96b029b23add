"""`replay run`: scenarios are run, judged and reported; what is none is refused before anything runs."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import replay
from replay.cli.junit import Case, junit
from replay.cli.main import main
from replay.cli.parallel import in_order
from replay.scenario.expectations import Expectation
from replay.scenario.scenario import Scenario
from replay.simulation import Simulation
from tests.conftest import run_replay

LATE = """\
import asyncio

async def main():
    async with asyncio.timeout(0.02):
        await asyncio.sleep(0.01)
        print("in time")

asyncio.run(main())
"""
"""The loop may be so busy that it finds both timers due: then the sleep has ended, and was too long."""
BUSY = '- ["stall main before what came", 1, "until the timer of the timeout of main#1"]'
EXIT = "import sys\nprint('going to', sys.argv[1])\nsys.exit(int(sys.argv[1]))\n"
MESSY = "import sys\nprint('a\\x1b[31mb\\x00\\ud800'.encode('utf-8', 'replace').decode())\nsys.exit(1)\n"
DRAWS = "import random, time\nprint(random.random(), time.time(), hash('a'))\n"

PASSES = "replay: 1\nprogram: [exits.py, 0]\n"
FAILS = "replay: 1\nname: it <fails> & more\nprogram: [exits.py, 3]\n"
EXPECTED = "replay: 1\nprogram: [exits.py, 3]\nexpect: {exit_code: 3, output: going to 3}\n"


FORMAT_HINT = "hint: `replay run --schema` prints the format; docs/scenarios.md tells of it"
NO_RECORDING = (
    "the recording would replace a file that is no recording: {here}/late.py\n\nhint: `-o FILE` names another"
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("exits.py", EXIT), ("late.py", LATE), ("messy.py", MESSY), ("draws.py", DRAWS)):
        (tmp_path / name).write_text(text)


def scenario(name: str, text: str) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)
    return name


def test_each_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    names = [
        scenario("passes.yaml", PASSES),
        scenario("fails.yaml", FAILS),
        scenario("expected.yaml", EXPECTED),
    ]
    assert main(["run", *names]) == 1
    assert capsys.readouterr().out == (
        "ok      passes.yaml\n"
        "FAILED  fails.yaml  it <fails> & more\n"
        "        expected  the run passes\n"
        "        observed  the program ends with 3\n"
        "        the program's last lines:\n"
        "          going to 3\n"
        "ok      expected.yaml\n"
        "3 scenarios: 2 ok, 1 FAILED\n"
    )


@pytest.mark.more
def test_as_users_start_it() -> None:
    done = run_replay("run", scenario("expected.yaml", EXPECTED))
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok      expected.yaml\n1 scenario: 1 ok\n", "")


def test_a_folder_stands_for_what_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    above = PASSES + "folder: {}\n"
    scenario("all/b.yaml", above.format(".."))
    scenario("all/a.yaml", above.format(".."))
    scenario("all/deep/c.yaml", above.format("../.."))
    scenario("all/.hidden/d.yaml", "- none")
    scenario("all/e.txt", "- none")
    assert main(["run", "all", "all/a.yaml", "./all/", "--jobs", "3"]) == 0
    told = "ok      all/a.yaml\nok      all/b.yaml\nok      all/deep/c.yaml\n3 scenarios: 3 ok\n"
    assert capsys.readouterr() == (told, "")


@pytest.mark.more
def test_a_program_runs_where_the_scenario_says(capsys: pytest.CaptureFixture[str]) -> None:
    Path("sub").mkdir()
    Path("sub/where.py").write_text("import os\nprint('at', os.path.basename(os.getcwd()), os.listdir())\n")
    name = scenario(
        "some/one.yaml", "replay: 1\nprogram: [where.py]\nfolder: ../sub\nexpect: {output: at sub}"
    )
    module = scenario(
        "sub/two.yaml", "replay: 1\nprogram: {module: where, args: [x]}\nexpect: {output: at sub}"
    )
    command = scenario("sub/three.yaml", "replay: 1\nprogram: {command: where.py}\nexpect: {output: at sub}")
    assert main(["run", name, module, command]) == 0, capsys.readouterr()


def test_decisions_make_it_fail(capsys: pytest.CaptureFixture[str]) -> None:
    busy = f"replay: 1\nprogram: [late.py]\ndecisions:\n{BUSY}\nexpect: {{failure: TimeoutError}}\n"
    assert main(["run", scenario("busy.yaml", busy), "--times", "2"]) == 0
    plain = "replay: 1\nprogram: [late.py]\nexpect: {failure: TimeoutError}\n"
    assert main(["run", scenario("plain.yaml", plain)]) == 1
    assert capsys.readouterr().out == (
        "ok      busy.yaml\n"
        "1 scenario: 1 ok\n"
        "FAILED  plain.yaml\n"
        "        expected  TimeoutError\n"
        "        observed  the run passes\n"
        "        the program's last lines:\n"
        "          in time\n"
        "1 scenario: 1 FAILED\n"
    )


@pytest.mark.more
def test_a_run_that_depends_on_what_is_not_simulated(capsys: pytest.CaptureFixture[str]) -> None:
    Path("past.py").write_text("import ctypes\nprint(ctypes.CDLL(None).getpid())\n")
    assert main(["run", scenario("past.yaml", "replay: 1\nprogram: [past.py]\n"), "--times", "3"]) == 1
    shown = re.sub(r"\d{2,}", "PID", capsys.readouterr().out)
    assert shown == (
        "FAILED  past.yaml\n"
        "        run 2 is not the same as run 1: it prints 'PID', and: 'PID'\n"
        "        the program's last lines:\n"
        "          PID\n"
        "1 scenario: 1 FAILED\n"
    )


RULE = """\
replay: 1
program: [late.py]
rules:
  - stall: {until: {timer: main#1}}
    when: {task: main#1, in: main, at: await asyncio.sleep(0.01)}
  - hold: {arrival: nowhere}
    until: {time: 1s}
expect: {failure: TimeoutError, from: late.py}
"""


def test_rules_make_it_fail_and_those_that_never_match_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", scenario("rule.yaml", RULE)]) == 1
    never = "rule 2, line 6, (hold): it never matched"
    assert capsys.readouterr().out.startswith(
        f"FAILED  rule.yaml\n        {never}\n        observed  TimeoutError at "
    )
    assert main(["run", scenario("rule.yaml", RULE + "on_unmet: warn\n")]) == 0
    assert capsys.readouterr().out == f"ok      rule.yaml\n        note: {never}\n1 scenario: 1 ok\n"


@pytest.mark.slow
def test_what_was_drawn_can_be_written_down(capsys: pytest.CaptureFixture[str]) -> None:
    with Simulation.start("script", ("late.py",)) as simulation:
        runs = ((seed, simulation.run({"kind": "random", "seed": seed})) for seed in range(200))
        seed = next(seed for seed, run in runs if run.failure is not None)
    text = f"replay: 1\nprogram: [late.py]\npolicy: {{random: {{seed: {seed}}}}}\nexpect: {{passes: false}}\n"
    assert main(["run", scenario("drawn.yaml", text), "--json"]) == 0
    (drawn,) = json.loads(capsys.readouterr().out)["scenarios"]
    assert drawn["failure"]["message"] == "TimeoutError: "
    taken = tuple((key, nth, option) for key, nth, option in drawn["decisions"])
    again = Scenario(("late.py",), decisions=taken).run()
    assert again.unmet == ()
    assert again.outcome.digest == drawn["digest"]


@pytest.mark.slow
def test_two_random_runs_with_one_seed_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "replay: 1\nprogram: [draws.py]\npolicy: random\nworld: {{seed: {}, start: 2001-09-09T01:46:40Z}}\n"
    )
    names = [scenario(f"{seed}.yaml", text.format(seed)) for seed in (1, 2)]
    assert main(["run", *names, "--times", "2", "--json"]) == 0
    one, two = json.loads(capsys.readouterr().out)["scenarios"]
    assert (one["runs"], two["runs"]) == (2, 2)
    assert one["output"] != two["output"]
    assert " 1000000000." in one["output"]


def test_the_report_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", scenario("fails.yaml", FAILS), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["counts"] == {"ok": 0, "failed": 1, "error": 0}
    (one,) = told["scenarios"]
    assert one.pop("seconds") > 0
    assert one.pop("digest") != 0
    assert one.pop("virtual_seconds") >= 0
    assert one == {
        "file": "fails.yaml",
        "name": "it <fails> & more",
        "status": "failed",
        "reasons": ["expected  the run passes", "observed  the program ends with 3"],
        "notes": [],
        "runs": 1,
        "failure": {
            "kind": "exit code",
            "message": "the program ends with 3",
            "where": None,
            "task": None,
        },
        "decisions": [],
        "output": "going to 3\n",
    }


def test_the_report_for_test_servers(capsys: pytest.CaptureFixture[str]) -> None:
    messy = scenario("messy.yaml", "replay: 1\nprogram: [messy.py]\n")
    assert main(["run", scenario("a/fails.yaml", FAILS + "folder: .."), messy, "--junit", "report.xml"]) == 1
    suites = ET.parse("report.xml").getroot()
    assert (suites.tag, suites.get("tests"), suites.get("failures"), suites.get("errors")) == (
        "testsuites",
        "2",
        "2",
        "0",
    )
    first, second = suites.findall("testsuite/testcase")
    assert (first.get("classname"), first.get("name")) == ("a/fails", "it <fails> & more")
    assert first.findtext("failure") == "expected  the run passes\nobserved  the program ends with 3"
    assert first.findtext("system-out") == "going to 3\n"
    assert second.findtext("system-out") == "a\\x1b[31mb\\x00?\n"
    assert "a\\x1b[31mb\\x00?" in capsys.readouterr().out


def test_any_text_can_be_in_a_report_for_test_servers() -> None:
    text = "".join(map(chr, [*range(0x100), 0xD800, 0xFFFE, 0x10FFFF]))
    report = junit(
        "x", [Case(text, text, 1.5, text, "error", (text, "b"), text), Case("", "", 0, "", "ok", (), "")]
    )
    suites = ET.fromstring(report)
    first, second = suites.findall("testsuite/testcase")
    said = first.findtext("error")
    assert said is not None
    assert said.startswith("\\x00\\x01")
    assert said.endswith("\\ud800\\ufffe\U0010ffff\nb")
    assert (suites.get("errors"), suites.get("failures"), suites.get("time")) == ("1", "0", "1.500")
    assert list(second) == []


def test_a_recording_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", scenario("expected.yaml", EXPECTED), "-o", "kept.rec"]) == 0
    assert capfd.readouterr().err == "replay: recorded kept.rec\nreplay: next: replay debug kept.rec\n"
    done = run_replay("play", "kept.rec")
    assert (done.returncode, done.stdout) == (3, "going to 3\n")


@pytest.mark.more
def test_what_could_come_otherwise_is_listed_and_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    plain = "replay: 1\nprogram: [late.py]\n"
    assert main(["run", scenario("plain.yaml", plain), "--decisions"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert BUSY in lines
    pasted = f"{plain}decisions:\n{BUSY}\n"
    assert main(["run", scenario("pasted.yaml", pasted), "--decisions"]) == 0
    assert f"{BUSY}  # taken" in capsys.readouterr().out.splitlines()


@pytest.mark.more
def test_a_decision_that_does_not_come_up(capsys: pytest.CaptureFixture[str]) -> None:
    text = "replay: 1\nprogram: [late.py]\ndecisions:\n  - [arrival nowhere, 2, later]\n"
    assert main(["run", scenario("never.yaml", text)]) == 1
    never = "decision 1, line 4, did not come up: `arrival nowhere`, the 2nd time, `later`"
    assert capsys.readouterr().out == (
        "FAILED  never.yaml\n"
        f"        {never}\n"
        "        observed  the run passes\n"
        "        the program's last lines:\n"
        "          in time\n"
        "1 scenario: 1 FAILED\n"
    )
    assert main(["run", scenario("never.yaml", text + "on_unmet: warn\n")]) == 0
    assert capsys.readouterr().out == f"ok      never.yaml\n        note: {never}\n1 scenario: 1 ok\n"


def test_what_is_no_scenario_is_refused_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    good = scenario("good.yaml", PASSES)
    wrong = scenario("wrong.yaml", PASSES + "expct: {}\n\nworld: {seed: x}\n")
    missing = scenario("missing.yaml", "replay: 1\nprogram: [none.py]\n")
    assert main(["run", good, wrong, missing]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "replay: wrong.yaml:3:1: no such key: `expct`; did you mean `expect`?\n"
        "wrong.yaml:5:15: expected a whole number, found the text `x`\n"
        f"missing.yaml:2:10: no such file: {os.getcwd()}/none.py\n"
        "\n"
        f"{FORMAT_HINT}\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "it is not said which scenarios\n\nhint: `replay run FILE|FOLDER...`"),
        (["none.yaml"], f"no such file: none.yaml\n\n{FORMAT_HINT}"),
        (["empty"], "no *.yaml in empty"),
        (["late.py"], "late.py is a program, not a scenario\n\nhint: `replay record late.py`"),
        (["run.rec"], "run.rec is a recording, not a scenario\n\nhint: `replay play run.rec`"),
        (["good.yaml", "--times", "0"], "--times must be between 1 and 10000, not 0"),
        (["good.yaml", "--jobs", "999"], "--jobs must be between 1 and 256, not 999"),
        (["good.yaml", "--junit", "no/report.xml"], "--junit cannot be written: no/report.xml"),
        (["good.yaml", "more.yaml", "-o", "x.rec"], "-o takes one scenario, not 2"),
        (["good.yaml", "more.yaml", "--decisions"], "--decisions takes one scenario, not 2"),
        (["good.yaml", "-o", "late.py"], NO_RECORDING),
    ],
)  # fmt: skip
def test_it_is_called_wrongly(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    scenario("good.yaml", PASSES)
    scenario("more.yaml", PASSES)
    assert main(["run", *words]) == 2
    assert capsys.readouterr() == ("", f"replay: {said.replace('{here}', os.getcwd())}\n")


def test_a_scenario_is_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([scenario("good.yaml", PASSES)]) == 2
    assert "hint: `replay run good.yaml`" in capsys.readouterr().err


@pytest.mark.more
def test_a_test_function_has_all_in_its_message() -> None:
    result = replay.Scenario.load(scenario("fails.yaml", FAILS)).run()
    assert not result.passed
    assert result.message == (
        "it <fails> & more: the run is not as the scenario says\n"
        "expected  the run passes\n"
        "observed  the program ends with 3\n"
        "the program's last lines:\n"
        "  going to 3"
    )
    assert result.outcome.failure is not None
    assert result.outcome.failure.kind == "exit code"
    result = replay.Scenario.load(scenario("passes.yaml", PASSES)).run()
    assert (result.passed, result.message) == (True, "passes: the run passes")


@pytest.mark.more
def test_a_run_is_saved_as_a_scenario_that_makes_it_again() -> None:
    Path("kept").mkdir()
    first = Scenario(("late.py",)).run(is_watched=True).outcome
    key, nth, options = first.points[-1]
    saved = Scenario.of_run(
        "kept/late.yaml",
        "script",
        ("late.py",),
        decisions=((key, nth, options[-1]),),
        expect=Expectation(output=("in time",)),
    )
    saved.save("kept/late.yaml")
    loaded = Scenario.load("kept/late.yaml")
    assert loaded == saved
    assert loaded.folder == ".."
    result = loaded.run()
    assert result.outcome.decisions == saved.decisions
    assert (result.passed, result.unmet) == (True, ())


def test_several_at_a_time_come_in_order() -> None:
    is_last_done = threading.Event()

    def work(number: int) -> int:
        if number == 3:
            is_last_done.set()
        else:
            is_last_done.wait(10)
        return number * 2

    assert list(in_order(work, [0, 1, 2, 3], 4)) == [0, 2, 4, 6]
    assert list(in_order(work, [0, 1], 1)) == [0, 2]
    assert list(in_order(work, [], 4)) == []


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_one_of_several_raises_is_raised(jobs: int) -> None:
    done = in_order(lambda number: 6 // number, [3, 2, 0, 1], jobs)
    assert (next(done), next(done)) == (2, 3)
    with pytest.raises(ZeroDivisionError):
        next(done)
