"""Step through a recorded run, forwards and backwards.

    replay debug FILE                             at a prompt; a failed run opens at its failure
    replay debug FILE --at @14.2                  elsewhere
    replay debug FILE -ex where -ex locals        run commands first
    replay debug FILE -x SCRIPT --batch           run commands, and end; at once if one fails
    replay debug FILE < SCRIPT                    commands from a pipe

At the prompt, `help` lists the commands. The program runs again from the recording, in a process of its own,
and touches nothing outside.

Exit codes: 0 fine, 1 a command failed (`assert` among them), 2 the command was called wrongly, 3 the replay
diverged, 4 the recording cannot be read.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from typing import TYPE_CHECKING

from replay.cli.arguments import Parser
from replay.cli.commands.play import add_source, readable
from replay.cli.reading import tell_condition
from replay.cli.style import style_for
from replay.errors import ReplayError, UsageError
from replay.options import ExitCode

if TYPE_CHECKING:
    from replay.timeline.session import Session


def configure(parser: Parser) -> None:
    """Add the arguments of `replay debug`."""
    parser.add_argument("recording", metavar="FILE", help="the recording, as `replay record` left it")
    parser.add_argument(
        "pipe", metavar="-", nargs="?", choices=("-",), help="read commands from stdin, as from a pipe"
    )
    parser.add_argument(
        "--at", metavar="POS", help="where to begin: @N, @N.k, start, end, failure, 50%%, t=1.5ms"
    )
    parser.add_argument(
        "-ex", metavar="CMD", action="append", default=[], help="run a command first; repeatable"
    )
    parser.add_argument("-x", metavar="SCRIPT", help="run the commands of a file first, up to one that fails")
    parser.add_argument(
        "--batch", action="store_true", help="end after the commands of -x and -ex, or the first that fails"
    )
    parser.add_argument("--keep-going", action="store_true", help="with --batch: end after all of -ex")
    parser.add_argument("--json", action="store_true", help='one JSON object for each command, with `"v": 1`')
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="paint what is shown; auto: on a terminal",
    )
    add_source(parser)


def run(args: argparse.Namespace) -> int:
    """Open the recording, run the commands."""
    if args.batch and not (args.ex or args.x):
        raise UsageError("--batch without commands does nothing", hint="`-ex CMD` or `-x SCRIPT` gives some")
    path = readable(args.recording)
    from replay.cli.repl.settings import script_lines
    from replay.timeline.session import Session

    script = [] if args.x is None else script_lines(args.x)
    with Session(path, args.source) as session:
        return _run(session, args, script)


def _run(session: Session, args: argparse.Namespace, script: list[str]) -> int:
    from replay.cli.repl.interpreter import Interpreter
    from replay.cli.repl.mistakes import mistake
    from replay.cli.repl.opening import open_at
    from replay.cli.repl.output import Printer
    from replay.cli.repl.progress import progress
    from replay.cli.repl.scripts import run_lines, run_script
    from replay.cli.repl.state import Settings, State
    from replay.cli.repl.welcome import is_first_start, welcome

    is_terminal = sys.stdin.isatty() and sys.stdout.isatty() and not (args.json or args.batch or args.pipe)
    settings = Settings(color=style_for(sys.stdout, args.color).is_coloured, json=args.json)
    state = State(session, settings)
    if is_terminal:
        state.columns = shutil.get_terminal_size().columns
    printer = Printer(state)
    interpreter = Interpreter(state, printer)
    tell_condition(session.recording)
    try:
        with progress(state):
            opened = open_at(state, args.at)
    except ReplayError:
        raise
    except Exception as problem:
        raise mistake(problem) from None
    if is_terminal and is_first_start():
        opened.lines = [*welcome(state), "", *opened.lines]
    if opened.diverged or is_terminal:
        printer(f"open {os.path.basename(session.path)}", opened)
    if opened.diverged:  # one stands there, and may look at why
        interpreter.exit_code = ExitCode.DIVERGENCE
        if args.batch and not args.keep_going:
            return interpreter.exit_code
    state.is_interactive = is_terminal
    if run_script(interpreter, script):
        run = run_script if args.batch and not args.keep_going else run_lines
        run(interpreter, args.ex)
    if not args.batch and not interpreter.has_quit:
        if is_terminal:
            from replay.cli.repl.prompt import run_prompt

            run_prompt(interpreter)
            return ExitCode.DIVERGENCE if opened.diverged else ExitCode.FINE
        run_lines(interpreter, sys.stdin)
    return interpreter.exit_code
