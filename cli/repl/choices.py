"""The command that lists the steps at which other tasks were ready, too.

Ready is what had been made or woken, and had not run since; of those that ran next in the same run of the
same loop, for what its end leaves ready could not have run. Callbacks are left out: when one becomes ready
is not noticed. In asyncio the first that is ready runs; in trio any of a batch may.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from itertools import islice
from typing import Final, NamedTuple

from replay.cli.commands.timeline import is_in, steps_range
from replay.cli.repl.command import Command, Result
from replay.cli.repl.state import State
from replay.cli.repl.waits import label, labels
from replay.cli.text import Cell, Column, table
from replay.quantities import counted
from replay.recording.events import Kind
from replay.recording.recording import Step

_MAX_ROWS: Final = 200
_MAX_OTHERS: Final = 20
_LOOP_KEY: Final = -Kind.LOOP
Run = tuple[int, int]
"""A run of a loop: its thread, and how many had begun there before."""

_COLUMNS: Final = (Column("step", "right"), Column("ran"), Column("was ready too"))


class Choice(NamedTuple):
    """A step of a task at which others were ready.

    Attributes:
      others: the first of them, in the order they became so; others_count: how many there were.
    """

    step: Step
    others: list[int]
    others_count: int


def choices_of(state: State) -> list[Choice]:
    """Return each step of a task at which others were ready."""
    ready_at: dict[int, list[int]] = defaultdict(list)
    for task in state.session.tasks():
        if task.spawned_at is not None:
            ready_at[task.spawned_at.step].append(task.id)
    for number, wakes in state.wakes().items():
        for wake in wakes:
            ready_at[wake.step].append(number)
    runs = _runs_of_loops(state)
    run_of: dict[int, Run | None] = {}  # the run in which it runs next, by task
    ready: dict[Run | None, dict[int, None]] = defaultdict(dict)
    found: list[Choice] = []

    def make_ready(at: int) -> None:
        for one in ready_at[at]:
            run = runs.get(_next_of(state, one, at))
            if one in run_of and run_of[one] != run:
                ready[run_of[one]].pop(one, None)
            run_of[one] = run
            ready[run][one] = None

    make_ready(0)
    for step in state.session.steps:
        ready[run_of.pop(step.task, None)].pop(step.task, None)
        others = ready[runs[step.number]]
        if step.task and others:
            found.append(Choice(step, list(islice(others, _MAX_OTHERS)), len(others)))
        make_ready(step.number)
    return found


def _next_of(state: State, task: int, after: int) -> int:
    """Return the number of the next step of a task; 0 if there is none."""
    own = state.steps_of(task)
    at = bisect_right(own, after, key=lambda step: step.number)
    return own[at].number if at < len(own) else 0


def _runs_of_loops(state: State) -> dict[int, Run]:
    """Return for each step in which run of a loop it was."""
    begun: Counter[int] = Counter()
    found: dict[int, Run] = {}
    for event in state.session.recording.events():
        if event.key >= 0:
            found[event.step] = event.stream, begun[event.stream]
        elif event.key == _LOOP_KEY and event.value:
            begun[event.stream] += 1
    return found


def _choices(state: State, text: str) -> Result:
    wanted = steps_range(text or None)
    found = [one for one in choices_of(state) if is_in(one.step, wanted)]
    rows = [
        [
            Cell(f"@{one.step.number}", "position"),
            Cell(label(state, one.step.task), "name"),
            Cell(labels(state, one.others, one.others_count), "dim"),
        ]
        for one in found[:_MAX_ROWS]
    ]
    lines = table(_COLUMNS, rows, state.style) if rows else ["at none of these steps was another task ready"]
    if len(found) > _MAX_ROWS:
        left = counted(len(found) - _MAX_ROWS, "more step")
        lines.append(state.style("dim", f"({left}; `choices @{found[_MAX_ROWS].step.number}..` goes on)"))
    diverged = state.session.timeline.divergence
    if diverged is not None:
        told = f"the replay diverges at {diverged.position}: nothing is known from there on"
        lines.append(state.style("hint", told))
    data = [
        {
            "pos": f"@{one.step.number}",
            "task": f"T{one.step.task}",
            "others": [f"T{other}" for other in one.others],
            "others_count": one.others_count,
        }
        for one in found
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
