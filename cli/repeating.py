"""`record --until-failure`: one recorded run after the other, each a process, until one fails."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Final

from replay.cli.output import tell, tell_error
from replay.errors import ReplayError
from replay.options import ExitCode, RecordOptions
from replay.quantities import counted

_PASSED_ON: Final = (signal.SIGTERM, signal.SIGHUP)
"""Who sends one of these to us means the run; the terminal sends its own (Ctrl-C) to both."""


class _Caught:
    """What signals were sent to us, each passed on to the run where the run has not got it, too."""

    def __init__(self) -> None:
        self.number = 0
        self.child = 0

    def install(self) -> None:
        """Catch what would end us before the run has ended; what is ignored stays so."""
        for number in (signal.SIGINT, signal.SIGQUIT, *_PASSED_ON):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._catch)

    def _catch(self, number: int, _: FrameType | None) -> None:
        self.number = number
        if self.child and number in _PASSED_ON:
            os.kill(self.child, number)


def record_until_failure(options: RecordOptions, runs_count: int) -> int:
    """Run the program up to so many times; keep the recording of the first run that fails.

    Args:
      options: of each run; a recording is kept on failure only.
      runs_count: how many runs, if none fails.

    Returns:
      The exit code of the run that failed, else 0. Does not return if that run was ended by a signal: this
      process ends in the same way.
    """
    caught = _Caught()
    caught.install()
    for number in range(1, runs_count + 1):
        tell(f"replay: run {number:,} of {runs_count:,}")
        part = f"{options.output}.part"
        before, part_before = _identity(options.output), _identity(part)
        status = _run(options, caught)
        # Left by a run that was killed, or became another program.
        has_part = _identity(part) not in (None, part_before)
        if status == 0:
            if has_part:
                os.unlink(part)
            if caught.number:
                tell(f"replay: stopped by {_name(caught.number)} after {counted(number, 'run')}, none failed")
                return 128 + caught.number
            continue
        if has_part:
            os.replace(part, options.output)
            tell(f"replay: run {number:,} failed; the recording ends before it did")
            tell(f"replay: next: replay debug {os.path.relpath(options.output)}")
        elif _identity(options.output) == before:
            tell(f"replay: run {number:,} left no recording, so it is the last")
        if status < 0:
            from replay.runtime.ending import die

            die(-status)
        return status
    tell(f"replay: {counted(runs_count, 'run')}, none failed; nothing is kept")
    return ExitCode.FINE


def _run(options: RecordOptions, caught: _Caught) -> int:
    """Record one run in a child process; return its exit code, negative for a signal."""
    from replay.runtime.launcher import launch_record

    caught.child = 0
    child = os.fork()
    if child == 0:
        try:
            launch_record(options)
        except ReplayError as error:
            tell_error(error)
        finally:
            os._exit(ExitCode.PROGRAM_USAGE)
    caught.child = child
    if caught.number in _PASSED_ON:  # it came just before
        os.kill(child, caught.number)
    status = os.waitpid(child, 0)[1]
    caught.child = 0
    return os.waitstatus_to_exitcode(status)


def _identity(path: str) -> tuple[int, int] | None:
    """Return what tells one file of this name from another."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _name(number: int) -> str:
    return signal.Signals(number).name
