"""Races in released libraries, and small classic ones: found with the bug in, and not with the bug out.

Slow: each race has two environments of its own, with the version that has the bug and one that has not, which
pip fetches. Where no package index answers, or a Python is not there, they are skipped. `python -m pytest -m
slow tests/races` runs all.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import environment
from tests.races.races import PROGRAMS, RACES, MissingError, Race, make_environment

pytestmark = pytest.mark.slow

EXPLORE_LIMIT_S = 1200.0
MOST_SCHEDULES = 500
"""With the bug in, it is found after so many at most."""
FIXED_SCHEDULES = 2000
CORRECT_SCHEDULES = 5000
SEEDS = (0, 1)
TIMES = 20


TINY = ("a05_missed_wakeup", "a06_cancel_in_finally", "a11_two_sockets", "t01_lost_update",
        "t02_lock_order_deadlock", "t04_cancel_in_finally")  # fmt: skip
TINY_IN_ANY_ORDER = ("a01_lost_update", "a02_check_then_act", "a03_lock_order_deadlock")
"""What asyncio never does makes these fail."""


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, tuple[str, ...]], str]:
    """Return the environments that were made, by Python and what is in them."""
    return {}


@pytest.fixture
def python_with(
    environments: dict[tuple[str, tuple[str, ...]], str], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """Return what makes an environment, once."""

    def made(version: str, wanted: tuple[str, ...]) -> str:
        if (version, wanted) not in environments:
            folder = tmp_path_factory.mktemp("environment")
            try:
                environments[version, wanted] = make_environment(folder, version, wanted)
            except MissingError as problem:
                pytest.skip(str(problem))
        return environments[version, wanted]

    return made


def run(python: str, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ``replay`` of this checkout in an environment."""
    return subprocess.run(
        [python, "-m", "replay", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(),
        timeout=EXPLORE_LIMIT_S,
        check=False,
    )


def explore(python: str, folder: Path, name: str, *options: object) -> dict[str, Any]:
    """Explore a program; return what is told as JSON."""
    done = run(python, "explore", "--json", *options, PROGRAMS / f"{name}.py", cwd=folder)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("race", RACES, ids=lambda race: race.name)
def test_it_is_found(race: Race, seed: int, python_with: Any, tmp_path: Path) -> None:
    """In its recording too, and by its scenario each time, in a fresh process."""
    python = python_with(race.pythons[0], race.buggy)
    found = explore(python, tmp_path, race.name, *race.options, "--seed", seed, "--schedules", MOST_SCHEDULES)
    assert found["found"], found
    (failure,) = found["failures"]
    replayed = run(python, "verify", failure["recording"], "--times", 2, cwd=tmp_path)
    assert replayed.returncode == 0, replayed.stderr
    again = run(python, "run", "--times", TIMES, failure["scenario"], cwd=tmp_path)
    assert again.returncode == 0, again.stdout


@pytest.mark.parametrize("race", [one for one in RACES if one.is_clean], ids=lambda race: race.name)
def test_nothing_is_found_when_it_is_mended(race: Race, python_with: Any, tmp_path: Path) -> None:
    python = python_with(race.pythons[1], race.fixed)
    found = explore(python, tmp_path, race.name, *race.options, "--schedules", FIXED_SCHEDULES)
    assert not found["found"], found["failures"]
    assert found["schedules"] > 1


@pytest.mark.parametrize("name", TINY)
def test_a_small_one_is_found_and_shrunk(name: str, python_with: Any, tmp_path: Path) -> None:
    python = python_with("3.11", ("trio",))
    found = explore(python, tmp_path, f"tiny_{name}", "--schedules", MOST_SCHEDULES)
    (failure,) = found["failures"]
    assert failure["decisions"] <= 2


@pytest.mark.parametrize("name", TINY_IN_ANY_ORDER)
def test_what_asyncio_never_does_is_found_in_any_order_alone(
    name: str, python_with: Any, tmp_path: Path
) -> None:
    python = python_with("3.11", ("trio",))
    assert not explore(python, tmp_path, f"tiny_{name}", "--schedules", MOST_SCHEDULES)["found"]
    found = explore(python, tmp_path, f"tiny_{name}", "--any-order", "--schedules", MOST_SCHEDULES)
    assert found["found"]


@pytest.mark.parametrize("policy", ["mixed", "random", "pct", "dfs"])
def test_orders_that_asyncio_promises_are_kept(policy: str, python_with: Any, tmp_path: Path) -> None:
    python = python_with("3.11", ("trio",))
    found = explore(
        python, tmp_path, "tiny_order_probes", "--policy", policy, "--schedules", CORRECT_SCHEDULES
    )
    assert not found["found"], found["failures"]
