"""The command that lists where another task could have run: the steps that a schedule could have changed.

What could run is what had been made or woken, and had not run since; in the same thread, for each has a
loop of its own. Callbacks are left out: when one becomes ready is not noticed.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from replay.cli.commands.timeline import is_in, steps_range
from replay.cli.repl.command import Command, Result
from replay.cli.repl.state import State
from replay.cli.repl.waits import label, labels
from replay.cli.text import Cell, Column, counted, printable, table
from replay.recording.recording import Step

_MAX_ROWS: Final = 200
_COLUMNS: Final = (Column("step", "right"), Column("ran"), Column("could have run as well"))


def choices_of(state: State) -> list[tuple[Step, list[int]]]:
    """Return each step of a task at which others were ready, and these, in the order they became so."""
    ready_at: dict[int, list[int]] = defaultdict(list)
    for task in state.session.tasks():
        if task.spawned_at is not None:
            ready_at[task.spawned_at.step].append(task.id)
    for number, woken_at in state.wakes().items():
        for at in woken_at:
            ready_at[at].append(number)
    threads = {step.task: step.stream for step in state.session.steps}
    ready: dict[int, None] = dict.fromkeys(ready_at[0])
    found: list[tuple[Step, list[int]]] = []
    for step in state.session.steps:
        ready.pop(step.task, None)
        others = [one for one in ready if threads.get(one) == step.stream]
        if step.task and others:
            found.append((step, others))
        ready.update(dict.fromkeys(ready_at[step.number]))
    return found


def _choices(state: State, text: str) -> Result:
    wanted = steps_range(text or None)
    found = [(step, others) for step, others in choices_of(state) if is_in(step, wanted)]
    rows = [
        [
            Cell(f"@{step.number}", "position"),
            Cell(printable(label(state, step.task)), "name"),
            Cell(labels(state, others), "dim"),
        ]
        for step, others in found[:_MAX_ROWS]
    ]
    lines = table(_COLUMNS, rows, state.style) if rows else ["at no step could another task have run"]
    if len(found) > _MAX_ROWS:
        left = counted(len(found) - _MAX_ROWS, "more")
        lines.append(state.style("dim", f"({left}; `choices @{found[_MAX_ROWS][0].number}..` goes on)"))
    data = [
        {"pos": f"@{step.number}", "task": f"T{step.task}", "others": [f"T{one}" for one in others]}
        for step, others in found
    ]
    return Result(lines, data)


COMMANDS: Final = (
    Command(
        "choices",
        "scheduler",
        "choices [@A..@B]",
        "List the steps at which other tasks were ready to run, too",
        ("choices", "choices @1..@20"),
        ("ready", "schedule", "why"),
        _choices,
        takes="range",
        needs_replay=True,
    ),
)
