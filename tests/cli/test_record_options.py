"""Options of `record`, and the ways in which a recorded program can end: what is kept, and what is said."""

from __future__ import annotations

import os
import py_compile
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from replay.recording.container import MAGIC
from replay.recording.recording import Outcome, Recording
from replay.runtime import unrecorded
from tests.conftest import ROOT, Child
from tests.conftest import finish as wait_for
from tests.conftest import start_replay as start

HANGS = """
import asyncio, sys, threading, time

def count():
    for number in range(1_000_000):
        print("thread", number, flush=True)
        time.sleep(0.02)

async def main(way):
    await asyncio.sleep(0.001)
    print("READY", flush=True)
    if way == "busy":
        while True:
            pass
    if way == "poll":
        await asyncio.sleep(60)
    if way == "sleep":
        time.sleep(60)
    if way == "lock":
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    if way == "thread":
        thread = threading.Thread(target=count)
        thread.start()
        thread.join()
    if way == "busy-thread":
        def spin():
            while True:
                pass
        threading.Thread(target=spin, daemon=True).start()
        await asyncio.sleep(60)
    if way == "within-C":
        sum(range(10**15))

asyncio.run(main(sys.argv[1]))
"""
WAYS = "busy", "poll", "sleep", "lock", "thread", "busy-thread"


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def ours(self) -> list[str]:
        """Return our own lines, without what differs from run to run."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("replay: ")]
        return [re.sub(r"\d+ events.*KB", "...", line) for line in lines]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def finish(child: Child) -> Ran:
    done = wait_for(child)
    return Ran(done.returncode, done.stdout, done.stderr)


def record(source: str, *args: str, options: str = "") -> Ran:
    Path("app.py").write_text(source)
    return finish(start("record", *options.split(), "app.py", *args))


def play(name: str = "run.rec") -> Ran:
    return finish(start("play", name))


def outcome(name: str = "run.rec") -> Outcome:
    with Recording.open(name) as recording:
        return recording.outcome


OLDER = MAGIC + b"an older one"
RECORDED = ["replay: recorded run.rec  ...", "replay: next: replay play run.rec"]
FAILED = ["replay: recorded run.rec  ...  FAILED", "replay: next: replay debug run.rec"]


# -- --on-failure -------------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("raise SystemExit(3)", 3),
        ("raise ValueError('no')", 1),
        ("import os; os._exit(4)", 4),
        ("import os; os.abort()", -signal.SIGABRT),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("raise KeyboardInterrupt", -signal.SIGINT),
    ],
)
def test_a_failure_is_kept(source: str, code: int) -> None:
    Path("run.rec").write_bytes(OLDER)
    ran = record(source, options="--on-failure")
    assert (ran.code, ran.ours) == (code, FAILED)
    assert sorted(os.listdir()) == ["app.py", "run.rec"]
    assert play().code == code


@pytest.mark.sampled
@pytest.mark.parametrize("source", ["print('fine')", "import os; os._exit(0)", "raise SystemExit"])
def test_a_success_leaves_an_older_recording_alone(source: str) -> None:
    Path("run.rec").write_bytes(OLDER)
    ran = record(source, options="--on-failure")
    assert (ran.code, ran.ours) == (0, [])
    assert Path("run.rec").read_bytes() == OLDER
    assert not Path("run.rec.part").exists()


def test_a_killed_run_keeps_its_part() -> None:
    Path("app.py").write_text(HANGS)
    child = start("record", "--on-failure", "app.py", "busy")
    assert child.stdout is not None
    assert child.stdout.readline() == "READY\n"
    child.kill()
    assert finish(child).code == -signal.SIGKILL
    assert not Path("run.rec").exists()
    assert play("run.rec.part").stdout == "READY\n"
    assert finish(start("play", "run.rec")).stderr.endswith("hint: a run that was cut left `run.rec.part`\n")


def test_the_recording_goes_where_it_was_asked_to_though_the_program_goes_elsewhere() -> None:
    ran = record("import os; os.chdir('/'); raise SystemExit(1)", options="--on-failure -o x.rec")
    assert ran.ours == [line.replace("run.rec", "x.rec") for line in FAILED]
    assert Path("x.rec").exists()


# -- --timeout ----------------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize("way", WAYS)
def test_a_program_is_stopped_wherever_it_is(way: str) -> None:
    ran = record(HANGS, way, options="--timeout 0.6")
    assert ran.code == 124
    assert re.fullmatch(r"replay: stopped after 0\.6 s, at .*app\.py:\d+ in \S+", ran.ours[0])
    assert ran.ours[1:] == FAILED
    found = outcome()
    assert (found.how, found.detail) == ("timeout", 0.6)
    replayed = play()
    assert (replayed.code, replayed.stdout) == (124, ran.stdout)
    assert replayed.stderr.startswith(
        "replay: the recording ends here: the program was stopped after 0.6 s (--timeout)\n  at        "
    )


def test_a_program_that_is_done_in_time_is_not_stopped() -> None:
    ran = record("print('fine')", options="--timeout 60")
    assert (ran.code, ran.ours) == (0, RECORDED)


def test_a_limit_of_a_thousand_years() -> None:
    assert record("print('fine')", options="--timeout 3e10").code == 0


@pytest.mark.slow
def test_what_never_lets_go_of_the_interpreter_is_killed() -> None:
    ran = record(HANGS, "within-C", options="--timeout 0.6")
    assert ran.code == -signal.SIGKILL
    assert outcome().is_cut


# -- signals ------------------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_signal_without_a_handler_ends_the_recording_too(way: str, number: signal.Signals) -> None:
    Path("app.py").write_text(HANGS)
    child = start("record", "app.py", way)
    assert child.stdout is not None
    assert child.stdout.readline() == "READY\n"
    if way == "thread":
        assert child.stdout.readline() == "thread 0\n"
    child.send_signal(number)
    ran = finish(child)
    assert (ran.code, ran.ours) == (-number, FAILED)
    found = outcome()
    assert (found.how, found.detail) == ("signal", number)
    replayed = play()
    assert replayed.code == -number
    assert replayed.stdout.endswith(ran.stdout)
    assert replayed.stderr.startswith(f"replay: the recording ends here: {number.name} ended the program\n")


@pytest.mark.more
def test_the_program_sees_no_handler_that_it_has_not_set() -> None:
    source = """
