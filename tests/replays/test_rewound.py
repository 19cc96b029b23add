"""A process that goes back to what it was, and simulated runs in one that does: each is as in a new copy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from replay.compiled import PURE, rewinding
from replay.simulation import Outcome, Simulation
from tests.programs.catalogue import Program
from tests.replays.test_simulated import MIXED, QUICK, SIMULATED, ready_to_run

pytestmark = pytest.mark.skipif(rewinding() is None, reason="the compiled part was not built, or is left out")

ROOT = Path(__file__).resolve().parents[2]

IN_A_COPY = """
import mmap, os, sys
from replay.compiled import rewinding

rewind = rewinding()
shared = mmap.mmap(-1, 1 << 16)  # what is written here stays
{before}
pid = os.fork()  # what was there before, the two share
if pid:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
{in_copy}

def change():
{change}

def state():
    fds = sorted(os.listdir("/proc/self/fd"))
    os.umask(mask := os.umask(0))
    found = [os.getcwd(), mask, fds, sorted(globals()), sorted(sys.modules), sys.getrecursionlimit()]
    return repr(found + [{seen}])

def mapped():
    memory = os.open("/proc/self/statm", os.O_RDONLY)
    pages = os.read(memory, 99).split()[0].decode()
    os.close(memory)
    return pages

times = rewind.take(shared)
pages = mapped()
if not times:
    shared.write(f"{{pages}}\\n{{state()}}\\n".encode())
    shared.seek(0)
if shared.readline().decode() != pages + "\\n":
    sys.exit(f"{{times}}: {{pages}} pages are mapped")
if shared.readline().decode() != state() + "\\n":
    shared.seek(0)
    sys.exit(f"{{times}}: {{state()}} was {{shared.readline()}}")
if times and rewind.counts()[1]:
    sys.exit(f"{{times}}: pages differ: {{rewind.counts()}}")
if times < 3:
    change()
    sys.exit(rewind.go_back(True))
os.write(1, b"three times")
"""


def go_back(
    change: str, before: str = "", seen: str = "", in_copy: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a process that changes itself and goes back, three times."""
    script = IN_A_COPY.format(
        before=before, in_copy=in_copy, change=textwrap.indent(textwrap.dedent(change), "    "), seen=seen
    )
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )


