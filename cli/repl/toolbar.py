"""The line at the bottom of the screen."""

from __future__ import annotations

import os

from replay.cli.repl.state import State
from replay.cli.text import printable, shorten
from replay.quantities import counted, duration

_MAX_NAME = 30
_MAX_FILE = 40


def toolbar_text(state: State) -> str:
    """Return what the line says, as wide as it may be."""
    name = shorten(printable(os.path.basename(state.session.path)), _MAX_FILE)
    stop = state.stop
    if stop is None:
        parts = [name, "no replay here", "tasks  timeline  events", "F1 help"]
        return shorten(" | ".join(parts), state.width)
    parts = [f"{name} {stop.position} of {len(state.session.steps)}"]
    time_ns = state.time_ns(stop.position)
    if time_ns is not None:
        parts.append(f"t={duration(time_ns)}")
    if stop.path is not None:
        who = shorten(printable(state.owner_name(stop.owner)), _MAX_NAME)
        place = f"{printable(state.sources.short(stop.path))}:{stop.lineno}"
        parts.append(f"{who} {shorten(printable(stop.function or ''), _MAX_NAME)} {place}")
    parts += [counted(_alive_count(state), "task"), "< rc rs rn  s n c >", "F1 help"]
    return shorten(" | ".join(parts), state.width)


def _alive_count(state: State) -> int:
    here = state.position
    assert here is not None
    return sum(
        (task.spawned_at is None or task.spawned_at < here)
        and (task.ended_at is None or task.ended_at.step >= here.step)
        for task in state.session.tasks()
        if not task.is_internal
    )