import os, signal
print(signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))
print(signal.signal(signal.SIGTERM, lambda *given: print("handled", given[0])))
os.kill(os.getpid(), signal.SIGTERM)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
child = os.fork()
if child == 0:
    os.kill(os.getpid(), signal.SIGTERM)
print(os.waitpid(child, 0)[1])
os.kill(os.getpid(), signal.SIGTERM)
"""
    ran = record(source)
    assert ran.code == -signal.SIGTERM
    replayed = play()
    assert (replayed.code, replayed.stdout) == (ran.code, ran.stdout)
    plain = subprocess.run(
        [sys.executable, "app.py"],
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (plain.returncode, plain.stdout) == (ran.code, ran.stdout)


@pytest.mark.sampled
@pytest.mark.parametrize("when", ["at once", "soon"])
def test_a_forked_child_dies_of_signals_as_without_a_recorder(when: str) -> None:
    source = f"""
import os, signal, time
for _ in range(50):
    child = os.fork()
    if child == 0:
        time.sleep(60)
    time.sleep({0.0 if when == "at once" else 0.002})
    os.kill(child, signal.SIGTERM)
    assert os.waitpid(child, 0) == (child, signal.SIGTERM)
print("done")
"""
    ran = record(source)
    assert (ran.code, ran.stdout) == (0, "done\n"), ran.stderr
    assert play().stdout == "done\n"


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    Path("app.py").write_text("import signal; print(signal.getsignal(signal.SIGINT).name)")
    child = subprocess.run(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "replay", "record", "app.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.stdout == "SIG_IGN\n"
    assert play().stdout == "SIG_IGN\n"


INTERRUPTED = """
import asyncio

async def main():
    try:
        await asyncio.sleep(0.001)
        print("READY", flush=True)
        while True:
            pass
    finally:
        print("cleaning up", flush=True)
        await asyncio.to_thread(print, "in a thread", flush=True)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.more
def test_a_second_ctrl_c_ends_the_recording_and_reaches_the_program() -> None:
    Path("app.py").write_text(INTERRUPTED)
    child = start("record", "app.py")
    assert child.stdout is not None
    assert child.stdout.readline() == "READY\n"
    child.send_signal(signal.SIGINT)
    time.sleep(0.4)  # a second one that comes sooner says nothing
    child.send_signal(signal.SIGINT)
    ran = finish(child)
    assert (ran.code, ran.stdout.splitlines()[-1]) == (0, "interrupted")
    assert ran.ours == [
        "replay: SIGINT while the program is busy: recording stops here, the program goes on",
        *RECORDED,
    ]
    found = outcome()
    assert (found.how, found.detail) == ("interrupted", signal.SIGINT)
    replayed = play()
    assert (replayed.code, replayed.stdout) == (130, "READY\n")
    assert replayed.stderr.startswith(
        "replay: the recording ends here: SIGINT came while the program was busy;"
        " what it did then is not in it\n"
    )


