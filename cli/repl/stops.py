"""Commands about where to stop, and going on until that is met, forwards or backwards.

Breakpoints and watched expressions are one list, and share what switches, forgets and counts them.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from typing import Any, Final

from replay.cli.commands.events import kinds_of
from replay.cli.repl.command import Group, Result, count_of, no_more
from replay.cli.repl.looking import frame_index, frames_of, look_at_change
from replay.cli.repl.moving import arrived, moved
from replay.cli.repl.showing import owner_label
from replay.cli.repl.state import State
from replay.cli.repl.waits import label
from replay.cli.text import printable, shorten
from replay.errors import UsageError
from replay.positions import Position
from replay.quantities import counted
from replay.recording.describe import event_name
from replay.recording.events import Kind
from replay.recording.recording import find_task
from replay.timeline.debuggee import Stop

PLACES: Final = "FILE:LINE, FUNCTION, task:NAME, await:PLACE, event:KIND, exc:TYPE, cancel[:NAME]"
_STOPS: Final = "stops"
_AT: Final = {"place": "", "await": "an await that suspends, of "}
_MAX_VALUE: Final = 80
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
      commands: what is run where it is met.
    """

    number: int
    text: str
    goal: dict[str, Any]
    condition: str | None = None
    is_enabled: bool = True
    is_temporary: bool = False
    ignore_count: int = 0
    hits_count: int = 0
    commands: tuple[str, ...] = ()

    def as_goal(self) -> dict[str, Any]:
        """Return it as the replay takes it."""
        more = {} if self.condition is None else {"condition": self.condition}
        return {**self.goal, **more, "id": self.number}


# -- places --------------------------------------------------------------------------------------


def goal_of(state: State, text: str) -> dict[str, Any]:
    """Return the stop condition that a text names: see `PLACES`.

    Raises:
      UsageError: it names nothing.
    """
    kind, colon, name = text.partition(":")
    if kind == "cancel" and (name.strip() or not colon):
        return _cancel_goal(state, name.strip())
    if colon and kind == "event":
        return _event_goal(state, name)
    if colon and kind == "await":
        return _await_goal(state, goal_of(state, name.strip()))
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
    raise UsageError(f"not a place to stop at: {text!r:.60}", hint=PLACES)


def _cancel_goal(state: State, name: str) -> dict[str, Any]:
    """Return where a task is asked to cancel; in trio none is, scopes are cancelled.

    Raises:
      UsageError: it is a task of trio, or there are no others.
    """
    chosen = [find_task(state.session.tasks(), name)] if name else state.session.tasks()
    if chosen and all(task.is_of_trio for task in chosen):
        what = f"{label(state, chosen[0].id)} is a task of trio" if name else "these are tasks of trio"
        word = f"T{chosen[0].id}" if name else "T"
        raise UsageError(
            f"{what}: none is cancelled by itself, the scopes that they are in are",
            hint=f"`why cancelled {word}` tells where; `break exc:Cancelled` stops where it arrives",
        )
    return {"kind": "cancel", **({"task": chosen[0].id} if name else {})}


def _event_goal(state: State, text: str) -> dict[str, Any]:
    recording = state.session.recording
    names = kinds_of(recording, [text])
    if "step" in names:
        raise UsageError("a step is no event to stop at", hint="`break task:NAME`, `tcont`, `+`")
    tags = {tag for tag, name in recording.door_names.items() if name in names}
    tags |= {kind.value for kind in Kind if kind.name.lower() in names}
    return {"kind": "event", "tags": sorted(tags)}


def _await_goal(state: State, place: dict[str, Any]) -> dict[str, Any]:
    if place["kind"] != "place":
        raise UsageError("`await:` takes a line or a function", hint="await:FILE:LINE, await:FUNCTION")
    if "name" in place:
        return {"kind": "await", "name": place["name"]}
    path, (number,) = place["path"], place["lines"]
    return {"kind": "await", "path": path, "lines": _lines_of_await(state, path, number)}


def _lines_of_await(state: State, path: str, number: int) -> list[int]:
    """Return the lines of the statement (or its head) around a line, which must have an await.

    Raises:
      UsageError: there is no await.
    """
    try:
        tree = ast.parse("\n".join(state.sources.lines(path)))
    except (SyntaxError, ValueError):
        return [number]
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        body = getattr(node, "body", None)
        last = max(body[0].lineno - 1, node.lineno) if body else node.end_lineno or node.lineno
        if node.lineno <= number <= last and _has_await(node):
            return list(range(node.lineno, last + 1))
    raise UsageError(
        f"{state.sources.short(path)}:{number} has no await", hint="`break FILE:LINE` is any line"
    )


