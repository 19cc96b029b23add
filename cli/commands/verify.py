"""Play a recording several times and compare: output, errors and exit code, byte for byte.

A file that is damaged is not verified, however its replays agree, nor is one that is still being written.
A recording that was cut, because the recorded process was killed, is verified up to where it ends; the
verdict says so.

Exit codes: 0 all replays were identical, 2 it was called wrongly, 3 a replay diverged or differed from
the others, 4 the recording cannot be read.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

import replay
from replay.cli.arguments import Parser
from replay.cli.commands.play import readable
from replay.cli.output import tell, write_json
from replay.errors import ReplayError, UnreadableRecording, UsageError
from replay.options import ExitCode
from replay.recording.reader import RecordingFile

DEFAULT_TIMES: Final = 3
MAX_TIMES: Final = 10_000
"""More is a slip of the keyboard."""

_FAILURES: Final = {
    ExitCode.PROGRAM_USAGE: ("refused", ExitCode.USAGE),
    ExitCode.PROGRAM_DIVERGENCE: ("divergence", ExitCode.DIVERGENCE),
    ExitCode.PROGRAM_UNREADABLE: ("unreadable", ExitCode.UNREADABLE),
}


@dataclass(frozen=True)
class Replay:
    """What one replay left behind."""

    exit_code: int
    stdout: bytes
    stderr: bytes

    def difference(self, other: Replay) -> str | None:
        """Say in what the other differs from this one, or return None."""
        if self.exit_code != other.exit_code:
            return f"exit code {self.exit_code} and {other.exit_code}"
        for name, expected, observed in (
            ("stdout", self.stdout, other.stdout),
            ("stderr", self.stderr, other.stderr),
        ):
            if expected != observed:
                at = _first_difference(expected, observed)
                line = expected.count(b"\n", 0, at) + 1
                return f"{name} from byte {at} (line {line}) on"
        return None


def _first_difference(expected: bytes, observed: bytes) -> int:
    """Return the index of the first byte that differs, or where the shorter one ends."""
    pairs = enumerate(zip(expected, observed, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(expected), len(observed)))


def configure(parser: Parser) -> None:
    """Add the arguments of `replay verify`."""
    parser.add_argument("recording", metavar="FILE", help="the recording, as `replay record` left it")
    parser.add_argument(
        "--times",
        metavar="N",
        type=int,
        default=DEFAULT_TIMES,
        help=f"how many replays (default: {DEFAULT_TIMES})",
    )
    parser.add_argument("--json", action="store_true", help="the verdict as JSON on stdout")


def run(args: argparse.Namespace) -> int:
    """Replay so many times, stop at the first that fails, say what came of it."""
    if not 2 <= args.times <= MAX_TIMES:
        raise UsageError(f"--times must be between 2 and {MAX_TIMES}, not {args.times}")
    path = readable(args.recording)
    is_closed = check_whole(path)
    first: Replay | None = None
    for count in range(1, args.times + 1):
        observed = play(path)
        failure = _FAILURES.get(ExitCode(observed.exit_code)) if observed.exit_code in _FAILURES else None
        if failure is not None:
            verdict, code = failure
            told = observed.stderr.decode(errors="backslashreplace").rstrip("\n")
            return _conclude(args, verdict, code, count, observed, f"replay {count} of {args.times}\n{told}")
        if first is None:
            first = observed
        difference = first.difference(observed)
        if difference is not None:
            said = f"not verified: replay 1 and replay {count} differ: {difference}"
            return _conclude(args, "different", ExitCode.DIVERGENCE, count, observed, said)
    assert first is not None
    said = f"verified: {args.times} replays, identical"
    if not is_closed or first.exit_code == ExitCode.PROGRAM_CUT:
        said += " up to where the recording ends: it was cut"
        return _conclude(args, "identical-until-cut", ExitCode.FINE, args.times, first, said)
    return _conclude(args, "identical", ExitCode.FINE, args.times, first, said)


def check_whole(path: str) -> bool:
    """Refuse a recording that is damaged; return whether it was closed, so that nothing is missing.

    Replays of a damaged recording stop where the damage is, each at the same place: they would agree.

    Raises:
      UnreadableRecording: the file is none, or part of it cannot be read.
      ReplayError: it becomes longer while it is looked at, and so would its replays.
    """
    with RecordingFile.open(path) as file:
        if file.is_being_written:
            raise ReplayError(
                f"{path} is still being written: the program is running",
                hint=f"verify it when the program has ended; `replay play {path}` runs it up to where it is",
            )
        damage = file.verify()
        if damage is not None:
            raise UnreadableRecording(
                f"{path} is damaged: {damage}", hint=f"`replay play {path}` runs it up to there"
            )
        return file.closed


def play(path: str) -> Replay:
    """Run `replay play` on the file in a child process."""
    done = subprocess.run(
        [*_python(), "-m", "replay", "play", path], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return Replay(done.returncode, done.stdout, done.stderr)


def _python() -> list[str]:
    """Return the interpreter's command line, so that ``-m replay`` is this package.

    ``-m`` looks in the current folder first, where the user may have a ``replay.py``. With ``-P`` it does
    not; only a checkout that is not installed needs the current folder, and that is this package itself.
    """
    home = os.path.dirname(os.path.dirname(os.path.abspath(replay.__file__)))
    return [sys.executable] if home == os.getcwd() else [sys.executable, "-P"]


def _conclude(
    args: argparse.Namespace, verdict: str, code: ExitCode, count: int, last: Replay, said: str
) -> int:
    """Say the verdict, in words on stderr and on demand as JSON on stdout."""
    if args.json:
        write_json(
            {
                "recording": args.recording,
                "verdict": verdict,
                "replays": count,
                "exit_code": last.exit_code,
                "stdout_bytes": len(last.stdout),
                "stderr_bytes": len(last.stderr),
                "message": said,
            }
        )
    tell(said)
    return code
