"""Run a program and keep what it takes to run it again.

    replay record app.py ARGS          a script, or a folder or zip file with a __main__.py
    replay record -m MODULE ARGS       a module, as `python -m`
    replay record -- COMMAND ARGS      an installed command written in Python, such as pytest or uvicorn;
                                       `-- python app.py` is this Python

Options of `record` stand before the program; everything after it is the program's own. The exit code is
the program's; 92 means that `record` was called wrongly, 124 that the time of --timeout was over. A
program that cannot be started (a syntax error, no such module) leaves no recording, and an older one as it
was.

    replay record --until-failure 100 app.py

records it again and again, up to 100 times, until a run fails: ends with another exit code than 0, by a
signal, or by --timeout, which holds for each run. The recording of that run is kept, and its exit code is
passed on. If none fails, nothing is kept, and the exit code is 0.
"""

from __future__ import annotations

import argparse
import os
import re
from typing import Final

from replay.cli import installed
from replay.cli.arguments import Parser, add_timeout, timeout_of
from replay.errors import UsageError
from replay.options import RecordOptions, Target

DEFAULT_OUTPUT: Final = "run.rec"
MAX_RUNS: Final = 1_000_000
"""More is a slip of the keyboard."""


def configure(parser: Parser) -> None:
    """Add the arguments of `replay record`."""
    parser.usage = "replay record [OPTIONS] (app.py | -m MODULE | -- COMMAND) ARGS"
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default=DEFAULT_OUTPUT,
        help=f"the recording to write (default: {DEFAULT_OUTPUT}); an older one is replaced",
    )
    parser.add_argument(
        "--on-failure", action="store_true", help="keep the recording only if the program fails"
    )
    parser.add_argument(
        "--until-failure",
        metavar="N",
        type=int,
        help="run it up to N times, until it fails; keep the recording of that run",
    )
    add_timeout(parser, "stop the program after so many seconds, and keep it")
    parser.add_argument(
        "--redact",
        metavar="REGEX",
        action="append",
        default=[],
        help="replace what matches, wherever it occurs, before it is written; may be repeated",
    )
    parser.add_argument(
        "--redact-env",
        metavar="NAME",
        action="append",
        default=[],
        help="replace the value of this environment variable likewise; may be repeated",
    )
    parser.add_argument(
        "--keep-env",
        metavar="NAME",
        action="append",
        default=[],
        help="keep the value of this environment variable even if it is only read as one of all; `*` stands "
        "for anything, but not in names that look like a secret's; may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Hand over to the launcher, which becomes the recorded program and does not come back."""
    runs_count = runs_count_of(args)
    options = options_of(args)
    if runs_count is not None:
        from replay.cli.repeating import record_until_failure

        return record_until_failure(options, runs_count)
    from replay.runtime.launcher import launch_record

    return launch_record(options)


def runs_count_of(args: argparse.Namespace) -> int | None:
    """Return the number of runs of ``--until-failure``; None if one run is wanted, whatever comes of it.

    Raises:
      UsageError: it is no such number, or another option says the same.
    """
    count: int | None = args.until_failure
    if count is None:
        return None
    if not 1 <= count <= MAX_RUNS:
        raise UsageError(f"--until-failure must be between 1 and {MAX_RUNS:,} runs, not {count:,}")
    if args.on_failure:
        raise UsageError(
            "--until-failure keeps only the run that fails: --on-failure says nothing more",
            hint="leave `--on-failure` out, or `--until-failure` if one run is enough",
        )
    return count


def options_of(args: argparse.Namespace) -> RecordOptions:
    """Check what was parsed, and return it as the launcher wants it.

    Raises:
      UsageError: something about it cannot work; nothing was done.
    """
    target, argv = program_of(args.program)
    for pattern in args.redact:
        check_pattern(pattern)
    for option, names in (("--redact-env", args.redact_env), ("--keep-env", args.keep_env)):
        for name in names:
            if not name or "=" in name or "\0" in name:
                raise UsageError(f"{option} takes the name of an environment variable, not {name!r}")
    return RecordOptions(
        output=writable(args.output),
        on_failure=args.on_failure or args.until_failure is not None,
        timeout_s=timeout_of(args),
        redact=tuple(args.redact),
        redact_env=tuple(args.redact_env),
        keep_env=tuple(args.keep_env),
        target=target,
        argv=argv,
        must_record=args.until_failure is not None,
    )


def program_of(program: tuple[str, ...]) -> tuple[Target, tuple[str, ...]]:
    """Split a program's command line into how it is named, and its argv; check that it can run."""
    if not program:
        raise UsageError("no program to record", hint="`replay record app.py`, `-m MODULE` or `-- COMMAND`")
    first, *rest = program
    if first == "--":
        if not rest:
            raise UsageError("no command after `--`", hint="`replay record -- pytest`")
        target, argv = installed.resolve(rest, installed.this_interpreter(), os.environ)
        if target == "script":
            check_script(argv[0])
        return target, argv
    if first.startswith("-m"):
        words = [first[2:], *rest] if first != "-m" else rest
        if not words or not words[0]:
            raise UsageError("no module after `-m`", hint="`replay record -m package.module`")
        if words[0].endswith(".py"):
            raise UsageError(
                f"`-m` takes the name of a module, not of a file: {words[0]}",
                hint=f"`replay record {words[0]}`",
            )
        installed.check_module(words[0], words[1:], os.environ)
        return "module", tuple(words)
    check_script(first)
    return "script", program


def check_script(path: str) -> None:
    """Refuse what python could not run as a script, before anything is started."""
    if path == "-":
        raise UsageError(
            "a program on standard input cannot be recorded",
            hint="put it in a file: a replay needs its source",
        )
    if os.path.isdir(path):
        if not os.path.isfile(os.path.join(path, "__main__.py")):
            raise UsageError(
                f"{path} is a folder without a __main__.py",
                hint="name a script, or a module: `replay record -m MODULE`",
            )
        return
    try:
        with open(path, "rb") as file:
            start = file.read(len(_recording_magic()))
    except FileNotFoundError:
        raise UsageError(f"no such file: {path}", hint=_instead_of(path)) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if start == _recording_magic():
        raise UsageError(f"{path} is a recording, not a program", hint=f"`replay play {path}` runs it again")
    if start.startswith(b"PK\x03\x04"):
        import zipfile

        try:
            with zipfile.ZipFile(path) as archive:
                archive.getinfo("__main__.py")
        except (KeyError, zipfile.BadZipFile):
            raise UsageError(f"{path} is a zip file without a __main__.py") from None


def _instead_of(path: str) -> str | None:
    """Return a hint for a script that does not exist, if another way of naming it fits."""
    import shutil

    if shutil.which(path):
        return f"a command is recorded with `replay record -- {path}`"
    if os.path.isfile(path + ".py"):
        return f"`replay record {path}.py`"
    if os.path.isfile(path.replace(".", os.sep) + ".py"):
        return f"a module is recorded with `replay record -m {path}`"
    return None


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that does not compile, or matches nothing at all everywhere."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        where = "" if error.pos is None else f" at character {error.pos}"
        raise UsageError(f"--redact {pattern!r} is no regular expression: {error.msg}{where}") from None
    if compiled.match(""):
        raise UsageError(f"--redact {pattern!r} matches the empty string, so it says nothing about a secret")


def writable(output: str) -> str:
    """Return the absolute path of the recording to write, or refuse it."""
    path = os.path.abspath(output)
    folder = os.path.dirname(path)
    if not output or os.path.isdir(path):
        raise UsageError(f"the recording needs the name of a file, not of a folder: {output or repr('')}")
    if not os.path.isdir(folder):
        raise UsageError(f"no such folder: {folder}", hint=f"`mkdir -p {folder}`")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"the folder is not writable: {folder}", hint="`-o FILE` puts the recording elsewhere"
        )
    if os.path.lexists(path) and not os.path.isfile(path):
        raise UsageError(f"the recording would replace something that is no file: {path}")
    if not _is_recording_or_empty(path):
        raise UsageError(
            f"the recording would replace a file that is no recording: {path}", hint="`-o FILE` names another"
        )
    return path


def _is_recording_or_empty(path: str) -> bool:
    """Whether nothing but a recording is lost if this file is replaced."""
    try:
        with open(path, "rb") as file:
            start = file.read(len(_recording_magic()))
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return start in (b"", _recording_magic())


def _recording_magic() -> bytes:
    """Return how each recording starts; loaded only to look at a script."""
    from replay.recording.container import MAGIC

    return MAGIC
