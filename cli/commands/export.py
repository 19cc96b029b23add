"""Write a recording in another form.

    replay export --scenario run.rec [-o run.yaml]    the scenario of a simulated run

A scenario says what was decided in the run, by rules that survive edits of the program where some lead to
the same failure, and what it came to; `replay run` runs it. The program that the recording names is run
again for that, with what it was given: export only what comes from somebody whose program you would run.
Recordings that `replay explore` and `replay run -o` make can be exported; in a real run nothing was decided.

Exit codes: 0 it is written, 2 it was called wrongly, or the program does not do the same any more, 4 the
recording cannot be read.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from replay.cli.arguments import Parser
from replay.cli.output import tell, write, write_json
from replay.cli.text import printable
from replay.errors import UsageError
from replay.options import ExitCode
from replay.quantities import counted

if TYPE_CHECKING:
    from replay.exploration.exporting import Exported


def configure(parser: Parser) -> None:
    """Add the arguments of `replay export`."""
    parser.add_argument("recording", metavar="FILE", help="the recording")
    parser.add_argument("--scenario", action="store_true", help="as a scenario, for `replay run`")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to (default: beside it, as .yaml)")
    parser.add_argument("--json", action="store_true", help="what was written as JSON on stdout")


def run(args: argparse.Namespace) -> int:
    """Export, and say what was written."""
    from replay.exploration.exporting import default_path, export

    if not args.scenario:
        raise UsageError("export as what?", hint="`replay export --scenario FILE`")
    path = args.output or default_path(args.recording)
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise UsageError(f"no such folder: {folder}", hint=f"`mkdir -p {folder}`")
    if args.output is None and os.path.lexists(path):
        raise UsageError(f"{path} is there already", hint="`-o FILE` names where the scenario goes")
    if not os.access(path if os.path.lexists(path) else folder, os.W_OK) or os.path.isdir(path):
        raise UsageError(f"{path} cannot be written", hint="`-o FILE` puts the scenario elsewhere")
    exported = export(args.recording, path)
    if args.json:
        write_json(_plain(exported))
        return ExitCode.FINE
    failure = exported.failure
    told = "the run does not fail" if failure is None else printable(failure.message.partition("\n")[0])
    write(f"{exported.path}: {told}")
    write(f"  {_how(exported)}")
    tell(f"replay: next: replay run {exported.path}")
    return ExitCode.FINE


def _how(exported: Exported) -> str:
    if exported.rules is not None:
        return f"by {counted(len(exported.rules), 'rule')}, which survive edits of the program"
    if not exported.decisions:
        return "nothing was decided other than by default"
    return f"by {counted(len(exported.decisions), 'decision')}, as the run took them"


def _plain(exported: Exported) -> dict[str, object]:
    return {
        "scenario": exported.path,
        "failure": None if exported.failure is None else exported.failure.message,
        "decisions": [list(one) for one in exported.decisions],
        "rules": None if exported.rules is None else list(exported.rules),
    }
