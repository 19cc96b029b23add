"""`replay(record(p)) == record(p)` for random programs: the same output, the same errors, the same exit code.

A program that fails is kept with its recording, and the message says where. Nothing is shrunk: threads and
clocks make each recording another run, but of the one that is kept each replay goes the same way.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.properties.programs import PRELUDE, programs
from tests.replays.harness import DIVERGENCE, Ran, run, show

SMALL_PROGRAMS = 4
"""In one file: starting an interpreter twice takes longer than what they do."""
EXAMPLES = 6
MANY_EXAMPLES = int(os.environ.get("REPLAY_EXAMPLES", "100"))
SEED = int(os.environ.get("REPLAY_SEED", "0")) or random.randrange(1, 2**32)
"""Of the slow test; another one each time, so that it goes on finding things."""

UNSHRUNK = settings(
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=(
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
        HealthCheck.function_scoped_fixture,
    ),
)


def run_here(folder: Path, *argv: object) -> Ran:
    """Run a command in this folder."""
    return run(
        [sys.executable, *map(str, argv)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )


def own_lines_left_out(stderr: bytes) -> bytes:
    """Return what the program itself wrote to stderr."""
    return b"".join(
        line for line in stderr.splitlines(keepends=True) if not line.startswith((b"replay:", b"hint:"))
    )


def check(text: str, tmp_path: Path, how_to_repeat: str) -> None:
    """Record a program, replay it, and compare."""
    folder = Path(tempfile.mkdtemp(prefix="program-", dir=tmp_path))
    (folder / "app.py").write_text(PRELUDE.read_text() + "\n\n" + text)
    said = f"kept in {folder}: app.py and run.rec, for `replay play run.rec`\n{how_to_repeat}"
    try:
        recorded = run_here(folder, "-m", "replay", "record", "-o", "run.rec", "app.py")
        assert b"replay: recorded run.rec" in recorded.stderr, show(recorded)
        replayed = run_here(folder, "-m", "replay", "play", "run.rec")
        assert replayed.exit_code != DIVERGENCE, show(replayed)
        assert replayed.exit_code == recorded.exit_code, show(replayed)
        assert replayed.stdout.splitlines() == recorded.stdout.splitlines()
        assert own_lines_left_out(replayed.stderr) == own_lines_left_out(recorded.stderr)
    except BaseException as error:  # the harness fails a run that hangs with an exception of pytest's own
        error.add_note(said)
        raise


@settings(UNSHRUNK, max_examples=EXAMPLES, derandomize=True)
@given(text=programs(SMALL_PROGRAMS))
def test_a_replay_is_the_same_run(text: str, tmp_path: Path) -> None:
    check(text, tmp_path, "the same program comes each time")


@pytest.mark.slow
@seed(SEED)
@settings(UNSHRUNK, max_examples=MANY_EXAMPLES)
@given(text=programs(SMALL_PROGRAMS))
def test_a_replay_of_many_programs_is_the_same_run(text: str, tmp_path: Path) -> None:
    check(text, tmp_path, f"again: REPLAY_SEED={SEED} REPLAY_EXAMPLES={MANY_EXAMPLES} with this test")
