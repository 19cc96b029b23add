"""`replay analyze` and the debugger's `deadlocks`, on programs that hang."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT, Done, run_replay

PROGRAM = ROOT / "tests" / "programs" / "deadlocks.py"
TRIO = ROOT / "tests" / "programs" / "trio_hangs.py"

LOCKS = """\
cycle of 2: nothing else can wake them
  T4 left
    holds lock "first"  (takes deadlocks.py:{first})
      -> async with first:
    wants lock "second", held by T5 right  (takes deadlocks.py:{second})
      -> async with second:
  T5 right
    holds lock "first"  (takes deadlocks.py:{first})
      -> async with first:
    wants lock "second", held by T4 left  (takes deadlocks.py:{second})
      -> async with second:
waiting for these:
  T1 Task-1  gather in main deadlocks.py:{main}: T2 main, T3 ends
  T2 main  task group "group" in locks deadlocks.py:{group}: T4 left, T5 right
deadlines that would end it:
  timeout in locks deadlocks.py:{group}, of T2 main
"""


def line(text: str, program: Path = PROGRAM) -> int:
    """Return the number of the line of a program that begins so."""
    lines = program.read_text().splitlines()
    return next(at for at, one in enumerate(lines, 1) if one.strip().startswith(text))


def locks() -> str:
    """Return what is told of the program with two locks."""
    return LOCKS.format(
        first=line("async with first"),
        second=line("async with second"),
        main=line("await asyncio.gather(task,"),
        group=line("async with asyncio.timeout"),
    )


def record(folder: Path, way: str, how: str = "SIGTERM") -> Done:
    """Record the program in a folder; return what came of it."""
    shutil.copy(PROGRAM, folder)
    return run_replay("record", "-o", "run.rec", PROGRAM.name, way, how, cwd=folder)


def analyze(folder: Path, *words: str) -> Done:
    """Look for deadlocks in the recording."""
    return run_replay("analyze", "run.rec", "--deadlocks", *words, cwd=folder)


@pytest.mark.more
def test_two_locks_and_a_signal_that_ends_the_program(tmp_path: Path) -> None:
    assert record(tmp_path, "locks").returncode == -15
    done = analyze(tmp_path)
    where, _, rest = done.stdout.partition("\n")
    assert (done.returncode, done.stderr) == (1, "")
    assert where.startswith("where the recording ends, after @")
    assert rest == locks()
    commands = ("-ex", "goto @4", "-ex", "deadlocks", "-ex", "goto end", "-ex", "deadlocks")
    shown = run_replay("debug", "run.rec", "--batch", *commands, cwd=tmp_path).stdout
    assert "no cycle: no tasks hold what the others of them want\n" in shown
    assert shown.endswith(done.stdout)


@pytest.mark.more
def test_a_program_that_is_told_of_the_signal_is_looked_at_before(tmp_path: Path) -> None:
    assert record(tmp_path, "locks", "SIGINT").returncode == -2
    done = analyze(tmp_path)
    where, _, rest = done.stdout.partition("\n")
    assert (done.returncode, done.stderr) == (1, "")
    assert where.startswith("before the program was told of a signal, after @")
    assert rest == locks()
    data = json.loads(analyze(tmp_path, "--json").stdout)["deadlocks"]
    assert (data["how"], data["cycles"]) == ("signal", [{"tasks": ["T4", "T5"], "certain": True}])
    assert (data["behind"], data["stuck"], data["outside"]) == (["T1", "T2"], [], [])
    assert [one["task"] for one in data["waits"]] == [1, 2, 4, 5]


LOCKS_OF_TRIO = """\
cycle of 2: nothing else can wake them
  T4 left
    holds lock "first"  (takes trio_hangs.py:{first})
      -> async with first:
    wants lock "second", held by T5 right  (takes trio_hangs.py:{second})
      -> async with second:
  T5 right
    holds lock "first"  (takes trio_hangs.py:{first})
      -> async with first:
    wants lock "second", held by T4 left  (takes trio_hangs.py:{second})
      -> async with second:
waiting for these:
  T2 __main__.main  nursery "nursery" in main trio_hangs.py:{main}: {all}
deadlines that would end it:
  cancel scope in main trio_hangs.py:{scope}, of T2 __main__.main
"""
OUTSIDE = """\
waiting for the outside, or for one that can go on:
  {reads} reads  socket "stream" in reads trio_hangs.py:{socket}; by descriptor FD (read)
  {queues} queues  lock "lock" in queues trio_hangs.py:{lock}: {reads} reads
