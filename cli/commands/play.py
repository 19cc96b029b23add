"""Run a recorded program again, from the recording alone.

Its output and its exit code are those of the recorded run. It touches nothing outside: no network, no
clock, no file is written. If it asks for something that the recording does not have next, it stops with a
divergence that says where.

Exit codes of its own: 92 it was called wrongly, 93 a divergence, 94 the recording cannot be read, 124 the
time of --timeout was over, 137 the recording ends before the program did, and does not say how. A reader
of its output that has seen enough (`| head`) ends it with 0, and what came after that is not compared.
"""

from __future__ import annotations

import argparse
import os

from replay.cli.arguments import Parser, add_timeout, timeout_of
from replay.errors import UnreadableRecording
from replay.options import PlayOptions


def configure(parser: Parser) -> None:
    """Add the arguments of `replay play`."""
    parser.add_argument("recording", metavar="FILE", help="the recording, as `replay record` left it")
    add_source(parser)
    add_timeout(parser, "stop the replay after so many seconds, and say where it is")


def add_source(parser: Parser) -> None:
    """Add the option that says which source a replay runs."""
    parser.add_argument(
        "--source",
        choices=("check", "recorded", "current"),
        default="check",
        help="which source to run: `check` refuses files that were edited since (the default), `recorded` "
        "takes the text in the recording, `current` takes the files and goes as far as they agree",
    )


def run(args: argparse.Namespace) -> int:
    """Hand over to the launcher, which becomes the replayed program and does not come back."""
    options = options_of(args)
    from replay.runtime.launcher import launch_play

    return launch_play(options)


def options_of(args: argparse.Namespace) -> PlayOptions:
    """Check what was parsed, and return it as the launcher wants it.

    Raises:
      UnreadableRecording: there is no such file, or it cannot be read.
      UsageError: the time is none.
    """
    return PlayOptions(recording=readable(args.recording), source=args.source, timeout_s=timeout_of(args))


def readable(path: str) -> str:
    """Return the absolute path of a recording that can be opened as a file, or refuse it."""
    if os.path.isdir(path):
        raise UnreadableRecording(f"{path} is a folder, not a recording")
    try:
        with open(path, "rb"):
            pass
    except FileNotFoundError:
        part = path + ".part"
        hint = f"a run that was cut left `{part}`" if os.path.isfile(part) else None
        raise UnreadableRecording(f"no such file: {path}", hint=hint) from None
    except OSError as error:
        raise UnreadableRecording(f"{path} cannot be read: {error.strerror}") from None
    return os.path.abspath(path)
