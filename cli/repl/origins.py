"""The command that goes from an event back to its origin: who woke who did it, who woke those, and so on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from replay.cli.commands.events import VALUE_LIMIT, Selection, event_line, range_of
from replay.cli.repl.causes import by_lines, maker_of
from replay.cli.repl.command import Command, Result
from replay.cli.repl.moving import place_of
from replay.cli.repl.showing import owner_label
from replay.cli.repl.state import State
from replay.cli.repl.waits import label
from replay.positions import Position
from replay.recording.recording import Owner, Task
from replay.timeline.session import Cause

_MAX_LINKS: Final = 20


def _cause(state: State, text: str) -> Result:
    lines: list[str] = []
    step: int | None
    if text[:1] == "#":
        chosen = Selection(state.session.recording, range_of(text), None, [])
        place = place_of(state, text)
        ((event, owner),) = chosen
        lines.append(event_line(event, owner, chosen, state.style, VALUE_LIMIT))
        step, whose = _step_of(state, event.step, owner), "the loop" if owner.kind == "loop" else "a thread"
    elif text:
        place = place_of(state, text)
        step, whose = place.step, ""
    else:
        stop = state.session.stop
        place = stop.position
        step, whose = (place.step if _is_of_a_step(stop.owner) else None), owner_label(state, stop.owner)
    data: list[dict[str, Any]] = []
    for found, told in _links(state, step):
        data.append(found)
        lines += told
        if len(data) == _MAX_LINKS:
            lines.append(state.style("dim", f"(`cause {found['pos']}` may go on)"))
            break
    if not data:
        none = f"nothing of the program runs at {place}"
        lines.append(f"it is of {whose}: nobody woke that" if step is None else none)
    if state.session.timeline.divergence is not None:
        lines.append(state.style("hint", "the replay diverges: what woke whom is known up to there only"))
    return Result(lines, data)


def _step_of(state: State, upto: int, owner: Owner) -> int | None:
    """Return the step that an event happened in; None if that was in none."""
    if owner.kind not in ("task", "callback"):
        return None
    for step in reversed(state.session.steps[:upto]):
        if step.stream == owner.stream:
            return step.number if step.task == owner.task else None
    return None


def _is_of_a_step(owner: str) -> bool:
    return owner.startswith(("T", "callback@"))


def _links(state: State, step: int | None) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Yield a step, and what made it run, then the step in which that was done, and so on."""
    tasks = {task.id: task for task in state.session.tasks()}
    steps = state.session.steps
    while step is not None and 0 < step <= len(steps):
        number = steps[step - 1].task
        place = state.style("position", f"@{step}")
        if number not in tasks:
            told = [f"{place}  a callback; who had it called is not recorded"]
            yield {"pos": f"@{step}", "task": None, "done_at": None}, told
            return
        done_in, how = _what_made_it_run(state, tasks, tasks[number], step)
        name = state.style("name", label(state, number))
        done_at = None if done_in is None else f"@{done_in}"
        yield {"pos": f"@{step}", "task": f"T{number}", "done_at": done_at}, [f"{place}  {name}", *how]
        step = done_in


def _what_made_it_run(
    state: State, tasks: dict[int, Task], task: Task, step: int
) -> tuple[int | None, list[str]]:
    """Return in which step it was done that a task runs in a step, and how.

    Without a step, nobody of the program did it, or it is not known who.
    """
    own = [one.number for one in state.steps_of(task.id) if one.number < step]
    born = task.spawned_at or Position(0)
    cause = state.session.cause("wake", task, Position(own[-1]) if own else born, Position(step))
    if cause is not None:
        where = state.style("position", str(cause.position))
        told = [f"  {where} {line.strip()}" for line in by_lines(state, cause, "woken by")]
        return _done_in(cause, tasks, own), told
    if own:
        return None, ["  what made it ready is not known"]
    maker, where = maker_of(state, task)
    told = [f"  {state.style('position', str(born))} made by {maker}{where}"]
    return None if task.parent is None else born.step, told


def _done_in(cause: Cause, tasks: dict[int, Task], own: list[int]) -> int | None:
    """Return the step of the program in which it was done that a task was woken; None: it came from outside.

    Args:
      own: the steps of the task up to there.
    """
    how = cause.how
    is_loops = cause.owner.startswith("callback") or how["because"] == "timer" or how["agent"] is not None
    if not is_loops or any(not frame["is_internal"] for frame in how["frames"]):
        return cause.position.step
    ended = tasks.get(how["ended"] or 0)
    if ended is not None:
        return None if ended.ended_at is None else ended.ended_at.step
    wait = how["wait"]
    return own[-1] if own and wait is not None and wait["kind"] == "sleep" else None


COMMANDS: Final = (
    Command(
        "cause",
        "events",
        "cause [#N | POSITION]",
        "Go from an event, or a place, back to its origin: who woke that task, who woke those, and so on",
        ("cause", "cause @4"),
        ("why", "event", "last"),
        _cause,
        takes="position",
        needs_replay=True,
    ),
)