def _has_await(node: ast.AST) -> bool:
    """Whether a statement waits for something: itself, not in its body."""
    if isinstance(node, (ast.AsyncFor, ast.AsyncWith, ast.Await)):
        return True
    if isinstance(node, ast.comprehension) and node.is_async:
        return True
    inner = (child for child in ast.iter_child_nodes(node) if not isinstance(child, (ast.stmt, ast.Lambda)))
    return any(map(_has_await, inner))


def _place_of_frame(state: State) -> dict[str, Any]:
    frames = dict(frames_of(state)) if state.can_replay else {}
    frame = frames.get(frame_index(state))
    if frame is None:
        raise UsageError("there is no line here to stop at", hint=PLACES)
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
        hint=f"did you mean `{near[0]}`?" if near else PLACES,
    )


def goal_text(state: State, goal: dict[str, Any]) -> str:
    """Return a stop condition in words."""
    match goal:
        case {"kind": "place" | "await" as kind, "path": str(path), "lines": [line, *_]}:
            return f"{_AT[kind]}{printable(state.sources.short(path))}:{line}"
        case {"kind": "place" | "await" as kind, "name": name}:
            return f"{_AT[kind]}{printable(name)}()"
        case {"kind": "event", "tags": tags}:
            return f"where {_event_names(state, tags)} is answered"
        case {"kind": "cancel", "task": number}:
            return f"where task {printable(state.owner_name(f'T{number}'))} is cancelled"
        case {"kind": "cancel"}:
            return "where a task is cancelled"
        case {"kind": "watch", "of": owner, "function": function}:
            return f"{printable(goal['text'])}  in {printable(function)}() of {owner_label(state, owner)}"
        case {"kind": "watch"}:
            return printable(goal["text"])
        case {"kind": "step", "owner": owner}:
            return f"steps of task {printable(state.owner_name(owner))}"
        case _:
            return f"where {printable(str(goal.get('name')))} is raised"


def _event_names(state: State, tags: list[int]) -> str:
    names = [event_name(-tag, state.session.recording.door_names) for tag in tags]
    return ", ".join(names[:3]) + (f" or {len(names) - 3} others" if len(names) > 3 else "")


# -- breakpoints ---------------------------------------------------------------------------------


def _break(state: State, text: str, *, is_temporary: bool = False) -> Result:
    if not text:
        return breakpoints(state, "")
    found = _CONDITION.search(text)
    condition = found[1].strip() if found else None
    where = text[: found.start()].strip() if found else text
    if condition is not None:
        _check_expression(condition)
    goal = goal_of(state, where)
    if condition is not None:
        _check_conditional(goal)
    return _added(state, where, goal, condition, is_temporary=is_temporary)


def _added(
    state: State, text: str, goal: dict[str, Any], condition: str | None = None, *, is_temporary: bool = False
) -> Result:
    number = max(state.breakpoints, default=0) + 1
    one = Breakpoint(number, text, goal, condition, is_temporary=is_temporary)
    state.breakpoints[number] = one
    return Result([_line(state, one)], _json(state, one))


def _watch(state: State, text: str) -> Result:
    if not text:
        every = [one for one in state.breakpoints.values() if one.goal["kind"] == "watch"]
        lines = [_line(state, one) for one in every]
        return Result(lines or ["nothing is watched"], [_json(state, one) for one in every])
    return _added(state, text, state.session.watch(text, frame_index(state), task=state.task))


def _tbreak(state: State, text: str) -> Result:
    if not text:
        raise UsageError("`tbreak` takes a place", hint=PLACES)
    return _break(state, text, is_temporary=True)


def _check_expression(text: str) -> None:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        raise UsageError(f"a condition is an expression: {text!r:.60}") from None


def _check_conditional(goal: dict[str, Any]) -> None:
    if goal["kind"] == "step":
        raise UsageError("a stop before a step can have no condition: no frame is there yet")
    if goal["kind"] not in ("place", "await", "raise"):
        raise UsageError("only what stops at a certain line can have a condition", hint="`help commands`")


def _line(state: State, one: Breakpoint) -> str:
    what = "watch" if one.goal["kind"] == "watch" else "tbreak" if one.is_temporary else "break"
    parts = [f"{what} {one.number}: {goal_text(state, one.goal)}"]
    if one.condition is not None:
        parts.append(f"if {printable(one.condition)}")
    if not one.is_enabled:
        parts.append("(disabled)")
    if one.ignore_count:
        parts.append(f"(passes {counted(one.ignore_count, 'more time')})")
    if one.hits_count:
        parts.append(f"met {counted(one.hits_count, 'time')}")
    if one.commands:
        parts.append(f"runs {printable('; '.join(one.commands))}")
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
        "commands": list(one.commands),
    }


def breakpoints(state: State, text: str) -> Result:
    """List what stops a motion."""
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


