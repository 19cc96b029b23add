"""Look for the schedule that breaks a program: run it again and again in a simulated world.

    replay explore app.py ARGS          until a run fails, or --schedules are through
    replay explore -m MODULE ARGS       a module
    replay explore --all app.py         go on after the first failure, and collect others
    replay explore app.py --jobs 1 -- ARGS
                                        options may stand behind the program, too; a `--` ends them

In the simulated world there is no network, no clock and no luck: time is virtual, connections are in memory,
and what arrives when is decided anew in each run. Only what a real loop could do is tried: something arrives
late, a thread goes on late, a loop is busy while a timer becomes due. A failure is shrunk to the decisions
that matter, and kept as a recording to debug and a scenario to run again.

A failure is an exception out of the program, an exit code other than 0, a deadlock, a step or a run that
never ends. The program must not fail when nothing is late; that is tried first.

Policies: `mixed` (the default: at random, and each decision in turn), `random`, `pct` (few deviations in each
run), `dfs` (all schedules with one deviation, then with two, ...), `fifo` (none).

Exit codes: 0 none was found, 1 one was found, 2 the command was called wrongly, or the program cannot be
explored.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from replay.cli.arguments import Parser, add_timeout, timeout_of
from replay.cli.commands.record import program_of
from replay.cli.output import tell, write, write_json
from replay.cli.style import Style, style_for
from replay.cli.text import printable, printable_lines
from replay.errors import UsageError
from replay.options import ExitCode
from replay.quantities import counted

if TYPE_CHECKING:
    from replay.exploration.options import Options
    from replay.exploration.report import Explored, Report
    from replay.exploration.search import Progress

MAX_SCHEDULES: Final = 10_000_000
MAX_JOBS: Final = 64
_SHOWN_EVERY_S: Final = 0.2
_OUTPUT_LINES: Final = 12


def configure(parser: Parser) -> None:
    """Add the arguments of `replay explore`."""
    from replay.exploration.search import DEFAULT_SCHEDULES, POLICIES
    from replay.simulation import RUN_LIMIT_S

    parser.usage = "replay explore [OPTIONS] (app.py | -m MODULE | -- COMMAND) ARGS"
    parser.add_argument(
        "--schedules",
        metavar="N",
        type=int,
        default=DEFAULT_SCHEDULES,
        help=f"stop after so many runs (default: {DEFAULT_SCHEDULES:,})",
    )
    parser.add_argument("--time", metavar="S", type=float, help="stop after so many seconds")
    add_timeout(
        parser,
        "a run that takes longer never ends, nor does a step that takes a tenth of that, it is said then"
        f" (default: {RUN_LIMIT_S:g})",
    )
    parser.add_argument(
        "--policy", choices=POLICIES, default=POLICIES[0], help=f"which schedules (default: {POLICIES[0]})"
    )
    parser.add_argument(
        "--seed", metavar="S", type=int, default=0, help="what schedules and entropy follow from (default: 0)"
    )
    parser.add_argument(
        "--jobs", metavar="J", type=int, help="so many runs at a time (default: one for each processor)"
    )
    parser.add_argument("--all", action="store_true", help="go on after the first failure, collect others")
    parser.add_argument(
        "--cancel",
        metavar="TASK",
        action="append",
        default=[],
        help="cancel this task at each of its awaits, once and twice: its name, or `function#1`; may have "
        "wildcards, and be repeated",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="an exception that nobody sees to is a failure, and a socket or thread left open at the end",
    )
    parser.add_argument(
        "--world",
        metavar="FILE",
        help="a scenario, whose `world` the program runs in: hosts, network, faults",
    )
    parser.add_argument(
        "--real-subprocess",
        action="store_true",
        help="let the program start children, as real processes; else that is refused",
    )
    parser.add_argument(
        "--any-order",
        action="store_true",
        help="let what is ready run in any order; asyncio never does this",
    )
    parser.add_argument("-o", "--output", metavar="DIR", default=".", help="where the files of a failure go")
    parser.add_argument("--json", action="store_true", help="print one object with all that was found")


def run(args: argparse.Namespace) -> int:
    """Explore, and say what was found."""
    options = options_of(args)
    from replay.exploration.report import explore

    shown = _Shown(args.json)
    try:
        report = explore(options, shown.progress)
    finally:
        shown.clear()
    if args.json:
        write_json(report_json(report, options))
    else:
        _write_report(report, options)
    return ExitCode.FAILED if report.found else ExitCode.FINE


def options_of(args: argparse.Namespace) -> Options:
    """Check what was parsed.

    Raises:
      UsageError: something about it cannot work; nothing was done.
    """
    from replay.exploration.options import Options
    from replay.exploration.search import Limits
    from replay.simulation import RUN_LIMIT_S

    if not args.program:
        raise UsageError("no program to explore", hint="`replay explore app.py`, `-m MODULE` or `-- COMMAND`")
    target, argv = program_of(args.program)
    if not 1 <= args.schedules <= MAX_SCHEDULES:
        raise UsageError(f"--schedules must be between 1 and {MAX_SCHEDULES:,}, not {args.schedules:,}")
    if args.time is not None and not 0 < args.time < float("inf"):
        raise UsageError(f"--time must be a number of seconds above 0, not {args.time:g}")
    jobs = len(os.sched_getaffinity(0)) if args.jobs is None else args.jobs
    if not 1 <= jobs <= MAX_JOBS:
        raise UsageError(f"--jobs must be between 1 and {MAX_JOBS}, not {jobs}")
    folder = args.output
    if not os.path.isdir(folder):
        raise UsageError(f"no such folder: {folder}", hint=f"`mkdir -p {folder}`")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"the folder is not writable: {folder}", hint="`-o DIR` puts the files elsewhere")
    return Options(
        target=target,
        argv=argv,
        policy=args.policy,
        seed=args.seed,
        limits=Limits(schedules=args.schedules, seconds=args.time, all=args.all),
        jobs=jobs,
        setting=_setting_of(args.world, args.real_subprocess),
        is_strict=args.strict,
        cancel=tuple(args.cancel),
        any_order=args.any_order,
        folder=os.path.abspath(folder),
        run_limit_s=timeout_of(args) or RUN_LIMIT_S,
    )


def _setting_of(path: str | None, real_subprocess: bool) -> dict[str, Any]:
    """Return the world of a scenario, but for its seed, and what the options add to it."""
    found: dict[str, Any] = {}
    if path is not None:
        from replay.scenario.scenario import Scenario

        found = {name: value for name, value in Scenario.load(path).world.items() if name != "seed"}
    return {**found, "real_subprocess": True} if real_subprocess else found


class _Shown:
    """The line on the terminal that says how far the search is."""

    def __init__(self, is_quiet: bool) -> None:
        self._is_shown = sys.stderr.isatty() and not is_quiet
        self._last = 0.0
        self._has_line = False

    def progress(self, progress: Progress) -> None:
        """Show it, now and then."""
        now = time.monotonic()
        if not self._is_shown or now - self._last < _SHOWN_EVERY_S:
            return
        self._last = now
        self._has_line = True
        rate = progress.schedules / max(progress.seconds, 0.001)
        sys.stderr.write(
            f"\r{progress.schedules:,} schedules, {rate:.0f} a second, {len(progress.distinct):,} distinct, "
            f"{counted(len(progress.found), 'failure')}\x1b[K"
        )
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._has_line:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _write_report(report: Report, options: Options) -> None:
    style = style_for(sys.stdout)
    rate = report.schedules / max(report.seconds, 0.001)
    run = (
        f"{counted(report.schedules, 'schedule')} in {report.seconds:.1f} s ({rate:.0f} a second), "
        f"{report.distinct:,} distinct"
    )
    if not report.found:
        write(f"no failure found: {run}")
        if report.default.decisions_count == 0:
            tell(
                "replay: there was nothing to decide in it: nothing of the program can come in another order"
            )
        return
    for at, one in enumerate(report.failures):
        if at:
            write()
        for line in _failure_lines(one, style):
            write(line)
    write()
    write(run)
    if options.any_order:
        write("--any-order: asyncio itself never runs what is ready in another order")
    if options.limits.all:
        write(counted(len(report.failures), "distinct failure"))


def _failure_lines(one: Explored, style: Style) -> list[str]:
    failure = one.failure
    lines = [f"{style('error', 'FAILED')}  {printable(failure.message)}"]
    if failure.where:
        lines.append(f"  at         {printable(failure.where)}")
    lines.append(f"  kind       {failure.kind}, after {counted(one.schedule, 'schedule')}")
    lines.append(f"  because    {printable(one.explanation)}")
    for at, (key, nth, option) in enumerate(one.decisions):
        head = "  decisions  " if not at else "             "
        again = f" (time {nth})" if nth > 1 else ""
        lines.append(f"{head}{printable(key)}{again}: {printable(option)}")
    if not one.is_confirmed:
        lines.append("  note       it did not come again when it was run once more")
    if one.outcome.output.strip():
        lines.append("  output     the last of it:")
        last = printable_lines(one.outcome.output.rstrip("\n")).split("\n")[-_OUTPUT_LINES:]
        lines += [f"    {line}" for line in last]
    if failure.kind == "deadlock" and one.recording is not None:
        lines += [f"    {line}" for line in _deadlock_lines(one.recording, style)]
    for name, path in (("recording", one.recording), ("scenario", one.scenario)):
        if path is not None:
            lines.append(f"  {name:9}  {printable(os.path.relpath(path))}")
    if one.recording is not None:
        lines.append(f"  next       replay debug {printable(os.path.relpath(one.recording))}")
    return lines


def _deadlock_lines(recording: str, style: Style) -> list[str]:
    """Return who waits for what that who holds, out of the recording."""
    from replay.analysis.hangs import DivergedError, find_hang
    from replay.cli.repl.deadlocks import hang_lines
    from replay.cli.repl.state import Settings, State
    from replay.errors import ReplayError
    from replay.timeline.session import Session

    try:
        with Session(recording, "check") as session:
            state = State(session, Settings(color=style.is_coloured))
            return list(hang_lines(state, find_hang(session.timeline)))
    except (DivergedError, ReplayError) as problem:
        return [f"who waits for whom cannot be told: {problem}"]


def report_json(report: Report, options: Options) -> dict[str, Any]:
    """Return the report as one object."""
    return {
        "v": 1,
        "found": report.found,
        "schedules": report.schedules,
        "distinct": report.distinct,
        "seconds": round(report.seconds, 3),
        "policy": options.policy,
        "seed": options.seed,
        "failures": [
            {
                "kind": one.failure.kind,
                "message": one.failure.message,
                "task": one.failure.task,
                "where": one.failure.where,
                "schedule": one.schedule,
                "decisions": one.moved,
                "decided": [
                    {"what": key, "nth": nth, "option": option} for key, nth, option in one.decisions
                ],
                "explanation": one.explanation,
                "confirmed": one.is_confirmed,
                "recording": one.recording,
                "scenario": one.scenario,
                "seed": one.seed,
            }
            for one in report.failures
        ],
    }
