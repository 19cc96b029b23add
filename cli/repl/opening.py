"""Where a session begins, and what it says then."""

from __future__ import annotations

import os

from replay.cli.repl.command import Result
from replay.cli.repl.moving import goto, place_of
from replay.cli.repl.showing import stop_json
from replay.cli.repl.state import State
from replay.cli.text import printable, shorten
from replay.positions import Position
from replay.timeline.session import Failure

_MAX_FAILURE = 100
_TELLING = ("look", "async", "events")
"""Groups of commands that tell of the run."""


def open_at(state: State, place: str | None) -> Result:
    """Go to where the session is to begin: a place, the failure, or the first step.

    A run that was stopped has its end as its failure: there one sees who waits for what.

    Raises:
      ReplayError: there is no such place.
    """
    if not state.can_replay:
        if place is not None:
            place_of(state, place)
        return Result([*_headline(state, None), *_refused(state)])
    where = None if place is None else place_of(state, place)
    failure = state.failure() if where is None else None
    outcome = state.session.recording.outcome
    opened = None
    if failure is not None:
        where, opened = failure.position, "opened at the failure; `why` explains"
    elif where is None and (outcome.is_cut or outcome.is_failure):
        where, opened = state.end, "opened where it ends"
    elif where is None:
        where = Position(1 if state.session.steps else 0)
    result = goto(state, where)
    state.past.clear()
    if opened is not None and state.session.stop.reason == "over":  # the program itself has not ended
        opened += "; `deadlocks` and `tasks` show who waits"
    result.lines = _headline(state, None if result.diverged else opened, failure) + result.lines
    result.data = stop_json(state, state.session.stop)
    return result


def _headline(state: State, opened: str | None, failure: Failure | None = None) -> list[str]:
    recording = state.session.recording
    outcome = recording.outcome
    argv = recording.header.get("argv")
    name = (
        os.path.basename(str(argv[0]))
        if isinstance(argv, list) and argv
        else os.path.basename(state.session.path)
    )
    parts = [state.style("name", printable(name))]
    failures = recording.failures()
    error = failure.text if failure is not None else failures[0].error_text if failures else ""
    if error:
        parts += [state.style("error", "FAILED"), shorten(printable(error), _MAX_FAILURE)]
    elif outcome.is_failure:
        parts += [state.style("error", "FAILED"), printable(f"{outcome.how} {outcome.detail}")]
    elif outcome.is_cut:
        parts.append("cut: nothing says how it ended")
    counts = f"{len(state.session.steps)} steps, {len(state.session.tasks())} tasks; "
    tail = f"{opened}, " if opened else counts
    return ["  ".join(parts) + state.style("dim", f"      {tail}`help` lists the commands")]


def _refused(state: State) -> list[str]:
    from replay.cli.repl.table import COMMANDS

    refusal = state.session.refusal
    assert refusal is not None
    lines = [f"{state.style('error', 'it cannot be replayed here:')} {printable(refusal.message)}"]
    if refusal.hint:
        lines.append(f"{state.style('hint', 'hint:')} {printable(refusal.hint)}")
    told = [one.name for one in COMMANDS if not one.needs_replay and one.group in _TELLING]
    return [*lines, f"what the recording alone can tell is here: {', '.join(told)}"]
