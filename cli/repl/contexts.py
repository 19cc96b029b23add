"""The command that shows context variables."""

from __future__ import annotations

from typing import Final

from replay.cli.repl.command import Command, Result
from replay.cli.repl.looking import value_lines
from replay.cli.repl.showing import owner_label
from replay.cli.repl.state import State
from replay.cli.repl.waits import label
from replay.errors import ReplayError
from replay.recording.recording import find_task


def _ctx(state: State, text: str) -> Result:
    number = find_task(state.session.tasks(), text).id if text else state.task
    found = state.session.context(number)
    who = owner_label(state, state.session.stop.owner) if number is None else label(state, number)
    if found is None:
        raise ReplayError(f"{who} has no context here: it has ended, or is not made yet")
    none = f"no context variable has a value for {who}"
    data = {"owner": state.session.stop.owner if number is None else f"T{number}", "variables": found}
    return Result(value_lines(state, found) or [none], data)


COMMANDS: Final = (
    Command(
        "ctx",
        "async",
        "ctx [T]",
        "Show the context variables that whoever runs here, or a task, has",
        ("ctx", "ctx T1"),
        ("locals", "task"),
        _ctx,
        takes="task",
        needs_replay=True,
    ),
)
