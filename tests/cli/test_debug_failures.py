"""Where a failed run opens: also if no task failed, or one with what ends the process."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import run_replay, start_replay
from tests.replays.harness import let_fall_asleep

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
    assert when["data"]["event"] == "end"
    assert not goto["ok"]


HUNG = """\
import asyncio, os, signal
first, second = asyncio.Lock(), asyncio.Lock()
async def hold(mine, other):
    async with mine:
        await asyncio.sleep(0.01)
        async with other:
            pass
async def main():
    asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.{signal})
    one = asyncio.create_task(hold(first, second), name="one")
    two = asyncio.create_task(hold(second, first), name="two")
    await asyncio.gather(one, two)
asyncio.run(main())
"""


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_run_that_hung_until_it_was_killed_opens_where_it_hangs(tmp_path: Path, name: str) -> None:
    """There its tasks are still there, and wait."""
    commands = ("why one", "tasks", "where one", "tree", "deadlocks", "task two locals", "rs")
    program = HUNG.replace("{signal}", name)
    (when, why, tasks, where, tree, deadlocks, locals_, back) = opened(tmp_path, program, *commands)
    assert when["data"]["reason"] == "over"
    assert "the recording ends here: " in when["text"]
    lines = why["text"].splitlines()
    assert lines[0].startswith("T2 one is waiting in hold app.py:6 since @")
    assert float(re.search(r"for (\d+) ms", lines[0])[1]) > 150  # type: ignore[index]
    assert lines[1] == '  lock "other", locked; held by T3 two (hold app.py:4)'
    assert [row["awaiting"] for row in tasks["data"]] == [
        "gather: T2 one, T3 two",
        'lock "other", held by T3 two',
        'lock "other", held by T2 one',
    ]
    assert [frame["lineno"] for frame in where["data"]] == [6, 12]
    assert [one["children"] for one in tree["data"]] == [["T2", "T3"], [], []]
    assert len(deadlocks["data"]["cycles"]) == 1
    assert set(locals_["data"]) == {"mine", "other"}
    assert back["ok"]


WAITS = """\
import asyncio
async def wait(lock):
    async with lock:
        await asyncio.Event().wait()
async def bad():
    raise ValueError("seen to")
async def main():
    lock = asyncio.Lock()
    one = asyncio.create_task(wait(lock), name="one")
    two = asyncio.create_task(wait(lock), name="two")
    await asyncio.gather(bad(), return_exceptions=True)
    print("waiting", flush=True)
    await asyncio.gather(one, two)
asyncio.run(main())
"""
ON_TRIO = """\
import trio
async def wait(lock):
    async with lock:
        await trio.sleep_forever()
async def main():
    lock = trio.Lock()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, lock, name="one")
        nursery.start_soon(wait, lock, name="two")
        await trio.testing.wait_all_tasks_blocked()
        print("waiting", flush=True)
import trio.testing
trio.run(main)
"""


@pytest.mark.sampled
@pytest.mark.parametrize("program", [WAITS, ON_TRIO], ids=["asyncio", "trio"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_a_run_that_others_killed_opens_where_it_waits(tmp_path: Path, program: str, number: int) -> None:
    """No step comes after the wait that it hangs in; and no exception that was seen to is its failure."""
    (tmp_path / "app.py").write_text(program)
    child = start_replay("record", "-o", "run.rec", "app.py", cwd=tmp_path)
    assert child.stdout is not None
    assert child.stdout.readline() == "waiting\n"
    let_fall_asleep(child.pid)
    began = time.monotonic()
    time.sleep(0.2)  # it is to have waited for some time
    child.send_signal(number)
    child.communicate(timeout=30)
    waited_ns = (time.monotonic() - began) * 1e9
    commands = ("-ex", "when", "-ex", "tasks --filter where=wait", "-ex", "info")
    done = run_replay("debug", "run.rec", "--json", "--batch", *commands, cwd=tmp_path)
    when, tasks, info = map(json.loads, done.stdout.splitlines())
    assert when["data"]["reason"] == "over"
    assert [row["state"] for row in tasks["data"]] == ["waiting", "waiting"]
    (two,) = [row for row in tasks["data"] if row["awaiting"].startswith("lock ")]
    assert "ValueError" not in info["text"]
    if number == signal.SIGTERM:  # of who is killed nobody can say when
        assert 200_000_000 <= two["wait_ns"] <= waited_ns + 1e9


@pytest.mark.more
def test_an_exception_is_met_once_where_it_comes_from(tmp_path: Path) -> None:
    """Not in each frame that it passes."""
    commands = ("goto end", "rc exc:AssertionError", "rc exc:AssertionError")
    (when, _, first, second) = opened(tmp_path, MAIN, *commands)
    assert first["pos"] == when["pos"]
    assert second["pos"] == "@0"
