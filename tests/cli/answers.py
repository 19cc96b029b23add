"""What the debugger answers at some place of a recorded run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conftest import run_replay


def answers(
    folder: Path, program: str, commands: list[str], returncode: int = 0
) -> dict[str, dict[str, Any]]:
    """Return what comes of each command at the end of a recorded run of a program.

    Args:
      folder: for the program and its recording.
      program: its source.
      commands: each once.
      returncode: of the program.
    """
    recorded(folder, program, returncode)
    words = [word for command in commands for word in ("-ex", command)]
    done = run_replay("debug", "run.rec", "--at", "end", "--batch", "--json", *words, cwd=folder, timeout=60)
    assert done.stderr == ""
    assert done.returncode == 0
    return {one["cmd"]: one for one in map(json.loads, done.stdout.splitlines())}


def recorded(folder: Path, program: str, returncode: int = 0) -> Path:
    """Record a program, and return the recording.

    Args:
      folder: for both.
      program: its source.
      returncode: of the program.
    """
    (folder / "app.py").write_text(program)
    done = run_replay("record", "-o", "run.rec", "app.py", cwd=folder)
    assert done.returncode == returncode, done.stderr
    return folder / "run.rec"


def said(recording: Path, *commands: str, returncode: int = 0) -> list[dict[str, Any]]:
    """Return what comes of each command, from the start of a recording on; 1 is that one of them fails."""
    words = [word for command in commands for word in ("-ex", command)]
    options = ("--at", "start", "--json", "--batch", "--keep-going")
    done = run_replay("debug", recording, *options, *words, cwd=recording.parent)
    assert done.returncode == returncode, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
