"""Fixtures for every test: the command line as a child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Who starts tests in the background may have them ignore these, and their programs would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

ROOT = Path(__file__).resolve().parent.parent
RUN_TIMEOUT_S = 60.0
"""A command that takes longer hangs: fail, and show what it said so far."""

RunReplay = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_replay(tmp_path: Path) -> RunReplay:
    """Return a function that runs ``replay`` with arguments, in the test's own empty folder.

    Its keyword arguments: ``env`` adds to the environment, ``stdin`` is text, ``cwd`` another folder.
    """

    def run(
        *arguments: object, env: dict[str, str] | None = None, stdin: str = "", cwd: Path = tmp_path
    ) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        return subprocess.run(
            [sys.executable, "-m", "replay", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": path, **(env or {})},
            cwd=cwd,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )

    return run
