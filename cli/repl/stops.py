"""Commands about where to stop: breakpoints, and going on until one is met, forwards or backwards."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from typing import Any, Final

from replay.cli.repl.command import Group, Result, count_of, no_more
from replay.cli.repl.looking import frame_index, frames_of
from replay.cli.repl.moving import arrived, moved
from replay.cli.repl.state import State
from replay.cli.text import counted, printable
from replay.errors import UsageError
from replay.positions import Position
from replay.recording.recording import find_task
from replay.timeline.debuggee import Stop

_STOPS: Final = "stops"
_row: Final = Group(_STOPS).row
_CONDITION: Final = re.compile(r"\s*(?:,\s*(?:if\b)?|\bif\b)\s*(.+)\Z")
_FUNCTION: Final = re.compile(r"[A-Za-z_][\w.<>]*\Z")


@dataclass(slots=True)
class Breakpoint:
    """Where to stop.

    Attributes:
      number: by which it is called.
      text: as it was asked for.
      goal: a stop condition of ``replay.protocol``.
      condition: an expression that must be true.
      ignore_count: so often it is passed, still.
      hits_count: so often it was met.
    """

    number: int
    text: str
    goal: dict[str, Any]
    condition: str | None = None
    is_enabled: bool = True
    is_temporary: bool = False
    ignore_count: int = 0
    hits_count: int = 0

    def as_goal(self) -> dict[str, Any]:
        """Return it as the replay takes it."""
        more = {} if self.condition is None else {"condition": self.condition}
        return {**self.goal, **more, "id": self.number}


# -- places --------------------------------------------------------------------------------------


def goal_of(state: State, text: str) -> dict[str, Any]:
    """Return the stop condition that a text names: ``FILE:LINE``, ``LINE``, a function, ``task:``, ``exc:``.

    Raises:
      UsageError: it names nothing.
    """
    kind, colon, name = text.partition(":")
    if colon and kind == "task":
        return {"kind": "step", "owner": f"T{find_task(state.session.tasks(), name.strip()).id}"}
    if colon and kind == "exc":
        if not name.strip().replace(".", "_").isidentifier():
            raise UsageError(f"not the name of an exception: {name!r:.60}")
        return {"kind": "raise", "name": name.strip().rpartition(".")[2]}
    if text == ".":
        return _place_of_frame(state)
    file, colon, number = text.rpartition(":")
    if number.strip().isdigit():
        path = state.sources.path_of(file.strip()) if colon else _path_here(state)
        return {"kind": "place", "path": path, "lines": [_line_with_code(state, path, int(number))]}
    if not colon and _FUNCTION.match(text):
        return {"kind": "place", "name": _function(state, text)}
    raise UsageError(
        f"not a place to stop at: {text!r:.60}", hint="FILE:LINE, LINE, FUNCTION, task:NAME, exc:TYPE"
    )


def _place_of_frame(state: State) -> dict[str, Any]:
    frames = dict(frames_of(state)) if state.can_replay else {}
    frame = frames.get(frame_index(state))
    if frame is None:
        raise UsageError("there is no line here to stop at", hint="FILE:LINE, FUNCTION, task:NAME, exc:TYPE")
    return {"kind": "place", "path": frame["path"], "lines": [frame["lineno"]]}


def _path_here(state: State) -> str:
    frames = frames_of(state) if state.can_replay else []
    own = [frame["path"] for _, frame in frames if frame["is_own"]]
    if own:
        return str(own[0])
    files = list(state.sources.texts)
    if not files:
        raise UsageError("the recording has no source", hint="name a function")
    return files[0]


def _line_with_code(state: State, path: str, number: int) -> int:
    """Return the line, or the next one that has code.

    Raises:
      UsageError: there is none.
    """
    try:
        tree = ast.parse("\n".join(state.sources.lines(path)))
    except (SyntaxError, ValueError):
        return number
    lines = {node.lineno for node in ast.walk(tree) if isinstance(node, (ast.stmt, ast.expr))}
    later = [line for line in lines if line >= number]
    if not later:
        raise UsageError(f"{state.sources.short(path)} has no code from line {number} on")
    return min(later)


def _function(state: State, name: str) -> str:
    found: set[str] = set()
    for path in state.sources.texts:
        try:
            tree = ast.parse(state.sources.texts[path])
        except (SyntaxError, ValueError):
            continue
        defs = (ast.FunctionDef, ast.AsyncFunctionDef)
        found |= {node.name for node in ast.walk(tree) if isinstance(node, defs)}
    if name.rpartition(".")[2] in found:
        return name
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(found), n=1)
    raise UsageError(
        f"the program has no function called {name}",
        hint=f"did you mean `{near[0]}`?" if near else "FILE:LINE, FUNCTION, task:NAME, exc:TYPE",
    )


def goal_text(state: State, goal: dict[str, Any]) -> str:
    """Return a stop condition in words."""
    match goal:
        case {"kind": "place", "path": str(path), "lines": [line, *_]}:
            return f"{printable(state.sources.short(path))}:{line}"
        case {"kind": "place", "name": name}:
            return f"{printable(name)}()"
        case {"kind": "step", "owner": owner}:
            return f"steps of task {printable(state.owner_name(owner))}"
        case _:
            return f"where {printable(str(goal.get('name')))} is raised"


# -- breakpoints ---------------------------------------------------------------------------------


def _break(state: State, text: str, *, is_temporary: bool = False) -> Result:
    if not text:
        return _breakpoints(state, "")
    found = _CONDITION.search(text)
    condition = found[1].strip() if found else None
    where = text[: found.start()].strip() if found else text
    if condition is not None:
        _check_expression(condition)
    goal = goal_of(state, where)
    if condition is not None and goal["kind"] == "step":
        raise UsageError("a stop before a step can have no condition: no frame is there yet")
    number = max(state.breakpoints, default=0) + 1
    found_one = Breakpoint(number, where, goal, condition, is_temporary=is_temporary)
    state.breakpoints[number] = found_one
    return Result([_line(state, found_one)], _json(state, found_one))


def _tbreak(state: State, text: str) -> Result:
    if not text:
        raise UsageError("`tbreak` takes a place", hint="FILE:LINE, FUNCTION, task:NAME, exc:TYPE")
    return _break(state, text, is_temporary=True)


def _check_expression(text: str) -> None:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        raise UsageError(f"a condition is an expression: {text!r:.60}") from None


def _line(state: State, one: Breakpoint) -> str:
    parts = [f"{'tbreak' if one.is_temporary else 'break'} {one.number}: {goal_text(state, one.goal)}"]
    if one.condition is not None:
        parts.append(f"if {printable(one.condition)}")
    if not one.is_enabled:
        parts.append("(disabled)")
    if one.ignore_count:
        parts.append(f"(passes {counted(one.ignore_count, 'more time')})")
    if one.hits_count:
        parts.append(f"met {counted(one.hits_count, 'time')}")
    return "  ".join(parts)


def _json(state: State, one: Breakpoint) -> dict[str, object]:
    return {
        "number": one.number,
        "where": goal_text(state, one.goal),
        "condition": one.condition,
        "enabled": one.is_enabled,
        "temporary": one.is_temporary,
        "ignore": one.ignore_count,
        "hits": one.hits_count,
    }


def _breakpoints(state: State, text: str) -> Result:
    no_more(text, "breakpoints")
    every = list(state.breakpoints.values())
    return Result(
        [_line(state, one) for one in every] or ["no breakpoints"], [_json(state, one) for one in every]
    )


def _chosen(state: State, text: str) -> list[Breakpoint]:
    if not text:
        return list(state.breakpoints.values())
    found = []
    for word in text.replace(",", " ").split():
        if not (word.isascii() and word.isdigit() and int(word[:9]) in state.breakpoints):
            raise UsageError(f"no such breakpoint: {word!r:.60}", hint="`breakpoints` lists them")
        found.append(state.breakpoints[int(word)])
    return found


def _clear(state: State, text: str) -> Result:
    chosen = _chosen(state, text)
    for one in chosen:
        del state.breakpoints[one.number]
    return Result([f"cleared {counted(len(chosen), 'breakpoint')}"], [one.number for one in chosen])


def _switched(state: State, text: str, is_enabled: bool) -> Result:
    chosen = _chosen(state, text)
    for one in chosen:
        one.is_enabled = is_enabled
    return Result([_line(state, one) for one in chosen], [_json(state, one) for one in chosen])


def _enable(state: State, text: str) -> Result:
    return _switched(state, text, True)


def _disable(state: State, text: str) -> Result:
    return _switched(state, text, False)


def _condition(state: State, text: str) -> Result:
    word, _, condition = text.partition(" ")
    if not word:
        raise UsageError(
            "`condition` takes a breakpoint", hint="`condition 1 total > 5`; `condition 1` ends it"
        )
    (one,) = _chosen(state, word)
    if condition.strip():
        _check_expression(condition.strip())
        if one.goal["kind"] == "step":
            raise UsageError("a stop before a step can have no condition: no frame is there yet")
    one.condition = condition.strip() or None
    return Result([_line(state, one)], _json(state, one))


def _ignore(state: State, text: str) -> Result:
    word, _, count = text.partition(" ")
    if not word:
        raise UsageError("`ignore` takes a breakpoint", hint="`ignore 1 5` passes it five times")
    (one,) = _chosen(state, word)
    one.ignore_count = 0 if count.strip() == "0" else count_of(count.strip(), "ignore")
    return Result([_line(state, one)], _json(state, one))


# -- going on ------------------------------------------------------------------------------------


def _continue(state: State, text: str) -> Result:
    more = [goal_of(state, text)] if text else []
    return _go_on(state, more, is_backward=False)


def _reverse_continue(state: State, text: str) -> Result:
    more = [goal_of(state, text)] if text else []
    return _go_on(state, more, is_backward=True)


def _until(state: State, text: str) -> Result:
    stop = state.session.stop
    if text:
        goal = goal_of(state, text)
    elif stop.path is not None and stop.lineno is not None:
        # As pdb: a line further down, so that a loop is left.
        last = len(state.sources.lines(stop.path))
        goal = {"kind": "place", "path": stop.path, "lines": list(range(stop.lineno + 1, last + 1))}
    else:
        raise UsageError("`until` takes a place here: no frame is running", hint="`until FILE:LINE`")
    if goal["kind"] != "step":
        goal = {**goal, "owner": stop.owner}
    return _go_on(state, [goal], is_backward=False)


def _go_on(state: State, more: list[dict[str, Any]], *, is_backward: bool) -> Result:
    session, before = state.session, state.session.stop
    if before.is_over and not is_backward:
        return moved(state, lambda: None, "this is the end of the run")
    if is_backward and before.position == Position(0):
        return moved(state, lambda: None, "this is the start of the recording")
    while True:
        goals = [one.as_goal() for one in state.breakpoints.values() if one.is_enabled] + more
        found: Stop | None = session.reverse_continue(goals) if is_backward else session.continue_(goals)
        met = None if found is None or found.id is None else state.breakpoints.get(found.id)
        if met is None or found is None or found.reason != "met":
            break
        met.hits_count += 1
        if met.ignore_count:
            met.ignore_count -= 1
            continue
        if met.is_temporary:
            del state.breakpoints[met.number]
        break
    result = arrived(state, before)
    if met is not None:
        state.reason = f"breakpoint {met.number}"
        result.lines[0] += state.style("marker", f"  breakpoint {met.number}")
    if isinstance(result.data, dict):
        result.data["breakpoint"] = None if met is None else met.number
    return result


_MOTIONS: Final = (
    _row(
        "continue",
        "continue [PLACE]",
        "Go on to the next breakpoint, or to a place, or to the end",
        ("continue", "c exc:ValueError"),
        ("break", "reverse-continue", "until"),
        _continue,
        ("c", "cont"),
        "place",
    ),
    _row(
        "reverse-continue",
        "reverse-continue [PLACE]",
        "Go back to the last breakpoint before here, or to a place, or to the start",
        ("reverse-continue", "rc exc:ValueError"),
        ("continue", "break"),
        _reverse_continue,
        ("rc",),
        "place",
    ),
    _row(
        "until",
        "until [PLACE]",
        "Go on until this task is at a place, or on a line below this one",
        ("until", "unt exc:ValueError"),
        ("continue", "finish"),
        _until,
        ("unt",),
        "place",
    ),
)

COMMANDS: Final = (
    *(replace(one, is_motion=True, needs_replay=True) for one in _MOTIONS),
    _row(
        "break",
        "break [PLACE[, if EXPR]]",
        "Stop at FILE:LINE, LINE, . (this line), FUNCTION, task:NAME or exc:TYPE; alone: list them",
        ("break task:1", "b exc:ValueError, if True"),
        ("tbreak", "continue", "condition", "clear"),
        _break,
        ("b", "breakpoints"),
        "place",
    ),
    _row(
        "tbreak",
        "tbreak PLACE[, if EXPR]",
        "Stop at a place once",
        ("tbreak task:1", "tbreak exc:ValueError"),
        ("break",),
        _tbreak,
        (),
        "place",
    ),
    _row(
        "clear",
        "clear [N ...]",
        "Forget breakpoints; alone: all of them",
        ("clear 1", "cl"),
        ("break", "disable"),
        _clear,
        ("cl", "delete"),
    ),
    _row(
        "disable",
        "disable [N ...]",
        "Pass breakpoints, until `enable`; alone: all of them",
        ("disable 1", "disable"),
        ("enable", "clear"),
        _disable,
    ),
    _row(
        "enable", "enable [N ...]", "Stop at breakpoints again", ("enable 1", "enable"), ("disable",), _enable
    ),
    _row(
        "condition",
        "condition N [EXPR]",
        "Stop at a breakpoint only where an expression is true; alone: always",
        ("condition 1 x > 5", "condition 1"),
        ("break", "ignore"),
        _condition,
    ),
    _row(
        "ignore",
        "ignore N COUNT",
        "Pass a breakpoint so many times",
        ("ignore 1 5", "ignore 1 0"),
        ("break", "condition"),
        _ignore,
    ),
)
