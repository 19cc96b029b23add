"""The command that lists the steps at which other tasks were ready, too.

Ready is what had been made or woken, and had not run since; of those that ran next in the same run of the
same loop, for what its end leaves ready could not have run. Callbacks are left out: when one becomes ready
is not noticed. In asyncio the first that is ready runs; in trio any of a batch may.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from typing import Final

from replay.cli.commands.timeline import is_in, steps_range
from replay.cli.repl.command import Command, Result
from replay.cli.repl.state import State
from replay.cli.repl.waits import label, labels
from replay.cli.text import Cell, Column, table
from replay.quantities import counted
from replay.recording.events import Kind
from replay.recording.recording import Step

_MAX_ROWS: Final = 200
_LOOP_KEY: Final = -Kind.LOOP
_COLUMNS: Final = (Column("step", "right"), Column("ran"), Column("was ready too"))


def choices_of(state: State) -> list[tuple[Step, list[int]]]:
    """Return each step of a task at which others were ready, and these, in the order they became so."""
    ready_at: dict[int, list[int]] = defaultdict(list)
    for task in state.session.tasks():
        if task.spawned_at is not None:
            ready_at[task.spawned_at.step].append(task.id)
    for number, woken_at in state.wakes().items():
        for at in woken_at:
            ready_at[at].append(number)
    runs = _runs_of_loops(state)
    ready: dict[int, tuple[int, int] | None] = {}  # the run in which it runs next, by task
    found: list[tuple[Step, list[int]]] = []

    def make_ready(at: int) -> None:
        ready.update((one, runs.get(_next_of(state, one, at))) for one in ready_at[at])

    make_ready(0)
    for step in state.session.steps:
        ready.pop(step.task, None)
        if step.task:
            others = [one for one, run in ready.items() if run == runs[step.number]]
            if others:
                found.append((step, others))
        make_ready(step.number)
    return found


def _next_of(state: State, task: int, after: int) -> int:
    """Return the number of the next step of a task; 0 if there is none."""
    own = state.steps_of(task)
    at = bisect_right(own, after, key=lambda step: step.number)
    return own[at].number if at < len(own) else 0


def _runs_of_loops(state: State) -> dict[int, tuple[int, int]]:
    """Return for each step in which run of a loop it was: the thread, and how many began there before."""
    begun: Counter[int] = Counter()
    found: dict[int, tuple[int, int]] = {}
    for event in state.session.recording.events():
        if event.key >= 0:
            found[event.step] = event.stream, begun[event.stream]
        elif event.key == _LOOP_KEY and event.value:
            begun[event.stream] += 1
    return found


def _choices(state: State, text: str) -> Result:
    wanted = steps_range(text or None)
    found = [(step, others) for step, others in choices_of(state) if is_in(step, wanted)]
    rows = [
        [
            Cell(f"@{step.number}", "position"),
            Cell(label(state, step.task), "name"),
            Cell(labels(state, others), "dim"),
        ]
        for step, others in found[:_MAX_ROWS]
    ]
    lines = table(_COLUMNS, rows, state.style) if rows else ["at none of these steps was another task ready"]
    if len(found) > _MAX_ROWS:
        left = counted(len(found) - _MAX_ROWS, "more")
        lines.append(state.style("dim", f"({left}; `choices @{found[_MAX_ROWS][0].number}..` goes on)"))
    diverged = state.session.timeline.divergence
    if diverged is not None:
        told = f"the replay diverges at {diverged.position}: nothing is known from there on"
        lines.append(state.style("hint", told))
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
        "List the steps at which other tasks were ready, too",
        ("choices", "choices @1..@20"),
        ("ready", "schedule", "why"),
        _choices,
        takes="range",
        needs_replay=True,
    ),
)
