"""Commands that go elsewhere: by lines, by steps, to a place, and back to where one was."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Final

from replay.cli.repl.command import Command, Handler, Result, Takes, count_of, no_more
from replay.cli.repl.showing import (
    meanwhile_text,
    owner_label,
    stop_json,
    stop_lines,
    when_text,
)
from replay.cli.repl.state import Bounds, State
from replay.cli.text import printable
from replay.errors import ReplayError, UsageError
from replay.positions import EventIndex, Position, check_place, parse_place
from replay.recording.recording import find_task
from replay.timeline.debuggee import Stop

_FORWARD, _BACKWARD, _STEPS, _TRAVEL = "run forward", "run backward", "scheduler", "travel"
_UNITS: Final = {"ns": 1, "us": 1000, "µs": 1000, "ms": 1_000_000, "s": 1_000_000_000}
_TIME: Final = re.compile(r"t=(\d+(?:\.\d+)?)\s*([a-zµ]+)")
_NAME: Final = re.compile(r"[A-Za-z_][\w.-]*")
_WORDS: Final = ("start", "end", "failure")

Move = Callable[[], Stop | None]


# -- what a move is ------------------------------------------------------------------------------


def moved(state: State, move: Move, nowhere: str, count: int = 1, *, says_meanwhile: bool = False) -> Result:
    """Move so many times, as far as it goes; say where one is then.

    Args:
      nowhere: what to say if one cannot move at all.
    """
    before = state.session.stop
    stop: Stop | None = None
    for _ in range(count):
        found = move()
        if found is None:
            break
        stop = found
        if stop.is_over or stop.reason == "called":
            break
    bounds = None if stop is None else _brought_back(state)
    if bounds is not None:
        stop = state.session.stop
        nowhere = f"motions stay between {bounds}"
    if stop is None or (stop.position == before.position and stop.event == before.event):
        # A search for what comes next may have met the end of what can be replayed.
        diverged = state.session.timeline.divergence
        if stop is None and diverged is not None and not before.is_over:
            return _diverged(diverged, [])
        data = {**stop_json(state, state.session.stop), "moved": False, "bounded": bounds is not None}
        if stop is not None and stop.reason == "called":
            nowhere = "interrupted"
        return Result([f"{nowhere}: still at {before.position}"], data)
    return arrived(state, before, says_meanwhile=says_meanwhile, bounds=bounds)


def arrived(
    state: State, before: Stop, *, says_meanwhile: bool = False, bounds: Bounds | None = None
) -> Result:
    """Say where one is, having been elsewhere.

    Args:
      before: where one was.
      bounds: without which one would be further on, or back.
    """
    bounds = _brought_back(state) or bounds
    stop = state.session.stop
    if before.position != stop.position:
        state.past.append(before.position)
        state.future.clear()
    result = _here(state, before, stop, says_meanwhile=says_meanwhile)
    if isinstance(result.data, dict):
        result.data["moved"] = before.position != stop.position or before.event != stop.event
        result.data["bounded"] = bounds is not None
    if bounds is not None:
        result.lines[0] += state.style("marker", f"  bounds {bounds.first} {bounds.last}")
    return result


def _brought_back(state: State) -> Bounds | None:
    """Go to the nearest place that motions may go to, if this is none; return the bounds then."""
    position = state.session.stop.position
    bounds = state.forbids(position)
    if bounds is not None:
        state.session.timeline.goto(bounds.nearest(position))
    return bounds


def _here(state: State, before: Stop, stop: Stop, *, says_meanwhile: bool = False) -> Result:
    state.task = state.frame = state.listed = None
    state.reason = "interrupted" if stop.reason == "called" else ""
    lines = stop_lines(state, stop)
    data = {**stop_json(state, stop), "moved": True}
    if stop.reason == "called":
        lines.append(state.style("hint", f"interrupted at {stop.position}"))
    if says_meanwhile and stop.owner == before.owner and stop.position.step > before.position.step + 1:
        text = meanwhile_text(state, before.position, stop.position)
        data["meanwhile"] = text or None
        if text:
            lines[0] += state.style("dim", f"  {text}")
    if stop.reason == "diverged":
        return _diverged(stop, lines)
    if stop.reason == "over" and stop.message:
        lines += [state.style("dim", printable(line)) for line in stop.message.splitlines()[1:]]
    return Result(lines, data)


def _diverged(stop: Stop, lines: list[str]) -> Result:
    return Result(lines, None, ReplayError(stop.message or "the replay has diverged"), diverged=True)


def _line_move(name: str, nowhere: str, *, says_meanwhile: bool = False) -> Handler:
    """Return what does a motion of `Motions`, so many times."""

    def run(state: State, text: str) -> Result:
        count = count_of(text, name.replace("_", "-"))
        motions = state.session.motions
        motions.is_own_only = not state.settings.internals
        owner = owner_label(state, state.session.stop.owner)
        told = nowhere.format(owner=owner)
        # Nobody runs at the end: before it is what ran last, whoever that was.
        is_from_end = state.session.stop.is_over and name.startswith("reverse")
        move = motions.reverse_step_any if is_from_end else getattr(motions, name)
        return moved(state, move, told, count, says_meanwhile=says_meanwhile)

    return run


_LAST: Final = "nothing more of {owner} runs from here"
_FIRST: Final = "nothing of {owner} ran before"
_NO_CALLER: Final = "no line of {owner} called what runs here"
_AT_START: Final = "this is the start of the recording"


# -- scheduler steps -----------------------------------------------------------------------------


def _forward(state: State, text: str) -> Result:
    count = count_of(text, "+")
    if state.session.stop.is_over:
        return moved(state, lambda: None, "this is the end of the run")
    return moved(state, lambda: state.session.motions.step_forward(count), "this is the end of the run")


def _back(state: State, text: str) -> Result:
    count = count_of(text, "-")
    return moved(state, lambda: state.session.motions.step_back(count), _AT_START)


def _task_forward(state: State, text: str) -> Result:
    owner = _owner(state, text)
    who = owner_label(state, owner)
    return moved(state, lambda: state.session.motions.task_forward(owner), f"{who} does not run any more")


def _task_back(state: State, text: str) -> Result:
    owner = _owner(state, text)
    who = owner_label(state, owner)
    return moved(state, lambda: state.session.motions.task_back(owner), f"{who} has not run before")


def _owner(state: State, text: str) -> str:
    return f"T{find_task(state.session.tasks(), text).id}" if text else state.session.stop.owner


# -- travel --------------------------------------------------------------------------------------


def place_of(state: State, text: str) -> Position:
    """Return the position that a text names.

    Raises:
      UsageError: none.
    """
    text = text.strip()
    if text == "start":
        return Position(0)
    if text == "end":
        return state.end
    if text == "failure":
        failure = state.failure()
        if failure is None:
            raise UsageError("this run did not fail", hint="`goto end` is where it ended")
        return failure.position
    if text in state.bookmarks:
        return state.bookmarks[text]
    found = _relative(state, text) or _timed(state, text)
    if found is not None:
        return found
    if text[:1] in ("@", "#"):
        return _numbered(state, text)
    near = get_close_matches(text, [*_WORDS, *state.bookmarks], n=1)
    forms = "positions are @N, @N.k, #N, start, end, failure, +N, -N, N%, t=1.5ms, and bookmarks"
    raise UsageError(f"no such place: {text!r:.60}", hint=f"did you mean `{near[0]}`?" if near else forms)


def _numbered(state: State, text: str) -> Position:
    place = parse_place(text)
    recording = state.session.recording
    check_place(place, steps_count=len(state.session.steps), events_count=recording.events_count)
    if isinstance(place, EventIndex):
        return Position(next(event.step for event in recording.events() if event.index == place.index))
    return place


def _relative(state: State, text: str) -> Position | None:
    last = state.end.step
    if text.endswith("%") and text[:-1].isdigit():
        percent = int(text[:-1])
        if percent > 100:
            raise UsageError(f"a run has 100%, not {percent}%")
        return Position(round((last - 1) * percent / 100) or (1 if last > 1 else 0))
    if text[:1] in "+-" and text[1:].isdigit() and text[1:].isascii():
        here = (state.position or Position(0)).step
        return Position(min(max(here + int(text), 0), last))
    return None


def _timed(state: State, text: str) -> Position | None:
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    if found[2] not in _UNITS:
        raise UsageError(f"no such unit of time: {found[2]}", hint="ns, us, ms, s")
    wanted = float(found[1]) * _UNITS[found[2]]
    steps = state.session.steps
    began = [step.number for step in steps if step.start_ns <= wanted]
    return Position(began[-1] if began else 0)


def goto(state: State, position: Position) -> Result:
    """Go to a position."""
    before = state.session.stop
    bounds = state.forbids(position)
    if bounds is not None:
        raise UsageError(f"{position} is not between {bounds}", hint="`bounds off` lets motions go anywhere")
    if before.position == position and not before.is_over:
        return Result([*stop_lines(state, before)], {**stop_json(state, before), "moved": False})
    stop = state.session.timeline.goto(position)
    result = arrived(state, before)
    if position.line and stop.position.step > position.step:
        result.lines.append(
            state.style("hint", f"step @{position.step} is over before {position}; this is {stop.position}")
        )
    return result


def _goto(state: State, text: str) -> Result:
    if not text:
        raise UsageError("`goto` takes a position", hint="`goto failure`, `goto @7`, `help positions`")
    return goto(state, place_of(state, text))


def _when(state: State, text: str) -> Result:
    no_more(text, "when")
    stop = state.session.stop
    return Result([when_text(state, stop)], stop_json(state, stop))


def _history(state: State, from_: list[Position], to: list[Position], nowhere: str, text: str) -> Result:
    count = count_of(text, "back")
    before = state.session.stop
    if not from_:
        return Result([nowhere], {**stop_json(state, before), "moved": False})
    for _ in range(min(count, len(from_))):
        to.append(state.session.stop.position)
        state.session.timeline.goto(from_.pop())
    _brought_back(state)
    return _here(state, before, state.session.stop)


def _go_back(state: State, text: str) -> Result:
    return _history(state, state.past, state.future, "nowhere to go back to: this is where you began", text)


def _go_forward(state: State, text: str) -> Result:
    return _history(state, state.future, state.past, "nowhere to go forward to: `back` was not used", text)


def _bookmark(state: State, text: str) -> Result:
    name, _, where = text.partition(" ")
    if name[:1] == "@" and not where:
        name, where = "", name
    if not name:
        name = next(f"b{at}" for at in range(1, 10**6) if f"b{at}" not in state.bookmarks)
    if not _NAME.fullmatch(name) or name in _WORDS:
        raise UsageError(f"not a name for a bookmark: {name!r:.60}", hint="letters, digits, `_`, `.`, `-`")
    position = _named_or_here(state, where, f"bookmark {name} @7")
    state.bookmarks[name] = position
    return Result([f"bookmark {name} = {state.style('position', str(position))}"], {name: str(position)})


def _named_or_here(state: State, where: str, example: str) -> Position:
    """Return a place that was named, or else where one is: without a replay one is nowhere."""
    if where:
        return place_of(state, where)
    if state.position is None:
        raise UsageError("without a replay one is nowhere: say which place", hint=f"`{example}`")
    return state.position


def _bookmarks(state: State, text: str) -> Result:
    no_more(text, "bookmarks")
    found = sorted(state.bookmarks.items(), key=lambda pair: (pair[1], pair[0]))
    lines = [f"{state.style('position', f'{position!s:>8}')}  {name}" for name, position in found]
    data = {name: str(position) for name, position in found}
    return Result(lines or ["no bookmarks"], data)


def _note(state: State, text: str) -> Result:
    if not text:
        found = sorted(state.notes)
        lines = [f"{state.style('position', f'{place!s:>8}')}  {printable(said)}" for place, said in found]
        return Result(lines or ["no notes"], [{"pos": str(place), "note": said} for place, said in found])
    where, _, said = text.partition(" ")
    if where[:1] != "@":
        where, said = "", text
    if not said.strip():
        raise UsageError("`note` takes what is to be noted", hint="`note TEXT`, `note @7.2 TEXT`")
    position = _named_or_here(state, where, "note @7 TEXT")
    state.notes.append((position, said.strip()))
    place = state.style("position", str(position))
    return Result([f"noted at {place}"], {"pos": str(position), "note": said.strip()})


def _reached(state: State, position: Position, here: Position) -> Position:
    """Return the place where one is having gone to a position: a step may be over before it."""
    if not position.line:
        return position
    try:
        return state.session.timeline.goto(position).position
    finally:
        state.session.timeline.goto(here)


def _bounds(state: State, text: str) -> Result:
    words = text.split()
    if words == ["off"]:
        state.bounds = None
    elif len(words) == 2:
        here = state.session.stop.position
        bounds = Bounds(*(_reached(state, place_of(state, word), here) for word in words))
        if bounds.first >= bounds.last:
            raise UsageError(f"nothing is between {bounds}", hint="the first place comes first")
        if bounds.nearest(here) != here:
            hint = f"`goto {bounds.first}` first" + ("" if state.bounds is None else ", after `bounds off`")
            raise UsageError(f"{here}, where you are, is not between {bounds}", hint=hint)
        state.bounds = bounds
    elif words:
        raise UsageError(f"`bounds` takes two places, or `off`: {text!r:.60}", hint="`bounds @5 failure`")
    if state.bounds is None:
        return Result(["motions go anywhere in the run"], None)
    told = [str(place) for place in state.bounds]
    shown = " and ".join(state.style("position", place) for place in told)
    return Result([f"motions stay between {shown}"], told)


def _restart(state: State, text: str) -> Result:
    if text and text not in state.bookmarks:
        raise UsageError(f"no such bookmark: {text!r:.60}", hint="`bookmarks` lists them")
    return goto(state, state.bookmarks[text] if text else Position(0))


def _rev(state: State, text: str) -> Result:
    from replay.cli.repl.table import find

    word, _, rest = text.partition(" ")
    found = find(word)
    name = None if found is None else {"+": "-", "tcont": "rtcont"}.get(found.name, f"reverse-{found.name}")
    command = None if name is None else find(name)
    if command is None:
        which = "rev step, next, finish, continue, step-any, tcont, +"
        raise UsageError(f"`rev` takes a motion that goes forward: {text!r:.60}", hint=which)
    return command.run(state, rest.strip())


def _jump(_state: State, _text: str) -> Result:
    raise UsageError("a recording cannot skip code", hint="`goto POSITION` goes where the program has been")


def _motion(
    name: str,
    group: str,
    synopsis: str,
    summary: str,
    examples: tuple[str, str],
    see: tuple[str, ...],
    run: Handler,
    short: tuple[str, ...] = (),
    takes: Takes = "",
) -> Command:
    return Command(
        name, group, synopsis, summary, examples, see, run, short, takes, is_motion=True, needs_replay=True
    )


COMMANDS: Final = (
    _motion(
        "step",
        _FORWARD,
        "step [N]",
        "Go to the next place of this task: into calls, and on to its next step",
        ("step", "s 5"),
        ("next", "finish", "reverse-step"),
        _line_move("step", _LAST),
        ("s",),
    ),
    _motion(
        "next",
        _FORWARD,
        "next [N]",
        "Go to this task's next line, over calls and over what others do meanwhile",
        ("next", "n 3"),
        ("step", "finish", "reverse-next"),
        _line_move("next", _LAST, says_meanwhile=True),
        ("n",),
    ),
    _motion(
        "finish",
        _FORWARD,
        "finish",
        "Go on until this function has returned, across awaits",
        ("finish", "rev finish"),
        ("next", "reverse-finish"),
        _line_move("finish", _LAST, says_meanwhile=True),
        ("fin", "return", "r"),
    ),
    _motion(
        "step-any",
        _FORWARD,
        "step-any [N]",
        "Go to the next line of whoever runs",
        ("step-any", "sa 10"),
        ("step", "tcont", "reverse-step-any"),
        _line_move("step_any", "nothing runs after this"),
        ("sa",),
    ),
    _motion(
        "reverse-step",
        _BACKWARD,
        "reverse-step [N]",
        "Go to the place of this task before this one: undoes `step`",
        ("reverse-step", "rs 5"),
        ("step", "reverse-next"),
        _line_move("reverse_step", _FIRST),
        ("rs",),
    ),
    _motion(
        "reverse-next",
        _BACKWARD,
        "reverse-next [N]",
        "Go to this task's line before, over calls and over others",
        ("reverse-next", "rn 3"),
        ("next", "reverse-finish"),
        _line_move("reverse_next", _FIRST),
        ("rn",),
    ),
    _motion(
        "reverse-finish",
        _BACKWARD,
        "reverse-finish",
        "Go back to the line that called this function",
        ("reverse-finish", "rf"),
        ("finish", "reverse-next"),
        _line_move("reverse_finish", _NO_CALLER),
        ("rf",),
    ),
    _motion(
        "reverse-step-any",
        _BACKWARD,
        "reverse-step-any [N]",
        "Go to the line before, of whoever ran",
        ("reverse-step-any", "rsa 10"),
        ("step-any", "rtcont"),
        _line_move("reverse_step_any", "nothing ran before this"),
        ("rsa",),
    ),
    _motion(
        "rtcont",
        _BACKWARD,
        "rtcont [T]",
        "Go back to where a task ran last; this one, if none is named",
        ("rtcont", "rtc T2"),
        ("tcont", "-"),
        _task_back,
        ("rtc",),
        "task",
    ),
    _motion(
        "rev",
        _BACKWARD,
        "rev CMD",
        "Do a motion backwards",
        ("rev next", "rev step 5"),
        ("reverse-step", "reverse-next", "rtcont"),
        _rev,
        (),
        "command",
    ),
    _motion(
        "tcont",
        _STEPS,
        "tcont [T]",
        "Go on to where a task runs next; this one, if none is named",
        ("tcont", "tc T2"),
        ("rtcont", "+"),
        _task_forward,
        ("tc",),
        "task",
    ),
    _motion("+", _STEPS, "+ [N]", "Go so many scheduler steps on", ("+", "+ 5"), ("-", "tcont"), _forward),
    _motion("-", _STEPS, "- [N]", "Go so many scheduler steps back", ("-", "- 5"), ("+", "rtcont"), _back),
    _motion(
        "goto",
        _TRAVEL,
        "goto POSITION",
        "Go to a position, forwards or backwards",
        ("goto @7", "g failure"),
        ("when", "bookmark", "back"),
        _goto,
        ("g",),
        "position",
    ),
    Command(
        "when",
        _TRAVEL,
        "when",
        "Say where this is: position, time, whose code",
        ("when", "when | head 1"),
        ("goto", "where"),
        _when,
        needs_replay=True,
    ),
    _motion(
        "back",
        _TRAVEL,
        "back [N]",
        "Go back to where you were before the last motion",
        ("back", "back 2"),
        ("forward", "goto"),
        _go_back,
    ),
    _motion(
        "forward",
        _TRAVEL,
        "forward [N]",
        "Undo `back`",
        ("forward", "forward 2"),
        ("back", "goto"),
        _go_forward,
    ),
    Command(
        "bookmark",
        _TRAVEL,
        "bookmark [NAME [POSITION]]",
        "Give this place, or another, a name",
        ("bookmark overwrite", "bm first @1"),
        ("bookmarks", "goto"),
        _bookmark,
        ("bm", "checkpoint"),
    ),
    Command(
        "bookmarks",
        _TRAVEL,
        "bookmarks",
        "List the bookmarks",
        ("bookmarks", "bookmarks | grep b"),
        ("bookmark",),
        _bookmarks,
    ),
    Command(
        "note",
        _TRAVEL,
        "note [[@POSITION] TEXT]",
        "Note something about this place, or another; alone: list the notes. `save` keeps them",
        ("note", "note @1 where it begins"),
        ("bookmark", "save"),
        _note,
    ),
    Command(
        "bounds",
        _TRAVEL,
        "bounds [A B | off]",
        "Keep motions and stops between two places; alone: say between which",
        ("bounds start end", "bounds off"),
        ("goto", "continue"),
        _bounds,
        takes="position",
        needs_replay=True,
    ),
    _motion(
        "restart",
        _TRAVEL,
        "restart [BOOKMARK]",
        "Go to the start, or to a bookmark",
        ("restart", "run"),
        ("goto", "bookmark"),
        _restart,
        ("run",),
        "position",
    ),
    Command(
        "jump",
        _TRAVEL,
        "jump",
        "Refused: a recording cannot skip code; `goto` goes where the program has been",
        ("goto @7", "goto end"),
        ("goto",),
        _jump,
        ("j",),
        needs_replay=True,
    ),
)
