"""Finds the command, loads its module alone, turns errors into messages and exit codes.

Start-up time is part of the product: a command is used hundreds of times a day, and `record` runs
before every recorded program. So nothing is imported here that a chosen command does not need.

A command is a module ``replay.cli.commands.NAME`` with ``configure(parser)``, which adds its
arguments, and ``run(args) -> int``, which returns the exit code.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from replay.cli.output import PLAIN_GLYPHS, tell, tell_error, write
from replay.cli.style import style_for
from replay.errors import ReplayError, UnreadableRecording, UsageError
from replay.options import ExitCode

if TYPE_CHECKING:
    import argparse

    from replay.cli.arguments import Parser


class CommandModule(Protocol):
    """What a module of ``replay.cli.commands`` has."""

    configure: Callable[[Parser], None]
    run: Callable[[argparse.Namespace], int]


class Command(NamedTuple):
    """One row of the table of commands.

    Args:
      name: of the command and of its module.
      group: the heading it stands under in the help.
      summary: what it does, in a line.
      runs_program: it runs the user's program, so it needs a platform where that works.
      takes_program: what follows its own options is a program's command line.
      options_after: its own options may also stand right behind the program's name.
      passes_exit_code: its exit code is the program's, and its own failures have other codes.
    """

    name: str
    group: str
    summary: str
    runs_program: bool = False
    takes_program: bool = False
    options_after: bool = False
    passes_exit_code: bool = False


COMMANDS: Final = (
    Command(
        "record",
        "make",
        "run a program and keep what it takes to run it again",
        runs_program=True,
        takes_program=True,
        passes_exit_code=True,
    ),
    Command("play", "again", "run it again from the recording", runs_program=True, passes_exit_code=True),
    Command("verify", "again", "play it several times and compare", runs_program=True),
    Command("debug", "again", "step through it, forwards and backwards"),
    Command("info", "read", "what was recorded: program, versions, size, how it ended"),
    Command("tasks", "read", "the tasks: who started them, how long they ran, how they ended"),
    Command("timeline", "read", "who ran when, one lane for each task"),
    Command("analyze", "read", "who waits for whom in a circle, where a run hung", runs_program=True),
    Command("events", "read", "everything in the recording, one line for each event"),
    Command(
        "explore",
        "search",
        "look for the schedule that breaks a program, in a simulated world",
        runs_program=True,
        takes_program=True,
        options_after=True,
    ),
    Command(
        "run",
        "search",
        "run scenarios in the simulated world, and see whether they do what they say",
        runs_program=True,
    ),
    Command("export", "search", "write a recording in another form: as a scenario", runs_program=True),
)
_BY_NAME: Final = {command.name: command for command in COMMANDS}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
      argv: the arguments after the name of the script; those of this process when left out.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = _BY_NAME.get(arguments[0]) if arguments else None
    # A stream that was closed (`>&-`) is none at all; what is said there is said to nobody.
    sys.stdout, sys.stderr = sys.stdout or io.StringIO(), sys.stderr or io.StringIO()
    try:
        # Names of tasks and paths may hold what the terminal's encoding does not.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors=PLAIN_GLYPHS)
        code = _general(arguments) if command is None else _run(command, arguments[1:])
        sys.stdout.flush()
    except ReplayError as error:
        tell_error(error)
        return exit_code_for(error, command)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader (`head`, a closed pager) has seen enough. What is still buffered must not be
        # tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FINE
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        tell_error(ReplayError(f"the output cannot be written: {os.strerror(error.errno)}"))
        return ExitCode.USAGE
    return code


def exit_code_for(error: ReplayError, command: Command | None) -> ExitCode:
    """Return the exit code that an error ends a command with."""
    passes = command is not None and command.passes_exit_code
    if isinstance(error, UnreadableRecording):
        return ExitCode.PROGRAM_UNREADABLE if passes else ExitCode.UNREADABLE
    return ExitCode.PROGRAM_USAGE if passes else ExitCode.USAGE


def _run(command: Command, arguments: list[str]) -> int:
    """Load one command, parse its arguments, run it."""
    if arguments[:1] not in (["-h"], ["--help"]) and command.runs_program:
        from replay.platforms import platform_problem

        problem = platform_problem()
        if problem is not None:
            raise ReplayError(problem)

    import importlib

    from replay.cli.arguments import Parser

    module = cast("CommandModule", importlib.import_module(f"replay.cli.commands.{command.name}"))
    parser = Parser(prog=f"replay {command.name}", description=module.__doc__)
    module.configure(parser)
    try:
        if command.takes_program:
            args = parser.parse_before_program(arguments, or_after=command.options_after)
        else:
            args = parser.parse_args(arguments)
    except SystemExit:  # --help was asked for, and printed
        return ExitCode.FINE
    return module.run(args)


def _general(arguments: list[str]) -> int:
    """Answer what is no command: nothing at all, --help, --version, a slip of the keyboard."""
    if not arguments:
        tell(usage(is_coloured=style_for(sys.stderr).is_coloured))
        return ExitCode.USAGE
    first = arguments[0]
    if first in ("-h", "--help", "help"):
        if first == "help" and len(arguments) > 1:
            return main([arguments[1], "--help"])
        write(usage(is_coloured=style_for(sys.stdout).is_coloured))
        return ExitCode.FINE
    if first in ("-V", "--version"):
        write(version())
        return ExitCode.FINE
    raise _unknown(first)


def _unknown(word: str) -> UsageError:
    """Return the error for a word that is no command, with the likeliest thing that was meant."""
    if word.startswith("-"):
        return UsageError(f"no such option: {word}", hint="options of a command stand after its name")
    if os.path.exists(word):
        meant = {".rec": "play", ".yaml": "run"}.get(os.path.splitext(word)[1], "record")
        return UsageError(f"`{word}` is a file, not a command", hint=f"`replay {meant} {word}`")

    import difflib

    near = difflib.get_close_matches(word.lower(), list(_BY_NAME), n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else "`replay --help` lists the commands"
    return UsageError(f"no such command: {word}", hint=hint)


def version() -> str:
    """Return what ``--version`` prints: what one needs to know to compare two machines."""
    from replay import __version__
    from replay.compiled import compiled
    from replay.recording.events import FORMAT_VERSION

    python = ".".join(map(str, sys.version_info[:3]))
    recorder = "pure Python" if compiled is None else "compiled"
    return f"replay {__version__} (Python {python}, recording format {FORMAT_VERSION}, recorder: {recorder})"


def usage(*, is_coloured: bool = False) -> str:
    """Return the help: each command with a line, in the groups of the table."""
    from replay.cli.style import Style

    style = Style(is_coloured)
    lines = ["usage: replay COMMAND ...", "", "Record a run of an async program once, run it again exactly."]
    group = ""
    width = max(len(command.name) for command in COMMANDS)
    for command in COMMANDS:
        if command.group != group:
            group = command.group
            lines += ["", style("heading", group)]
        lines.append(f"  {style('name', command.name.ljust(width))}  {command.summary}")
    lines += ["", "`replay COMMAND --help` tells more; `replay --version` what this is."]
    return "\n".join(lines)
