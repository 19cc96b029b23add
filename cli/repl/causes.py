"""What woke a task, and who cancelled it, in words; from what ``Session.cause`` finds."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from replay.cli.reading import place_of
from replay.cli.repl.command import Result
from replay.cli.repl.scopes import cancelled_lines, canceller_text
from replay.cli.repl.showing import owner_label
from replay.cli.repl.state import State
from replay.cli.repl.waits import label, place_text, what_text
from replay.cli.text import printable
from replay.positions import Position
from replay.recording.recording import Task
from replay.timeline.session import Cause

_SLEPT = "a timer: its sleep is over"
_JOB = "the job, which has ended in its thread"
_ENDED = {"returned": "has returned", "failed": "has failed", "cancelled": "was cancelled"}


def why_ready(state: State, task: Task, *, is_ready: bool) -> Result:
    """Say what woke a task that is ready here; if it is not, what woke it last."""
    here = state.position
    assert here is not None
    name, style = state.style("name", label(state, task.id)), state.style
    own = [step.number for step in state.steps_of(task.id)]
    upto = here.step if here.line else here.step - 1
    count = bisect_right(own, upto)
    data: dict[str, Any] = {"task": f"T{task.id}", "ready": is_ready, "pos": None, "cause": None}
    if not is_ready and not count:
        return Result([f"{name} has not been ready yet"], data)
    runs = own[count - (not is_ready)] if count - (not is_ready) < len(own) else None
    before = count - 1 - (not is_ready)
    first = Position(own[before]) if before >= 0 else task.spawned_at or Position(0)
    end = here if is_ready else Position(own[count - 1])
    cause = state.session.cause("wake", task, first, end)
    if cause is None and before >= 0:
        verb = "is ready" if is_ready else "was ready"
        return Result([f"{name} {verb}{_runs(runs, is_ready)}; what made it so is not known"], data)
    if cause is None:
        return Result([f"{name} {_new(state, task)}{_runs(runs, is_ready)}"], data)
    place = style("position", str(cause.position))
    verb = "is ready since" if is_ready else "was made ready last at"
    data |= {"pos": str(cause.position), "by": cause.owner, "runs": runs, "cause": cause.how}
    lines = [f"{name} {verb} {place}{_runs(runs, is_ready)}"]
    lines += _wait_lines(state, cause.how)
    if cause.how["because"] == "cancelled" and cause.how["awaited"] is None and cause.how["scope"] is None:
        lines.append("  what it awaited was cancelled: `why cancelled` tells more")
    lines += by_lines(state, cause, "woken by")
    if cause.how["error"] is not None:
        error = cause.how["error"]
        lines.append(f"  with {printable(error['type'])}: {printable(error['message'] or '')}".rstrip(": "))
    return Result(lines, data)


def why_cancelled(state: State, task: Task) -> Result:
    """Say who asked a task to cancel: last before here, or else later."""
    here = state.position
    assert here is not None
    name, style = state.style("name", label(state, task.id)), state.style
    born = task.spawned_at or Position(0)
    cause = state.session.cause("cancelled", task, born, here) if born < here else None
    data: dict[str, Any] = {"task": f"T{task.id}", "pos": None, "later": False, "cause": None}
    data["cancelled_by"] = scope = state.session.inspect("cancelled_by", task=task.id)
    if scope is not None and not _is_told(scope, cause):
        return Result([f"{name} {line}" for line in cancelled_lines(state, scope)], data)
    data["later"] = is_later = cause is None
    if cause is None and here < state.end:
        cause = state.session.cause("cancelled", task, max(here, born), state.end)
    if cause is None:
        lines = [f"{name} is never asked to cancel in this recording"]
        if task.state == "cancelled":
            lines.append(
                f"  it ends cancelled at {task.ended_at}: it raised CancelledError, or awaited what did"
            )
        return Result(lines, data)
    data |= {"pos": str(cause.position), "by": cause.owner, "cause": cause.how}
    verb = "will be" if is_later else "was"
    verb += " cancelled" if cause.how["scope"] is not None else " asked to cancel"
    lines = [f"{name} {verb} at {style('position', str(cause.position))}{_with(state, cause)}"]
    lines += by_lines(state, cause, "by")
    lines += _wait_lines(state, cause.how)
    if task.ended_at is not None:
        error = f": {printable(task.error_text)}" if task.error is not None else ""
        how = (
            "ends cancelled" if task.state == "cancelled" else f"is not cancelled in the end: it {task.state}"
        )
        lines.append(style("dim", f"  it {how} at {task.ended_at}{error}"))
    else:
        lines.append(style("dim", "  it does not end in this recording"))
    return Result(lines, data)


def _is_told(scope: dict[str, Any], cause: Cause | None) -> bool:
    """Whether a task of trio that a scope cancels has been woken for that, as a cause says."""
    told = None if cause is None else cause.how["scope"]
    same = ("task", "place", "reason", "deadline")
    return told is not None and all(told[key] == scope[key] for key in same)


def _runs(step: int | None, is_ready: bool) -> str:
    if step is None:
        return ", and does not run any more"
    return f", and {'runs' if is_ready else 'ran'} at @{step}"


def _new(state: State, task: Task) -> str:
    maker, where = maker_of(state, task)
    return f"was ready as soon as it was made: by {maker} at {task.spawned_at}{where}"


def maker_of(state: State, task: Task) -> tuple[str, str]:
    """Return who made a task, and where: empty if that was not recorded."""
    maker = "code outside of any task" if task.parent is None else label(state, task.parent)
    site = task.site
    if site is None:
        return maker, ""
    return (
        maker,
        f", in {printable(site.qualname)} {place_of(site, state.session.recording.header.get('cwd'))}",
    )


def _wait_lines(state: State, how: dict[str, Any]) -> list[str]:
    wait = how["wait"]
    if wait is None or wait["kind"] == "nothing":
        return []
    where = place_text(state, wait["place"])
    what = label(state, how["awaited"]) if how["awaited"] else what_text(wait)
    return [f"  it awaited: {what}" + (f", in {where}" if where else "")]


def _with(state: State, cause: Cause) -> str:
    """Return which tasks were cancelled, so that this one was."""
    through = cause.how["through"]
    return f", with {', '.join(label(state, one) for one in through)}, which waits for it" if through else ""


def by_lines(state: State, cause: Cause, how: str) -> list[str]:
    """Return whose doing it was, and through what."""
    scopes = [_scope_text(state, one) for one in cause.how["scopes"]]
    if cause.how["scope"] is not None:
        scopes.append(canceller_text(state, cause.how["scope"]))
    if not scopes or any(not frame["is_internal"] for frame in cause.how["frames"]):
        scopes.append(_who(state, cause))
    return [f"  {how}: {scopes[0]}", *(f"  which was done by: {one}" for one in scopes[1:])]


def _scope_text(state: State, scope: dict[str, Any]) -> str:
    where = place_text(state, scope["place"])
    where = f" in {where}" if where else ""
    match scope["kind"]:
        case "timeout" | "wait_for" as kind:
            over = ": its time was over" if scope["task"] else ""
            return f"asyncio.{kind}{where}{over}"
        case "task group":
            if scope["task"]:
                return f"the task group{where}: {label(state, scope['task'])} had failed"
            return f"the task group{where}: its body was left by an exception"
        case "gather":
            return f"the gather{where}, which was cancelled"
        case "asyncio.run":
            return "asyncio.run: at its end it cancels what is left"
        case _:
            return f"Ctrl-C{where}"


def _who(state: State, cause: Cause) -> str:
    """Return whose doing it was."""
    how = cause.how
    frames = how["frames"]
    own = next((at for at, frame in enumerate(frames) if not frame["is_internal"]), None)
    if how["awaited"] is not None:
        return f"{label(state, how['awaited'])}, which {_ended(state, how['awaited'])}"
    if how["because"] == "yield":
        return "nobody: it gave way to others"
    if own is not None:
        frame = frames[own]
        source = printable(state.sources.line(frame["path"], frame["line"]).strip())
        inner = f"  ({printable(frames[own - 1]['function'])})" if own and not how["scopes"] else ""
        who = owner_label(state, cause.owner)
        return f"{state.style('name', who)}, {place_text(state, frame)}  {source}{inner}"
    if how["callback"] is not None:
        return _callback_text(state, how)
    if how["ended"] is not None:
        return _end_text(state, how["ended"])
    if how["because"] == "timer":
        return _SLEPT
    if how["agent"] is not None:
        return _agent_text(how)
    if frames:
        return f"{owner_label(state, cause.owner)}, in {printable(frames[-1]['function'])}"
    return owner_label(state, cause.owner)


def _ended(state: State, number: int) -> str:
    found = next(task for task in state.session.tasks() if task.id == number)
    error = f": {printable(found.error_text)}" if found.error is not None else ""
    return _ENDED.get(found.state, "has ended") + error


def _callback_text(state: State, how: dict[str, Any]) -> str:
    """Return what made the loop run a callback."""
    callback = printable(how["callback"]["callback"])
    wait = how["wait"] or {"kind": "", "wakers": []}
    if how["ended"] is not None:
        return _end_text(state, how["ended"])
    if how["callback"]["because"] == "timer":
        is_over = wait["kind"] == "sleep" and how["because"] == "result"
        return _SLEPT if is_over else f"a timer ({callback})"
    if how["callback"]["because"] == "io":
        return f"{_descriptor_text(wait)} ({callback})"
    if wait["kind"] == "executor":
        return _JOB
    return f"a callback ({callback})"


def _agent_text(how: dict[str, Any]) -> str:
    """Return what of the outside has woken a task of trio."""
    wait = how["wait"] or {"kind": "", "wakers": []}
    match how["agent"]:
        case "fd":
            return _descriptor_text(wait)
        case "idle":
            return "the loop: all other tasks were waiting"
        case _ if how["error"] is not None and how["error"]["type"] == "KeyboardInterrupt":
            return "Ctrl-C"
        case _ if wait["kind"] == "thread":
            return _JOB
        case _ if wait["kind"] == "signal":
            return "a signal"
        case _:
            return f"a call from another thread, of {printable(how['frames'][0]['function'])}"


def _end_text(state: State, number: int) -> str:
    return f"the end of {label(state, number)}, which {_ended(state, number)}"


def _descriptor_text(wait: dict[str, Any]) -> str:
    fds = [one for one in wait["wakers"] if one["kind"] == "fd"]
    return f"descriptor {fds[0]['fd']} is ready to {fds[0]['detail']}" if fds else "a descriptor is ready"
