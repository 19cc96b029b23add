"""Runs a program of `tests/programs` under the recorder, and from its recording alone.

A program is copied into a scratch folder and recorded there. Then everything it had is taken away: its
peers are stopped; its folder, its temporary files and its source are deleted. What is left is the recording.
It is replayed in another folder, with another environment.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.programs.catalogue import Program
from tests.replays.peers import Peer, start_peer

ROOT = Path(__file__).resolve().parent.parent.parent
RUN_LIMIT_S = 30.0
"""A run that takes longer hangs; it is killed, and what it wrote so far is shown."""
DIVERGENCE = 93
AT_ONCE = 2
"""So many replays run beside each other."""
TZ = "Asia/Tokyo"


@dataclass(frozen=True)
class Ran:
    """What a run left behind."""

    exit_code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class Recorded:
    """A recorded run, what its `sink` received, and the folder in which only its recording is left."""

    program: Program
    ran: Ran
    path: Path
    folder: Path
    received: bytes = b""
    python: str = sys.executable

    @property
    def program_stderr(self) -> bytes:
        """What the program itself wrote: without our own lines."""
        return b"".join(
            line for line in self.ran.stderr.splitlines(keepends=True) if not line.startswith(b"replay:")
        )


def skip_unless_possible(program: Program) -> None:
    """Skip the test of a program that cannot run here, and say what it needs."""
    if sys.version_info < program.min_python:
        pytest.skip(f"{program.name} needs Python {'.'.join(map(str, program.min_python))}")
    for module in program.needs:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{program.name} needs {module}")


def record_environment(scratch: Path) -> dict[str, str]:
    """Return the environment of a program that is recorded."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(scratch / "home"),
        "TMPDIR": str(scratch / "tmp"),
        "LANG": "C.UTF-8",
        "TZ": TZ,
        "APP_MODE": "recorded",
    }


def replay_environment(folder: Path) -> dict[str, str]:
    """Return the environment of a replay: as unlike the recorded one as can be."""
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "TZ": TZ,
        "APP_MODE": "replayed",
        "SOMETHING_ELSE": "x" * 1000,
    }


