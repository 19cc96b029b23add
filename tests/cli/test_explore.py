"""`replay explore`: what is found, how it is told and kept, and what cannot be explored."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from tests.conftest import ROOT, Done, run_replay

TEACHING = ROOT / "scenarios" / "programs"

FAILS = "replay: the program fails already when nothing is late:"
HINT = "hint: mend that first, or record it: `replay record` and `replay debug`\n"

ORDERS = """
import asyncio

async def main():
    order = []
    async def note(name, delay):
        await asyncio.sleep(delay)
        order.append(name)
    async def slow():
        await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        order.append("slow")
    await asyncio.gather(slow(), note("quick", 0.03))
    assert order == ["slow", "quick"], order

asyncio.run(main())
"""


SLEEPS = """
import asyncio

async def main():
    await asyncio.gather(asyncio.sleep(0.01), asyncio.sleep(0.02))

asyncio.run(main())
"""


def program(folder: Path, text: str, name: str = "app.py") -> str:
    """Write a program into a folder; return its name."""
    (folder / name).write_text(textwrap.dedent(text))
    return name


def explore(folder: Path, *words: str) -> Done:
    """Explore, with one job."""
    return run_replay("explore", "--jobs", "1", *words, cwd=folder)


def test_a_race_is_found_told_and_kept(tmp_path: Path) -> None:
    done = explore(tmp_path, "--schedules", "60", program(tmp_path, ORDERS))
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        "FAILED  AssertionError: ['quick', 'slow']",
        f"  at         {tmp_path}/app.py:14 in main",
        lines[2],
        (
            "  because    the loop is busy until the timer of note#1 is due: then "
            "AssertionError: ['quick', 'slow']"
        ),
    ]
    assert "  decisions  stall main before what came: until the timer of note#1" in lines
    assert "  next       replay debug app.rec" in lines
    played = run_replay("play", "app.rec", cwd=tmp_path)
    assert played.returncode == 1
    assert played.stderr.endswith("AssertionError: ['quick', 'slow']\n")


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (("--schedules", "3", "app.py"), []),
        (("app.py", "--schedules", "3"), []),
        (("app.py", "--schedules=3", "--seed", "4", "one", "--jobs", "9"), ["one", "--jobs", "9"]),
        (("app.py", "--schedules", "3", "--", "--seed", "x"), ["--seed", "x"]),
        (("app.py", "--schedules", "3", "--", "--", "x"), ["--", "x"]),
        (("-m", "app", "--schedules", "3", "--verbose"), ["--verbose"]),
        (("--schedules", "3", "-mapp", "--json", "one", "--json"), ["one", "--json"]),
    ],
)
def test_options_may_stand_before_the_program_and_after(
    tmp_path: Path, words: tuple[str, ...], seen: list[str]
) -> None:
    program(tmp_path, f"import sys\nassert sys.argv[1:] == {seen!r}, sys.argv\n{SLEEPS}")
    done = explore(tmp_path, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 schedules" in done.stdout or json.loads(done.stdout)["schedules"] == 3


@pytest.mark.more
def test_the_same_seed_finds_the_same(tmp_path: Path) -> None:
    name = program(tmp_path, ORDERS)
    told = [json.loads(explore(tmp_path, "--json", "--seed", "3", name).stdout) for _ in range(2)]
    for one in told:
        one.pop("seconds")
    assert told[0] == told[1]
    failure = told[0]["failures"][0]
    assert (told[0]["found"], failure["kind"], failure["decisions"], failure["confirmed"]) == (
        True,
        "exception",
        1,
        True,
    )
    assert failure["recording"] == str(tmp_path / "app.rec")


@pytest.mark.more
def test_what_cannot_fail_does_not(tmp_path: Path) -> None:
    text = ORDERS.replace("await asyncio.sleep(0)\n", "pass\n")
    done = explore(tmp_path, "--schedules", "40", program(tmp_path, text))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("no failure found: 40 schedules in ")
    assert not (tmp_path / "app.rec").exists()


def test_a_deadlock_is_told_with_who_waits_for_whom(tmp_path: Path) -> None:
    done = explore(tmp_path, str(TEACHING / "lock_order.py"))
    assert done.returncode == 1, done.stderr
    assert "  kind       deadlock, after " in done.stdout
    assert "    cycle of 2: nothing else can wake them\n      T2 transfer\n" in done.stdout
    assert '        wants lock "then", held by T3 report' in done.stdout
    assert "AssertionError" not in run_replay("play", "lock_order.rec", cwd=tmp_path).stderr


@pytest.mark.more
def test_any_order_says_what_it_is(tmp_path: Path) -> None:
    text = """
    import asyncio

    async def main():
        counter = 0
        async def add():
            nonlocal counter
            seen = counter
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            counter = seen + 1
        async def after():
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await add()
        await asyncio.gather(add(), after())
        assert counter == 2, counter

    asyncio.run(main())
    """
    name = program(tmp_path, text)
    legal = explore(tmp_path, "--schedules", "100", name)
    assert legal.returncode == 0, legal.stdout
    done = explore(tmp_path, "--schedules", "300", "--any-order", name)
    assert done.returncode == 1
    assert "--any-order: asyncio itself never runs what is ready in another order" in done.stdout
    assert run_replay("play", "app.rec", cwd=tmp_path).stderr.endswith("AssertionError: 1\n")


def test_a_task_is_cancelled_at_each_of_its_awaits(tmp_path: Path) -> None:
    text = """
    import asyncio

    async def worker(done):
        try:
            await asyncio.sleep(0.01)
        finally:
            await asyncio.sleep(0.01)
            done.append("closed")

    async def main():
        done = []
        task = asyncio.create_task(worker(done), name="worker")
        await asyncio.wait([task])
        assert done == ["closed"], "not closed"

    asyncio.run(main())
    """
    name = program(tmp_path, text)
    assert explore(tmp_path, "--schedules", "30", name).returncode == 0
    done = explore(tmp_path, "--cancel", "work*", name)
    assert done.returncode == 1
    assert (
        "  because    worker is cancelled while it waits at `await asyncio.sleep(0.01)`: then "
        "AssertionError: not closed"
    ) in done.stdout
    assert run_replay("play", "app.rec", cwd=tmp_path).stderr.endswith("AssertionError: not closed\n")


@pytest.mark.more
def test_all_collects_each_failure_once(tmp_path: Path) -> None:
    text = """
    import asyncio

    async def main():
        order = []
        async def note(name, delay):
            await asyncio.sleep(delay)
            await asyncio.sleep(0)
            order.append(name)
        async def quick(name, delay):
            await asyncio.sleep(delay)
            order.append(name)
        await asyncio.gather(note("a", 0.01), quick("b", 0.02))
        if order != ["a", "b"]:
            raise ValueError("first")
        order.clear()
        await asyncio.gather(note("a", 0.01), quick("b", 0.02))
        if order != ["a", "b"]:
            raise KeyError("second")

    asyncio.run(main())
    """
    done = explore(tmp_path, "--all", "--schedules", "60", "--json", program(tmp_path, text))
    told = json.loads(done.stdout)
    assert sorted(one["message"] for one in told["failures"]) == ["KeyError: 'second'", "ValueError: first"]
    assert {Path(one["recording"]).name for one in told["failures"]} == {"app.rec", "app-2.rec"}


@pytest.mark.more
def test_strict_wants_all_exceptions_seen_to(tmp_path: Path) -> None:
    text = """
    import asyncio

    async def fails():
        raise ValueError("nobody looks")

    async def main():
        task = asyncio.create_task(fails())
        await asyncio.sleep(0.01)
        del task
        await asyncio.sleep(0.01)

    asyncio.run(main())
    """
    name = program(tmp_path, text)
    assert explore(tmp_path, "--schedules", "10", name).returncode == 0
    done = explore(tmp_path, "--strict", name)
    assert done.returncode == 2
    assert "the program fails already when nothing is late: Task exception was never retrieved" in done.stderr


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "raise SystemExit(3)",
            f"{FAILS} the program ends with 3\n\n{HINT}",
        ),
        (
            "import asyncio\nasync def main():\n    await asyncio.Event().wait()\nasyncio.run(main())",
            f"{FAILS} nothing that the program waits for can ever happen\n\n{HINT}",
        ),
        (
            "import ctypes\nprint(ctypes.CDLL(None).getpid())",
            "replay: the program behaves differently for the same decisions: it prints ",
        ),
    ],
)
def test_what_cannot_be_explored_is_said(tmp_path: Path, text: str, expected: str) -> None:
    done = explore(tmp_path, program(tmp_path, text))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(expected)


def test_a_name_that_nobody_has_given(tmp_path: Path) -> None:
    app = program(tmp_path, "import socket\nsocket.create_connection(('db.local', 5432))\n")
    done = explore(tmp_path, app)
    assert done.returncode == 2
    assert "socket.gaierror: [Errno -2] Name or service not known\n" in done.stderr
    hint = "names of hosts are given by a scenario: `world: {hosts: [NAME]}` in a file for `--world`"
    assert done.stderr.endswith(f"\n\nhint: {hint}\n")
    (tmp_path / "world.yaml").write_text("replay: 1\nprogram: [app.py]\nworld: {hosts: [db.local]}\n")
    assert "ConnectionRefusedError" in explore(tmp_path, "--world", "world.yaml", app).stderr


def test_a_child_process_is_refused_by_name(tmp_path: Path) -> None:
    done = explore(tmp_path, program(tmp_path, "import subprocess\nsubprocess.run(['true'])\n"))
    assert done.returncode == 2
    assert done.stderr.startswith(
        "replay: the program fails already when nothing is late at "
        f"{tmp_path}/app.py:2 in <module>: os.fork_exec is not there in the simulated world\n"
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "no program to explore"),
        (("--schedules", "0", "app.py"), "--schedules must be between 1 and 10,000,000, not 0"),
        (("--time", "0", "app.py"), "--time must be a number of seconds above 0, not 0"),
        (("--jobs", "0", "app.py"), "--jobs must be between 1 and 64, not 0"),
        (("-o", "nowhere", "app.py"), "no such folder: nowhere"),
        (("no.py",), "no such file: no.py"),
        (("--policy", "luck", "app.py"), "argument --policy: invalid choice: 'luck'"),
    ],
)
def test_bad_input_is_refused(tmp_path: Path, words: tuple[str, ...], expected: str) -> None:
    program(tmp_path, "pass")
    done = run_replay("explore", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"replay: {expected}")


@pytest.mark.more
def test_the_world_of_a_scenario(tmp_path: Path) -> None:
    """Its hosts are there, and its faults happen; its own seed is another matter."""
    name = str(TEACHING / "partition.py")
    (tmp_path / "hosts.yaml").write_text(
        f"replay: 1\nprogram: [{name}]\nworld: {{seed: 7, hosts: [east, west]}}\n"
    )
    without = explore(tmp_path, "--policy", "fifo", name)
    assert without.stderr.startswith(f"{FAILS[:-1]} at ")
    assert "gaierror" in without.stderr
    with_hosts = explore(tmp_path, "--policy", "fifo", "--world", "hosts.yaml", name)
    assert with_hosts.stdout.startswith("no failure found: ")
    broken = explore(tmp_path, "--policy", "fifo", "--world", str(TEACHING.parent / "partition.yaml"), name)
    assert "AssertionError: the replicas differ" in broken.stderr
    assert [done.returncode for done in (without, with_hosts, broken)] == [2, 0, 2]


@pytest.mark.more
def test_the_end_of_a_child_between_two_questions(tmp_path: Path) -> None:
    asks = """
        import asyncio, subprocess

        async def main():
            child = subprocess.Popen(["true"])
            await asyncio.sleep(0.05)
            first = child.poll()
            assert child.poll() == first, "it has ended in between"
            child.wait()

        asyncio.run(main())
    """
    done = explore(tmp_path, "--real-subprocess", program(tmp_path, asks))
    assert done.returncode == 1, done.stdout
    assert (tmp_path / "app.yaml").read_text().count("- ended: {child: true#1, nth: 2}") == 1
    assert run_replay("run", "app.yaml", cwd=tmp_path).returncode == 0
    assert run_replay("play", "app.rec", cwd=tmp_path).stderr.endswith("it has ended in between\n")


@pytest.mark.slow
def test_a_long_step_is_given_time(tmp_path: Path) -> None:
    name = program(tmp_path, "for number in range(200_000_000):\n    pass\n")
    done = explore(tmp_path, "--schedules", "2", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert "a step of the program never ends" in done.stderr
    done = explore(tmp_path, "--timeout", "300", "--schedules", "2", name)
    assert done.returncode == 0, done.stdout + done.stderr
