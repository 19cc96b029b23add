"""Programs of `tests/programs` in the simulated world: runs are the same, end as they should, and replay."""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from replay.simulation import Outcome, Simulation
from tests.programs.catalogue import PROGRAMS, Program
from tests.replays.harness import peers_of, record_environment, replay_environment, run, skip_unless_possible

FIFO = {"kind": "fifo"}
SHOWN_CHARACTERS = 100_000
"""Of an outcome's output: the last so many are told."""

NOT_SIMULATED = {
    **dict.fromkeys(("fork_hooks",), "os.fork"),
    **dict.fromkeys(("lesser_doors",), "os.setpgrp"),
    **dict.fromkeys(("terminal",), "os.openpty"),
    **dict.fromkeys(
        (
            "addresses_going_out",
            "files_changed",
            "lib_anyio-asyncio",
            "lib_anyio-both",
            "lib_anyio-trio",
            "output_ways",
            "subprocess_in_threads",
            "subprocess_inherited",
            "subprocess_pipes",
            "subprocess_shell",
            "subprocess_signals",
            "trio_subprocess",
        ),
        "os.fork_exec",
    ),
}
"""What ends a program in the simulated world: by name, what is not there."""

ELSEWHERE = re.compile(
    "files_|trio_files$|databases$|uncaught_with|addresses$|environment$"  # files are the system's
    "|gc_|clocks$|stack_depth$|context_and_names$|ends_of_modules$"  # of no network
    "|threads_outliving$|signals_while_busy$|small_messages$"  # wait by going on: no time passes meanwhile
    "|timeouts$"  # takes so long that what looks after it from within shifts when garbage is collected
)
"""Programs that are about something else."""

MIXED = {"threads_printing"}
"""Programs whose threads print parts of lines to both streams, which are one here and two in a replay."""

SAME_OUTPUT = {
    "bank",
    "deadlocks",
    "descriptors",
    "descriptors_passed",
    "half_close",
    "kitchen-asyncio",
    "kitchen-trio",
    "signals_before_waits",
    "signals_of_its_own",
    "sockets_datagrams",
    "sockets_ends",
    "sockets_refused",
    "threads_loop_starting",
    "trio_signals",
}
"""Programs of which each run prints the same, but for numbers that are drawn."""

QUICK = {"blocking_sockets", "lib_aiohttp", "sockets_ends", "tls_streams", "trio_threads"}
"""Run by default; all together take long."""


def is_alone(program: Program) -> bool:
    """Whether it needs nobody outside."""
    return not program.signals and program.stdin is None and set(program.peers) <= {"tls"}


ALONE = [one for one in PROGRAMS if is_alone(one)]
SIMULATED = [one for one in ALONE if one.name not in NOT_SIMULATED and not ELSEWHERE.match(one.name)]


def cases(programs: list[Program]) -> list[object]:
    """Return programs as parameters, marked as they must be."""
    return [
        pytest.param(one, id=one.name, marks=[] if one.name in QUICK else [pytest.mark.slow])
        for one in programs
    ]


@contextlib.contextmanager
def ready_to_run(
    program: Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, ...]]:
    """Put a program into a folder with all that it needs; yield its name and its arguments."""
    skip_unless_possible(program)
    shutil.copy(program.path, folder)
    for name, text in program.inputs.items():
        (folder / name).write_text(text)
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    for name, value in record_environment(folder).items():
        monkeypatch.setenv(name, value)
    with peers_of(program, folder) as peers:
        args = [arg.format_map({name: peer.address for name, peer in peers.items()}) for arg in program.args]
        yield (program.path.name, *args)


def simulated(argv: tuple[str, ...], folder: Path, recordings: list[Path]) -> list[Outcome]:
    """Run a program as often as there are recordings to write, in copies of one process."""
    with Simulation.start("script", argv, {"seed": 1}, folder=str(folder)) as simulation:
        return [simulation.run(FIFO, recording=str(path)) for path in recordings]


def exit_code(outcome: Outcome) -> object:
    """Return how a run ended, as `subprocess` says it."""
    match outcome.how:
        case "exit":
            return outcome.detail
        case "signal":
            return -int(outcome.detail)
        case _:
            return f"{outcome.failure}\n{outcome.output[-2000:]}"


def lines(text: str | bytes) -> list[str]:
    """Return what was printed, whatever went to stdout and what to stderr."""
    return sorted((text if isinstance(text, str) else text.decode(errors="backslashreplace")).splitlines())


def without_numbers(text: str | bytes) -> list[str]:
    """Return what was printed, with one sign for all numbers."""
    return sorted(re.sub(r"[0-9a-f.]*\d[0-9a-f.]*", "#", line) for line in lines(text))


