"""The process of a debugged replay: it survives whatever is asked of it, and leaves nothing behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replay.errors import ReplayError
from replay.positions import Position
from replay.protocol import MAX_MESSAGE_BYTES
from replay.timeline.debuggee import DebuggeeLostError
from replay.timeline.session import Session
from replay.timeline.timeline import Timeline
from tests.conftest import environment, run_replay

HOSTILE = """
import asyncio, os, socket, threading, time

class Hostile:
    def __init__(self, how):
        self.how = how
        self.looks = 0

    def __repr__(self):
        self.looks += 1
        match self.how:
            case "raise":
                raise ValueError("no repr")
            case "loop":
                while True:
                    pass
            case "send":
                ours, theirs = socket.socketpair()
                ours.send(b"x")
            case "write":
                open("written", "w").close()
            case "exit":
                os._exit(7)
            case "kill":
                os.kill(os.getpid(), 9)
            case "exhaust":
                return "x" * (1 << 34)
            case "recurse":
                return repr(self)
            case "lock":
                with threading.Lock():
                    return "locked"
            case "mutate":
                looks.append(self)
                return f"mutated {len(looks)}"
        return "harmless"

looks = []

async def main():
    found = {how: Hostile(how) for how in (
        "raise loop send write exit kill exhaust recurse lock mutate harmless".split())}
    await asyncio.sleep(0.001)
    print(sum(one.looks for one in found.values()), len(looks), time.time())

asyncio.run(main())
"""

LINE = next(at for at, line in enumerate(HOSTILE.splitlines(), start=1) if "print(" in line)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "app.py").write_text(HOSTILE)
    run_replay("record", "app.py", cwd=folder)
    return folder / "run.rec"


@pytest.fixture
def session(recording: Path) -> Iterator[Session]:
    with Session(str(recording)) as opened:
        yield opened


def at_print(session: Session) -> None:
    stop = session.continue_(
        [{"kind": "place", "path": str(Path(session.path).parent / "app.py"), "lines": [LINE]}]
    )
    assert (stop.reason, stop.lineno) == ("met", LINE)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("how", "answer"),
    [
        ("raise", "ValueError: no repr"),
        ("loop", "took longer than 1 s, and was ended"),
        ("send", "nothing was recorded of this"),
        ("write", "nothing was recorded of this"),
        ("exit", "nothing was recorded of this"),
        ("kill", "nothing was recorded of this"),
        ("exhaust", "MemoryError"),
        ("recurse", "RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_a_repr_that_does_harm(session: Session, how: str, answer: str) -> None:
    at_print(session)
    before = session.stop
    found = session.evaluate(f"found[{how!r}]", timeout_s=1)
    assert answer in found["error"]
    assert session.stop is before
    end = session.continue_([])
    assert (end.reason, end.how, end.detail) == ("end", "exit", 0)
    assert not (Path(session.path).parent / "written").exists()


def test_what_is_evaluated_is_not_seen_by_the_program(session: Session) -> None:
    at_print(session)
    assert session.evaluate("found['mutate']")["text"] == "mutated 1"
    assert session.evaluate("found['mutate']")["text"] == "mutated 1"
    assert session.evaluate("found['lock']")["text"] == "locked"
    assert session.evaluate("found.clear(); looks.extend([1, 2]); len(found), looks")["text"] == "(0, [1, 2])"
    assert session.evaluate("print('said'); 1 + 1") == {
        "text": "2",
        "type": "int",
        "error": None,
        "output": "said\n",
    }
    assert session.evaluate("1 +")["error"].startswith('  File "<debugger>", line 1')
    assert session.continue_([]).reason == "end"


def test_values_that_cannot_be_shown_do_not_hide_the_others(session: Session) -> None:
    at_print(session)
    assert (
        session.evaluate("harmless = 1; [name for name in locals() if name in ('found', 'harmless')]")["text"]
        == "['found', 'harmless']"
    )
    shown = dict(session.locals())
    assert shown["found"] == "<dict object, whose repr raises ValueError>"


def test_a_condition_that_does_harm(session: Session) -> None:
    place = {"kind": "place", "path": str(Path(session.path).parent / "app.py"), "lines": [LINE]}
    assert session.continue_([{**place, "condition": "looks"}]).reason == "end"
    session.timeline.goto(Position(0))
    assert session.continue_([{**place, "condition": "repr(found['mutate']) == 'mutated 1'"}]).reason == "met"
    session.timeline.goto(Position(0))
    # It cannot be told whether it holds: one would rather look.
    assert session.continue_([{**place, "condition": "found['raise'].nothing"}]).reason == "met"


def processes(recording: Path) -> set[int]:
    """Return the processes of debugged replays of a recording."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(b"replay.runtime.boot" in word for word in words) and any(
                b'"debug"' in word and str(recording).encode() in word for word in words
            ):
                found.add(int(entry.name))
    return found


