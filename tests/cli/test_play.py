"""`play` and its surroundings: where its output goes, how long it may take, what file it is given."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replay.recording.reader import RecordingFile
from replay.recording.writer import RecordingWriter
from tests.conftest import RUN_TIMEOUT_S, environment, finish, run_replay, start_replay


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def record(source: str, *words: str) -> None:
    Path("app.py").write_text(source)
    done = run_replay("record", *words, "app.py")
    assert Path("run.rec").exists(), done.stderr


# -- a recording that is being written ----------------------------------------------------------------

RUNS = """
import asyncio

async def main():
    for number in range(1_000_000):
        await asyncio.sleep(0.005)
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    """Start a program that goes on until it is killed."""
    Path("app.py").write_text(RUNS)
    child = start_replay("record", "app.py")
    assert child.stdout is not None
    while child.stdout.readline() != "20\n":
        assert child.poll() is None
    yield child
    child.kill()
    finish(child)


def without_numbers(text: str) -> str:
    return re.sub(r"([#@])\d+", r"\1N", text)


@pytest.mark.more
def test_a_recording_that_is_being_written(running: subprocess.Popen[str], folder: Path) -> None:
    for command in ("info", "tasks", "timeline", "events"):
        done = run_replay(command, "run.rec")
        said = "replay: run.rec is still being written: the program is running (read up to #N)\n"
        last = done.stderr.splitlines(keepends=True)[-1]  # a timeline may say first that it goes on
        assert (done.returncode, without_numbers(last)) == (0, said)
    out = without_numbers(run_replay("info", "run.rec").stdout)
    assert out.startswith("outcome      none yet: the program is running, at @N\n")
    assert '"cut": true,\n  "running": true,' in run_replay("info", "--json", "run.rec").stdout
    verified = run_replay("verify", "run.rec")
    assert (verified.returncode, verified.stdout, verified.stderr) == (
        2,
        "",
        (
            f"replay: {folder}/run.rec is still being written: the program is running\n"
            f"\nhint: verify it when the program has ended; `replay play {folder}/run.rec` runs it up"
            " to where it is\n"
        ),
    )
    played = run_replay("play", "run.rec")
    assert (played.returncode, played.stdout[:4]) == (137, "0\n1\n")
    assert re.fullmatch(
        "replay: the recording ends here: the program is still running, and this is what was recorded of it"
        rf" so far\n  at        {folder}/app.py:\d+ in \S+\n",
        played.stderr,
    ), played.stderr


def test_a_recording_whose_program_was_killed(running: subprocess.Popen[str], folder: Path) -> None:
    running.kill()
    running.wait()
    why = "killed, or this copy was made while it ran"
    done = run_replay("info", "run.rec")
    said = f"replay: run.rec was cut: the program was {why} (read up to #N)\n"
    assert (done.returncode, without_numbers(done.stderr)) == (0, said)
    verified = run_replay("verify", "--times", "2", "run.rec")
    assert (verified.returncode, verified.stderr) == (
        0,
        "verified: 2 replays, identical up to where the recording ends: it was cut\n",
    )
    played = run_replay("play", "run.rec")
    assert played.returncode == 137
    head = f"replay: the recording ends here: the recorded process was killed there, or {why[11:]}\n"
    assert played.stderr.startswith(head), played.stderr


@pytest.mark.more
def test_a_forked_child_that_goes_on_writes_nothing(folder: Path) -> None:
    record("import os, time\nif not os.fork():\n    time.sleep(3)\n    os._exit(0)\nos.kill(os.getpid(), 9)")
    assert "was cut: the program was killed" in run_replay("info", "run.rec").stderr


# -- where the output goes ----------------------------------------------------------------------------

LINES = (
    "import sys\nfor n in range(20_000): print('line', n)\nprint('to stderr', file=sys.stderr)\nsys.exit(5)"
)


def in_shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell, whose arguments are the command that plays."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}", "bash", sys.executable, "-m", "replay", "play", "run.rec"],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("redirected", "code", "out_lines", "err"),
    [
        (">&-", 5, 0, "to stderr\n"),
        (">&- <&-", 5, 0, "to stderr\n"),
        ("2>&-", 5, 20_000, ""),
        (">&- 2>&- <&-", 5, 0, ""),
        ("| head -1", 0, 1, ""),
        ("2>&1 | head -1", 0, 1, ""),
        (">/dev/full", 92, 0, "replay: the output cannot be written: No space left on device\n"),
    ],
)
def test_an_output_that_nobody_takes(redirected: str, code: int, out_lines: int, err: str) -> None:
    record(LINES)
    done = in_shell(f'"$@" {redirected}')
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (code, out_lines, err)