def _one(state: State, text: str, command: str) -> Breakpoint:
    """Return the one breakpoint that a word names.

    Raises:
      UsageError: it names none, or several.
    """
    chosen = _chosen(state, text)
    if len(chosen) != 1 or not text.strip(" ,"):
        raise UsageError(f"`{command}` takes one breakpoint: {text!r:.60}", hint="`breakpoints` lists them")
    return chosen[0]


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
    one = _one(state, word, "condition")
    if condition.strip():
        _check_expression(condition.strip())
        _check_conditional(one.goal)
    one.condition = condition.strip() or None
    return Result([_line(state, one)], _json(state, one))


def _ignore(state: State, text: str) -> Result:
    word, _, count = text.partition(" ")
    if not word:
        raise UsageError("`ignore` takes a breakpoint", hint="`ignore 1 5` passes it five times")
    one = _one(state, word, "ignore")
    one.ignore_count = 0 if count.strip() == "0" else count_of(count.strip(), "ignore")
    return Result([_line(state, one)], _json(state, one))


def _commands(state: State, text: str) -> Result:
    word, _, command = text.partition(" ")
    if not word:
        raise UsageError(
            "`commands` takes a breakpoint", hint="`commands 1`, lines, `end`; `commands 1 where`"
        )
    one = _one(state, word, "commands")
    if command.strip():
        one.commands = (command.strip(),)
        return Result([_line(state, one)], _json(state, one))
    state.collecting = (one.number, [])
    return Result()


def collected(state: State, line: str) -> Result | None:
    """Take a line that belongs to the commands of a stop; return what comes of it if it is the last."""
    assert state.collecting is not None
    number, lines = state.collecting
    if line != "end":
        lines.append(line)
        return None
    state.collecting = None
    one = state.breakpoints[number]
    one.commands = tuple(lines)
    return Result([_line(state, one)], _json(state, one))


def uncollected(state: State) -> Result | None:
    """End what no `end` has ended, where there are no more lines: None if there was none."""
    if state.collecting is None:
        return None
    number, lines = state.collecting
    state.collecting = None
    problem = f"`commands {number}` has no `end`: {counted(len(lines), 'line')} would have been its commands"
    return Result(error=UsageError(problem, hint="`end` on a line of its own"))


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
        if found is None or found.reason != "met" or found.id is None:
            met = None
            break
        met = state.breakpoints.get(found.id)
        if met is None:
            break
        if state.forbids(found.position) is not None:
            met = None
            break
        met.hits_count += 1
        if met.ignore_count:
            met.ignore_count -= 1
            continue
        if met.is_temporary:
            del state.breakpoints[met.number]
        break
    result = arrived(state, before)
    if met is not None and found is not None:
        what = _met_text(state, met, found)
        state.reason = what
        result.lines[0] += state.style("marker", f"  {what}")
        result.then = met.commands
    if isinstance(result.data, dict):
        result.data["breakpoint"] = None if met is None else met.number
        if met is not None and found is not None and met.goal["kind"] == "watch":
            result.data["before"], result.data["after"] = found.met[0][5:7]
            look_at_change(state, result)
    return result


def _met_text(state: State, one: Breakpoint, stop: Stop) -> str:
    """Return which stop was met, and how, in a few words."""
    match stop.met[0][4:] if stop.met else []:
        case ["watch", before, after]:
            before, after = (shorten(printable(text), _MAX_VALUE) for text in (before, after))
            return f"watch {one.number}  {printable(one.text)}: {before} -> {after}"
        case ["cancel", number]:
            return f"breakpoint {one.number}  cancels task {printable(state.owner_name(f'T{number}'))}"
        case ["event", tag]:
            return f"breakpoint {one.number}  {_event_names(state, [tag])}"
        case _:
            return f"breakpoint {one.number}"


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
        "Stop at FILE:LINE, LINE, . (this line), FUNCTION, or what `help stops` lists; alone: list them",
        ("break task:1", "b exc:ValueError, if True"),
        ("tbreak", "watch", "continue", "condition", "commands", "clear"),
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
    replace(
        _row(
            "watch",
            "watch [EXPR]",
            "Stop in front of what changes the value of an expression, in this frame; alone: list them",
            ("watch", "watch __name__"),
            ("last", "break", "continue", "reverse-continue"),
            _watch,
            (),
            "expression",
        ),
        needs_replay=True,
    ),
    _row(
        "commands",
        "commands N [CMD]",
        "Run a command where a stop is met; alone: the lines that follow, up to `end`",
        ("commands 1 where", "commands 1 continue"),
        ("break", "watch"),
        _commands,
        (),
        "command",
    ),
    _row(
        "clear",
        "clear [N ...]",
        "Forget breakpoints and watches; alone: all of them",
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