# -- leaving at once ----------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("os._exit(7)", 7),
        ("os._exit(263)", 7),
        ("threading.Thread(target=os._exit, args=(5,)).start(); threading.Event().wait()", 5),
        ("os.abort()", -signal.SIGABRT),
    ],
)
def test_leaving_at_once(source: str, code: int) -> None:
    ran = record(f"import os, threading\nprint('before', flush=True)\nprint('lost')\n{source}")
    assert (ran.code, ran.stdout, ran.ours) == (code, "before\n", FAILED)
    replayed = play()
    assert (replayed.code, replayed.stdout, replayed.stderr) == (code, "before\n", "")


def test_becoming_another_program() -> None:
    ran = record("import os\nprint('before', flush=True)\nos.execvp('echo', ['echo', 'after'])")
    assert (ran.code, ran.stdout, ran.ours) == (0, "before\nafter\n", RECORDED)
    found = outcome()
    assert (found.how, found.detail, found.is_failure) == ("exec", ["echo", "after"], False)
    replayed = play()
    assert (replayed.code, replayed.stdout) == (0, "before\n")
    assert replayed.stderr == "replay: the recording ends here: the program became another one, `echo`\n"


@pytest.mark.more
def test_failing_to_become_another_program() -> None:
    Path("bad").write_bytes(b"\x00")
    Path("bad").chmod(0o755)
    source = """
import os
import py_compile
for call in (
    lambda: os.execv("/no/such", ["x"]),
    lambda: os.execvp("no-such-command", ["x"]),
    lambda: os.execv("bad", ["x"]),
    lambda: os.execve("bad", [], {}),
    lambda: os._exit("x"),
):
    try:
        call()
    except Exception as error:
        print(type(error).__name__, error)
"""
    ran = record(source)
    assert ran.code == 0, ran.stderr
    replayed = play()
    assert (replayed.code, replayed.stdout, replayed.stderr) == (0, ran.stdout, "")
    plain = subprocess.run(
        [sys.executable, "app.py"],
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert plain.stdout == ran.stdout


def test_leaving_in_another_way_than_recorded_is_a_divergence() -> None:
    Path("code").write_text("3")
    source = "import os, ctypes\nlibc = ctypes.CDLL(None)\nos._exit(libc.access(b'code', 0) + 3)"
    assert record(source).code == 3
    Path("code").unlink()
    replayed = play()
    assert replayed.code == 93
    assert "  expected  os._exit" in replayed.stderr
    assert "  observed  os._exit(2)" in replayed.stderr


def test_ctrl_c_ends_a_replay_and_says_where() -> None:
    source = """
import threading, time
seen = False
def look():
    global seen
    time.sleep(0.05)
    seen = True
print("READY", flush=True)
threading.Thread(target=look).start()
while not seen:  # no hand-off: at replay nobody else runs
    pass
"""
    assert record(source).code == 0
    child = start("play", "run.rec")
    assert child.stdout is not None
    assert child.stdout.readline() == "READY\n"
    child.send_signal(signal.SIGINT)
    replayed = finish(child)
    assert (replayed.code, replayed.stdout) == (130, "")
    assert re.fullmatch(
        r"replay: interrupted at event #\d+, step @0; as recorded so far\n"
        r"  at        .*app.py:\d+ in <module>\n",
        replayed.stderr,
    )


@pytest.mark.more
def test_a_handler_does_not_wait_for_ever_for_a_busy_program() -> None:
    source = """
import signal
seen = []
signal.signal(signal.SIGALRM, lambda *given: seen.append(given[0]))
signal.setitimer(signal.ITIMER_REAL, 0.05)
while not seen:  # no door in here
    pass
print("seen", seen)
"""
    ran = record(source)
    assert (ran.code, ran.stdout) == (0, f"seen [{int(signal.SIGALRM)}]\n")
    assert (
        ran.ours[0] == "replay: SIGALRM while the program is busy: recording stops here, the program goes on"
    )
    assert (outcome().how, outcome().detail) == ("interrupted", signal.SIGALRM)


NOBODY_READS = """
import signal, sys

class Stuck(Exception):
    pass

written = seen = 0

def look(number, frame):
    global seen
    if written == seen:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise Stuck
    seen = written

signal.signal(signal.SIGALRM, look)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
try:
    while True:
        sys.stdout.write(f"{written:8} {'x' * 20_000}\\n")
        written += 1
except Stuck:
    print("stuck", file=sys.stderr, flush=True)
print("after", written)
"""


@pytest.mark.more
def test_a_handler_runs_while_nobody_reads_what_is_printed() -> None:
    Path("app.py").write_text(NOBODY_READS)
    child = start("record", "app.py")
    assert child.stderr is not None
    assert child.stderr.readline() == "stuck\n"
    ran = finish(child)
    assert (ran.code, ran.ours) == (0, RECORDED)
    replayed = play()
    assert (replayed.code, replayed.stdout, replayed.stderr) == (0, ran.stdout, "stuck\n")


# -- our own lines ------------------------------------------------------------------------------------


def test_our_lines_begin_on_lines_of_their_own() -> None:
    ran = record("import sys\nsys.stderr.write('no end')")
    assert re.sub(r"\d+ events.*KB", "...", ran.stderr) == "no end\n" + "".join(
        f"{one}\n" for one in RECORDED
    )
    assert play().stderr == "no end"


@pytest.mark.more
def test_a_line_of_stdout_without_its_end_where_both_go_to_one_place() -> None:
    Path("app.py").write_text("print('no end', end='')")
    together = finish(start("record", "app.py", stderr=subprocess.STDOUT))
    assert re.sub(r"\d+ events.*KB", "...", together.stdout) == "no end\n" + "".join(
        f"{one}\n" for one in RECORDED
    )
    apart = finish(start("record", "app.py"))
    assert (apart.stdout, apart.ours, apart.stderr[:8]) == ("no end", RECORDED, "replay: ")


@pytest.mark.more
def test_a_divergence_begins_on_a_line_of_its_own() -> None:
    Path("leak").touch()
    source = """
import ctypes, sys, time
print("no end", end="", file=sys.stderr, flush=True)
if ctypes.CDLL(None).access(b"leak", 0):
    time.time()
time.time_ns()
"""
    record(source)
    Path("leak").unlink()
    replayed = play()
    assert replayed.code == 93
    assert re.sub(r"#\d+|\b\d+\.\.|-> \d+", "N", replayed.stderr) == (
        "no end\n"
        "replay: divergence at event N, step @0\n"
        f"  at        {Path.cwd()}/app.py:5 in <module>\n"
        "  expected  time.time_ns N\n"
        "  observed  time.time\n"
        f"  likely    {unrecorded.CTYPES}\n"
        "\n"
        f"hint: `replay events {Path.cwd()}/run.rec N` shows what was recorded there\n"
    )


# -- what never started -------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize("options", ["", "--on-failure", "--timeout 30"])
@pytest.mark.parametrize(
    "words",
    ["-m nopemod", "-m package.nope", "-m bad", "bad.py", "-m bad_package.module", "folder", "-m empty"],
)
def test_what_never_ran_a_line_replaces_no_recording(words: str, options: str) -> None:
    files = {
        "bad.py": "def (",
        "package/nope/x": "",
        "bad_package/__init__.py": "def (",
        "folder/__main__.py": "def (",
        "empty/x": "",
    }
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    before = sorted(os.listdir())
    ran = finish(start("record", *options.split(), *words.split()))
    assert (ran.code, ran.ours) == (1, ["replay: nothing was recorded: the program did not start"])
    assert sorted(os.listdir()) == before
    plain = subprocess.run(
        [sys.executable, *words.split()], capture_output=True, text=True, check=False, timeout=30
    )
    assert ran.stderr == plain.stderr + "".join(f"{line}\n" for line in ran.ours)
    Path("run.rec").write_bytes(OLDER)
    ran = finish(start("record", *options.split(), *words.split()))
    left = "replay: nothing was recorded: the program did not start; run.rec is left as it was"
    assert (ran.code, ran.ours) == (1, [left])
    assert Path("run.rec").read_bytes() == OLDER


@pytest.mark.sampled
@pytest.mark.parametrize("words", ["-m package", "-m package.nope", "folder", "-m sourceless"])
def test_what_ran_a_line_is_recorded(words: str) -> None:
    Path("package").mkdir()
    Path("package/__init__.py").write_text("1 / 0")
    Path("folder").mkdir()
    Path("folder/__main__.py").write_text("1 / 0")
    py_compile.compile("folder/__main__.py", "sourceless.pyc")
    Path("run.rec").write_bytes(OLDER)
    ran = finish(start("record", *words.split()))
    assert (ran.code, ran.ours) == (1, FAILED)
    assert "ZeroDivisionError" in ran.stderr
    assert outcome().is_failure


# -- --until-failure ----------------------------------------------------------------------------------

FLAKY = """
import os, signal, sys, time
with open("count", "a+") as file:
    file.write("x")
print("run", os.path.getsize("count"), flush=True)
if os.path.getsize("count") == 3:
    match sys.argv[1]:
        case "exit":
            sys.exit(3)
        case "raise":
            raise ValueError("flaky")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
        case "hang":
            time.sleep(60)
        case "usage":
            sys.exit(92)
        case "exec":
            os.execvp("false", ["false"])
"""
RUNS = ["replay: run 1 of 5", "replay: run 2 of 5", "replay: run 3 of 5"]
CUT_SHORT = [
    "replay: run 3 failed; the recording ends before it did",
    "replay: next: replay debug run.rec",
]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("way", "code", "said"),
    [
        ("exit", 3, FAILED),
        pytest.param(*("raise", 1, FAILED), marks=pytest.mark.slow),
        pytest.param(*("terminate", -signal.SIGTERM, FAILED), marks=pytest.mark.slow),
        ("hang", 124, ["replay: stopped after 2 s, at {folder}/app.py:17 in <module>", *FAILED]),
        pytest.param(*("usage", 92, FAILED), marks=pytest.mark.slow),
        pytest.param(*("kill", -signal.SIGKILL, CUT_SHORT), marks=pytest.mark.slow),
        (
            "exec",
            1,
            [
                "replay: recorded run.rec.part  ...",
                "replay: next: replay play run.rec.part",
                *CUT_SHORT,
            ],
        ),
    ],
)
def test_it_is_recorded_until_it_fails(folder: Path, way: str, code: int, said: list[str]) -> None:
    Path("run.rec").write_bytes(OLDER)
    ran = record(FLAKY, way, options="--until-failure 5 --timeout 2")
    expected = RUNS + [line.format(folder=folder) for line in said]
    assert (ran.code, ran.ours, ran.stdout) == (code, expected, "run 1\nrun 2\nrun 3\n")
    assert sorted(os.listdir()) == ["app.py", "count", "run.rec"]
    assert play().stdout == "run 3\n"


