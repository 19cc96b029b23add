"""What the README tells its readers to run is run, and is what CI runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from replay.cli.main import COMMANDS
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