def gone(recording: Path, pids: set[int]) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if not pids & processes(recording):
            return True
        time.sleep(0.02)
    return False


def test_closing_leaves_no_process(recording: Path) -> None:
    before = processes(recording)
    with Session(str(recording)) as session:
        at_print(session)
        session.motions.reverse_step()
        ours = processes(recording) - before
        assert len(ours) >= 2
    assert gone(recording, ours)


CLIENT = """
import sys, time
from replay.timeline.session import Session
from replay.positions import Position

session = Session(sys.argv[1])
session.timeline.goto(Position(2))
print("ready", flush=True)
time.sleep(60)
"""


def test_a_killed_client_leaves_no_process(recording: Path) -> None:
    before = processes(recording)
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(recording)], stdout=subprocess.PIPE, env=environment()
    )
    assert client.stdout is not None
    assert client.stdout.readline() == b"ready\n"
    ours = processes(recording) - before
    assert len(ours) >= 2
    client.kill()
    client.wait()
    client.stdout.close()
    assert gone(recording, ours)


def test_a_question_can_be_interrupted(session: Session) -> None:
    at_print(session)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            session.evaluate("found['loop']", timeout_s=20)
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert session.evaluate("1 + 1")["text"] == "2"
    assert session.continue_([]).reason == "end"


def test_an_answer_that_nobody_waited_for_is_none_to_the_next_question(session: Session) -> None:
    """As after a second Ctrl-C, before the answer was there."""
    at_print(session)
    session.timeline.here._send({"do": "ask", "name": "evaluate", "number": 0, "text": "'late'"})
    assert session.evaluate("1 + 1")["text"] == "2"
    session.timeline.here._send({"do": "ask", "name": "evaluate", "number": 0, "text": "'late'"})
    assert session.continue_([]).reason == "end"


def test_a_condition_that_is_interrupted_is_not_met(session: Session) -> None:
    path = str(Path(session.path).parent / "app.py")
    stop = {"kind": "place", "path": path, "lines": [LINE], "condition": "repr(found['loop'])", "id": 1}
    session.timeline.goto(Position(2))
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        found = session.continue_([stop])
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert (found.reason, found.id, found.met) == ("called", None, [])
    session.timeline.goto(Position(2))
    assert session.continue_([{**stop, "condition": "looks == []"}]).reason == "met"


def test_a_copy_that_is_lost_is_not_the_end(session: Session) -> None:
    """One stays where one was."""
    timeline = session.timeline
    before = timeline.goto(Position(1))
    timeline._spacing_ns = 0
    timeline.on_progress = lambda _: os.kill(timeline.here._pid, signal.SIGKILL)
    with pytest.raises(DebuggeeLostError, match="has ended"):
        timeline.look_forward({"stops": [{"kind": "line", "own": True, "depth": 0}]})
    timeline.on_progress = str
    assert timeline.stop == before
    assert session.evaluate("1 + 1")["text"] == "2"
    assert session.continue_([]).reason == "end"