@pytest.mark.more
def test_none_fails() -> None:
    Path("run.rec").write_bytes(OLDER)
    ran = record(FLAKY, "fine", options="--until-failure 4")
    assert (ran.code, ran.stdout) == (0, "run 1\nrun 2\nrun 3\nrun 4\n")
    assert ran.stderr == "".join(f"replay: run {n} of 4\n" for n in (1, 2, 3, 4)) + (
        "replay: 4 runs, none failed; nothing is kept\n"
    )
    assert Path("run.rec").read_bytes() == OLDER
    assert sorted(os.listdir()) == ["app.py", "count", "run.rec"]


def test_what_cannot_be_started_is_not_tried_again() -> None:
    ran = record("def (", options="--until-failure 4")
    assert (ran.code, ran.ours) == (
        1,
        [
            "replay: run 1 of 4",
            "replay: nothing was recorded: the program did not start",
            "replay: run 1 left no recording, so it is the last",
        ],
    )


@pytest.mark.sampled
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_runs(number: signal.Signals) -> None:
    source = (
        "import time\nprint('READY', flush=True)\ntry:\n    time.sleep(1)\nexcept BaseException:\n    pass\n"
    )
    if number == signal.SIGTERM:
        source = "import signal\nsignal.signal(signal.SIGTERM, lambda *given: None)\n" + source
    Path("app.py").write_text(source)
    child = start("record", "--until-failure", "50", "app.py", start_new_session=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "READY\n"
    if number == signal.SIGINT:  # as a terminal does it
        os.killpg(child.pid, number)
    else:
        child.send_signal(number)
    ran = finish(child)
    stopped = f"replay: stopped by {number.name} after 1 run, none failed"
    assert (ran.code, ran.ours) == (128 + number, ["replay: run 1 of 50", stopped])


def test_until_failure_and_what_it_does_not_go_with() -> None:
    said = {
        "--until-failure 0": "--until-failure must be between 1 and 1,000,000 runs, not 0",
        "--until-failure 1000001": "--until-failure must be between 1 and 1,000,000 runs, not 1,000,001",
        "--until-failure 3 --on-failure": "--until-failure keeps only the run that fails: --on-failure says"
        " nothing more\n\nhint: leave `--on-failure` out, or `--until-failure` if one run is enough",
        "--until-failure x": "argument --until-failure: invalid int value: 'x'"
        "\n\nhint: `replay record --help` shows what it takes",
    }
    for options, message in said.items():
        ran = record("print('not run')", options=options)
        assert (ran.code, ran.stdout, ran.stderr) == (92, "", f"replay: {message}\n")
    assert os.listdir() == ["app.py"]
