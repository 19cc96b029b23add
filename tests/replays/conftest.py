"""Nothing here but what each test of this folder wants: a program, recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.programs.catalogue import Program
from tests.replays.harness import Recorded, record, show, skip_unless_possible

RecordProgram = Callable[[Program], Recorded]


@pytest.fixture
def record_program(tmp_path: Path) -> RecordProgram:
    """Return a function that records a program and makes sure that it ended as it should."""
    runs: list[Recorded] = []

    def run(program: Program) -> Recorded:
        skip_unless_possible(program)
        folder = tmp_path / f"run-{len(runs)}"
        folder.mkdir()
        recorded = record(program, folder)
        runs.append(recorded)
        if recorded.ran.exit_code != program.exit_code:
            pytest.fail(f"ended otherwise than the plain program, {program.exit_code}: {show(recorded.ran)}")
        return recorded

    return run