@pytest.mark.more
def test_a_divergence_is_found_though_stdout_is_closed() -> None:
    Path("leak").touch()
    record("import ctypes\nprint(ctypes.CDLL(None).access(b'leak', 0), flush=True)")
    Path("leak").unlink()
    done = in_shell('"$@" >&-')
    assert done.returncode == 93
    assert "  expected  output to stdout: b'0\\n'\n" in done.stderr


@pytest.mark.more
def test_a_slow_reader_with_a_pipe_that_does_not_block() -> None:
    record(LINES)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    child = start_replay("play", "run.rec", stdout=writer)
    os.close(writer)
    with open(reader) as pipe:
        assert len(pipe.readlines()) == 20_000
    done = finish(child)
    assert (done.returncode, done.stderr) == (5, "to stderr\n")


# -- input() on a terminal ----------------------------------------------------------------------------

ASKS = """
import sys
name = input("name? ")
print("hello", name)
print("no end", end="")
print(int(input()) + 1)
sys.stderr.write("err")
try:
    input("more? ")
except EOFError:
    print("EOF")
"""
TYPED = ((b"name? ", b"bob\n"), (b"no end", b"41\n"), (b"more? ", b"\x04"))


def on_terminal(*words: str, typed: tuple[tuple[bytes, bytes], ...] = (), **streams: Any) -> bytes:
    """Run `replay` on a terminal of its own, typing each answer after its question; return what it showed."""
    ours, theirs = pty.openpty()
    settings = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True, **streams}
    child = start_replay(*words, **settings)
    os.close(theirs)
    seen, left = b"", list(typed)
    deadline = time.monotonic() + RUN_TIMEOUT_S
    while select.select([ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # nobody has it open any more
            break
        seen += piece
        if left and left[0][0] in seen:
            os.write(ours, left.pop(0)[1])
    os.close(ours)
    finish(child)
    return seen


@pytest.mark.more
def test_a_prompt_on_a_terminal(folder: Path) -> None:
    Path("app.py").write_text(ASKS)
    recorded = on_terminal("record", "app.py", typed=TYPED)
    shown = b"name? bob\r\nhello bob\r\nno end41\r\n42\r\nerrmore? EOF\r\n"
    program, _, ours = recorded.partition(b"replay: ")
    assert (program, ours[:16]) == (shown, b"recorded run.rec")
    assert on_terminal("play", "run.rec") == shown
    done = run_replay("play", "run.rec")
    assert (done.returncode, done.stdout) == (0, "bob\nhello bob\nno end41\n42\nEOF\n")
    assert done.stderr == "name? errmore? "  # where Python writes prompts if nobody has imported readline


@pytest.mark.more
def test_a_prompt_while_stdout_is_a_file(folder: Path) -> None:
    Path("app.py").write_text("print('hello', input('name? '))")
    with open("out", "wb") as file:
        on_terminal("record", "app.py", typed=((b"", b""),), stdin=_typed(b"bob\n"), stdout=file)
    assert Path("out").read_text() == "name? hello bob\n"
    assert run_replay("play", "run.rec").stdout == "name? hello bob\n"
    assert on_terminal("play", "run.rec") == b"name? hello bob\r\n"


def _typed(text: bytes) -> int:
    """Return a terminal on which this was typed already; its other end stays open."""
    ours, theirs = pty.openpty()
    os.write(ours, text)
    return theirs


@pytest.mark.more
def test_input_that_came_from_a_pipe_is_not_asked_for_on_a_terminal() -> None:
    Path("app.py").write_text("print('hello', input('name? '))")
    Path("names").write_text("bob\n")
    with open("names") as names:
        on_terminal("record", "app.py", stdin=names)
    assert on_terminal("play", "run.rec") == b"name? hello bob\r\n"


# -- how long it takes --------------------------------------------------------------------------------

SPINS = """
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


def test_a_replay_that_never_ends_is_stopped(folder: Path) -> None:
    record(SPINS)
    done = run_replay("play", "--timeout", "0.5", "run.rec")
    assert (done.returncode, done.stdout) == (124, "READY\n")
    assert re.sub(r"#\d+", "#N", done.stderr) == (
        "replay: stopped after 0.5 s (--timeout), at event #N, step @0; as recorded so far\n"
        f"  at        {folder}/app.py:10 in <module>\n"
    )


def test_a_replay_that_ends_in_time() -> None:
    record("import sys\nprint('fine')\nsys.exit(3)")
    done = run_replay("play", "--timeout", "60", "run.rec")
    assert (done.returncode, done.stdout, done.stderr) == (3, "fine\n", "")


@pytest.mark.slow
def test_a_replay_in_c_code_that_never_ends_is_killed() -> None:
    source = "import ctypes\nif ctypes.CDLL(None).access(b'leak', 0): sum(range(10**15))\n"
    Path("leak").touch()
    record(source)
    Path("leak").unlink()
    done = run_replay("play", "--timeout", "0.5", "run.rec")
    assert done.returncode == -signal.SIGKILL


@pytest.mark.sampled
@pytest.mark.parametrize("word", ["0", "-1", "nan", "inf"])
def test_no_length_of_time(word: str) -> None:
    record("print()")
    done = run_replay("play", f"--timeout={word}", "run.rec")
    said = f"replay: --timeout must be a number of seconds above 0, not {float(word):g}\n"
    assert (done.returncode, done.stderr) == (92, said)


# -- a header that no recorder wrote ------------------------------------------------------------------

BIG = 1 << 40


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flags", ["-c", "print('theirs')"]),
        ("flags", ["-X"]),
        ("flags", ["-X", "pycache_prefix=/tmp/x"]),
        ("flags", "-B"),
        ("hash_seed", "4294967296"),
        ("hash_seed", 7),
        ("target", "program"),
        ("argv", []),
        ("argv", [7]),
        ("script", 7),
        ("path", {"a": "b"}),
        ("environment", {"A=B": "x"}),
        ("environment", {"A": "x\0y"}),
        ("environment_lengths", {"A": BIG}),
        ("environment_lengths", {"A": -1}),
        ("environment_lengths", {f"A{n}": 2_000_000 for n in range(100)}),
        ("timezone", {"name": None, "data": b"x" * 100_000}),
        ("timezone", None),
        ("redaction", {"patterns": ["("]}),
        ("streams", {"stdin": None, "stdout": None}),
        (
            "streams",
            {
                name: {
                    "encoding": "no-such",
                    "errors": "strict",
                    "line_buffering": True,
                    "write_through": False,
                    "is_raw": False,
                    "is_tty": False,
                }
                for name in ("stdin", "stdout", "stderr")
            },
        ),
        ("signals", {"x": 0}),
        ("signals", {"2": 7}),
        ("doors", [7]),
        ("doors", ["x"] * 70_000),
        ("cwd", None),
    ],
)
def test_a_header_that_no_recorder_wrote(folder: Path, name: str, value: object) -> None:
    record("print('mine')")
    rewrite({name: value})
    done = run_replay("play", "run.rec")
    assert (done.returncode, done.stdout, done.stderr) == (
        94,
        "",
        f"replay: {folder}/run.rec cannot be replayed: `{name}` in its header is not what a recorder writes: "
        f"{value!r:.100}\n\nhint: `replay info {folder}/run.rec` shows what can be read of it\n".replace(
            "\0", "\\x00"
        ),
    )
    assert run_replay("info", "run.rec").returncode == 0


def test_a_header_without_a_part(folder: Path) -> None:
    record("print('mine')")
    rewrite({}, left_out=("flags", "seed"))
    done = run_replay("play", "run.rec")
    assert (done.returncode, done.stdout, done.stderr) == (
        94,
        "",
        (
            f"replay: {folder}/run.rec cannot be replayed: its header has no `flags`\n"
            f"\nhint: `replay info {folder}/run.rec` shows what can be read of it\n"
        ),
    )


@pytest.mark.more
def test_flags_that_an_interpreter_may_have_been_started_with() -> None:
    Path("app.py").write_text("import sys\nprint(sys.flags, sys.warnoptions)")
    flags = ["-OO", "-B", "-bb", "-s", "-P", "-W", "ignore::UserWarning", "-X", "dev", "-X", "utf8=1"]
    script = "import sys; from replay.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = [*flags, "-c", script, "record", "app.py"]
    recorded = subprocess.run(
        [sys.executable, *words],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=True,
    )
    assert "optimize=2" in recorded.stdout
    played = run_replay("play", "run.rec")
    assert (played.returncode, played.stdout) == (0, recorded.stdout), played.stderr


def rewrite(changes: dict[str, Any], left_out: tuple[str, ...] = ()) -> None:
    """Write the recording anew with another header."""
    with RecordingFile.open("run.rec") as file:
        header = {name: value for name, value in file.header.items() if name not in left_out}
        frames = list(file.frames())
    writer = RecordingWriter("run.rec", {**header, **changes})
    for stream, items in frames:
        writer.put(stream, items)
    writer.close()