def run(
    argv: list[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: str | None = None,
    signals: tuple[tuple[str, signal.Signals], ...] = (),
    limit_s: float = RUN_LIMIT_S,
) -> Ran:
    """Run a child to its end, sending it the signals at the lines that were asked for.

    It gets a session of its own, and what is left of that is killed: a program that fails may leave
    children of its own.
    """
    child = subprocess.Popen(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    seen = b""
    try:
        for line, number in signals:
            seen = _read_until(child, line.encode(), seen)
            if number != signal.SIGKILL:
                let_fall_asleep(child.pid)
            child.send_signal(number)
        stdout, stderr = child.communicate(stdin.encode() if stdin is not None else None, limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # its children too: they hold its pipes open
        stdout, stderr = child.communicate(timeout=RUN_LIMIT_S)
        pytest.fail(
            f"hung, killed after {limit_s:g} s: {' '.join(argv)}\n--- stdout\n"
            f"{(seen + stdout)[-3000:].decode(errors='replace')}\n--- stderr\n"
            f"{stderr[-3000:].decode(errors='replace')}"
        )
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        for stream in child.stdout, child.stderr:
            assert stream is not None
            stream.close()
    return Ran(child.returncode, seen + stdout, stderr)


def _read_until(child: subprocess.Popen[bytes], line: bytes, seen: bytes) -> bytes:
    """Read a child's output up to a line, which may be in what was read before."""
    assert child.stdout is not None
    deadline = time.monotonic() + RUN_LIMIT_S
    while line + b"\n" not in seen:
        ready, _, _ = select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise subprocess.TimeoutExpired(child.args, RUN_LIMIT_S, output=seen)
        piece = os.read(child.stdout.fileno(), 65536)
        if not piece:
            return seen  # it ended without; its exit code will say so
        seen += piece
    return seen


def let_fall_asleep(pid: int) -> None:
    """Return when a process seems to wait for something, or after a moment when it never does.

    A signal that comes between Python's last look for signals and the system call that blocks is not seen
    before that call returns: plain Python then hangs in `lock.acquire` and `time.sleep`.
    """
    asleep = 0
    for _ in range(100):
        with open(f"/proc/{pid}/stat") as file:
            state = file.read().rpartition(")")[2].split()[0]
        asleep = asleep + 1 if state == "S" else 0
        if asleep == 5:
            return
        time.sleep(0.002)


@contextlib.contextmanager
def peers_of(program: Program, scratch: Path) -> Iterator[dict[str, Peer]]:
    """Start what a program needs beside it, and stop it at the end."""
    with contextlib.ExitStack() as stack:
        peers = {name: stack.enter_context(start_peer(name, scratch)) for name in program.peers}
        yield peers


def record(
    program: Program,
    folder: Path,
    *,
    mode: tuple[str, ...] | None = None,
    env: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Recorded:
    """Record a program in a scratch folder below this one, and delete all but the recording.

    Args:
      folder: an empty one.
      mode: the command before the program; None for `replay record`. An empty one runs plain Python, and
        leaves no recording.
      env: added to the environment.
      python: of another environment, with other libraries.
    """
    scratch = folder / "scratch"
    for name in ("home", "tmp", "work"):
        (scratch / name).mkdir(parents=True)
    path = folder / "run.rec"
    copy = scratch / "work" / program.path.name
    shutil.copy(program.path, copy)
    for name, text in program.inputs.items():
        (scratch / "work" / name).write_text(text)
    if mode is None:
        mode = ("-m", "replay", "record", "-o", str(path))
    with peers_of(program, scratch) as peers:
        args = [arg.format_map({name: peer.address for name, peer in peers.items()}) for arg in program.args]
        ran = run(
            [python, *mode, str(copy), *args],
            cwd=scratch / "work",
            env={**record_environment(scratch), **(env or {})},
            stdin=program.stdin,
            signals=program.signals,
        )
    shutil.rmtree(scratch)
    received = bytes(peers["sink"].received) if "sink" in peers else b""
    return Recorded(program, ran, path, folder, received, python)


def replay(recorded: Recorded, *, env: Mapping[str, str] | None = None) -> Ran:
    """Run a program again, from its recording alone."""
    elsewhere = recorded.folder / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    ran = run(
        [recorded.python, "-m", "replay", "play", str(recorded.path)],
        cwd=elsewhere,
        env={**replay_environment(elsewhere), **(env or {})},
    )
    assert list(elsewhere.iterdir()) == [], "a replay leaves nothing behind"
    return ran


def replay_many(recorded: Recorded, times: int) -> list[Ran]:
    """Replay several times, two at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda _: replay(recorded), range(times)))


def show(ran: Ran) -> str:
    """Return a run as text, for a message."""
    return (
        f"exit code {ran.exit_code}\n--- stdout\n{ran.stdout[-3000:].decode(errors='replace')}"
        f"\n--- stderr\n{ran.stderr[-3000:].decode(errors='replace')}"
    )


def difference(recorded: Recorded, replayed: Ran) -> str | None:
    """Say in what a replay differs from what was recorded, or return None."""
    found = []
    if replayed.exit_code != recorded.ran.exit_code:
        found.append(f"exit code: recorded {recorded.ran.exit_code}, replayed {replayed.exit_code}")
    for name, expected, observed in (
        ("stdout", recorded.ran.stdout, replayed.stdout),
        ("stderr", recorded.program_stderr, replayed.stderr),
    ):
        if expected != observed:
            lines = [text.decode(errors="backslashreplace").splitlines() for text in (expected, observed)]
            names = f"{name} recorded", f"{name} replayed"
            diff = list(difflib.unified_diff(lines[0], lines[1], *names, lineterm="", n=1))
            found.append("\n".join(line[:300] for line in diff[:60]) or f"{name}: line ends differ")
    return "\n".join(found) or None
