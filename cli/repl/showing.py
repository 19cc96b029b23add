"""How a stop looks: the line it begins with, the source there, the prompt."""

from __future__ import annotations

from typing import Any

from replay.cli.repl.state import State
from replay.cli.text import printable, shorten
from replay.positions import Position
from replay.quantities import duration
from replay.timeline.debuggee import Stop

_MAX_VALUE = 80


def owner_label(state: State, owner: str) -> str:
    """Return whose code it is, in words."""
    if owner.startswith("T"):
        return f"task {printable(state.owner_name(owner))}"
    if owner.startswith("callback"):
        return "a callback"
    return "the main thread" if owner == "main" else printable(owner)


def prompt_text(state: State) -> str:
    """Return the prompt."""
    if state.collecting is not None:
        return f"(commands {state.collecting[0]}, `end` ends them) "
    stop = state.stop
    if stop is None:
        return "(replay file) "
    owners = [stop.owner] if state.task is None else [stop.owner, f"T{state.task}"]
    who = " -> ".join(shorten(printable(state.owner_name(owner)), 24) for owner in owners)
    return f"(replay {stop.position} {who}) "


def stop_lines(state: State, stop: Stop) -> list[str]:
    """Return the lines that say where one is."""
    style = state.style
    place = style("position", str(stop.position))
    mark = style("marker", ">")
    if stop.is_over:
        return [f"{mark} {place}  {_over(state, stop)}"]
    who = owner_label(state, stop.owner)
    if stop.path is None or stop.lineno is None:
        if stop.position.step == 0 and stop.position.line == 0:
            return [f"{mark} {place}  the start: nothing of the program has run"]
        return _about_to_run(state, f"{mark} {place}  {style('name', who)} is about to run")
    where = style("source", f"{printable(state.sources.short(stop.path))}:{stop.lineno}")
    line = f"{mark} {where} {printable(stop.function or '')}()  {style('name', who)}  {place}"
    event = _event(state, stop)
    if event:
        line += f"  {event}"
    text = state.sources.line(stop.path, stop.lineno).strip()
    return [line, f"{style('marker', '->')} {printable(text)}"] if text else [line]


def _about_to_run(state: State, text: str) -> list[str]:
    """Return the lines for a place before a step: where it will go on, if that is known."""
    found = state.session.place()
    if found is None:
        return [text]
    path, number, function = found
    where = f"{printable(state.sources.short(path))}:{number}"
    source = printable(state.sources.line(path, number).strip())
    text += f": {state.style('source', where)} {printable(function)}()"
    return [text, f"{state.style('marker', '->')} {source}"] if source else [text]


def _event(state: State, stop: Stop) -> str:
    if stop.event not in ("return", "raise"):
        return ""
    found = state.session.value() or {}
    text = printable(str(found.get("text") or found.get("error") or ""))
    if stop.event == "return":
        return f"returns {shorten(text, _MAX_VALUE)}".rstrip()
    return state.style("error", f"raises {shorten(text, _MAX_VALUE)}".rstrip())


def _over(state: State, stop: Stop) -> str:
    match stop.reason:
        case "diverged":
            return state.style("error", "the replay has diverged")
        case "over":
            return printable((stop.message or "the recording ends here").partition("\n")[0])
        case _:
            detail = "" if stop.detail is None else f" {printable(str(stop.detail))}"
            how = {"exit": "exit code", "signal": "signal"}.get(stop.how or "", printable(stop.how or ""))
            return f"the end of the run: {how}{detail}" if how else "the end of the run"


def stop_json(state: State, stop: Stop) -> dict[str, Any]:
    """Return where one is, for programs."""
    return {
        "step": stop.position.step,
        "line": stop.position.line,
        "t_ns": state.time_ns(stop.position),
        "task": stop.owner if stop.owner.startswith("T") else None,
        "owner": stop.owner,
        "name": state.owner_name(stop.owner),
        "event": stop.event,
        "reason": stop.reason,
        "file": None if stop.path is None else state.sources.short(stop.path),
        "lineno": stop.lineno,
        "function": stop.function,
        "message": stop.message,
    }


def when_text(state: State, stop: Stop) -> str:
    """Return where one is, in one line that begins with the position."""
    parts = [str(stop.position), f"of {len(state.session.steps)}"]
    time_ns = state.time_ns(stop.position)
    if time_ns is not None:
        parts.append(f"t={duration(time_ns)}")
    parts.append(owner_label(state, stop.owner) if not stop.is_over else _over(state, stop))
    if stop.path is not None:
        parts.append(
            f"{printable(state.sources.short(stop.path))}:{stop.lineno} {printable(stop.function or '')}"
        )
    return "  ".join(parts)


def meanwhile_text(state: State, before: Position, after: Position) -> str:
    """Return what ran between two steps, in a few words; empty if nothing did."""
    steps = state.session.steps[before.step : after.step - 1]
    if not steps:
        return ""
    names: dict[str, None] = {}
    callbacks_count = 0
    for step in steps:
        if step.task:
            names[printable(state.owner_name(f"T{step.task}"))] = None
        else:
            callbacks_count += 1
    who = list(names)[:4] + ([f"{len(names) - 4} more tasks"] if len(names) > 4 else [])
    if callbacks_count:
        who.append("a callback" if callbacks_count == 1 else f"{callbacks_count} callbacks")
    first, last = steps[0].number, steps[-1].number
    which = f"step @{first}" if first == last else f"steps @{first}..@{last}"
    return f"meanwhile {which} ran: {', '.join(who)}"