@pytest.mark.sampled
@pytest.mark.parametrize("program", cases(SIMULATED))
def test_each_run_is_the_same_and_replays(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    first, second, third = (tmp_path / f"{number}.rec" for number in range(3))
    with ready_to_run(program, folder, monkeypatch) as argv:
        outcome, again = simulated(argv, folder, [first, second])
        (afresh,) = simulated(argv, folder, [third])
        plain = None
        if program.name in SAME_OUTPUT:
            plain = run([sys.executable, *argv], cwd=folder, env=record_environment(folder))
    assert exit_code(outcome) == program.exit_code
    assert (again.output, again.digest) == (outcome.output, outcome.digest), "the second run of one process"
    assert (afresh.output, afresh.digest) == (outcome.output, outcome.digest), "the first run of another"
    assert second.read_bytes() == first.read_bytes(), "the second run of one process"
    assert third.read_bytes() == first.read_bytes(), "the first run of another"
    if plain is not None:
        assert without_numbers(outcome.output) == without_numbers(plain.stdout + plain.stderr)
    shutil.rmtree(folder)
    played = run(
        [sys.executable, "-m", "replay", "play", str(first)],
        cwd=elsewhere,
        env=replay_environment(elsewhere),
    )
    assert played.exit_code == program.exit_code
    shown = (played.stdout + played.stderr).decode(errors="backslashreplace")
    if len(outcome.output) < SHOWN_CHARACTERS:
        order = sorted if program.name in MIXED else lines
        assert order(shown) == order(outcome.output)
    else:
        assert shown.endswith(outcome.output[-SHOWN_CHARACTERS // 2 :])


@pytest.mark.parametrize("program", cases([one for one in ALONE if one.name in NOT_SIMULATED]))
def test_what_is_not_there_is_refused_by_name(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with ready_to_run(program, folder, monkeypatch) as argv:
        (outcome,) = simulated(argv, folder, [tmp_path / "run.rec"])
    assert (outcome.how, outcome.detail) == ("refused", NOT_SIMULATED[program.name])


HOSTS = """
import asyncio
import socket

async def echo(reader, writer):
    writer.write(b"%s " % writer.get_extra_info("sockname")[0].encode() + await reader.readline())
    writer.close()

async def ask(host, port):
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return host, type(error).__name__, error.errno
    writer.write(b"hello\\n")
    return host, (await reader.readline()).decode().strip(), writer.get_extra_info("peername")[1]

async def main():
    for host in "db", "replica", "127.0.0.1":
        await asyncio.start_server(echo, host, 5432)
    await asyncio.start_server(echo, "cache", 0)
    for host in "db", "replica", "localhost", "cache", "nowhere", "192.0.2.1":
        print(*await ask(host, 5432))
    one, other = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
    one.bind(("db", 53))
    other.sendto(b"question", ("db", 53))
    data, who = one.recvfrom(100)
    one.sendto(data, who)
    print(other.recvfrom(100)[1], socket.gethostbyaddr("10.0.0.2")[0])

asyncio.run(main())
"""

ASKED = """\
db 10.0.0.1 hello 5432
replica 10.0.0.2 hello 5432
localhost 127.0.0.1 hello 5432
cache ConnectionRefusedError 111
nowhere gaierror -2
192.0.2.1 OSError 101
('10.0.0.1', 53) replica
"""


def test_hosts_have_addresses_of_their_own_and_names_in_decisions(tmp_path: Path) -> None:
    (tmp_path / "hosts.py").write_text(HOSTS)
    setting = {"seed": 1, "hosts": ["db", "replica", "cache"]}
    with Simulation.start("script", ("hosts.py",), setting, folder=str(tmp_path)) as simulation:
        outcome = simulation.run(FIFO, is_watched=True)
    assert (outcome.failure, outcome.output) == (None, ASKED)
    about = str(outcome.history)
    for label in ("db:5432#1 connects", "replica:5432#1 to server", "cache:5432#1 connects", "udp to db:53"):
        assert label in about
    assert "127.0.0.1:5432#1 connects" not in about, "what stays on this machine is answered at once"


BROKEN = """
import asyncio, socket

async def serve(reader, writer):
    try:
        while line := await reader.readline():
            writer.write(b"echo " + line)
    except OSError:
        pass
    writer.close()

async def ask(kind, connecting):
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        reader, writer = await connecting
        print(kind, "connected", round(loop.time() - began, 2))
        for wait in 0.5, 0:
            writer.write(b"hello\\n")
            print(kind, (await reader.readline()).decode().strip(), round(loop.time() - began, 2))
            await asyncio.sleep(wait)
        writer.close()
    except OSError as error:
        print(kind, type(error).__name__, round(loop.time() - began, 2))

async def main():
    tcp = await asyncio.start_server(serve, "db", 5432)
    unix = await asyncio.start_unix_server(serve, "db.sock")
    await ask("tcp", asyncio.open_connection("db", 5432))
    await ask("unix", asyncio.open_unix_connection("db.sock"))
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        one.bind(("db", 53))
        one.settimeout(5)
        for number in range(3):
            other.sendto(b"%d" % number, ("db", 53))
        try:
            print("udp", *[one.recv(10).decode() for _ in range(3)])
        except TimeoutError:
            print("udp lost")
    tcp.close()
    unix.close()
    await asyncio.sleep(1)

asyncio.run(main())
"""

UNBROKEN = """\
tcp connected 0.02
tcp echo hello 0.04
tcp echo hello 0.56
unix connected 0.0
unix echo hello 0.0
unix echo hello 0.5
udp 0 1 2
"""
HALVES = UNBROKEN.splitlines(keepends=True)
TCP, UNIX, UDP = "".join(HALVES[:3]), "".join(HALVES[3:6]), HALVES[6]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (None, UNBROKEN),
        ({"refuse": {"connection": "db:5432"}}, f"tcp ConnectionRefusedError 0.02\n{UNIX}{UDP}"),
        (
            {"reset": {"connection": "db:5432#1"}},
            f"tcp connected 0.02\ntcp ConnectionResetError 0.02\n{UNIX}{UDP}",
        ),
        (
            {"reset": {"connection": "db.sock#1", "after_bytes": 10}},
            f"{TCP}unix connected 0.0\nunix echo hello 0.0\nunix ConnectionResetError 0.5\n{UDP}",
        ),
        (
            {"crash": {"host": "db", "at_s": 0.1}},
            f"tcp connected 0.02\ntcp echo hello 0.04\ntcp ConnectionResetError 0.54\n{UNIX}{UDP}",
        ),
        (
            {"stall": {"connection": "db:5432#1", "at_s": 0.1, "for_s": 2.0}},
            f"tcp connected 0.02\ntcp echo hello 0.04\ntcp echo hello 2.56\n{UNIX}{UDP}",
        ),
        (
            {"partition": {"between": ["db", "simulated"], "from_s": 0.1, "until_s": 2.0}},
            f"tcp connected 0.02\ntcp echo hello 0.04\ntcp echo hello 2.01\n{UNIX}{UDP}",
        ),
        (
            {"slow": {"connection": "db:5432#1", "bytes_per_s": 1000}},
            f"tcp connected 0.02\ntcp echo hello 0.06\ntcp echo hello 0.59\n{UNIX}{UDP}",
        ),
        ({"drop": {"to": "db:53", "nth": 2}}, f"{TCP}{UNIX}udp lost\n"),
        ({"short_reads": {"connection": "*", "bytes": 1}}, UNBROKEN),
        ({"short_writes": {"connection": "*", "bytes": 1}}, UNBROKEN),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "" if value else "none",
)
def test_what_goes_wrong_is_seen_at_both_ends(
    tmp_path: Path, fault: dict[str, object] | None, expected: str
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    setting = {
        "seed": 1,
        "hosts": ["db"],
        "network": {"latency_ns": [10_000_000, 10_000_000]},
        "faults": [] if fault is None else [fault],
    }
    with Simulation.start("script", ("broken.py",), setting, folder=str(tmp_path)) as simulation:
        outcome = simulation.run(FIFO)
    assert outcome.how == "exit"
    assert outcome.output == expected


IN_TIME = """
import asyncio, threading, time

def work(began):
    return round(time.monotonic() - began, 2)

async def main():
    loop = asyncio.get_running_loop()
    began, date = loop.time(), time.time()
    backup = threading.Thread(target=lambda: print("backup", work(began)), name="backup")
    backup.start()
    print("job", await asyncio.to_thread(work, began))
    await asyncio.sleep(1)
    print("slept", round(loop.time() - began, 2), "by the date", round(time.time() - date, 2))
    await asyncio.to_thread(backup.join)
    await asyncio.sleep(2.5 - (loop.time() - began))
    print("slept", round(loop.time() - began, 2), "by the date", round(time.time() - date, 2))

asyncio.run(main())
"""

SECOND = "slept 2.5 by the date 2.5\n"


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (None, f"backup 0.0\njob 0.0\nslept 1.0 by the date 1.0\n{SECOND}"),
        (
            {"clock_jump": {"at_s": 0.5, "by_s": -3600.0}},
            "backup 0.0\njob 0.0\nslept 1.0 by the date -3599.0\nslept 2.5 by the date -3597.5\n",
        ),
        (
            {"stalled_loop": {"at_s": 0.9, "for_s": 0.3}},
            f"backup 0.0\njob 0.0\nslept 1.2 by the date 1.2\n{SECOND}",
        ),
        (
            {"late_thread": {"thread": "backup", "for_s": 1.5}},
            f"job 0.0\nslept 1.0 by the date 1.0\nbackup 1.5\n{SECOND}",
        ),
        (
            {"late_thread": {"thread": "asyncio_*", "for_s": 0.25}},
            f"backup 0.0\njob 0.25\nslept 1.25 by the date 1.25\n{SECOND}",
        ),
    ],
)
def test_clocks_loops_and_threads_go_wrong_as_they_are_told(
    tmp_path: Path, fault: dict[str, object] | None, expected: str
) -> None:
    (tmp_path / "in_time.py").write_text(IN_TIME)
    setting = {"seed": 1, "faults": [] if fault is None else [fault]}
    with Simulation.start("script", ("in_time.py",), setting, folder=str(tmp_path)) as simulation:
        outcome = simulation.run(FIFO)
    assert outcome.how == "exit"
    assert outcome.output == expected


WATCHED = """
import faulthandler, sys
faulthandler.dump_traceback_later(0.05, exit=True)
faulthandler.dump_traceback(sys.stderr)
for _ in range(3_000_000):
    pass
print("not ended", faulthandler.unregister(10))
"""


def test_a_watchdog_in_real_time_ends_no_run(tmp_path: Path) -> None:
    (tmp_path / "watched.py").write_text(WATCHED)
    with Simulation.start("script", ("watched.py",), folder=str(tmp_path)) as simulation:
        outcome = simulation.run(FIFO)
    assert (outcome.failure, outcome.output) == (None, "not ended False\n")


OWN_RUN = """
import threading
thread = threading.Thread(name="own")
thread.run = lambda: print("its own run")
thread.start()
thread.join()
print("run" in vars(thread))
"""


def test_a_late_thread_runs_what_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "own_run.py").write_text(OWN_RUN)
    setting = {"seed": 1, "faults": [{"late_thread": {"thread": "own", "for_s": 1.0}}]}
    with Simulation.start("script", ("own_run.py",), setting, folder=str(tmp_path)) as simulation:
        outcome = simulation.run(FIFO)
    assert (outcome.output, round(outcome.now_s)) == ("its own run\nTrue\n", 1)


SHIELDED = """
import trio

async def job():
    with trio.CancelScope(shield=True):
        await trio.to_thread.run_sync(trio.from_thread.run, trio.sleep, 1)

async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(job)
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            for _ in range(3):
                await trio.sleep(0.1)

trio.run(main)
"""


def test_a_task_that_is_cancelled_in_vain_is_not_ready(tmp_path: Path) -> None:
    """Trio asks a wait once whether it can be cancelled; that of a thread cannot."""
    (tmp_path / "shielded.py").write_text(SHIELDED)
    with Simulation.start("script", ("shielded.py",), folder=str(tmp_path)) as simulation:
        outcome = simulation.run({"kind": "random", "seed": 1}, is_watched=True)
    states = {
        (place[0], place[3]) for entry in outcome.history for place in entry["places"] if place[0] == "job"
    }
    assert ("job", "waiting") in states
    during = [
        place[3]
        for entry in outcome.history
        if "taken" not in entry
        for place in entry["places"]
        if place[0] == "job" and "to_thread" in place[2]
    ]
    assert during.count("ready") <= 1


WITH_FILES = """
import os, socket

one = socket.socket()
number = os.open("file.txt", os.O_CREAT | os.O_RDWR)
print(os.stat(one.fileno()).st_mode == os.fstat(one.fileno()).st_mode != os.fstat(number).st_mode)
print(os.path.samestat(os.stat(number), os.stat("file.txt")))
os.dup2(one.fileno(), number)
print(os.fstat(number).st_mode == os.fstat(one.fileno()).st_mode)
os.dup2(os.open("file.txt", os.O_RDWR), one.fileno())
print(os.path.samestat(os.fstat(one.fileno()), os.stat("file.txt")))
reader, writer = os.pipe()
os.closerange(reader, writer + 1)
for each in reader, writer:
    try:
        os.fstat(each)
    except OSError as error:
        print(error.errno)
"""


def test_descriptors_of_sockets_and_of_files_replace_each_other(tmp_path: Path) -> None:
    (tmp_path / "with_files.py").write_text(WITH_FILES)
    with Simulation.start("script", ("with_files.py",), folder=str(tmp_path)) as simulation:
        outcome = simulation.run(FIFO)
    assert outcome.output == "True\nTrue\nTrue\nTrue\n9\n9\n"
    plain = run([sys.executable, "with_files.py"], cwd=tmp_path, env=record_environment(tmp_path))
    assert plain.stdout.decode() == outcome.output
