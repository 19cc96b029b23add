"""Say what a recording is of: the program and where it ran, how it ended, what is in the file.

Exit codes: 0 it could be read, 2 the command was called wrongly, 4 the recording cannot be read.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from replay.cli.arguments import Parser
from replay.cli.output import write, write_json
from replay.cli.reading import (
    add_recording,
    failure_text,
    json_condition,
    json_head,
    json_value,
    open_recording,
    tell_condition,
    text_of,
)
from replay.cli.style import Style, style_for
from replay.cli.text import pad, printable
from replay.options import ExitCode
from replay.quantities import byte_size, counted, duration
from replay.recording.describe import cut, show
from replay.recording.events import DURATION
from replay.recording.merge import Event
from replay.recording.recording import Outcome, Recording, Survey
from replay.recording.redaction import SECRETS_COUNT
from replay.recording.sources import REDACTED_NOTE

MAX_NOTES: Final = 20
_MAX_LIST: Final = 300
_LABEL: Final = 13
_COMMONEST: Final = 6
_CONTINUED: Final = ""
"""The label of a line that goes on with what the line before began."""


def configure(parser: Parser) -> None:
    """Add the arguments of `replay info`."""
    add_recording(parser)


def run(args: argparse.Namespace) -> int:
    """Say what there is to say."""
    with open_recording(args.recording) as recording:
        if args.json:
            write_json(info_json(recording))
        else:
            for line in info_lines(recording, style_for(sys.stdout)):
                write(line)
        tell_condition(recording)
    return ExitCode.FINE


def info_lines(recording: Recording, style: Style) -> Iterator[str]:
    """Yield what there is to say."""
    for label, text in _lines(recording, style):
        yield f"{style('dim', pad(label, _LABEL))}{text}".rstrip()


def _lines(recording: Recording, style: Style) -> Iterator[tuple[str, str]]:
    header, survey = recording.header, recording.survey()
    yield from _outcome_lines(recording, style)
    yield "program", cut(_program(header), _MAX_LIST)
    yield "folder", text_of(header.get("cwd", "unknown"))
    upto = "" if DURATION in survey.outcome.extra else " to the last step"
    yield "recorded", f"{_when(header)}, {duration(survey.duration_ns)}{upto}"
    simulated = header.get("simulated")
    if isinstance(simulated, dict):
        yield "world", f"simulated, seed {text_of(simulated.get('seed', 0))}: its times are virtual"
    yield "with", _python(header)
    yield "packages", cut(_packages(header, survey), _MAX_LIST)
    yield "content", ", ".join(_counts(survey))
    yield "commonest", _commonest(survey)
    yield "size", _size(recording, survey)
    wrote = survey.output_bytes
    yield "output", f"{byte_size(wrote.get(1, 0))} to stdout, {byte_size(wrote.get(2, 0))} to stderr"
    yield from _left_out_lines(header, survey)
    yield from _recorder_lines(survey.outcome)
    notes = _not_recorded(survey)
    if notes:
        yield "not recorded", f"{counted(len(notes), 'remark')}:"
        for event, text in notes[:MAX_NOTES]:
            place = style("position", f"#{event.index} @{event.step}")
            yield _CONTINUED, f"{place}  {cut(printable(text), _MAX_LIST)}"
        if len(notes) > MAX_NOTES:
            yield _CONTINUED, f"... `replay events {printable(recording.path)} --kind note` shows all"


def _not_recorded(survey: Survey) -> list[tuple[Event, str]]:
    """Return the remarks on what was not recorded, or changed; not those on what was redacted."""
    return [(event, text) for event, text in survey.notes if not text.startswith(REDACTED_NOTE)]


def _outcome_lines(recording: Recording, style: Style) -> Iterator[tuple[str, str]]:
    outcome = recording.outcome
    ended = _ended(outcome)
    if outcome.is_cut and recording.is_being_written:
        ended = f"none yet: the program is running, at {outcome.position}"
    if not outcome.is_failure:
        yield "outcome", style("position" if outcome.is_cut else "good", ended)
        return
    failed = style("error", "FAILED")
    failures = recording.failures()
    if not failures:
        yield "outcome", f"{failed}  {ended}"
        return
    first, *others = failures
    yield "outcome", f"{failed}  {cut(failure_text(first), _MAX_LIST)}"
    for task in others:
        yield _CONTINUED, f"then    {cut(failure_text(task), _MAX_LIST)}"
    yield _CONTINUED, ended


def _ended(outcome: Outcome) -> str:
    how, detail = printable(outcome.how), text_of(outcome.detail)
    match outcome.how:
        case "cut":
            return f"cut at {outcome.position}: nothing says how it ended"
        case "unwritable":
            why = f"the recorder could not write on ({cut(detail)}), the program went on"
            return f"cut at {outcome.position}: {why}"
        case "interrupted" if isinstance(outcome.detail, int):
            return f"{_signal_name(outcome.detail)} came while the program was busy; the rest is not in it"
        case "timeout":
            return f"stopped after {detail} s (--timeout)"
        case "exit":
            return f"exit code {detail}"
        case "signal":
            return f"ended by {_signal_name(outcome.detail)}"
        case _:
            return cut(how if outcome.detail is None else f"{how} {detail}")


def _signal_name(number: object) -> str:
    import signal

    try:
        return signal.Signals(number).name  # type: ignore[arg-type]  # whatever it is, it is one or not
    except ValueError:
        return f"signal {text_of(number)}"


def _program(header: Mapping[str, object]) -> str:
    argv = header.get("argv")
    if not isinstance(argv, list) or not argv:
        return "unknown"
    words: list[Any] = argv
    line = shlex.join(word if isinstance(word, str) else show(word) for word in words)
    target = header.get("target")
    prefix = "python -m " if target == "module" else "" if target == "command" else "python "
    return printable(prefix + line)


def _when(header: Mapping[str, object]) -> str:
    started = header.get("started")
    if isinstance(started, (int, float)):
        try:
            return f"{datetime.fromtimestamp(started, UTC):%Y-%m-%d %H:%M:%S} UTC"
        except (ValueError, OverflowError, OSError):
            pass
    return "at an unknown time"


def _python(header: Mapping[str, object]) -> str:
    implementation, version, platform, machine = (
        text_of(header.get(name, "?")) for name in ("implementation", "python", "platform", "machine")
    )
    flags = header.get("flags")
    with_flags = f", flags {text_of(' '.join(map(str, flags)))}" if isinstance(flags, list) and flags else ""
    return cut(f"{implementation} {version}, {platform} {machine}{with_flags}", _MAX_LIST)


def _counts(survey: Survey) -> Iterator[str]:
    yield counted(survey.events_count, "event")
    yield counted(survey.steps_count, "step")
    yield counted(len(survey.tasks), "task")
    yield counted(survey.threads_count, "thread")
    if survey.sources_count:
        yield counted(survey.sources_count, "source file")


def _commonest(survey: Survey) -> str:
    found = sorted(survey.kinds.items(), key=lambda pair: (-pair[1], pair[0]))[:_COMMONEST]
    return ", ".join(f"{printable(name)} {count:,}" for name, count in found) or "-"


def _size(recording: Recording, survey: Survey) -> str:
    raw, stored = survey.sizes.raw_bytes, survey.sizes.stored_bytes
    text = f"{byte_size(recording.size_bytes)}; events {byte_size(raw)}, compressed {byte_size(stored)}"
    for count, noun in ((survey.events_count, "event"), (survey.steps_count, "step")):
        if count:
            text += f"; {raw / count:,.1f} and {stored / count:,.1f} bytes per {noun}"
    return text


def _packages(header: Mapping[str, object], survey: Survey) -> str:
    used = ", ".join(
        f"{printable(name)} {printable(version)}" for name, version in sorted(survey.packages.items())
    )
    installed = header.get("distributions")
    count = f" ({len(installed)} installed)" if isinstance(installed, dict) else ""
    return f"{used or 'none imported'}{count}"


def _left_out_lines(header: Mapping[str, object], survey: Survey) -> Iterator[tuple[str, str]]:
    kept, lengths = header.get("environment"), header.get("environment_lengths")
    if isinstance(kept, dict):
        yield "environment", f"{counted(len(kept), 'variable')} with values"
        left_out = sorted(name for name in lengths if name not in kept) if isinstance(lengths, dict) else []
        if left_out:
            listed = ", ".join(map(printable, left_out))
            yield _CONTINUED, cut(f"{counted(len(left_out), 'variable')} without: {listed}", _MAX_LIST)
    redaction = header.get("redaction")
    if isinstance(redaction, dict):
        patterns_count, names = redaction.get("patterns_count"), redaction.get("names")
        parts = [counted(patterns_count, "pattern")] if type(patterns_count) is int and patterns_count else []
        if isinstance(names, list) and names:
            parts.append(f"{counted(len(names), 'variable')} ({', '.join(map(text_of, names))})")
        if parts or survey.secrets_count:
            if survey.secrets_count is None:
                parts.append("the recording does not say yet what was met")
            else:
                parts.append(f"{counted(survey.secrets_count, 'secret')} met")
            yield "redacted", cut(", ".join(parts), _MAX_LIST)
            patterns = redaction.get("patterns")
            if isinstance(patterns, list) and patterns:
                yield _CONTINUED, cut(f"patterns: {' '.join(map(text_of, patterns))}", _MAX_LIST)
            for _, text in survey.notes:
                if text.startswith(REDACTED_NOTE):
                    yield _CONTINUED, cut(printable(text), _MAX_LIST)


_COST: Final = ("cpu_ns", "start_cpu_ns", "sealing_cpu_ns")


def _cost(outcome: Outcome) -> tuple[int, int, int] | None:
    """Return what the recorder measured of itself, if it did: the whole run, its start, writing."""
    found = [outcome.extra.get(name) for name in _COST]
    whole, start, sealing = found
    if type(whole) is int and type(start) is int and type(sealing) is int:
        return whole, start, sealing
    return None


def _recorder_lines(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Yield what the recorder said of itself in its last event, in the units that the names end in."""
    lines = []
    cost = _cost(outcome)
    if cost is not None:
        whole, start, sealing = cost
        lines.append(
            f"{duration(start)} of CPU time before the program began, {duration(sealing)} to compress and"
            f" write; the whole run took {duration(whole)}"
        )
        lines.append("what each recorded call costs is not measured")
    for name, value in outcome.extra.items():
        if name in (SECRETS_COUNT, DURATION) or (cost is not None and name in _COST):
            continue
        stem, _, unit = name.rpartition("_")
        text = text_of(value)
        if type(value) is int and stem and unit in ("ns", "bytes"):
            name, text = stem, duration(value) if unit == "ns" else byte_size(value)
        lines.append(f"{printable(name).replace('_', ' ')}: {text}")
    for at, line in enumerate(lines):
        yield "recorder" if at == 0 else _CONTINUED, cut(line, _MAX_LIST)


