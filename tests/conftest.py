"""What every test may use: the command line as a child process."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from replay.recording.recording import Recording

# Who starts tests in the background may have them ignore these, and their programs would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test that is ``sampled``, all cases but the first are ``more``."""
    sampled: set[str] = set()
    for item in items:
        if item.get_closest_marker("sampled") is None or item.get_closest_marker("slow") is not None:
            continue
        name = item.nodeid.partition("[")[0]
        if name in sampled:
            item.add_marker(pytest.mark.more)
        sampled.add(name)


ROOT = Path(__file__).resolve().parent.parent
RUN_TIMEOUT_S = 30.0
"""A command that takes longer hangs: fail, and show what it said so far."""

BANK = ROOT / "tests" / "programs" / "bank.py"
_BANK_STEPS = [1, 2, 3, 0, 0, 2, 3, 0, 0, 2, 3, 0, 0, 1, 0, 4, 0, 5, 0]
_TRIES = 50

TIME = re.compile(r" *\d[\d.]* (ns|us|ms|s)\b")

Child = subprocess.Popen[str]
Done = subprocess.CompletedProcess[str]


def environment() -> dict[str, str]:
    """Return the environment of a child: it finds this checkout, and nothing of pytest's."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    found.pop("PYTHONDONTWRITEBYTECODE", None)  # without bytecode, a child takes twice as long to start
    return {**found, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}


def start_replay(*words: object, **settings: Any) -> Child:
    """Start ``replay`` with arguments, in the current folder; ``settings`` are of `subprocess.Popen`."""
    usual = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, "-m", "replay", *map(str, words)],
        **{"env": environment(), **usual, **settings},
        text=True,
    )


def finish(child: Child, timeout: float = RUN_TIMEOUT_S) -> Done:
    """Wait for a child to end; fail if it does not."""
    try:
        stdout, stderr = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        child.kill()
        stdout, stderr = child.communicate()
        pytest.fail(f"hung: {child.args!r}\n{stdout}\n{stderr}")
    return subprocess.CompletedProcess(child.args, child.returncode, stdout, stderr)


def run_replay(*words: object, timeout: float = RUN_TIMEOUT_S, **settings: Any) -> Done:
    """Run ``replay`` with arguments to its end; see `start_replay`."""
    return finish(start_replay(*words, **settings), timeout)


_FROM_HERE = re.compile(r" +\((in +TIME|which has come)\)")


def timeless(text: str) -> str:
    """Return what was printed without times, which are others in each run, and the columns that they make."""
    return re.sub(" {2,}", "  ", _FROM_HERE.sub("", TIME.sub("  TIME", text)))


def record_bank(folder: Path, program: str | Path = "bank.py") -> Path:
    """Record the run of `bank.py` whose positions the tests and the pages name; return the recording.

    It is that of a machine with time to spare: on a busy one, the timers of both tasks do not come together.
    """
    shutil.copy(BANK, folder)
    for _ in range(_TRIES):
        done = run_replay("record", "-o", "run.rec", program, cwd=folder)
        assert done.returncode == 1, done.stderr
        with Recording.open(folder / "run.rec") as recording:
            if [step.task for step in recording.steps()] == _BANK_STEPS:
                return folder / "run.rec"
    pytest.fail(f"{_TRIES} runs of bank.py, each with its steps in another order than on a quiet machine")
