"""Run scenarios in the simulated world: a line for each, and whether it did what it says.

A folder stands for all `*.yaml` in it and in the folders below. All files are read before any is run.

Exit codes: 0 all did what they say, 1 one did not, 2 a file is no scenario, or a program cannot be started.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from replay.cli.arguments import Parser, add_timeout, timeout_of
from replay.cli.commands.record import writable
from replay.cli.output import json_text, tell, write, write_json
from replay.cli.parallel import in_order
from replay.cli.style import Role, Style, style_for
from replay.cli.text import printable, printable_lines
from replay.errors import ReplayError, UsageError
from replay.options import ExitCode
from replay.quantities import counted
from replay.scenario.scenario import Result, Scenario
from replay.simulation import RUN_LIMIT_S

MAX_TIMES: Final = 10_000
MAX_JOBS: Final = 256
"""More is a slip of the keyboard."""
_SUFFIX: Final = ".yaml"
_STATUS: Final = {"ok": "ok", "failed": "FAILED", "error": "ERROR"}


def configure(parser: Parser) -> None:
    """Add the arguments of `replay run`."""
    parser.add_argument("scenarios", metavar="FILE|FOLDER", nargs="*", help="scenarios, or folders of them")
    parser.add_argument(
        "--times", metavar="N", type=int, default=1, help="run each so many times; all must be the same run"
    )
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="so many at a time (default: 1)")
    parser.add_argument("-o", "--output", metavar="FILE", help="keep a recording of the run, to debug it")
    parser.add_argument("--junit", metavar="FILE", help="write a report in the format of JUnit")
    parser.add_argument("--json", action="store_true", help="the report as JSON on stdout")
    parser.add_argument(
        "--decisions",
        action="store_true",
        help="run one scenario, and list what could come otherwise, as lines for `decisions`",
    )
    add_timeout(parser, f"a run that takes longer never ends, it is said then (default: {RUN_LIMIT_S:g})")
    parser.add_argument(
        "--schema",
        action="store_true",
        help="print the JSON Schema of scenarios, for editors, and run nothing",
    )


@dataclass(frozen=True)
class Verdict:
    """What came of one scenario.

    Attributes:
      status: ``ok``, ``failed`` or ``error``.
      reasons: why it is not ok, in lines.
      notes: what is to be said although it is.
      result: of the first run that was not as it should be, else of the first; None if there was none.
      runs: how many there were.
      seconds: how long they took.
    """

    path: str
    scenario: Scenario
    status: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    result: Result | None
    runs: int
    seconds: float


def run(args: argparse.Namespace) -> int:
    """Read all, run all, say what came of it."""
    if args.schema:
        from replay.scenario.json_schema import json_schema

        write_json(json_schema())
        return ExitCode.FINE
    _check(args)
    timeout_s = timeout_of(args) or RUN_LIMIT_S
    loaded = _load(list(_files(args.scenarios)))
    for option, value in (("-o", args.output), ("--decisions", args.decisions)):
        if value and len(loaded) != 1:
            raise UsageError(f"{option} takes one scenario, not {len(loaded)}")
    recording = None if args.output is None else writable(args.output)
    if args.decisions:
        for line in _decisions(loaded[0][1].run(recording=recording, is_watched=True, limit_s=timeout_s)):
            write(line)
        return ExitCode.FINE

    style = style_for(sys.stdout)
    verdicts: list[Verdict] = []
    for verdict in in_order(
        lambda one: _judge(one[0], one[1], args.times, recording, timeout_s), loaded, args.jobs
    ):
        verdicts.append(verdict)
        if not args.json:
            for line in _lines(verdict, style):
                write(line)
            sys.stdout.flush()
    counts = {status: sum(one.status == status for one in verdicts) for status in _STATUS}
    summary = ", ".join(f"{count} {_STATUS[status]}" for status, count in counts.items() if count)
    if args.json:
        write_json({"counts": counts, "scenarios": [_plain(one) for one in verdicts]})
    else:
        write(f"{counted(len(verdicts), 'scenario')}: {summary}")
    if args.junit is not None:
        _write_junit(args.junit, verdicts)
    if recording is not None and verdicts[0].result is not None:
        tell(f"replay: recorded {args.output}")
        tell(f"replay: next: replay debug {args.output}")
    if counts["error"]:
        return ExitCode.USAGE
    return ExitCode.FAILED if counts["failed"] else ExitCode.FINE


def _check(args: argparse.Namespace) -> None:
    if not args.scenarios:
        raise UsageError("it is not said which scenarios", hint="`replay run FILE|FOLDER...`")
    for name, value, most in (("times", args.times, MAX_TIMES), ("jobs", args.jobs, MAX_JOBS)):
        if not 1 <= value <= most:
            raise UsageError(f"--{name} must be between 1 and {most}, not {value}")
    if args.junit is not None and (os.path.isdir(args.junit) or not os.path.isdir(_folder(args.junit))):
        raise UsageError(f"--junit cannot be written: {args.junit}")


def _folder(path: str) -> str:
    return os.path.dirname(os.path.abspath(path))


def _files(names: list[str]) -> Iterator[str]:
    """Yield the files that are named, and those in folders that are, each once."""
    seen: set[str] = set()
    for name in names:
        for path in _below(name) if os.path.isdir(name) else [name]:
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                yield path


def _below(folder: str) -> list[str]:
    found: list[str] = []
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            os.path.normpath(os.path.join(here, name)) for name in sorted(files) if name.endswith(_SUFFIX)
        ]
    if not found:
        raise UsageError(f"no *{_SUFFIX} in {folder}")
    return found


def _load(paths: list[str]) -> list[tuple[str, Scenario]]:
    """Return the scenarios with their files.

    Raises:
      UsageError: some are none: everything that is wrong with any of them.
    """
    loaded: list[tuple[str, Scenario]] = []
    problems: list[str] = []
    for path in paths:
        if path.endswith((".py", ".rec")):
            what, command = ("program", "record") if path.endswith(".py") else ("recording", "play")
            raise UsageError(f"{path} is a {what}, not a scenario", hint=f"`replay {command} {path}`")
        try:
            loaded.append((path, Scenario.load(path)))
        except UsageError as error:
            problems.append(error.message)
    if problems:
        hint = "`replay run --schema` prints the format; docs/scenarios.md tells of it"
        raise UsageError("\n".join(problems), hint=hint)
    return loaded


def _judge(path: str, scenario: Scenario, times: int, recording: str | None, timeout_s: float) -> Verdict:
    """Run a scenario so many times, until one run is not as it should be."""
    started = time.monotonic()
    first: Result | None = None
    status, reasons, notes, runs = "ok", [], [], 0
    result: Result | None = None
    while status == "ok" and runs < times:
        try:
            result = scenario.run(recording=recording if first is None else None, limit_s=timeout_s)
        except ReplayError as error:
            status, reasons = "error", [error.message, *([f"hint: {error.hint}"] if error.hint else [])]
            break
        runs += 1
        first = first or result
        difference = first.difference(result)
        if difference is not None:
            status, reasons = "failed", [f"run {runs} is not the same as run 1: {difference}"]
        elif not result.passed:
            status, reasons = "failed", result.reasons()
        else:
            notes = list(result.unmet)
    shown = result if status == "failed" else first
    return Verdict(
        path, scenario, status, tuple(reasons), tuple(notes), shown, runs, time.monotonic() - started
    )


def _decisions(result: Result) -> Iterator[str]:
    """Yield the options of each decision that are no default, in YAML; those that were taken say so."""
    taken = set(result.outcome.decisions)
    for key, nth, options in result.outcome.points:
        for option in options[1:]:
            yield f"- {json_text([key, nth, option])}{'  # taken' * ((key, nth, option) in taken)}"


def _lines(verdict: Verdict, style: Style) -> Iterator[str]:
    """Yield what is told of a scenario."""
    word = _STATUS[verdict.status]
    role: Role = "good" if verdict.status == "ok" else "error"
    name = verdict.scenario.name
    about = f"  {style('dim', printable(name))}" if name else ""
    yield f"{style(role, word)}{' ' * (8 - len(word))}{printable(verdict.path)}{about}"
    indent = " " * 8
    for line in verdict.reasons:
        yield from (indent + one for one in printable_lines(line).splitlines())
    for line in verdict.notes:
        yield f"{indent}note: {printable(line)}"
    if verdict.status == "failed" and verdict.result is not None and verdict.result.last_lines:
        yield f"{indent}the program's last lines:"
        for line in verdict.result.last_lines:
            yield f"{indent}  {style('dim', printable(line))}"


def _plain(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict for --json."""
    told: dict[str, Any] = {
        "file": verdict.path,
        "name": verdict.scenario.title,
        "status": verdict.status,
        "reasons": list(verdict.reasons),
        "notes": list(verdict.notes),
        "runs": verdict.runs,
        "seconds": round(verdict.seconds, 3),
    }
    if verdict.result is not None:
        outcome = verdict.result.outcome
        failure = outcome.failure
        told |= {
            "failure": None
            if failure is None
            else {
                "kind": failure.kind,
                "message": failure.message,
                "where": failure.where,
                "task": failure.task,
            },
            "decisions": [list(one) for one in outcome.decisions],
            "virtual_seconds": outcome.now_s,
            "digest": outcome.digest,
            "output": outcome.output,
        }
    return told


def _write_junit(path: str, verdicts: list[Verdict]) -> None:
    from replay.cli.junit import Case, junit

    cases = [
        Case(
            group=os.path.splitext(one.path)[0],
            name=one.scenario.title,
            seconds=one.seconds,
            file=one.path,
            status=one.status,
            reasons=one.reasons,
            output="" if one.result is None else one.result.outcome.output,
        )
        for one in verdicts
    ]
    try:
        with open(path, "wb") as file:
            file.write(junit("replay run", cases))
    except OSError as error:
        raise UsageError(f"--junit cannot be written: {path}: {error.strerror}") from None
