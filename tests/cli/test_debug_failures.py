"""Where a failed run opens: also if no task failed, or one with what ends the process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conftest import run_replay

MAIN = """\
import asyncio
async def main():
    await asyncio.sleep(0.001)
    try:
        int("x")
    except ValueError:
        return 5
def check(found):
    assert found == 6, "not six"
check(asyncio.run(main()))
"""
CHILD = """\
import asyncio, sys
async def child():
    await asyncio.sleep(0.001)
    sys.exit(3)
async def main():
    made = asyncio.create_task(child(), name="child")
    await asyncio.sleep(1)
asyncio.run(main())
"""
INTERRUPTED = """\
import asyncio, os, signal
async def main():
    asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
    await asyncio.sleep(5)
asyncio.run(main())
"""
ABRUPT = """\
import asyncio, os
async def main():
    await asyncio.sleep(0)
asyncio.run(main())
try:
    {}["x"]
except KeyError:
    os._exit(4)
"""


def opened(folder: Path, program: str, *commands: str) -> list[dict[str, Any]]:
    """Return what comes of `when` and of other commands where a failed run opens."""
    (folder / "app.py").write_text(program)
    assert run_replay("record", "-o", "run.rec", "app.py", cwd=folder).returncode != 0
    words = [word for one in ("when", *commands) for word in ("-ex", one)]
    done = run_replay("debug", "run.rec", "--json", "--batch", "--keep-going", *words, cwd=folder)
    assert "Traceback" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_exception_outside_of_tasks(tmp_path: Path) -> None:
    (when, exceptions, _, goto) = opened(tmp_path, MAIN, "exceptions", "goto start", "goto failure")
    assert (when["data"]["function"], when["data"]["lineno"], when["data"]["event"]) == ("check", 9, "raise")
    assert when["data"]["owner"] == "main"
    (raised,) = exceptions["data"]
    assert (raised["task"], raised["position"]) == (None, when["pos"])
    assert raised["error"] == "AssertionError: not six"
    assert goto["pos"] == when["pos"]


def test_what_ends_the_process_ends_its_task(tmp_path: Path) -> None:
    (when, why, _, tasks) = opened(tmp_path, CHILD, "why child", "goto end", "tasks")
    assert (when["data"]["function"], when["data"]["lineno"], when["data"]["name"]) == ("child", 4, "child")
    assert "it raises SystemExit: 3" in why["text"]
    states = {one["name"]: one["state"] for one in tasks["data"]}
    assert states == {"Task-1": "cancelled", "child": "failed"}
    assert run_replay("verify", "run.rec", cwd=tmp_path).returncode == 0


def test_an_interrupt(tmp_path: Path) -> None:
    (when, exceptions) = opened(tmp_path, INTERRUPTED, "exceptions")
    assert (when["data"]["event"], when["data"]["lineno"]) == ("raise", 5)
    assert exceptions["data"][-1]["error"] == "KeyboardInterrupt"


def test_an_end_that_no_exception_made(tmp_path: Path) -> None:
    """What was caught before is not what the run failed with."""
    (when, goto) = opened(tmp_path, ABRUPT, "goto failure")
    assert when["pos"] == "@1"
    assert not goto["ok"]


def test_an_exception_is_met_once_where_it_comes_from(tmp_path: Path) -> None:
    """Not in each frame that it passes."""
    commands = ("goto end", "rc exc:AssertionError", "rc exc:AssertionError")
    (when, _, first, second) = opened(tmp_path, MAIN, *commands)
    assert first["pos"] == when["pos"]
    assert second["pos"] == "@0"
