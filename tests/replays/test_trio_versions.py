"""Programs of trio with both ends of the range of versions, each in an environment of its own.

Slow: pip fetches trio. Where no package index answers, and the version is not there, they are skipped.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from replay.runtime.trio_ import seams
from tests.programs.catalogue import PROGRAMS, Program
from tests.replays.harness import ROOT, difference, record, replay_many, show

INSTALL_LIMIT_S = 300.0
OF_TRIO = [program for program in PROGRAMS if program.file.startswith("trio_")]
RANGE = (f"=={'.'.join(map(str, seams.OLDEST))}.0", "")
"""What pip is asked for: the oldest, and whatever is newest."""

NEEDED = "greenlet", "msgspec", "outcome", "zstandard"


@pytest.fixture(scope="module", params=RANGE, ids=["oldest", "newest"])
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the interpreter of an environment with a certain trio."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    found = str(folder / "bin" / "python")
    try:
        done = subprocess.run(
            [found, "-m", "pip", "install", "--quiet", f"trio{request.param}", *NEEDED],
            capture_output=True,
            text=True,
            timeout=INSTALL_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("no package index answers")
    if done.returncode:
        pytest.skip(f"trio{request.param} does not come from a package index: {done.stderr[-300:]}")
    works = subprocess.run([found, "-c", "import trio"], capture_output=True, text=True, check=False)
    if works.returncode:
        pytest.skip(f"this trio does not work with Python {sys.version.split()[0]}: {works.stderr[-300:]}")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("program", OF_TRIO, ids=lambda program: program.name)
def test_a_replay_is_the_same_run(program: Program, python: str, tmp_path: Path) -> None:
    recorded = record(program, tmp_path, python=python)
    assert recorded.ran.exit_code == program.exit_code, show(recorded.ran)
    for replayed in replay_many(recorded, 3):
        found = difference(recorded, replayed)
        assert found is None, found


@pytest.mark.slow
def test_it_is_the_environments_own_trio(python: str) -> None:
    done = subprocess.run(
        [python, "-c", "import trio; print(trio.__version__, trio.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    version, path = done.stdout.split()
    assert Path(path).is_relative_to(Path(python).parent.parent)
    assert tuple(map(int, version.split(".")[:2])) >= seams.OLDEST
