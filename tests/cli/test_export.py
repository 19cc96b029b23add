"""`replay export --scenario`: what a simulated run decided becomes a scenario, and what cannot is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from replay.recording.reader import RecordingFile
from replay.recording.writer import RecordingWriter
from replay.scenario.scenario import Scenario
from tests.conftest import ROOT, Done, run_replay

SCENARIOS = ROOT / "scenarios"
LOST = "AssertionError: a transfer was lost: the balance is 120"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of what teaches."""
    shutil.copytree(SCENARIOS, tmp_path / "scenarios")
    return tmp_path


def recorded(folder: Path, name: str) -> None:
    done = run_replay("run", f"scenarios/{name}.yaml", "-o", "run.rec", cwd=folder)
    assert done.returncode == 0, done.stderr


def export(folder: Path, *words: str) -> Done:
    return run_replay("export", "--scenario", "run.rec", *words, cwd=folder)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("lost_update", "  by 1 rule, which survive edits of the program"),
        ("timeout_and_reply", "  by 1 rule, which survive edits of the program"),
        ("partition", "  nothing was decided other than by default"),
    ],
)
def test_the_scenario_does_what_the_run_did(folder: Path, name: str, how: str) -> None:
    recorded(folder, name)
    done = export(folder)
    assert (done.returncode, done.stderr) == (0, "replay: next: replay run run.yaml\n")
    expected = Scenario.load(folder / "scenarios" / f"{name}.yaml").expect
    first, second = done.stdout.splitlines()
    assert first.startswith(f"run.yaml: {expected.type}: {expected.message}")
    assert second == how
    again = run_replay("run", "--times", "2", "run.yaml", cwd=folder)
    assert (again.returncode, again.stderr) == (0, "")
    written = Scenario.load(folder / "run.yaml")
    assert written.world == {"seed": 0, **Scenario.load(folder / "scenarios" / f"{name}.yaml").world}


@pytest.mark.more
def test_what_explore_has_found(folder: Path) -> None:
    """The decisions of the recording are those that were found, and lead to the same rules."""
    found = run_replay("explore", "--jobs", "1", "--json", "scenarios/programs/lost_update.py", cwd=folder)
    (failure,) = json.loads(found.stdout)["failures"]
    shutil.move(folder / failure["recording"], folder / "run.rec")
    done = export(folder, "--json", "-o", "again.yaml")
    told = json.loads(done.stdout)
    assert (told["scenario"], told["failure"]) == ("again.yaml", failure["message"])
    assert len(told["decisions"]) == failure["decisions"]
    rules = Scenario.load(folder / failure["scenario"]).rules
    assert tuple(told["rules"]) == rules == Scenario.load(folder / "again.yaml").rules