CHANGES = {
    "nothing": ("pass", "", ""),
    "names": ("global one, two; one = 1; two = [one] * 1000; names.append(one)", "names = []", "names"),
    "small objects": ("global many; many = [[at] for at in range(200_000)]", "", ""),
    "large objects": ("global large; large = bytearray(b'x') * 50_000_000", "", ""),
    "what was there is freed": (
        "held.clear()",
        "held = [b'%d' % at * 300_000 for at in range(9)]",
        "[hash(one) for one in held]",
    ),
    "small objects are freed": (
        "held.clear()",
        "held = [[at] for at in range(300_000)]",
        "sum(at for at, in held)",
    ),
    "the heap shrinks": (
        "held.clear(); import ctypes; ctypes.CDLL(None).malloc_trim(0)",
        "import ctypes; held = [b'%d' % at * 10_000 for at in range(1000)]",
        "[hash(one) for one in held]",
    ),
    "what was there is freed, and others look at zeros there": (
        "held.clear(); global empty; empty = bytes(40_000_000); empty.count(b'a')",
        "held = [b'x' * 40_000_000]",
        "held[0].count(b'x')",
    ),
    "what was there is freed, and others are moved there": (
        "held.clear(); more.extend([0] * 3_000_000)",
        "more = list(range(5_000_000)); held = [b'x' * 100_000_000]",
        "held[0].count(b'x'), len(more), sum(more)",
    ),
    "a page is dropped, and read again": (
        "own.madvise(mmap.MADV_DONTNEED); hash(own[:])",
        "own = mmap.mmap(-1, 1 << 16, flags=mmap.MAP_PRIVATE); own.write(b'x' * 60_000)",
        "hash(own[:])",
    ),
    "a page of a file is dropped, and read again": (
        "own.madvise(mmap.MADV_DONTNEED); hash(own[:])",
        """
file = os.open(sys.executable, os.O_RDONLY)
own = mmap.mmap(file, 1 << 14, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
own.write(b'x' * 5000)
""",
        "hash(own[:])",
    ),
    "what may not be written": (
        """
        libc.mprotect(place, 4096, 3)
        own_bytes[0] = b"z"
        libc.mprotect(place, 4096, 1)
        """,
        """
import ctypes
libc = ctypes.CDLL(None)
own = mmap.mmap(-1, 8192, flags=mmap.MAP_PRIVATE)
own.write(b"a" * 8192)
own_bytes = (ctypes.c_char * 8192).from_buffer(own)
place = ctypes.c_void_p(ctypes.addressof(own_bytes))
libc.mprotect(place, 4096, 1)
""",
        "own_bytes[:9]",
    ),
    "what its descriptors and itself are called": (
        "os.set_inheritable(0, True); libc.prctl(15, b'another')",
        """
import ctypes
libc, name = ctypes.CDLL(None), ctypes.create_string_buffer(16)
os.set_inheritable(0, False)
""",
        "os.get_inheritable(0), libc.prctl(16, name) or name.raw",
    ),
    "deep in calls": (
        """
        def deeper(left):
            return deeper(left - 1) if left else rewind.go_back(True)
        deeper(500)
        """,
        "",
        "",
    ),
    "while an exception is handled": (
        """
        try:
            raise ValueError("on the way")
        except ValueError:
            sys.exit(rewind.go_back(True))
        """,
        "",
        "sys.exc_info()",
    ),
    "in the handler of a signal": (
        """
        signal.signal(signal.SIGUSR1, lambda *_: sys.exit(rewind.go_back(True)))
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
        os.kill(os.getpid(), signal.SIGUSR1)
        """,
        "import signal",
        "signal.getsignal(signal.SIGUSR1), signal.pthread_sigmask(signal.SIG_BLOCK, [])",
    ),
    "inside of await": (
        """
        async def main():
            server = await asyncio.start_server(print, "127.0.0.1", 0)
            task = asyncio.create_task(asyncio.sleep(3600))
            await asyncio.sleep(0.01)
            sys.exit(rewind.go_back(True))
        asyncio.run(main())
        """,
        "import asyncio",
        "asyncio._get_running_loop()",
    ),
    "where it stands, and what it opens": (
        """
        os.chdir("/")
        os.umask(0o777)
        global file
        file = open("/proc/self/stat")
        os.pipe()
        """,
        "",
        "",
    ),
    "where a file is read": (
        "file.read(10)",
        "file = open(rewind.take.__module__ and '/etc/passwd', 'rb', buffering=0)",
        "file.tell()",
    ),
    "what is drawn": (
        "random.seed(5); os.urandom(3); random.random()",
        "import random",
        "random.getstate()[1][:3]",
    ),
    "modules": ("import colorsys, keyword; sys.setrecursionlimit(500)", "", ""),
    "a database": (
        "base.execute('insert into t values (7)'); sqlite3.connect(':memory:').execute('create table u (v)')",
        "import sqlite3; base = sqlite3.connect(':memory:'); base.execute('create table t (v)')",
        "base.execute('select count(*) from t').fetchall()",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_everything_is_as_it_was(what: str) -> None:
    change, before, seen = CHANGES[what]
    done = go_back(change, before, seen)
    assert (done.stderr, done.stdout, done.returncode) == ("", "three times", 0)


OBSTACLES = {
    "it has threads": (
        "threading.Thread(target=time.sleep, args=[60], daemon=True).start()",
        "import threading, time",
    ),
    "it has children": ("os.fork() or os._exit(0)", ""),
    "it has set a timer": ("signal.setitimer(signal.ITIMER_VIRTUAL, 1000)", "import signal"),
    "the kernel knows it otherwise": ("os.nice(1)", ""),
    "it has changed a limit": (
        "resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99))",
        "import resource",
    ),
    "a file was mapped into its memory": (
        "global file; file = mmap.mmap(os.open(sys.executable, os.O_RDONLY), 4096, prot=mmap.PROT_READ)",
        "",
    ),
    "a mapping of its memory is gone": (
        "file.close()",
        "file = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE, prot=1)",
    ),
    "a mapping of its memory has changed": (
        "libc.mprotect(ctypes.c_void_p(ctypes.addressof(place)), 4096, 1)",
        """
import ctypes
libc = ctypes.CDLL(None)
own = mmap.mmap(-1, 8192, flags=mmap.MAP_PRIVATE)
place = ctypes.c_char.from_buffer(own)
""",
    ),
    "a descriptor leads elsewhere": ("os.dup2(ours, theirs)", "ours, theirs = os.pipe()"),
    "it has too many descriptors": ("[os.dup(0) for _ in range(300)]", ""),
}


@pytest.mark.parametrize("why", OBSTACLES)
def test_what_cannot_be_taken_back_is_said_and_nothing_happens(why: str) -> None:
    done = go_back(*OBSTACLES[why])
    assert (done.stderr, done.stdout, done.returncode) == (why + "\n", "", 1)


@pytest.mark.parametrize(
    ("why", "in_copy"),
    [
        (
            "it has threads",
            "import threading, time; threading.Thread(target=time.sleep, args=[60], daemon=True).start()",
        ),
        ("it shares memory with others", "other = mmap.mmap(-1, 4096)"),
        ("there is a snapshot already", "rewind.take(shared)"),
    ],
)
def test_no_snapshot_is_taken_where_it_would_not_be_exact(why: str, in_copy: str) -> None:
    done = go_back("pass", in_copy=in_copy)
    assert done.stderr.splitlines()[-1].partition(": ")[2] == why


# -- simulated runs ---------------------------------------------------------------------------------


def outcomes(argv: tuple[str, ...], folder: Path, count: int) -> Iterator[tuple[Outcome, bool]]:
    """Yield what came of runs under several schedules, and whether their process stays for the next."""
    with Simulation.start("script", argv, {"seed": 1}, folder=str(folder), limit_s=10) as simulation:
        server = simulation._child.pid
        for seed in range(count):
            outcome = simulation.run({"kind": "random", "seed": seed // 2})
            stays = bool(Path(f"/proc/{server}/task/{server}/children").read_text())
            yield outcome, stays


@contextmanager
def in_copies() -> Iterator[None]:
    """Let each run have a copy of its own."""
    os.environ[PURE] = "1"
    try:
        yield
    finally:
        del os.environ[PURE]


def compared(argv: tuple[str, ...], folder: Path, count: int = 12) -> list[bool]:
    """Compare with runs that have a process each; return whether that of each run stayed."""
    rewound = list(outcomes(argv, folder, count))
    with in_copies():
        copied = list(outcomes(argv, folder, count))
    assert not any(stays for _, stays in copied)
    assert [outcome for outcome, _ in rewound] == [outcome for outcome, _ in copied]
    return [stays for _, stays in rewound]


RACE = """
import asyncio
found = []

async def serve(reader, writer):
    found.append((await reader.read()).decode())
    writer.close()

async def call(name):
    _, writer = await asyncio.open_connection("127.0.0.1", 8000)
    writer.write(name.encode())
    writer.close()

async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", 8000):
        await asyncio.gather(*map(call, "abc"))
        while len(found) < 3:
            await asyncio.sleep(0.01)
    order = "".join(found)
    print(order)
    {last}

asyncio.run(main())
"""


def test_runs_of_one_process_are_as_those_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(RACE.format(last="assert order[-1] != 'b'"))
    stays = compared(("app.py",), tmp_path, 20)
    assert stays == [False] * 3 + [True] * 17


def test_recordings_of_runs_of_one_process_are_the_same_to_the_byte(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(RACE.format(last="pass"))
    recordings = []
    with Simulation.start("script", ("app.py",), {"seed": 1}, folder=str(tmp_path)) as simulation:
        for number in range(6):
            path = tmp_path / f"{number}.rec"
            simulation.run({"kind": "random", "seed": 2}, recording=str(path))
            recordings.append(path.read_bytes())
    assert len(recordings[0]) > 1000
    assert recordings == recordings[:1] * 6


def test_a_run_that_leaves_threads_has_a_process_of_its_own(tmp_path: Path) -> None:
    last = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    (tmp_path / "app.py").write_text(RACE.format(last=last))
    assert compared(("app.py",), tmp_path) == [False] * 12


@pytest.mark.more
def test_threads_that_have_ended_are_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(RACE.format(last="await asyncio.to_thread(print, 'done')"))
    compared(("app.py",), tmp_path)


@pytest.mark.more
@pytest.mark.parametrize(
    "last", ["__import__('ctypes').string_at(0)", "__import__('threading').Timer(1e9, print).start()"]
)
def test_where_one_run_cannot_be_taken_back_the_next_has_a_new_process(last: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(RACE.format(last=f"order == 'abc' or {last}"))
    stays = compared(("app.py",), tmp_path, 30)
    assert stays[:3] == [False] * 3
    assert {True, False} <= set(stays[3:])


def test_a_process_that_is_killed_between_two_runs_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(RACE.format(last="pass"))
    with Simulation.start("script", ("app.py",), folder=str(tmp_path)) as simulation:
        server = simulation._child.pid
        children = Path(f"/proc/{server}/task/{server}/children")
        for _ in range(4):
            assert simulation.run({"kind": "fifo"}).failure is None
        copy = children.read_text()
        os.kill(int(copy), signal.SIGKILL)
        for _ in range(2):
            assert simulation.run({"kind": "fifo"}).failure is None
        assert children.read_text() not in ("", copy)


@pytest.mark.more
def test_a_run_that_never_ends_is_ended_between_others(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(RACE.format(last="while order == 'bac': pass"))
    assert compared(("app.py",), tmp_path, 21) == [False] * 3 + [True] * 15 + [False, False, True]


@pytest.mark.more
def test_files_of_one_run_are_not_there_in_the_next(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        RACE.format(last="print(open('x', 'a+').tell()); open('x', 'a').write('x' * 9999)")
    )
    (tmp_path / "x").write_text("before")
    assert compared(("app.py",), tmp_path)[3:] == [True] * 9
    assert (tmp_path / "x").read_text() == "before"


FIRST = {"lib_aiohttp", "tls_streams"}


def _case(program: Program) -> object:
    mark = pytest.mark.more if program.name in QUICK else pytest.mark.slow
    return pytest.param(program, id=program.name, marks=[] if program.name in FIRST else [mark])


@pytest.mark.parametrize("program", [_case(one) for one in SIMULATED if one.name not in MIXED])
def test_programs_run_as_in_copies(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ready_to_run(program, tmp_path, monkeypatch) as argv:
        compared(argv, tmp_path, 8)