"""


def of_trio(folder: Path, way: str) -> tuple[int, str, str]:
    """Record tasks of trio that hang; return the exit code of `analyze`, where that was, and what it said."""
    shutil.copy(TRIO, folder)
    assert run_replay("record", "-o", "run.rec", TRIO.name, way, cwd=folder).returncode == -15
    done = analyze(folder)
    assert done.stderr == ""
    where, _, rest = re.sub(r"descriptor \d+", "descriptor FD", done.stdout).partition("\n")
    assert where.startswith("where the recording ends, after @")
    return done.returncode, where, rest


def lines_of_trio() -> dict[str, int]:
    begins = {"first": "async with first", "second": "async with second", "socket": "await stream"}
    begins |= {"main": "async with trio.open_nursery", "scope": "with trio.fail_after"}
    found = {name: line(text, TRIO) for name, text in begins.items()}
    return {**found, "lock": line("async def queues", TRIO) + 1}


@pytest.mark.more
def test_two_locks_of_trio(tmp_path: Path) -> None:
    code, where, said = of_trio(tmp_path, "locks,outside")
    assert code == 1
    assert said == (LOCKS_OF_TRIO + OUTSIDE).format(
        **lines_of_trio(), reads="T6", queues="T7", all="T4 left, T5 right, T6 reads, T7 queues and 1 more"
    )
    commands = ("-ex", "goto @4", "-ex", "deadlocks", "-ex", "goto end", "-ex", "deadlocks")
    shown = run_replay("debug", "run.rec", "--batch", *commands, cwd=tmp_path).stdout
    assert "no cycle: no tasks hold what the others of them want\n" in shown
    assert re.sub(r"descriptor \d+", "descriptor FD", shown).endswith(f"{where}\n{said}")


@pytest.mark.more
def test_tasks_of_trio_that_wait_for_the_outside(tmp_path: Path) -> None:
    code, _, said = of_trio(tmp_path, "outside")
    assert code == 0
    assert said.startswith("no cycle: no tasks hold what the others of them want\n")
    found = OUTSIDE.format(**lines_of_trio(), reads="T4", queues="T5").splitlines()
    main = f'  T2 __main__.main  nursery "nursery" in main trio_hangs.py:{lines_of_trio()["main"]}'
    assert [one for one in said.splitlines()[1:] if one not in found] == [
        f"{main}: T4 reads, T5 queues, T6 ends"
    ]


def test_a_run_that_ended_by_itself(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import asyncio\nasyncio.run(asyncio.sleep(0))\n")
    run_replay("record", "-o", "run.rec", "app.py", cwd=tmp_path)
    done = analyze(tmp_path)
    where, _, rest = done.stdout.partition("\n")
    assert where.startswith("the run came to its own end, after @")
    assert rest == "no deadlock: no task waits there\n"
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.more
def test_a_run_that_was_given_too_little_time(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import asyncio\n\n\n"
        "async def main():\n"
        "    lock = asyncio.Lock()\n"
        "    async with lock, lock:\n"
        "        pass\n\n\n"
        "asyncio.run(main())\n"
    )
    assert run_replay("record", "--timeout", "0.5", "-o", "run.rec", "app.py", cwd=tmp_path).returncode == 124
    done = analyze(tmp_path)
    assert "cycle of 1: nothing else can wake it\n" in done.stdout
    assert 'wants lock "lock", held by T1 Task-1  (main app.py:6)\n' in done.stdout
    assert "\n      -> async with lock, lock:\n" in done.stdout
    assert done.stdout.endswith("no deadline would end it\n")
    assert done.returncode == 1


CASES = {
    "gathered": (1, "cycle of 3: nothing else can wake them"),
    "semaphore": (1, "cycle of 1: nothing else can wake it"),
    "plain_semaphore": (1, "cycle of 1: nothing else that is known can wake it"),
    "awaits_itself": (1, 'awaits task "tasks[1]": T5 '),
    "lock_and_queue": (0, "could be ended by T2 main, T5 "),
    "conditions": (0, "nothing that is known can end these waits:"),
    "server": (0, 'T2 main  server "listening" in server'),
    "thread": (0, "other threads that wait:\n    a thread  (thread.<locals>.use deadlocks.py:"),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", CASES)
def test_other_ways_to_hang(tmp_path: Path, way: str) -> None:
    record(tmp_path, way)
    done = analyze(tmp_path)
    code, text = CASES[way]
    assert (done.returncode, done.stderr) == (code, "")
    assert text in done.stdout
    assert ("no cycle: " in done.stdout) is (code == 0)


@pytest.mark.more
def test_what_cannot_be_read_or_replayed(tmp_path: Path) -> None:
    assert analyze(tmp_path).returncode == 4
    record(tmp_path, "semaphore")
    with (tmp_path / PROGRAM.name).open("a") as file:
        file.write("# edited\n")
    done = analyze(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "deadlocks.py" in done.stderr
    assert analyze(tmp_path, "--source", "recorded").returncode == 1
