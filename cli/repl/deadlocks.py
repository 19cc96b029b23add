"""Deadlocks in words: the cycle first, then who waits for it, then what could end it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from replay.analysis.deadlocks import Blocked, Cycle, Deadlocks, find_deadlocks
from replay.analysis.hangs import Hang, find_hang
from replay.cli.repl.command import Group, Result, no_more
from replay.cli.repl.state import State
from replay.cli.repl.waits import label, labels, place_text, waker_text
from replay.cli.text import printable, shorten
from replay.quantities import counted

_row: Final = Group("async", needs_replay=True).row
_MOST: Final = 20
"""So many tasks are shown that are in no cycle."""
_MAX_SOURCE: Final = 80


def deadlock_lines(state: State, found: Deadlocks, threads: Sequence[dict[str, Any]]) -> list[str]:
    """Return all that is known of who waits for ever; and where other threads are."""
    lines: list[str] = []
    for cycle in found.cycles:
        lines += _cycle_lines(state, found, cycle)
    lines += _tasks_lines(state, found, found.behind, "waiting for these:")
    deadlines = [f"  {_deadline_text(state, task, one)}" for task, one in found.deadlines()]
    if deadlines:
        lines += ["deadlines that would end it:", *dict.fromkeys(deadlines)]
    elif found.cycles:
        lines.append("no deadline would end it")
    if not found.cycles:
        lines.append("no cycle: no tasks hold what the others of them want")
    lines += _tasks_lines(state, found, found.stuck, "nothing that is known can end these waits:")
    lines += _tasks_lines(state, found, found.outside, "waiting for the outside, or for one that can go on:")
    if threads:
        lines.append("other threads that wait:")
        lines += [line for place in threads for line in _place_lines(state, "a thread", place)]
    return lines


def _cycle_lines(state: State, found: Deadlocks, cycle: Cycle) -> list[str]:
    them = "it" if len(cycle.tasks) == 1 else "them"
    known = "" if cycle.is_certain else " that is known"
    lines = [f"{state.style('error', f'cycle of {len(cycle.tasks)}')}: nothing else{known} can wake {them}"]
    for task in cycle.tasks:
        one = found.blocked[task]
        lines.append(f"  {state.style('name', label(state, task))}")
        held: list[str] = []
        for other in cycle.tasks:
            for edge in found.blocked[other]["edges"]:
                if edge["by"] == task and edge["why"] == "holds it":
                    what = _what(found.blocked[other], edge["name"])
                    held += _place_lines(state, f"holds {what}", edge["place"])
        lines += dict.fromkeys(held)
        by = list(dict.fromkeys(edge["by"] for edge in one["edges"] if edge["is_certain"]))
        is_held = any(edge["why"] == "holds it" for edge in one["edges"])
        text = (
            f"wants {_what(one, one['name'])}, held by " if is_held else f"awaits {_what(one, one['name'])}: "
        )
        lines += _place_lines(state, text + labels(state, by), one["place"])
    return lines


def _what(one: Blocked, name: str | None) -> str:
    return f'{one["kind"]} "{printable(name)}"' if name else str(one["kind"])


def _place_lines(state: State, text: str, place: dict[str, Any] | None) -> list[str]:
    if place is None:
        return [f"    {text}"]
    source = shorten(printable(state.sources.line(place["path"], place["line"]).strip()), _MAX_SOURCE)
    shown = state.style("source", f"-> {source}") if source else ""
    return [f"    {text}  ({place_text(state, place)})", f"      {shown}".rstrip()]


def _tasks_lines(state: State, found: Deadlocks, tasks: tuple[int, ...], title: str) -> list[str]:
    if not tasks:
        return []
    lines = [title]
    for task in tasks[:_MOST]:
        one = found.blocked[task]
        where = f" in {place_text(state, one['place'])}" if one["place"] else ""
        lines.append(
            f"  {state.style('name', label(state, task))}  {_what(one, one['name'])}{where}{_by(state, one)}"
        )
    if len(tasks) > _MOST:
        lines.append(state.style("dim", f"  and {counted(len(tasks) - _MOST, 'more task')}"))
    return lines


def _by(state: State, one: Blocked) -> str:
    certain = [edge["by"] for edge in one["edges"] if edge["is_certain"]]
    others = [edge["by"] for edge in one["edges"] if not edge["is_certain"]]
    text = f": {labels(state, certain)}" if certain else ""
    if others:
        text += f"; could be ended by {labels(state, others)}"
    if one["outside"]:
        text += f"; by {', '.join(dict.fromkeys(waker_text(state, waker) for waker in one['outside']))}"
    return text


def _deadline_text(state: State, task: int, one: dict[str, Any]) -> str:
    where = f" in {place_text(state, one['place'])}" if one["place"] else ""
    return f"{one['kind']}{where}, of {label(state, one['task'] or task)}"


def deadlock_json(found: Deadlocks) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "cycles": [
            {"tasks": [f"T{task}" for task in cycle.tasks], "certain": cycle.is_certain}
            for cycle in found.cycles
        ],
        "behind": [f"T{task}" for task in found.behind],
        "stuck": [f"T{task}" for task in found.stuck],
        "outside": [f"T{task}" for task in found.outside],
        "waits": [found.blocked[task] for task in sorted(found.blocked)],
    }


def hang_lines(state: State, hang: Hang) -> list[str]:
    """Return where a run hung, and who waited for whom there."""
    found = hang.deadlocks
    where = state.style("position", str(hang.position))
    if hang.before_signal:
        lines = [f"before the program was told of a signal, after {where}:"]
    elif hang.is_stopped:
        lines = [f"where the recording ends, after {where}:"]
    else:
        lines = [f"the run came to its own end, after {where}:"]
    if not found.blocked:
        return [*lines, "no deadlock: no task waits there"]
    return lines + deadlock_lines(state, found, hang.threads)


def hang_json(hang: Hang) -> dict[str, Any]:
    """Return the same for programs."""
    how = "signal" if hang.before_signal else "stopped" if hang.is_stopped else "ended"
    return {
        "after": str(hang.position),
        "how": how,
        **deadlock_json(hang.deadlocks),
        "threads": list(hang.threads),
    }


def _deadlocks(state: State, text: str) -> Result:
    no_more(text, "deadlocks")
    if state.session.stop.is_over:
        hang = find_hang(state.session.timeline)
        return Result(hang_lines(state, hang), hang_json(hang))
    found = find_deadlocks(state.session.inspect("blocked"))
    threads = state.session.inspect("threads")
    return Result(deadlock_lines(state, found, threads), {**deadlock_json(found), "threads": threads})


COMMANDS: Final = (
    _row(
        "deadlocks",
        "deadlocks",
        "Show who waits for whom in a circle here, and who waits for those; at the end, where the run hung",
        ("deadlocks", "goto end"),
        ("why", "tree", "tasks"),
        _deadlocks,
    ),
)