def test_a_copy_that_is_made_while_ctrl_c_comes_is_ended(
    recording: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = session.timeline.here
    before, send = processes(recording), here._send

    def interrupted(message: dict[str, Any]) -> None:
        send(message)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(here, "_send", interrupted)
    with pytest.raises(KeyboardInterrupt):
        here.fork()
    assert here._rights == []
    assert gone(recording, processes(recording) - before)
    monkeypatch.undo()
    here.fork().kill()


def test_files_of_the_current_folder_are_none_of_ours(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the debugger is started may be anywhere: where modules of a program are, for one."""
    for name in ("grp", "json", "signal", "struct", "replay"):
        (tmp_path / f"{name}.py").write_text("open('touched', 'w').close()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with Session(str(recording)) as session:
        assert session.refusal is None
        assert session.continue_([]).reason == "end"
    assert not (tmp_path / "touched").exists()


@pytest.mark.more
def test_what_is_written_at_once_may_be_long(tmp_path: Path) -> None:
    """Longer than a message between the two processes."""
    size = MAX_MESSAGE_BYTES + 1000
    (tmp_path / "app.py").write_text(f"import os\nos.write(1, b'x' * {size})\nprint('done')\n")
    run_replay("record", "app.py", cwd=tmp_path, stdout=subprocess.DEVNULL)
    with Session(str(tmp_path / "run.rec")) as session:
        assert session.continue_([]).reason == "end"
        written = [data for _, _, data in session.timeline.written()]
    assert b"".join(written) == b"x" * size + b"done\n"


SOCKETS = """
import asyncio, _socket, socket

socket.setdefaulttimeout(5)

async def main():
    for n in range(20):
        for one in _socket.socketpair():  # what has been at its address was a recorded one
            one.detach()
        await asyncio.sleep(0)
    print("done")

asyncio.run(main())
"""


@pytest.mark.more
def test_copies_do_not_use_the_sockets_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SOCKETS)
    run_replay("record", "app.py", cwd=tmp_path)
    with Session(str(tmp_path / "run.rec")) as session:
        for step in range(2, 20):
            session.timeline.goto(Position(step))
            for _ in range(3):
                copy = session.timeline.here.fork()
                copies = [copy.fork() for _ in range(3)]
                assert copies[-1].run({"at": [step, 1]}).position == Position(step, 1)
                for one in (copy, *copies):
                    one.kill()
        assert session.continue_([]).reason == "end"
        assert session.timeline.written()[-1][2] == b"done\n"


def test_a_copy_that_cannot_be_made(session: Session) -> None:
    at_print(session)
    pid = session.timeline.here._pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    with pytest.raises(ReplayError, match="the replay cannot be copied: too many open files"):
        session.timeline.here.fork()
    with pytest.raises(ReplayError, match="Too many open files"):
        session.locals()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    assert session.evaluate("1 + 1")["text"] == "2"
    assert session.continue_([]).reason == "end"


BUSY = """
import asyncio

async def main():
    for n in range(3):
        await asyncio.sleep(0)
    total = 0
    while True:
        total += 1
        if total > 400_000_000:
            break

asyncio.run(main())
"""


@pytest.mark.more
def test_ctrl_c_in_a_long_step_comes_back_to_where_one_was(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(BUSY)
    run_replay("record", "--timeout", "0.5", "app.py", cwd=tmp_path)
    with Timeline(str(tmp_path / "run.rec")) as timeline:
        before = timeline.goto(Position(2))
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            stop = timeline.forward({})
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        assert (stop.reason, stop.position) == ("called", before.position)
        assert timeline.goto(Position(3)).position == Position(3)


def test_what_cannot_be_replayed_says_why(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('one')")
    run_replay("record", "app.py", cwd=tmp_path)
    (tmp_path / "app.py").write_text("print('two')")
    with Session(str(tmp_path / "run.rec")) as session:
        assert "app.py" in str(session.refusal)
        assert session.tasks() == ()
        with pytest.raises(ReplayError, match=r"app\.py"):
            session.timeline  # noqa: B018
    with Session(str(tmp_path / "run.rec"), source="recorded") as session:
        session.continue_([])
        assert session.timeline.written()[0][1:] == (1, b"one\n")


def test_a_divergence_is_told(tmp_path: Path) -> None:
    (tmp_path / "leak").touch()
    (tmp_path / "app.py").write_text(
        "import ctypes, time\nif ctypes.CDLL(None).access(b'leak', 0):\n    time.time()\ntime.time_ns()\n"
    )
    run_replay("record", "app.py", cwd=tmp_path)
    os.unlink(tmp_path / "leak")
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        with Timeline("run.rec") as timeline:
            stop = timeline.forward({})
    finally:
        os.chdir(here)
    assert stop.reason == "diverged"
    assert stop.message is not None
    assert "expected  time.time_ns" in stop.message
