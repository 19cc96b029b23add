"""The line at the bottom of the screen."""

from __future__ import annotations

import os

from replay.cli.repl.state import State
from replay.cli.text import printable, shorten
from replay.quantities import counted, duration

_MAX_NAME = 30
_MAX_FILE = 40
_MAX_COUNTED = 1000
"""Of more tasks it is not looked up, at each prompt, how many are ready."""


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
    parts += [_tasks(state), "< rc rs rn  s n c >", "F1 help"]
    return shorten(" | ".join(parts), state.width)


def _tasks(state: State) -> str:
    here = state.position
    assert here is not None
    assert state.stop is not None
    alive = sum(
        task.ended_at is None or task.ended_at.step >= here.step
        for task in state.made(state.session.tasks())
        if not task.is_internal
    )
    if state.stop.has_ended or alive > _MAX_COUNTED:
        return counted(alive, "task")
    ready = sum(one["task"] is not None for one in state.session.inspect("ready"))
    return counted(alive, "task") + (f" {ready} ready" if ready else "")
