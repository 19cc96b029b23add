"""CPython's own tests of asyncio in the simulated world: each of them is right in each schedule."""

from __future__ import annotations

import importlib.util

import pytest

from replay.simulation import Simulation

pytestmark = pytest.mark.slow

SCHEDULES = 50
NAMES = ("test_locks", "test_queues", "test_taskgroups", "test_timeouts")
"""Not test_streams: its test_drain_raises, in which a thread closes while the client sends on and on, hangs
in about one of eight schedules: data that comes late to a closed socket breaks nothing off in this world."""


@pytest.mark.parametrize("name", NAMES)
def test_it_passes_under_random_schedules(name: str, tmp_path: object) -> None:
    module = f"test.test_asyncio.{name}"
    if importlib.util.find_spec("test.test_asyncio") is None:
        pytest.skip("this Python comes without its tests")
    with Simulation.start("module", ("unittest", module), folder=str(tmp_path)) as simulation:
        for seed in range(SCHEDULES):
            outcome = simulation.run({"kind": "random", "seed": seed}, limit_s=120)
            assert outcome.failure is None, (seed, outcome.failure, outcome.output)
            assert outcome.output.rstrip().endswith(("OK", ")")), outcome.output
