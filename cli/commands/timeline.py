"""Draw who ran when: a lane for each task, a column for each step.

    replay timeline FILE                  the first steps
    replay timeline FILE @500..@900       those from 500 to 900
    replay timeline FILE --task bob       only the steps of one task; may be given again

The columns are steps, not time: `replay tasks` says how long they took.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from replay.cli.arguments import Parser
from replay.cli.output import json_text, tell, write
from replay.cli.reading import (
    add_recording,
    json_condition,
    json_head,
    open_recording,
    task_label,
    tell_condition,
)
from replay.cli.style import Role, Style, style_for
from replay.cli.text import pad, printable, shorten, width
from replay.errors import UsageError
from replay.options import ExitCode
from replay.positions import EventIndex, Position, Range, check_place, parse_range
from replay.quantities import counted
from replay.recording.recording import Recording, Step, Task, find_task

MAX_STEPS: Final = 400
"""So many are drawn; more are not read by anybody, and can be asked for by their range."""

MAX_LANES: Final = 40
"""So many lanes stand in one block; tasks that only wait there are left out first."""

_MAX_LABEL: Final = 20
_MIN_COLUMNS: Final = 40
_MAX_COLUMNS: Final = 160
_CALLBACKS: Final = 0


@dataclass(frozen=True)
class Glyphs:
    """What the picture is made of."""

    ran: str
    waits: str
    created: str
    failed: str = "X"
    cancelled: str = "C"


BLOCKS: Final = Glyphs("\u2588", "\u2500", "\u00b7")
ASCII: Final = Glyphs("#", "-", ".")


def configure(parser: Parser) -> None:
    """Add the arguments of `replay timeline`."""
    add_recording(parser)
    parser.add_argument("range", metavar="@A..@B", nargs="?", help="which steps, either side open")
    parser.add_argument(
        "--task",
        metavar="T",
        action="append",
        default=[],
        help="only this task's steps: its id, its name, or how that begins; may be given again",
    )


def run(args: argparse.Namespace) -> int:
    """Draw the lanes."""
    wanted = steps_range(args.range)
    with open_recording(args.recording) as recording:
        tasks = recording.tasks()
        chosen = tuple(dict.fromkeys(find_task(tasks, word) for word in args.task))
        if wanted.first is not None:
            check_place(wanted.first, steps_count=recording.steps_count, events_count=recording.events_count)
        ids = {task.id for task in chosen}
        found = (step for step in recording.steps() if (not ids or step.task in ids) and is_in(step, wanted))
        if args.json:
            _write_json(recording, found, chosen or tasks)
        else:
            shown = list(islice(found, MAX_STEPS))
            # Text in a file has the width of a usual terminal, whatever the one is that it was made in.
            columns = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100
            for line in picture(
                shown, chosen or tasks, style_for(sys.stdout), columns, has_callbacks=not ids
            ):
                write(line)
            _tell_rest(args, shown, sum(1 for _ in found))
        tell_condition(recording)
    return ExitCode.FINE


def steps_range(text: str | None) -> Range:
    """Return the range of steps.

    Raises:
      UsageError: it is none.
    """
    wanted = Range(None, None) if text is None else parse_range(text)
    for place in (wanted.first, wanted.last):
        if isinstance(place, EventIndex):
            raise UsageError(f"a timeline has steps, not events: {place}", hint=f"`@{place.index}..`")
        if place is not None and place.line:
            raise UsageError(f"a recording knows no places inside a step: {place}", hint=f"`@{place.step}`")
    return wanted


def is_in(step: Step, wanted: Range) -> bool:
    """Whether a step is in a range."""
    first, last = wanted.first, wanted.last
    at = Position(step.number)
    return (not isinstance(first, Position) or at >= first) and (not isinstance(last, Position) or at <= last)


def _tell_rest(args: argparse.Namespace, shown: list[Step], left: int) -> None:
    if left:
        more = counted(left, "more step")
        given = "".join(f" --task {printable(shlex.quote(word))}" for word in args.task)
        name = printable(shlex.quote(args.recording))
        tell(f"replay: {more}; `replay timeline {name} @{shown[-1].number + 1}..{given}` goes on")
    elif not shown:
        tell("replay: no steps")


def picture(
    steps: list[Step], tasks: Sequence[Task], style: Style, columns: int, *, has_callbacks: bool
) -> Iterator[str]:
    """Yield the lines of the picture of some steps; none if there are none."""
    if not steps:
        return
    glyphs = _glyphs()
    labels = {task.id: shorten(task_label(task.id, task.name), _MAX_LABEL) for task in tasks}
    if has_callbacks:
        labels[_CALLBACKS] = "callbacks"
    label_columns = max(map(width, labels.values()))
    room = min(max(columns, _MIN_COLUMNS), _MAX_COLUMNS) - label_columns - 2
    cell = len(f"@{steps[-1].number}") + 1
    if cell * len(steps) > room:
        cell = 1
    per_block = max(room // cell, 1)
    yield _legend(glyphs, style)
    for start in range(0, len(steps), per_block):
        block = steps[start : start + per_block]
        yield ""
        yield style("position", " " * (label_columns + 2) + _ruler(block, cell, room)).rstrip()
        lanes, left = _lanes(block, tasks, has_callbacks=has_callbacks)
        for number, task in lanes:
            cells = _lane(number, task, block, glyphs)
            drawn = "".join(_fill(glyph, cell, glyphs) for glyph in cells).rstrip()
            label = style("name", pad(labels[number], label_columns))
            yield f"{label}  {_painted(drawn, glyphs, style)}".rstrip()
        if left:
            yield style("dim", f"{counted(left, 'more task')} waiting here")


def _lanes(
    block: list[Step], tasks: Sequence[Task], *, has_callbacks: bool
) -> tuple[list[tuple[int, Task | None]], int]:
    """Return the lanes of a block, and how many tasks that only wait in it are left out."""
    first, last = block[0].number, block[-1].number
    ran = {step.task for step in block}
    alive = [
        task
        for task in tasks
        if task.id in ran
        or (
            task.spawned_at is not None
            and task.spawned_at.step <= last
            and (task.ended_at is None or task.ended_at.step >= first)
        )
    ]
    room = max(MAX_LANES - sum(task.id in ran for task in alive), 0)
    kept: list[tuple[int, Task | None]] = []
    for task in alive:
        if task.id not in ran:
            if room == 0:
                continue
            room -= 1
        kept.append((task.id, task))
    left = len(alive) - len(kept)
    if has_callbacks and _CALLBACKS in ran:
        kept.append((_CALLBACKS, None))
    return kept, left


def _lane(number: int, task: Task | None, block: list[Step], glyphs: Glyphs) -> list[str]:
    """Return one glyph for each step of the block."""
    if task is None:
        return [glyphs.ran if step.task == number else " " for step in block]
    born = 0 if task.spawned_at is None else task.spawned_at.step
    first = task.first_step
    ended = None if task.ended_at is None else task.ended_at.step
    cells: list[str] = []
    for step in block:
        at = step.number
        if at == ended and task.state in ("failed", "cancelled"):
            cells.append(glyphs.failed if task.state == "failed" else glyphs.cancelled)
        elif step.task == number:
            cells.append(glyphs.ran)
        elif at <= born or (ended is not None and at > ended):
            cells.append(" ")
        else:
            cells.append(glyphs.created if first is None or at < first else glyphs.waits)
    return cells


def _fill(glyph: str, cell: int, glyphs: Glyphs) -> str:
    """Return a glyph as wide as its cell: what lasts is drawn through, a step leaves a gap."""
    if cell == 1 or glyph in (glyphs.waits, glyphs.created, " "):
        return glyph * cell
    return (glyph if glyph == glyphs.ran else glyphs.ran) + glyph + " " * (cell - 2)


def _ruler(block: list[Step], cell: int, room: int) -> str:
    """Return the numbers of the steps: of each, or of every tenth column or so."""
    label = len(f"@{block[-1].number}") + 2
    stride = 1 if cell > 1 else -(-label // 10) * 10
    line = ""
    for at in range(0, len(block), stride):
        number = f"@{block[at].number}"
        if at == 0 or at * cell + len(number) <= room:
            line = line.ljust(at * cell) + number
    return line


def _legend(glyphs: Glyphs, style: Style) -> str:
    parts = (
        f"{glyphs.ran} runs",
        f"{glyphs.waits} waits",
        f"{glyphs.created} not yet started",
        f"{glyphs.failed} fails",
        f"{glyphs.cancelled} ends cancelled",
    )
    return style("dim", "   ".join(parts))


def _painted(drawn: str, glyphs: Glyphs, style: Style) -> str:
    if not style.is_coloured:
        return drawn
    roles: dict[str, Role] = {
        glyphs.ran: "good",
        glyphs.waits: "dim",
        glyphs.created: "dim",
        glyphs.failed: "error",
        glyphs.cancelled: "position",
    }
    return "".join(style(roles[char], char) if char in roles else char for char in drawn)


def _glyphs() -> Glyphs:
    """Return glyphs that the output can show."""
    try:
        (BLOCKS.ran + BLOCKS.waits + BLOCKS.created).encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BLOCKS


def _write_json(recording: Recording, steps: Iterable[Step], tasks: Sequence[Task]) -> None:
    """Write all steps that were asked for, one a line: programs do not mind many."""
    head = {
        **json_head(recording),
        **json_condition(recording),
        "tasks": [
            {
                "task": f"T{task.id}",
                "name": task.name,
                "state": task.state,
                "spawned": None if task.spawned_at is None else str(task.spawned_at),
                "ended": None if task.ended_at is None else str(task.ended_at),
            }
            for task in tasks
        ],
    }
    sys.stdout.write(f'{json_text(head)[:-1]}, "steps": [')
    separator = "\n"
    for step in steps:
        one = {
            "pos": f"@{step.number}",
            "task": f"T{step.task}" if step.task else None,
            "thread": step.stream,
            "event": f"#{step.event_index}",
            "start_ns": step.start_ns,
            "run_ns": step.run_ns,
            "run_is_at_most": step.is_at_most,
            "run_is_shared": step.is_shared,
        }
        sys.stdout.write(separator + json_text(one))
        separator = ",\n"
    sys.stdout.write("\n]}\n")
