"""The command about exceptions: what tasks failed with, with what that comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from replay.cli.commands.tasks import task_json
from replay.cli.repl.command import Command, Result
from replay.cli.repl.state import State
from replay.cli.repl.waits import label, place_text
from replay.cli.text import printable, shorten
from replay.errors import ReplayError, UsageError
from replay.positions import Position
from replay.quantities import counted
from replay.recording.recording import Task, find_task

_MOST: Final = 20
"""So many are looked into, unless one is named: for each the run is gone through up to its end."""

_HOW: Final = {"": "", "part": "", "cause": "caused by ", "context": "while handling "}


def _exceptions(state: State, text: str) -> Result:
    tasks = state.session.tasks()
    failed = [task for task in tasks if task.error is not None]
    if text:
        one = find_task(tasks, text)
        if one not in failed:
            raise UsageError(
                f"{label(state, one.id)} has not failed: it is {one.state}", hint="`exceptions` lists all"
            )
        failed = [one]
    failed.sort(key=lambda task: (task.ended_at or Position(0), task.id))
    ended_by = {task.id for task in state.session.recording.failures()}
    lines = list(_raised_here(state)) if not text else []
    data: list[dict[str, Any]] = []
    for at, task in enumerate(failed):
        mark = state.style("error", "X") if task.id in ended_by else " "
        place = state.style("position", f"{task.ended_at!s:>6}")
        tree = state.session.error_of(task) if state.can_replay and at < _MOST else None
        lines.append(
            f"{mark} {place}  {state.style('name', label(state, task.id))}: {_told(state, task, tree)}"
        )
        if tree is not None:
            lines += _below(state, tree, "           ")
        data.append({**task_json(task), "tree": tree})
    failure = state.failure() if state.can_replay and not ended_by and not text else None
    if failure is not None:
        place = state.style("position", f"{failure.position!s:>6}")
        lines.append(f"{state.style('error', 'X')} {place}  outside of any task: {printable(failure.text)}")
        data.append({"task": None, "position": str(failure.position), "error": failure.text})
    if (ended_by or failure is not None) and not text:
        lines.append(state.style("dim", "(X: these ended the run; `goto failure`)"))
    if state.can_replay and len(failed) > _MOST:
        more = counted(len(failed) - _MOST, "more exception")
        lines.append(state.style("dim", f"({more} without what they come from; `exceptions T` shows it)"))
    return Result(lines or ["no task has failed"], data)


def _raised_here(state: State) -> Iterator[str]:
    """Yield what is raised where one is."""
    if state.stop is None or state.stop.event != "raise":
        return
    try:
        tree = state.session.inspect("raised")
    except ReplayError:
        return
    if tree is not None:
        yield f"raised here: {_node(state, tree)}"
        yield from _below(state, tree, "           ")


def _told(state: State, task: Task, tree: dict[str, Any] | None) -> str:
    text = shorten(printable(task.error_text), 200)
    where = "" if tree is None else place_text(state, tree["place"])
    return f"{text}  {state.style('dim', where)}".rstrip()


def _below(state: State, tree: dict[str, Any], rest: str) -> Iterator[str]:
    more = tree["more_count"]
    for at, one in enumerate(tree["below"]):
        is_last = at == len(tree["below"]) - 1 and not more
        yield state.style("dim", rest + ("└─ " if is_last else "├─ ")) + _node(state, one)
        yield from _below(state, one, rest + ("   " if is_last else "│  "))
    if more:
        yield state.style("dim", f"{rest}└─ and {more} more")


def _node(state: State, tree: dict[str, Any]) -> str:
    error = tree["error"]
    message = f": {printable(error['message'])}" if error["message"] else ""
    again = "  (see above)" if tree["is_again"] else ""
    where = state.style("dim", place_text(state, tree["place"]))
    return f"{_HOW[tree['how']]}{shorten(printable(error['type']) + message, 200)}  {where}".rstrip() + again


COMMANDS: Final = (
    Command(
        "exceptions",
        "events",
        "exceptions [T]",
        "Show what tasks have failed with: groups as trees, causes, what was being handled",
        ("exceptions", "exceptions | grep ValueError"),
        ("tasks", "goto"),
        _exceptions,
        takes="task",
    ),
)
