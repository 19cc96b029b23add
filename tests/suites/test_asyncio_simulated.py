"""CPython's own tests of asyncio in the simulated world: each of them is right in each schedule."""

from __future__ import annotations

import importlib.util

import pytest

from replay.simulation import Simulation

pytestmark = pytest.mark.slow

SCHEDULES = 50
LIMIT_S = 200
"""A test that fills a connection takes long in schedules in which its end comes late."""
NAMES = ("test_locks", "test_queues", "test_taskgroups", "test_timeouts", "test_streams")


@pytest.mark.parametrize("name", NAMES)
def test_it_passes_under_random_schedules(name: str, tmp_path: object) -> None:
    module = f"test.test_asyncio.{name}"
    if importlib.util.find_spec("test.test_asyncio") is None:
        pytest.skip("this Python comes without its tests")
    setting = {"real_subprocess": True}  # test_streams has children
    with Simulation.start(
        "module", ("unittest", module), setting, folder=str(tmp_path), limit_s=LIMIT_S
    ) as simulation:
        for seed in range(SCHEDULES):
            outcome = simulation.run({"kind": "random", "seed": seed})
            assert outcome.failure is None, (seed, outcome.failure, outcome.output)
            assert outcome.output.rstrip().endswith(("OK", ")")), outcome.output