@pytest.mark.more
def test_a_run_that_passes(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('fine')\n")
    (tmp_path / "one.yaml").write_text("replay: 1\nprogram: [app.py]\nexpect: {invariant: '__name__ != 1'}\n")
    assert run_replay("run", "one.yaml", "-o", "run.rec", cwd=tmp_path).returncode == 0
    assert export(tmp_path).stdout == (
        "run.yaml: the run does not fail\n  nothing was decided other than by default\n"
    )
    expected = Scenario.load(tmp_path / "run.yaml").expect
    assert (expected.passes, expected.invariant) == (True, "__name__ != 1")
    assert run_replay("run", "run.yaml", cwd=tmp_path).returncode == 0


@pytest.mark.more
def test_a_program_that_was_edited(folder: Path) -> None:
    recorded(folder, "lost_update")
    program = folder / "scenarios" / "programs" / "lost_update.py"
    program.write_text(program.read_text().replace("assert ", "assert True or ", 1))
    done = export(folder)
    assert done.returncode == 2
    assert done.stderr.startswith(
        "replay: the program does not do what it did any more: it ended by exit (1), now by exit (0)\n"
    )
    assert not (folder / "run.yaml").exists()


@pytest.mark.more
def test_what_cannot_be_exported(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('fine')\n")
    assert run_replay("record", "-o", "run.rec", "app.py", cwd=tmp_path).returncode == 0
    of_real = export(tmp_path)
    assert of_real.stderr == (
        "replay: run.rec is of a real run, in which nothing was decided\n\n"
        "hint: `replay explore` looks for a schedule that fails, and keeps it as a scenario\n"
    )
    as_nothing = run_replay("export", "run.rec", cwd=tmp_path)
    assert as_nothing.stderr == "replay: export as what?\n\nhint: `replay export --scenario FILE`\n"
    no_folder = export(tmp_path, "-o", "nowhere/x.yaml")
    assert no_folder.stderr == "replay: no such folder: nowhere\n\nhint: `mkdir -p nowhere`\n"
    assert [done.returncode for done in (of_real, as_nothing, no_folder)] == [2, 2, 2]


@pytest.mark.more
def test_a_program_that_fails_in_another_way_now(folder: Path) -> None:
    recorded(folder, "lost_update")
    program = folder / "scenarios" / "programs" / "lost_update.py"
    program.write_text(program.read_text().replace("was lost", "went astray", 1))
    done = export(folder)
    assert done.stderr.startswith(
        "replay: the program does not do what it did any more: it prints something else\n"
    )


@pytest.mark.more
@pytest.mark.parametrize("now", ["print('two')", "pass", "print('one')", "print('one\\ntwo\\nthree')"])
def test_a_program_that_prints_something_else_now(tmp_path: Path, now: str) -> None:
    (tmp_path / "app.py").write_text("print('one')\nprint('two')\n")
    (tmp_path / "one.yaml").write_text("replay: 1\nprogram: [app.py]\n")
    assert run_replay("run", "one.yaml", "-o", "run.rec", cwd=tmp_path).returncode == 0
    (tmp_path / "app.py").write_text(f"{now}\n")
    done = export(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(
        "replay: the program does not do what it did any more: it prints something else\n"
    )
    assert not (tmp_path / "run.yaml").exists()


UNSEEN = """\
import asyncio

async def fails():
    raise ValueError("nobody\\x1b[31m sees\\nthis")

async def main():
    task = asyncio.create_task(fails())
    await asyncio.sleep(0.01)
    del task

asyncio.run(main())
"""


@pytest.mark.more
def test_a_failure_of_strict_runs_is_one_again(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(UNSEEN)
    (tmp_path / "one.yaml").write_text(
        "replay: 1\nprogram: [app.py]\nexpect: {failure: {kind: unhandled exception}}\n"
    )
    done = run_replay("run", "one.yaml", "-o", "run.rec", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    done = export(tmp_path)
    assert "Task exception was never retrieved: ValueError: nobody" in done.stdout
    assert "\x1b" not in done.stdout
    assert run_replay("run", "run.yaml", cwd=tmp_path).returncode == 0
    assert Scenario.load(tmp_path / "run.yaml").expect.strict


@pytest.mark.more
def test_a_rule_that_did_not_match_then_either(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('fine')\n")
    (tmp_path / "one.yaml").write_text(
        "replay: 1\nprogram: [app.py]\non_unmet: warn\n"
        "rules:\n  - stall: {until: {timer: main#1}}\n    when: {task: main#1, at: nowhere()}\n"
    )
    assert run_replay("run", "one.yaml", "-o", "run.rec", cwd=tmp_path).returncode == 0
    assert export(tmp_path).returncode == 0


@pytest.mark.more
def test_a_run_that_the_world_ended(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import os\nos.system('true')\n")
    (tmp_path / "one.yaml").write_text("replay: 1\nprogram: [app.py]\n")
    run_replay("run", "one.yaml", "-o", "run.rec", cwd=tmp_path)
    done = export(tmp_path)
    assert (done.returncode, done.stderr) == (
        2, "replay: no scenario can expect this: os.system is not there in the simulated world\n"
    )  # fmt: skip
    assert not (tmp_path / "run.yaml").exists()


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("policy", {"kind": "rules", "rules": [{"stall": 7}]}),
        ("policy", None),
        ("policy", {}),
        ("policy", {"kind": "rules", "rules": [], "otherwise": {"kind": "random"}}),
        ("expect", 7),
        ("expect", {"invariant": ["a"]}),
        ("limit_s", "long"),
        ("simulated", [1]),
        ("simulated", {"seed": -1}),
        ("simulated", {"seed": "a"}),
        ("simulated", {"seed": 0, "hosts": 7}),
        ("simulated", {"seed": 0, "cancel": 5}),
        ("simulated", {"seed": 0, "faults": [{"boom": {}}]}),
        ("simulated", {"seed": 0, "limits": {"x": 1}}),
        ("argv", [7]),
        ("argv", []),
        ("cwd", None),
        ("target", "binary"),
    ],
)
def test_a_header_that_no_recorder_wrote(folder: Path, name: str, value: object) -> None:
    recorded(folder, "lost_update")
    path = folder / "run.rec"
    with RecordingFile.open(path) as found:
        header: dict[str, object] = {**found.header, name: value}
        frames = list(found.frames())
    path.unlink()
    writer = RecordingWriter(path, header)
    for stream, items in frames:
        writer.put(stream, items)
    writer.close()
    done = export(folder)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "run.yaml").exists()


@pytest.mark.more
def test_what_is_there_is_not_replaced_unasked(folder: Path) -> None:
    recorded(folder, "partition")
    kept = (folder / "scenarios" / "partition.yaml").read_bytes()
    (folder / "run.yaml").write_bytes(kept)
    done = export(folder)
    assert (done.returncode, done.stderr) == (
        2, "replay: run.yaml is there already\n\nhint: `-o FILE` names where the scenario goes\n"
    )  # fmt: skip
    assert (folder / "run.yaml").read_bytes() == kept
    assert export(folder, "-o", "run.yaml").returncode == 0


@pytest.mark.more
def test_no_other_file_is_replaced(folder: Path) -> None:
    recorded(folder, "partition")
    (folder / "mine.yaml").write_text("mine: 1\n")
    done = export(folder, "-o", "mine.yaml")
    assert (done.returncode, (folder / "mine.yaml").read_text()) == (2, "mine: 1\n")
    assert (
        done.stderr
        == "replay: mine.yaml is no scenario, and is not replaced\n\nhint: `-o FILE` names another\n"
    )


@pytest.mark.more
def test_a_cut_recording_has_not_all_decisions(folder: Path) -> None:
    recorded(folder, "partition")
    whole = (folder / "run.rec").read_bytes()
    (folder / "run.rec").write_bytes(whole[: len(whole) * 3 // 4])
    done = export(folder)
    assert done.returncode == 4
    assert done.stderr == "replay: run.rec has no end: what was decided last is not in it\n"
