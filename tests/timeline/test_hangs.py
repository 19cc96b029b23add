"""Where a run hung, and after how much."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from replay.analysis import hangs
from replay.positions import Position
from replay.timeline.timeline import Timeline
from tests.conftest import run_replay

SIGNALS = """
import asyncio, os, signal

async def transfer(source, target):
    async with source:
        await asyncio.sleep(0)
        async with target:
            pass

async def main():
    signal.signal(signal.SIGUSR1, lambda *_: None)
    for _ in range(5):
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.sleep(0)
    one, other = asyncio.Lock(), asyncio.Lock()
    asyncio.get_running_loop().call_later(0.01, os._exit, 0)
    await asyncio.gather(transfer(one, other), transfer(other, one))

asyncio.run(main())
"""


def test_a_run_of_many_signals_is_looked_at_at_its_end_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before each of them: it would take too long."""
    (tmp_path / "app.py").write_text(SIGNALS)
    run_replay("record", "app.py", cwd=tmp_path)
    monkeypatch.setattr(hangs, "MAX_SIGNALS", 3)
    with Timeline(str(tmp_path / "run.rec")) as timeline:
        found = hangs.find_hang(timeline)
    assert (found.before_signal, len(found.deadlocks.cycles)) == (False, 1)


WATCHED = """
import asyncio, faulthandler

async def main():
    faulthandler.dump_traceback_later(0.3, exit=True)
    await asyncio.sleep(0)
    faulthandler.cancel_dump_traceback_later()
    print("in time", flush=True)

asyncio.run(main())
"""


@pytest.mark.more
def test_a_watchdog_of_the_program_does_not_end_who_looks_at_it(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(WATCHED)
    recorded = run_replay("record", "app.py", cwd=tmp_path)
    assert "faulthandler: the tracebacks that it writes are not recorded" in recorded.stderr
    with Timeline(str(tmp_path / "run.rec")) as timeline:
        timeline.goto(Position(2))
        time.sleep(0.6)
        timeline.goto(Position(4))
        assert len(timeline.written()) == 1


BUSY = """
print("ready", flush=True)
while True:
    pass
"""


@pytest.mark.more
def test_a_run_that_was_stopped_while_it_computed_has_an_end(tmp_path: Path) -> None:
    """No door leads there, and nothing else would stop the replay."""
    (tmp_path / "app.py").write_text(BUSY)
    assert run_replay("record", "--timeout", "1", "app.py", cwd=tmp_path).returncode == 124
    with Timeline(str(tmp_path / "run.rec")) as timeline:
        found = hangs.find_hang(timeline)
        assert (found.is_stopped, found.deadlocks.found) == (True, False)
        assert timeline.goto(Position(5)).reason == "over"
    told = run_replay("info", "run.rec", cwd=tmp_path).stdout
    assert "FAILED  stopped after 1.0 s (--timeout)" in told
