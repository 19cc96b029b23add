"""Waits, their deadlines and timers, how long tasks waited, what is ready: on a pool with too few places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.answers import recorded, said
from tests.conftest import run_replay, timeless

PROGRAM = """\
import asyncio

async def request(pool):
    async with asyncio.timeout(0.01):
        async with pool:
            await asyncio.sleep(50)

async def main():
    pool = asyncio.Semaphore(2)
    every = [asyncio.create_task(request(pool), name=f"req{number}") for number in range(4)]
    await asyncio.wait(every, timeout=30)
    assert not every

asyncio.run(main())
"""

COMMANDS = (
    "when", "why req2", "why req0", "tasks", "tasks --sort wait", "tree --by spawn", "ready",
    "goto @1", "tasks --times", "ready",
)  # fmt: skip


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("pool")
    (folder / "pool.py").write_text(PROGRAM)
    assert run_replay("record", "-o", "run.rec", "pool.py", cwd=folder).returncode == 1
    words = [word for command in COMMANDS for word in ("-ex", command)]
    done = run_replay("debug", "run.rec", "--at", "@6", "--batch", "--json", *words, cwd=folder, timeout=60)
    assert (done.stderr, done.returncode) == ("", 0)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["cmd"] for one in found] == list(COMMANDS)
    return found


def test_a_wait_for_a_place(answered: list[dict[str, Any]]) -> None:
    """Its holders wake later than its deadline comes."""
    assert timeless(answered[1]["text"]).split("\n  in this run")[0] == timeless("""\
T4 req2 is waiting in request pool.py:5 since @4, for 1 ms
  semaphore "pool", 0; held by T2 req0 (request pool.py:5), T3 req1 (request pool.py:5)
  in line: 1st of 2 tasks
  T2 req0, T3 req1 themselves await: sleep until t=1 ms
  deadline: asyncio.timeout in request pool.py:4, at t=1 ms
  the deadline comes before any holder wakes
  can be ended by: T2 req0, T3 req1, T1 Task-1""")
    assert timeless(answered[2]["text"]).splitlines()[1:4] == [
        "  sleep",
        "  deadline: asyncio.timeout in request pool.py:4, at t=  TIME",
        "  can be ended by: a timer at t=  TIME",
    ]


def test_timers_are_told_in_the_time_of_the_recording(answered: list[dict[str, Any]]) -> None:
    """What sleeps for 50 s wakes that much later than it began."""
    (text,) = [line for line in answered[2]["text"].splitlines() if "a timer at t=" in line]
    assert 45.0 < float(text.split("(in ")[1].split(" s)")[0]) <= 50.0


def test_how_long_tasks_waited(answered: list[dict[str, Any]]) -> None:
    rows = {row["name"]: row for row in answered[3]["data"]}
    assert [rows[name]["state"] for name in ("Task-1", "req0", "req3")] == ["waiting"] * 3
    for row in rows.values():
        assert row["wait_ns"] >= 9_000_000  # until the first deadline
        assert 0 <= row["ready_ns"] < row["wait_ns"]
    by_wait = [row["wait_ns"] for row in answered[4]["data"]]
    assert by_wait == sorted(by_wait, reverse=True)
    assert answered[8]["data"][0]["wait_ns"] == 0  # it has not run yet
    assert answered[3]["text"].splitlines()[0].split()[:7] == [
        "T",
        "name",
        "state",
        "steps",
        "run",
        "ready",
        "wait",
    ]


def test_what_is_ready(answered: list[dict[str, Any]]) -> None:
    """At the deadline the timers come first, then whom they cancel."""
    assert answered[6]["text"].splitlines()[0] == "* Timeout._on_timeout  a timer has fired  <- runs next"
    assert answered[6]["data"][0]["chosen"]
    first, *rest = answered[9]["data"]
    assert (first["task"], first["chosen"], first["since"]) == ("T1", True, "@0")
    assert [(one["task"], one["because"]) for one in rest] == []


def test_who_made_whom(answered: list[dict[str, Any]]) -> None:
    lines = answered[5]["text"].splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "T1 Task-1", "├─ T2 req0", "├─ T3 req1", "├─ T4 req2", "└─ T5 req3",
    ]  # fmt: skip


def test_nobody_can_tell_who_took_a_lock_by_hand(tmp_path: Path) -> None:
    """An `asyncio.Lock` does not know; who could release it is found all the same."""
    program = (
        "import asyncio\n"
        "lock = asyncio.Lock()\n"
        "async def worker():\n"
        "    await lock.acquire()\n"
        "    await asyncio.sleep(0.001)\n"
        "    lock.release()\n"
        "async def main():\n"
        "    await asyncio.gather(worker(), worker())\n"
        "asyncio.run(main())\n"
    )
    (*_, why) = said(recorded(tmp_path, program), "goto @4", "why T3")
    _, lock, line, hands, *_ = why["text"].splitlines()
    assert lock == '  lock "lock", locked; who holds it is not known (only `async with` tells)'
    assert line == "  in line: 1st of 1 task"
    assert hands == "  can be ended by: T2 Task-2"


SLEEPS = {
    "asyncio": (
        "import asyncio\n"
        "async def main():\n"
        "    for _ in range(5):\n"
        "        await asyncio.sleep(0.02)\n"
        "asyncio.run(main())\n"
    ),
    "trio": (
        "import trio\n"
        "async def main():\n"
        "    for _ in range(5):\n"
        "        await trio.sleep(0.02)\n"
        "trio.run(main)\n"
    ),
}


@pytest.mark.sampled
@pytest.mark.parametrize("library", SLEEPS)
def test_who_sleeps_waits_and_is_not_ready(tmp_path: Path, library: str) -> None:
    """Trio wakes it between two steps, asyncio in a callback."""
    _, tasks = said(recorded(tmp_path, SLEEPS[library]), "goto end", "tasks")
    (main,) = [row for row in tasks["data"] if row["where"].endswith("main")]
    assert main["wait_ns"] >= 90_000_000
    assert main["ready_ns"] < main["wait_ns"] / 4
