"""What README and pages tell their readers to run is run, and is what CI runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from replay.cli.main import COMMANDS
from replay.scenario.scenario import Scenario
from tests.conftest import BANK, record_bank, run_replay, timeless
from tools.readme_command import README, commands

ROOT = Path(__file__).resolve().parent.parent
TEXT = README.read_text(encoding="utf-8")
NOT_COPIED = (".git", ".venv*", "*.egg-info", "build", "dist", ".*_cache", "__pycache__", "*.rec")


def lines(text: str) -> list[str]:
    """Return the lines of a program's output that must come twice: those it printed itself."""
    return [line for line in text.splitlines() if line.startswith(("server:", "client-", "  client-"))]


def test_there_are_two_commands_of_one_line() -> None:
    found = commands(TEXT)
    assert list(found) == ["example", "test"]
    assert all("\n" not in command for command in found.values())
    assert TEXT.count("<!-- command:") == len(found)


def test_ci_runs_the_second_command() -> None:
    done = subprocess.run([ROOT / ".ci" / "run", "--plan"], capture_output=True, text=True, check=True)
    assert f"ci: tests: {commands(TEXT)['test']}\n" in done.stdout
    assert f"ci: example: {commands(TEXT)['example']}\n" in done.stdout
    named = re.findall(r"^ci: (?:found|SKIPPED) Python (\S+): ", done.stdout, re.MULTILINE)
    assert named == ["3.11", "3.12", "3.13"]


def test_each_command_is_in_the_readme() -> None:
    assert [command.name for command in COMMANDS if f"| `replay {command.name} " not in TEXT] == []


def test_a_changed_readme_would_be_noticed() -> None:
    assert commands(TEXT.replace("-m pytest", "-m unittest"))["test"] != commands(TEXT)["test"]
    assert "test" not in commands(TEXT.replace("<!-- command: test -->", ""))