def info_json(recording: Recording) -> dict[str, object]:
    """Return it as JSON."""
    survey, outcome = recording.survey(), recording.outcome
    cost, redaction = _cost(outcome), recording.header.get("redaction")
    return {
        **json_head(recording),
        **json_condition(recording),
        "outcome": {
            "how": outcome.how,
            "detail": json_value(outcome.detail),
            "failed": outcome.is_failure,
            "pos": str(outcome.position),
            "failures": [
                {
                    "task": f"T{task.id}",
                    "name": task.name,
                    "error": task.error_text,
                    "pos": str(task.ended_at),
                }
                for task in recording.failures()
            ],
            "recorder": json_value(dict(outcome.extra)),
        },
        "header": {key: json_value(value) for key, value in recording.header.items() if key != "doors"},
        "duration_ns": survey.duration_ns,
        "events": survey.events_count,
        "steps": survey.steps_count,
        "tasks": len(survey.tasks),
        "threads": survey.threads_count,
        "sources": survey.sources_count,
        "secrets": survey.secrets_count,
        "redaction": {
            "asked": json_value(redaction if isinstance(redaction, dict) else {}),
            "secrets": survey.secrets_count,
            "summary": [text for _, text in survey.notes if text.startswith(REDACTED_NOTE)],
        },
        "cost": None if cost is None else dict(zip(_COST, cost, strict=True)),
        "packages": dict(survey.packages),
        "size": {
            "file_bytes": recording.size_bytes,
            "raw_bytes": survey.sizes.raw_bytes,
            "stored_bytes": survey.sizes.stored_bytes,
        },
        "output": {
            "stdout_bytes": survey.output_bytes.get(1, 0),
            "stderr_bytes": survey.output_bytes.get(2, 0),
        },
        "kinds": dict(survey.kinds),
        "notes": [
            {"event": f"#{event.index}", "pos": f"@{event.step}", "text": text}
            for event, text in _not_recorded(survey)
        ],
    }
