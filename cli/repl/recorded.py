"""Commands that the recording alone can answer: tasks, events, timeline, output, what it is of.

They work where it cannot be replayed, too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Final

from replay.cli.arguments import Parser
from replay.cli.commands.events import (
    VALUE_LIMIT,
    Selection,
    add_choice,
    event_json,
    event_line,
    event_value,
    line_of,
    range_of,
)  # fmt: skip
from replay.cli.commands.info import info_json, info_lines
from replay.cli.commands.timeline import MAX_STEPS, is_in, picture, steps_range
from replay.cli.reading import json_value, task_label
from replay.cli.repl.command import Command, Result, no_more
from replay.cli.repl.state import State
from replay.cli.repl.stops import breakpoints
from replay.cli.repl.waits import label
from replay.cli.repl.words import Words
from replay.cli.style import Style
from replay.cli.text import Cell, Column, printable, printable_lines, shorten, table
from replay.errors import UsageError
from replay.quantities import counted, duration
from replay.recording.describe import concerned, event_name
from replay.recording.events import Kind, split_key
from replay.recording.recording import Step, Task, find_task
from replay.timeline.session import Sent

_EVENTS: Final = "events"
_MAX_ROWS: Final = 200
_MAX_UNASKED: Final = 200_000
"""Of a run with more events it is not looked up unasked what it sent: that runs all of it again."""
_MAX_SENT: Final = 1_000_000
"""So many bytes are shown of what was sent at once."""
_MAX_BUSY: Final = 10
_MAX_NAME: Final = 60
_TARGETS: Final = {1: "stdout", 2: "stderr"}
_IO: Final = (
    "socket.recv", "socket.recv_into", "socket.recvfrom", "socket.recvfrom_into", "socket.recvmsg",
    "socket.recvmsg_into", "socket.send", "socket.sendall", "socket.sendmsg", "socket.sendto",
    "socket.connect", "socket.connect_ex", "socket.accept", "socket.close", "socket.shutdown",
    "os.read", "os.readv", "os.write", "os.writev", "ssl.read", "ssl.write", "ssl.do_handshake",
)  # fmt: skip


# -- events --------------------------------------------------------------------------------------


def _add_all(parser: Parser) -> None:
    parser.add_argument("--all", action="store_true")


def _add_events(parser: Parser) -> None:
    add_choice(parser)
    parser.add_argument("--all", action="store_true")


def _events(state: State, text: str) -> Result:
    args = Words("events", _add_events).of(text)
    found = Selection(state.session.recording, range_of(args.range), args.task, args.kind)
    limit = None if args.all else _MAX_ROWS
    return _listed(state, found, limit, None if args.full else VALUE_LIMIT)


def _listed(state: State, found: Selection, limit: int | None, value_limit: int | None) -> Result:
    lines: list[str] = []
    data: list[object] = []
    each = iter(found)
    for event, owner in islice(each, limit):
        lines.append(event_line(event, owner, found, state.style, value_limit))
        data.append(event_json(event, owner, found))
    rest = next(each, None)
    if rest is not None:
        lines.append(state.style("dim", f"(more from #{rest[0].index} on; `--all` shows all)"))
    found.check()
    return Result(lines or ["no such events"], data)


def _event(state: State, text: str) -> Result:
    if not text:
        raise UsageError("`event` takes an event", hint="`event #12`; `events` lists them")
    number = text if text[:1] == "#" else f"#{text}"
    return _listed(state, Selection(state.session.recording, range_of(number), None, []), None, None)


def _find(state: State, text: str) -> Result:
    if not text:
        raise UsageError("`find` takes a text, or /a regular expression/", hint="`find POST`, `find /T[12]/`")
    is_pattern = len(text) > 2 and text[0] == text[-1] == "/"
    try:
        wanted = re.compile(text[1:-1] if is_pattern else re.escape(text))
    except re.error as problem:
        raise UsageError(f"not a regular expression: {printable(text)[:60]}: {problem}") from None
    found = Selection(state.session.recording, range_of(None), None, [])
    lines: list[str] = []
    data: list[object] = []
    plain = Style(False)
    for event, owner in found:
        if wanted.search(event_line(event, owner, found, plain, None)) is None:
            continue
        if len(lines) >= _MAX_ROWS:
            lines.append(state.style("dim", f"(more from #{event.index} on; `events #{event.index}..`)"))
            break
        lines.append(event_line(event, owner, found, state.style, VALUE_LIMIT))
        data.append(event_json(event, owner, found))
    return Result(lines or ["in no event of the recording"], data)


def _io(state: State, text: str) -> Result:
    def add(parser: Parser) -> None:
        parser.add_argument("fd", nargs="?", default="")
        parser.add_argument("--full", action="store_true")
        parser.add_argument("--sent", action="store_true")

    args = Words("io", add).of(text)
    if args.fd and not (args.fd.isascii() and args.fd.isdigit() and len(args.fd) < 10):
        raise UsageError(
            f"`io` takes a file descriptor: {args.fd!r:.60}", hint="`events --kind socket` shows all"
        )
    wanted = int(args.fd) if args.fd else None
    if args.sent:
        state.need_replay("io --sent")
    limit = None if args.full else VALUE_LIMIT
    is_long = state.session.recording.events_count > _MAX_UNASKED and not args.sent
    sent = state.sent(_MAX_SENT if args.full else VALUE_LIMIT) if state.can_replay and not is_long else {}
    lines: list[str] = []
    data: list[object] = []
    known = set(state.session.recording.door_names.values())
    found = Selection(state.session.recording, range_of(None), None, [name for name in _IO if name in known])
    for event, owner in found:
        one = event_json(event, owner, found)
        out = sent.get((event.stream, event.item))
        name = event_name(concerned(event.key, event.value), found.doors)
        is_file = name.startswith("os.")  # files too: only where it is asked for
        if is_file if wanted is None else one["fd"] != wanted:
            continue
        if len(lines) >= _MAX_ROWS and not state.settings.json:
            lines.append(
                state.style("dim", f"(more from #{event.index} on; `events #{event.index}.. --kind socket`)")
            )
            break
        value = event_value(event, found, limit) if out is None else _sent_text(out, limit)
        lines.append(line_of(event, owner, found, state.style, printable(value)))
        data.append(
            one
            | {"name": name, "sent": None if out is None else {**asdict(out), "data": json_value(out.data)}}
        )
    if not lines:
        nothing = "nothing went over sockets; `io FD` looks at one descriptor"
        lines.append(nothing if wanted is None else f"nothing went over {wanted}")
    elif state.can_replay:
        lines += [state.style("dim", f"({note})") for note in _notes_of_sent(state, is_long=is_long)]
    return Result(lines, data)


def _notes_of_sent(state: State, *, is_long: bool) -> Iterator[str]:
    """Yield what is to be said of what is not known to have been sent."""
    diverged = state.session.timeline.divergence
    if is_long:
        yield "what was sent: `io --sent`, which runs it all once more"
    elif diverged is not None:
        yield f"what was sent is known up to {diverged.position}, where the replay diverges"


def _sent_text(out: Sent, limit: int | None) -> str:
    """Return what goes out, and where to; of long data its begin."""
    to = f" to {out.to}" if out.to else ""
    if out.size is None:
        return f"goes out{to}"
    data = out.data[:limit]
    more = f"... ({counted(out.size, 'byte')})" if out.size > len(data) else ""
    return f"<- {data!r}{more}{to}"


def outputs(state: State, *, is_whole: bool) -> Iterator[tuple[int, int, bytes]]:
    """Yield what the program writes: step, 1 or 2, and what; up to here unless all is wanted."""
    if state.can_replay and not is_whole:
        for position, target, written in state.session.timeline.written():
            yield position.step, target, written
        return
    for event in state.session.recording.events():
        if event.key < 0:
            tag, target = split_key(event.key)
            if tag == Kind.OUTPUT and isinstance(event.value, list) and len(event.value) > 1:
                data = event.value[1]
                if isinstance(data, bytes):
                    yield event.step, target, data


def _out(state: State, text: str) -> Result:
    args = Words("out", _add_all).of(text)
    lines: list[str] = []
    data: list[object] = []
    for step, target, written in _joined(outputs(state, is_whole=args.all)):
        text = written.decode(errors="replace")
        name = _TARGETS.get(target, str(target))
        data.append({"pos": f"@{step}", "to": name, "text": text})
        place = f"{state.style('position', f'@{step}'.rjust(6))} {state.style('dim', name)}"
        lines += [
            f"{place}  {line}".rstrip() for line in printable_lines(text.removesuffix("\n")).split("\n")
        ]
    none = (
        "nothing is written"
        if args.all or not state.can_replay
        else "nothing was written up to here; `out --all`"
    )
    return Result(lines or [none], data)


def _joined(found: Iterator[tuple[int, int, bytes]]) -> Iterator[tuple[int, int, bytes]]:
    """Yield what was written to one place in one step as one piece: programs write lines in parts."""
    last: tuple[int, int, bytes] | None = None
    for one in found:
        if last is not None and last[:2] == one[:2]:
            last = (*last[:2], last[2] + one[2])
            continue
        if last is not None:
            yield last
        last = one
    if last is not None:
        yield last


# -- the whole -----------------------------------------------------------------------------------


def _timeline(state: State, text: str) -> Result:
    tasks = state.session.tasks()
    words = text.split()
    ranges = [word for word in words if word[:1] == "@" or ".." in word]
    if len(ranges) > 1:
        raise UsageError(f"one range of steps at most: {text!r:.60}")
    wanted = steps_range(ranges[0] if ranges else None)
    chosen = tuple(dict.fromkeys(find_task(tasks, word) for word in words if word not in ranges))
    ids = {task.id for task in chosen}
    steps = [step for step in state.session.steps if (not ids or step.task in ids) and is_in(step, wanted)]
    shown = steps[:MAX_STEPS]
    lines = list(picture(shown, chosen or tasks, state.style, state.width, has_callbacks=not ids))
    if len(steps) > len(shown):
        left = counted(len(steps) - len(shown), "more step")
        lines.append(state.style("dim", f"({left}; `timeline @{shown[-1].number + 1}..` goes on)"))
    data = [{"pos": f"@{step.number}", "task": f"T{step.task}" if step.task else None} for step in steps]
    return Result(lines or ["no steps"], data)


def _schedule(state: State, text: str) -> Result:
    wanted = steps_range(text or None)
    steps = [step for step in state.session.steps if is_in(step, wanted)]
    rows = [
        [
            Cell(f"@{step.number}", "position"),
            Cell(f"t={duration(step.start_ns)}"),
            Cell("" if step.run_ns is None else f"{_exactness(step)}{duration(step.run_ns)}"),
            Cell(f"thread {step.stream}" if step.stream else ""),
            Cell(label(state, step.task) if step.task else "callback", "name" if step.task else "dim"),
        ]
        for step in steps[:_MAX_ROWS]
    ]
    lines = table(_STEPS, rows, state.style) if rows else ["no steps"]
    if len(steps) > _MAX_ROWS:
        left = counted(len(steps) - _MAX_ROWS, "more step")
        lines.append(state.style("dim", f"({left}; `schedule @{steps[_MAX_ROWS].number}..` goes on)"))
    data = [
        {
            "pos": f"@{step.number}",
            "task": f"T{step.task}" if step.task else None,
            "thread": step.stream,
            "start_ns": step.start_ns,
            "run_ns": step.run_ns,
            "run_is_shared": step.is_shared,
        }
        for step in steps
    ]
    return Result(lines, data)


def _exactness(step: Step) -> str:
    return "up to " if step.is_at_most else "about " if step.is_shared else ""


def _stats(state: State, text: str) -> Result:
    no_more(text, "stats")
    survey = state.session.recording.survey()
    kinds = sorted(survey.kinds.items(), key=lambda pair: (-pair[1], pair[0]))
    busy = sorted((one for one in survey.tasks if one.steps_count), key=lambda one: (-one.run_ns, one.id))
    ends = Counter(task.state for task in survey.tasks)
    told = ", ".join(f"{count} {how}" for how, count in sorted(ends.items()))
    counts = ((survey.events_count, "event"), (survey.steps_count, "step"), (survey.threads_count, "thread"))
    lines = [
        ", ".join([*(counted(count, what) for count, what in counts), duration(survey.duration_ns)]),
        f"{counted(len(survey.tasks), 'task')}{f': {told}' if told else ''}",
        "",
    ]
    rows = [[Cell(f"{count:,}"), Cell(printable(name), "name")] for name, count in kinds]
    lines += table((Column("events", "right"), Column("kind")), rows, state.style)
    if busy:
        columns = (Column("run", "right"), Column("steps", "right"), Column("task"))
        lines += ["", *table(columns, [_busy(task) for task in busy[:_MAX_BUSY]], state.style)]
    if len(busy) > _MAX_BUSY:
        lines.append(state.style("dim", f"(and {len(busy) - _MAX_BUSY} more; `tasks --sort run`)"))
    return Result(
        lines,
        {
            "events": survey.events_count,
            "steps": survey.steps_count,
            "threads": survey.threads_count,
            "duration_ns": survey.duration_ns,
            "tasks": dict(ends),
            "kinds": dict(kinds),
            "run_ns": {f"T{task.id}": task.run_ns for task in busy},
        },
    )


def _busy(task: Task) -> list[Cell]:
    return [
        Cell(f"{'about ' * task.is_shared}{duration(task.run_ns)}"),
        Cell(f"{task.steps_count:,}"),
        Cell(shorten(task_label(task.id, task.name), _MAX_NAME), "name"),
    ]


def _info(state: State, text: str) -> Result:
    if text in _STOPS_OF_GDB:
        return breakpoints(state, "")
    no_more(text, "info")
    recording = state.session.recording
    return Result(list(info_lines(recording, state.style)), info_json(recording))


_STOPS_OF_GDB: Final = ("b", "break", "breakpoints")
_STEPS: Final = (Column("step", "right"), Column("began"), Column("ran", "right"), Column(""), Column("who"))

COMMANDS: Final = (
    Command(
        "events",
        _EVENTS,
        "events [A..B] [--task T] [--kind K] [--full] [--all]",
        "List events of the recording; ends are events, `#N`, or steps, `@N`",
        ("events @1..@3", "ev --kind spawn,end"),
        ("event", "io", "timeline"),
        _events,
        ("ev",),
        "range",
    ),
    Command(
        "event", _EVENTS, "event #N", "Show one event in full", ("event #0", "event 1"), ("events",), _event
    ),
    Command(
        "find",
        _EVENTS,
        "find TEXT | /RE/",
        "List the events in which a text, or a regular expression, is found: kind, who, value",
        ("find socket", "find /T[12] /"),
        ("events", "event", "out"),
        _find,
    ),
    Command(
        "timeline",
        _EVENTS,
        "timeline [T ...] [@A..@B]",
        "Draw who ran when",
        ("timeline", "tl T1 @1..@20"),
        ("tasks", "events"),
        _timeline,
        ("tl",),
        "task",
    ),
    Command(
        "schedule",
        _EVENTS,
        "schedule [@A..@B]",
        "List the steps in order: when each began, how long it ran, whose it was",
        ("schedule", "schedule @1..@20"),
        ("timeline", "stats"),
        _schedule,
    ),
    Command(
        "stats",
        _EVENTS,
        "stats",
        "Count the events by kind, and the tasks by how they ended; who ran longest",
        ("stats", "stats | grep socket"),
        ("info", "tasks", "events"),
        _stats,
    ),
    Command(
        "io",
        _EVENTS,
        "io [FD] [--full] [--sent]",
        "List what went over sockets and TLS, or over one descriptor: bytes received, and sent",
        ("io", "io | grep recv"),
        ("events", "out"),
        _io,
    ),
    Command(
        "out",
        _EVENTS,
        "out [--all]",
        "Show what the program has written up to here, with the steps",
        ("out", "out --all"),
        ("io",),
        _out,
    ),
    Command(
        "info",
        _EVENTS,
        "info",
        "Say what was recorded, where, and how it ended",
        ("info", "info | grep packages"),
        ("when",),
        _info,
    ),
)