@pytest.mark.slow
def test_the_first_command_records_and_replays(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python3"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        ["bash", "-c", commands(TEXT)["example"]],
        cwd=copy,
        env={**clean, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = lines(done.stdout)
    half = len(printed) // 2
    assert half >= 26
    assert printed[:half] == printed[half:]


DEBUGGING = (ROOT / "docs" / "debugging.md").read_text(encoding="utf-8")
PROMPT = re.compile(r"^\(replay (@[\d.]+) \S+\) ?(.*)$")


def sessions(text: str) -> list[tuple[str, str, str]]:
    """Return what a page shows at the debugger's prompt: position, command, and what came of it."""
    found: list[tuple[str, str, list[str]]] = []
    is_inside = False
    for line in text.splitlines():
        prompt = PROMPT.match(line)
        if prompt is not None and prompt[2]:
            found.append((prompt[1], prompt[2], []))
            is_inside = True
        elif line.startswith("```"):
            is_inside = False
        elif is_inside:
            found[-1][2].append(line)
    return [(where, command, timeless("\n".join(said))) for where, command, said in found]


def test_the_page_on_debugging_shows_what_happens(tmp_path: Path) -> None:
    assert f"```python\n{BANK.read_text()}```\n" in DEBUGGING
    record_bank(tmp_path)
    told = sessions(DEBUGGING)
    assert len(told) > 30
    words = [word for _, command, _ in told for word in ("-ex", command)]
    done = run_replay("debug", "run.rec", "--batch", "--json", *words, cwd=tmp_path, timeout=60)
    assert (done.stderr, done.returncode) == ("", 0)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    places = ["@14.3", *(one["pos"] for one in found)]
    shown = [(where, one["cmd"], timeless(one["text"])) for where, one in zip(places, found, strict=False)]
    assert shown == told


def test_a_changed_page_would_be_noticed() -> None:
    assert sessions(DEBUGGING.replace("150 -> 130", "150 -> 131")) != sessions(DEBUGGING)


TRIO = (ROOT / "docs" / "trio.md").read_text(encoding="utf-8")
KITCHEN = ROOT / "tests" / "programs" / "kitchen.py"
TASK_ROW = re.compile(r"(?m)^ *(\d+) +(\S+) +(\w+) .*?(-|T\d+)  (kitchen\.py:\d+)")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_page_on_trio_shows_what_happens(backend: str, tmp_path: Path) -> None:
    pytest.importorskip("anyio")
    assert f"```python\n{KITCHEN.read_text()}```\n" in TRIO
    shutil.copy(KITCHEN, tmp_path)
    recorded = run_replay("record", "-o", f"{backend}.rec", "kitchen.py", backend, cwd=tmp_path)
    assert f"$ replay record -o {backend}.rec kitchen.py {backend}\n{recorded.stdout}" in TRIO
    assert run_replay("play", f"{backend}.rec", cwd=tmp_path).stdout == recorded.stdout
    told = TRIO.partition(f"$ replay tasks {backend}.rec\n")[2].partition("$")[0]
    found = run_replay("tasks", f"{backend}.rec", cwd=tmp_path).stdout
    assert len(TASK_ROW.findall(told)) == 4
    assert TASK_ROW.findall(found) == TASK_ROW.findall(told)


def test_the_test_of_a_recording_passes(tmp_path: Path) -> None:
    (line,) = re.findall(r"```sh\nreplay (debug .*)\n```", DEBUGGING)
    record_bank(tmp_path)
    done = run_replay(*shlex.split(line), cwd=tmp_path, timeout=60)
    assert done.stderr == "replay: assertion failed at @11.1: self.rows[key] == 100\n"
    assert done.returncode == 1


@pytest.mark.slow
def test_the_page_shows_a_deadlock_as_it_is(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(# transfer\.py\n.*?)```\n", DEBUGGING, re.DOTALL)
    (shown,) = re.findall(r"\$ replay (record .*)\n\$ replay (analyze .*)\n((?:.*\n)+?)```\n", DEBUGGING)
    record, analyze, expected = shown
    (tmp_path / "transfer.py").write_text(program)
    assert run_replay(*shlex.split(record), cwd=tmp_path).returncode == 124
    done = run_replay(*shlex.split(analyze), cwd=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == (expected, "", 1)


SCENARIOS = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)


def blocks(text: str, language: str) -> list[str]:
    """Return the blocks of a language on a page."""
    return [body for found, body in BLOCK.findall(text) if found == language]


def as_shown(text: str, shown: str) -> bool:
    """Whether a text is what a page shows of it, where ``...`` stands for any lines."""
    pattern = re.escape(shown).replace(re.escape("...\n"), "(?:.*\n)+")
    return re.fullmatch(pattern, text) is not None


def test_the_page_on_scenarios_shows_what_happens(tmp_path: Path) -> None:
    for body in (*blocks(SCENARIOS, "python"), *blocks(SCENARIOS, "yaml")):
        name, _, text = body.removeprefix("# ").partition("\n")
        if re.fullmatch(r"\w+\.(py|yaml)", name):
            (tmp_path / name).write_text(body if name.endswith(".py") else text)
    (tmp_path / "shop.py").write_text((tmp_path / "shop.py").read_text().removeprefix("# shop.py\n"))
    shown = [part for body in blocks(SCENARIOS, "console") for part in re.split(r"(?m)^\$ ", body) if part]
    assert len(shown) == 4
    for part in shown:
        command, _, told = part.partition("\n")
        done = run_replay(*shlex.split(command)[1:], cwd=tmp_path)
        assert as_shown(done.stdout + done.stderr, told), done.stdout + done.stderr


def test_a_changed_page_on_scenarios_would_be_noticed() -> None:
    assert as_shown("a\nb\nc\nd\n", "a\n...\nd\n")
    assert not as_shown("a\nb\nc\nd\n", "a\n...\ne\n")
    assert not as_shown("a\nb\n", "a\n")


@pytest.mark.parametrize("body", [one for one in blocks(SCENARIOS, "yaml") if not one.startswith("# wrong")])
def test_each_part_of_a_scenario_on_the_page_is_one(body: str) -> None:
    head = "" if re.search(r"^replay: 1\b", body, re.MULTILINE) else "replay: 1\nprogram: [app.py]\n"
    text = head + ("rules:\n" if body.startswith("- ") else "") + body
    assert Scenario.parse(text).argv
