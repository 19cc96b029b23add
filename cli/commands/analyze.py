"""Look for what went wrong in a recorded run, by running it again.

    replay analyze FILE --deadlocks               who waits for whom in a circle, where the run hung

A run that hung was ended all the same: by `record --timeout`, Ctrl-C, another signal, or it was killed. It is
looked at where that happened: tasks that hold what others want and want what others hold are a cycle, and
shown first, then those that wait for them, and the deadlines that would end it. Tasks that wait for the
outside (a socket, a timer, a thread, a process) are in no cycle.

Exit codes: 0 nothing was found, 1 a deadlock was found, 2 the command was called wrongly or the recording
cannot be replayed here, 3 the replay diverged, 4 the recording cannot be read.
"""

from __future__ import annotations

import argparse
import sys

from replay.cli.arguments import Parser
from replay.cli.commands.play import add_source, readable
from replay.cli.output import tell_error, write, write_json
from replay.cli.reading import add_recording, json_condition, json_head, tell_condition
from replay.cli.style import style_for
from replay.options import ExitCode


def configure(parser: Parser) -> None:
    """Add the arguments of `replay analyze`."""
    add_recording(parser)
    parser.add_argument(
        "--deadlocks",
        action="store_true",
        required=True,
        help="who waits for whom in a circle, and who waits for those",
    )
    add_source(parser)


def run(args: argparse.Namespace) -> int:
    """Replay the run up to where it hung, and look there."""
    path = readable(args.recording)
    from replay.analysis.hangs import DivergedError, find_hang
    from replay.cli.repl.deadlocks import hang_json, hang_lines
    from replay.cli.repl.state import Settings, State
    from replay.timeline.session import Session

    with Session(path, args.source) as session:
        tell_condition(session.recording)
        try:
            hang = find_hang(session.timeline)
        except DivergedError as problem:
            tell_error(problem)
            return ExitCode.DIVERGENCE
        if args.json:
            head = {**json_head(session.recording), **json_condition(session.recording)}
            write_json({**head, "deadlocks": hang_json(hang)})
        else:
            state = State(session, Settings(color=style_for(sys.stdout).is_coloured))
            for line in hang_lines(state, hang):
                write(line)
    return ExitCode.FAILED if hang.deadlocks.found else ExitCode.FINE
