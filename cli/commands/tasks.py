"""List the tasks of a recorded run: who made them, how long they ran, how they ended.

`run` is the time of all steps of a task together. A `<` says that it may be less: the event loop waited for
input after one of these steps, and when exactly it began to is not recorded.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from replay.cli.arguments import Parser
from replay.cli.output import tell, write, write_json
from replay.cli.reading import (
    add_recording,
    json_condition,
    json_head,
    open_recording,
    place_of,
    tell_condition,
)
from replay.cli.style import Role, style_for
from replay.cli.text import Cell, Column, printable, shorten, table
from replay.options import ExitCode
from replay.quantities import counted, duration
from replay.recording.recording import Recording, State, Task

MAX_ROWS: Final = 200
_MAX_NAME: Final = 40
_ROLES: Final[dict[State, Role]] = {
    "returned": "dim",
    "cancelled": "position",
    "failed": "error",
    "pending": "good",
}
_COLUMNS: Final = (
    Column("T", "right"),
    Column("name"),
    Column("state"),
    Column("steps", "right"),
    Column("run", "right"),
    Column("first", "right"),
    Column("last", "right"),
    Column("parent", "right"),
    Column("made at"),
    Column("coroutine"),
    Column("error"),
)


def configure(parser: Parser) -> None:
    """Add the arguments of `replay tasks`."""
    add_recording(parser)
    parser.add_argument(
        "--all",
        action="store_true",
        help=f"more than {MAX_ROWS} tasks, and those that asyncio or trio made for itself",
    )


def run(args: argparse.Namespace) -> int:
    """List the tasks."""
    with open_recording(args.recording) as recording:
        tasks = recording.tasks()
        if args.json:
            found = [task_json(task) for task in tasks]
            write_json({**json_head(recording), **json_condition(recording), "tasks": found})
        else:
            _list(recording, tasks, show_all=args.all)
        tell_condition(recording)
    return ExitCode.FINE


def task_json(task: Task) -> dict[str, object]:
    """Return a task as JSON."""
    site = task.site
    return {
        "task": f"T{task.id}",
        "id": task.id,
        "name": task.name,
        "state": task.state,
        "error": None if task.error is None else {"type": task.error[0], "message": task.error[1]},
        "parent": None if task.parent is None else f"T{task.parent}",
        "steps": task.steps_count,
        "run_ns": task.run_ns,
        "run_is_at_most": task.is_at_most,
        "run_is_shared": task.is_shared,
        "first": _position(task.first_step),
        "last": _position(task.last_step),
        "spawned": None if task.spawned_at is None else str(task.spawned_at),
        "ended": None if task.ended_at is None else str(task.ended_at),
        "site": None if site is None else {"path": site.path, "line": site.line, "qualname": site.qualname},
        "coroutine": task.coroutine,
    }


def _list(recording: Recording, tasks: tuple[Task, ...], *, show_all: bool) -> None:
    style = style_for(sys.stdout)
    shown = tasks if show_all else tuple(task for task in tasks if not task.is_internal)
    internal_count = len(tasks) - len(shown)
    if not show_all and len(shown) > MAX_ROWS:
        shown = _most_telling(shown)
    cwd = recording.header.get("cwd")
    if shown:
        for line in table(_COLUMNS, [_row(task, cwd) for task in shown], style):
            write(line)
    else:
        tell("replay: no tasks")
    left = len(tasks) - len(shown) - internal_count
    if left:
        tell(f"replay: {counted(left, 'more task')}; `--all` shows them")
    if internal_count:
        tell(f"replay: {counted(internal_count, 'task')} of the library itself; `--all` shows them")


def _most_telling(tasks: tuple[Task, ...]) -> tuple[Task, ...]:
    """Return as many tasks as are shown at once: those that did not just return come first."""
    chosen = sorted(tasks, key=lambda task: (task.state == "returned", task.id))[:MAX_ROWS]
    return tuple(sorted(chosen, key=lambda task: task.id))


def _row(task: Task, cwd: object) -> list[Cell]:
    exactness = "<" if task.is_at_most else "~" if task.is_shared else ""
    run_text = f"{exactness}{duration(task.run_ns)}" if task.steps_count else ""
    state = task.state.upper() if task.state == "failed" else task.state
    where = "" if task.site is None else place_of(task.site, cwd)
    function = task.coroutine or ("" if task.site is None else task.site.qualname)
    return [
        Cell(str(task.id)),
        Cell(shorten(printable(task.name), _MAX_NAME), "name"),
        Cell(state, _ROLES[task.state]),
        Cell(str(task.steps_count)),
        Cell(run_text),
        Cell(_position(task.first_step) or "-", "position"),
        Cell(_position(task.last_step) or "-", "position"),
        Cell("-" if task.parent is None else f"T{task.parent}"),
        Cell(where),
        Cell(shorten(printable(function), _MAX_NAME)),
        Cell(shorten(printable(task.error_text), 100), "error"),
    ]


def _position(step: int | None) -> str | None:
    return None if step is None else f"@{step}"
