"""What the command line hands to the launcher: options as plain data, and the exit codes both speak."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Literal, NamedTuple

SHOWN_BYTES: Final = 100_000
"""Of what a simulated run prints, the last is told, up to so much."""

Target = Literal["script", "module", "command"]
Source = Literal["check", "recorded", "current"]


class ExitCode(IntEnum):
    """How a command ended.

    ``record`` and ``play`` pass the program's own code through, so their own failures lie where
    programs seldom are (``PROGRAM_*``); every other command uses the first five.
    """

    FINE = 0
    FAILED = 1
    USAGE = 2
    DIVERGENCE = 3
    UNREADABLE = 4
    PROGRAM_USAGE = 92
    PROGRAM_DIVERGENCE = 93
    PROGRAM_UNREADABLE = 94
    PROGRAM_TIMEOUT = 124
    INTERRUPTED = 130
    PROGRAM_CUT = 137


class RecordOptions(NamedTuple):
    """What `replay record` was asked to do, checked.

    Args:
      output: the absolute path of the recording.
      on_failure: keep the recording only if the program fails.
      timeout_s: stop the program after so many seconds, or None.
      redact: regular expressions; each match becomes a placeholder before anything is written.
      redact_env: names of environment variables whose values are redacted.
      keep_env: names of environment variables whose values are kept, also where all are read; with wildcards.
      target: how ``argv[0]`` names the program.
      argv: the script or module as given, or the path of the command's script; and the program's arguments.
      must_record: do not run the program where no recording can be made.
    """

    output: str
    on_failure: bool
    timeout_s: float | None
    redact: tuple[str, ...]
    redact_env: tuple[str, ...]
    keep_env: tuple[str, ...]
    target: Target
    argv: tuple[str, ...]
    must_record: bool = False


class PlayOptions(NamedTuple):
    """What `replay play` was asked to do, checked.

    Args:
      recording: the absolute path of the recording.
      source: ``check`` refuses source files that were edited since, ``recorded`` runs the text that is
        in the recording, ``current`` runs what is on disk as far as it agrees with the recording.
      timeout_s: stop the replay after so many seconds, or None.
    """

    recording: str
    source: Source
    timeout_s: float | None = None
