"""Commands that look at where one is: source, frames, values."""

from __future__ import annotations

import ast
from typing import Any, Final

from replay.cli.repl.command import Command, Group, Result, count_of, no_more
from replay.cli.repl.moving import arrived
from replay.cli.repl.showing import owner_label
from replay.cli.repl.state import State
from replay.cli.repl.waits import label
from replay.cli.text import pad, printable, printable_lines, shorten
from replay.errors import ReplayError, UsageError
from replay.recording.recording import find_task

_LOOK: Final = "look"
_look: Final = Group(_LOOK, needs_replay=True).row
_AROUND: Final = 11
_MAX_LIST: Final = 2000
DISCARDED: Final = "(run in a copy of the process: what it changed is discarded)"


# -- frames --------------------------------------------------------------------------------------


def stack(state: State) -> list[dict[str, Any]]:
    """Return the frames of whom one looks at, innermost first."""
    return state.session.stack(state.task)


def frame_index(state: State, frames: list[dict[str, Any]] | None = None) -> int:
    """Return which frame one looks at."""
    if state.frame is not None:
        return state.frame
    stop = state.session.stop
    if state.task is None and stop.path is not None:
        return 0
    # Who waits does so in a library, mostly; what one wants to see is the program.
    found = stack(state) if frames is None else frames
    return next((at for at, frame in enumerate(found) if frame["is_own"]), 0)


def frames_of(state: State, frames: list[dict[str, Any]] | None = None) -> list[tuple[int, dict[str, Any]]]:
    """Return the frames that are shown, innermost first, each with its number."""
    found = stack(state) if frames is None else frames
    if state.settings.internals:
        return list(enumerate(found))
    here = frame_index(state, found)
    return [(at, frame) for at, frame in enumerate(found) if frame["is_own"] or at == here]


def _frame_here(state: State) -> dict[str, Any]:
    frames = stack(state)
    if frames:
        return frames[min(frame_index(state, frames), len(frames) - 1)]
    if state.task is not None:
        raise ReplayError(f"T{state.task} has no frames here: it has ended, or is not made yet")
    stop = state.session.stop
    if stop.is_over:
        told = {"diverged": "the replay has diverged", "over": "the recording ends here"}
        why = told.get(stop.reason, "the program has ended")
        raise ReplayError(
            f"{why}: it has no frames",
            hint="`reverse-step-any` goes to the last line, `where T` shows where a task is",
        )
    who = owner_label(state, stop.owner)
    raise ReplayError(
        f"no frame is running at {stop.position}: {who} is about to run", hint="`step` goes to its first line"
    )


def _frame_lines(state: State, at: int, frame: dict[str, Any], here: int) -> list[str]:
    style = state.style
    mark = style("marker", ">") if at == here else " "
    return [f"{mark} #{at} {_line_text(state, frame)}"]


def _line_text(state: State, frame: dict[str, Any]) -> str:
    style = state.style
    where = style("source", f"{printable(state.sources.short(frame['path']))}:{frame['lineno']}")
    text = printable(state.sources.line(frame["path"], frame["lineno"]).strip())
    return f"{where} {printable(frame['function'])}()  {style('dim', text)}".rstrip()


def _frame_json(state: State, at: int | None, frame: dict[str, Any]) -> dict[str, Any]:
    return {
        "frame": at,
        "file": state.sources.short(frame["path"]),
        "lineno": frame["lineno"],
        "function": frame["function"],
        "own": frame["is_own"],
    }


def _where(state: State, text: str) -> Result:
    if text:
        return _where_of(state, find_task(state.session.tasks(), text).id)
    _frame_here(state)
    frames = stack(state)
    shown, here = frames_of(state, frames), frame_index(state, frames)
    lines = [line for at, one in reversed(shown) for line in _frame_lines(state, at, one, here)]
    left = len(frames) - len(shown)
    if left:
        lines.append(state.style("dim", f"({left} more of libraries; `set internals on` shows them)"))
    data = [_frame_json(state, at, one) for at, one in shown]
    for task, outer in waiting_for(state):
        lines.insert(0, f"  {state.style('name', label(state, task))} {_line_text(state, outer)}")
        data.append({**_frame_json(state, None, outer), "task": f"T{task}"})
    return Result(lines, data)


def waiting_for(state: State) -> list[tuple[int, dict[str, Any]]]:
    """Return who waits for the task that one looks at, who waits for that, ...: frames, nearest first.

    Where several wait for one task, the oldest stands for them.
    """
    stop = state.session.stop
    number = state.task if state.task is not None else int(stop.owner[1:]) if stop.owner[:1] == "T" else 0
    if not number:
        return []
    waits = state.session.inspect("all_waits")
    found: list[tuple[int, dict[str, Any]]] = []
    passed = {number}
    while True:
        above = [int(one) for one, wait in waits.items() if number in wait["children"]]
        number = min((one for one in above if one not in passed), default=0)
        if not number:
            return found
        passed.add(number)
        for frame in state.session.stack(number):
            if frame["is_own"] or state.settings.internals:
                found.append((number, frame))


def _where_of(state: State, task: int) -> Result:
    before = state.task, state.frame
    state.task, state.frame = task, None
    try:
        return _where(state, "")
    finally:
        state.task, state.frame = before


def _look_at(state: State, at: int) -> Result:
    frame = stack(state)[at]
    state.frame = at
    state.listed = None
    return Result(_frame_lines(state, at, frame, at), _frame_json(state, at, frame))


def _move_frame(state: State, count: int, where: str) -> Result:
    _frame_here(state)
    shown = [at for at, _ in frames_of(state)]
    here = frame_index(state)
    now = shown.index(here) if here in shown else 0
    wanted = min(max(now + count, 0), len(shown) - 1)
    if shown[wanted] == here:
        raise ReplayError(f"this is the {where} frame")
    return _look_at(state, shown[wanted])


def _up(state: State, text: str) -> Result:
    return _move_frame(state, count_of(text, "up"), "outermost")


def _down(state: State, text: str) -> Result:
    return _move_frame(state, -count_of(text, "down"), "innermost")


def _frame(state: State, text: str) -> Result:
    _frame_here(state)
    count = len(stack(state))
    if not text:
        return _look_at(state, frame_index(state))
    if not (text.isascii() and text.isdigit() and int(text[:6]) < count):
        raise UsageError(f"no such frame: {text!r:.60}", hint=f"`where` has #0..#{count - 1}")
    return _look_at(state, int(text))


# -- source --------------------------------------------------------------------------------------


def _numbered(state: State, path: str, first: int, last: int, here: int | None) -> list[str]:
    lines = state.sources.lines(path)
    columns = len(str(last))
    found = []
    for number in range(max(first, 1), min(last, len(lines)) + 1):
        mark = state.style("marker", "->") if number == here else "  "
        text = printable(lines[number - 1].expandtabs())
        found.append(f"{mark} {state.style('dim', f'{number:{columns}}')}  {text}".rstrip())
    return found


def _listed(state: State, path: str, first: int, last: int, here: int | None) -> Result:
    count = len(state.sources.lines(path))
    name = state.sources.short(path)
    if not count:
        raise ReplayError(f"the source of {name} is not in the recording, nor here")
    if first > count:
        raise UsageError(f"{name} has {count} lines")
    last = min(last, count, first + _MAX_LIST)
    lines = _numbered(state, path, first, last, here)
    if not state.sources.is_recorded(path):
        lines.append(
            state.style("dim", f"({printable(name)} as it is on this machine: the recording has no copy)")
        )
    state.listed = (path, last + 1)
    text = state.sources.lines(path)[max(first, 1) - 1 : last]
    data = {"file": name, "first": max(first, 1), "last": last, "current": here, "lines": text}
    return Result(lines, data)


def _list(state: State, text: str) -> Result:
    path, here = _place_here(state, text)
    if not text and state.listed is not None:
        path, first = state.listed
        if first > len(state.sources.lines(path)):
            return Result([f"this is the end of {printable(state.sources.short(path))}; `list .` goes back"])
        return _listed(state, path, first, first + _AROUND - 1, here)
    if text in ("", "."):
        first = 1 if here is None else max(here - _AROUND // 2, 1)
        return _listed(state, path, first, first + _AROUND - 1, here)
    name, colon, numbers = text.rpartition(":")
    if colon:
        named = state.sources.path_of(name)
        path, here = named, here if named == path else None
    first_text, comma, last_text = numbers.partition(",")
    try:
        number = int(first_text)
        last = int(last_text) if comma else None
    except ValueError:
        raise UsageError(
            f"not a place in the source: {text!r:.60}", hint="`list 20`, `list 10,30`, `list bank.py:20`"
        ) from None
    if last is None:
        first = max(number - _AROUND // 2, 1)
        return _listed(state, path, first, first + _AROUND - 1, here)
    return _listed(state, path, number, last if last >= number else number + last, here)


def _place_here(state: State, text: str) -> tuple[str, int | None]:
    """Return the file and the line one is at; another file may be looked at from anywhere.

    Where no frame is, one is in the file that was listed last, or the program's own, at no line.
    """
    try:
        frame = _frame_here(state) if state.can_replay else None
    except ReplayError:
        if text == ".":
            raise
        frame = None
    if frame is None:
        return state.sources.program if state.listed is None else state.listed[0], None
    return frame["path"], frame["lineno"]


def _longlist(state: State, text: str) -> Result:
    no_more(text, "ll")
    frame = _frame_here(state)
    first, last = state.sources.function(frame["path"], frame["lineno"])
    return _listed(state, frame["path"], first, last, frame["lineno"])


# -- values --------------------------------------------------------------------------------------


_WHERE: Final = """
def _replay_where(one):
    import functools, sys, types
    for _ in range(20):
        if isinstance(one, functools.partial):
            one = one.func
        elif hasattr(one, "__wrapped__") or hasattr(one, "__func__"):
            one = getattr(one, "__wrapped__", None) or one.__func__
        else:
            break
    for name in ("__code__", "cr_code", "gi_code", "ag_code"):
        code = getattr(one, name, None)
        if isinstance(code, types.CodeType):
            return code.co_filename, code.co_firstlineno
    kind = one if isinstance(one, type) else type(one)
    return getattr(sys.modules.get(kind.__module__), "__file__", None), kind.__qualname__
"""


def evaluated(state: State, text: str, width: int | None = None) -> dict[str, Any]:
    """Return what an expression, or a statement, comes to in the frame one looks at.

    Raises:
      ReplayError: it raised, or took too long.
    """
    found = state.session.evaluate(text, frame_index(state), task=state.task, width=width)
    if found.get("error"):
        raise ReplayError(printable_lines(found["error"]))
    return found


def _need(text: str, what: str) -> str:
    if not text:
        raise UsageError(f"`{what}` takes an expression")
    return text


def _printed(found: dict[str, Any]) -> list[str]:
    return [printable(line) for line in str(found.get("output") or "").splitlines()]


def _print(state: State, text: str) -> Result:
    found = evaluated(state, _need(text, "p"))
    value = [] if found["text"] is None else printable_lines(found["text"]).split("\n")
    return Result(_printed(found) + value, {"value": found["text"], "type": found["type"]})


def _pretty(state: State, text: str) -> Result:
    found = evaluated(state, _need(text, "pp"), state.width)
    value = [] if found["text"] is None else printable_lines(found["text"]).split("\n")
    return Result(_printed(found) + value, {"value": found["text"], "type": found["type"]})


def _whatis(state: State, text: str) -> Result:
    found = evaluated(state, f"type({_need(text, 'whatis')})")
    return Result([printable(found["text"] or "")], {"type": found["text"]})


def source_of(state: State, text: str) -> Result:
    """Show the source of the function, class or coroutine that an expression comes to, or of what made it.

    Raises:
      ReplayError: it has none.
    """
    if not state.can_replay:
        return _named_source(state, text)
    try:
        told = evaluated(state, f"{_WHERE}\n_replay_where({text}\n)")["text"]
    except ReplayError as problem:
        raise ReplayError(problem.message, hint=f"there is no file {printable(text)[:60]} either") from None
    path, where = ast.literal_eval(told or "(None, 0)")
    found = state.sources.definition(path, where) if isinstance(path, str) else None
    if found is None:
        raise ReplayError(f"{printable(text)[:60]} has no source in Python", hint="`whatis` tells what it is")
    return _listed(state, path, *found, None)


def _named_source(state: State, name: str) -> Result:
    """Show what the program itself defines by a name: all that can be told without a replay."""
    for path in state.sources.texts:
        found = state.sources.definition(path, name)
        if found is not None:
            return _listed(state, path, *found, None)
    raise ReplayError(
        f"the program defines no {printable(name)[:60]}, and without a replay nothing else is known",
        hint="`source FILE` runs the commands in a file",
    )


def run_python(state: State, text: str) -> Result:
    """Run an expression or a statement; say that what it changed is gone."""
    found = evaluated(state, text)
    value = [] if found["text"] in (None, "None") else printable_lines(found["text"]).split("\n")
    lines = _printed(found) + value
    body = ast.parse(text).body
    if len(body) != 1 or not isinstance(body[0], ast.Expr) or found["text"] == "None":
        lines.append(state.style("dim", DISCARDED))
    return Result(
        lines, {"value": found["text"], "type": found["type"], "output": found.get("output") or None}
    )


def _run(state: State, text: str) -> Result:
    if not text:
        raise UsageError("`!` takes a statement", hint="`!balance = 0; print(balance)`")
    result = run_python(state, text)
    note = state.style("dim", DISCARDED)
    if note not in result.lines:
        result.lines.append(note)
    return result


def _locals(state: State, text: str) -> Result:
    _frame_here(state)
    if text in ("--all", "all"):
        return _all_locals(state)
    no_more(text, "locals")
    found = state.session.locals(frame_index(state), task=state.task)
    return _names(state, found, "no local variables yet")


def _all_locals(state: State) -> Result:
    """Show the variables of each frame of whom one looks at."""
    frames = stack(state)
    here = frame_index(state, frames)
    lines: list[str] = []
    data: list[dict[str, Any]] = []
    for at, frame in reversed(frames_of(state, frames)):
        found = state.session.locals(at, task=state.task)
        lines += _frame_lines(state, at, frame, here)
        lines += [f"     {line}" for line in _names(state, found, "no local variables yet").lines]
        data.append({**_frame_json(state, at, frame), "locals": dict(found)})
    return Result(lines, data[::-1])


def _args(state: State, text: str) -> Result:
    no_more(text, "args")
    _frame_here(state)
    at = frame_index(state)
    more = {} if state.task is None else {"task": state.task}
    arguments = {
        one["name"] for one in state.session.inspect("locals", frame=at, **more) if one["is_argument"]
    }
    found = [one for one in state.session.locals(at, task=state.task) if one[0] in arguments]
    return _names(state, found, "takes no arguments")


def _names(state: State, names: list[list[str]], none: str) -> Result:
    return Result(value_lines(state, names) or [none], dict(names))


def value_lines(state: State, names: list[list[str]]) -> list[str]:
    """Return a line for each name and the text of its value."""
    columns = max((len(name) for name, _ in names), default=0)
    room = max(state.width - columns - 3, 40)
    return [
        f"{state.style('name', pad(printable(name), columns))} = {shorten(printable(value), room)}"
        for name, value in names
    ]


def _display(state: State, text: str) -> Result:
    if not text:
        lines = [f"{number}: {expression}" for number, (expression, _) in state.displays.items()]
        data = {str(number): expression for number, (expression, _) in state.displays.items()}
        return Result(lines or ["nothing is displayed"], data)
    number = max(state.displays, default=0) + 1
    shown = value_of(state, text)
    state.displays[number] = (text, shown)
    return Result([_displayed(state, number, text, shown, None)], {"display": number, "value": shown})


def value_of(state: State, text: str) -> str:
    """Return the value of an expression as text, or what it raised."""
    found = state.session.evaluate(text, frame_index(state), task=state.task)
    return str(found["error"]).splitlines()[-1] if found.get("error") else str(found["text"])


def _displayed(state: State, number: int, text: str, value: str, before: str | None) -> str:
    room = max(state.width - len(text) - 6, 40)
    line = f"{state.style('dim', f'{number}:')} {printable(text)} = {shorten(printable(value), room)}"
    if before is not None and before != value:
        line += state.style("marker", f"   was {shorten(printable(before), room)}")
    return line


def displays(state: State) -> list[str]:
    """Return the lines of all displays, after a motion."""
    lines = []
    for number, (text, before) in list(state.displays.items()):
        value = value_of(state, text)
        state.displays[number] = (text, value)
        lines.append(_displayed(state, number, text, value, before))
    return lines


def _undisplay(state: State, text: str) -> Result:
    if not text:
        state.displays.clear()
        return Result(["nothing is displayed"])
    if not (text.isdigit() and int(text) in state.displays):
        raise UsageError(f"no such display: {text!r:.60}", hint="`display` lists them")
    del state.displays[int(text)]
    return Result()


def _last(state: State, text: str) -> Result:
    before = state.session.stop
    found = state.session.last(_need(text, "last"), frame_index(state), task=state.task)
    if found is None:
        try:
            evaluated(state, text)
        except ReplayError as problem:
            told = f"{printable(text)} has no value at {before.position}, and had none before"
            raise ReplayError(f"{told}: {problem.message}") from None
        return Result([f"{printable(text)} has not changed before {before.position}"], {"moved": False})
    bounds = state.forbids(found.stop.position)
    if bounds is not None:
        state.session.timeline.goto(before.position)
        since = f"between {bounds.first} and {before.position}"
        return Result([f"{printable(text)} has not changed {since}"], {"moved": False})
    result = arrived(state, before)
    look_at_change(state, result)
    who = owner_label(state, found.owner)
    change = f"{shorten(printable(found.before), 60)} -> {shorten(printable(found.after), 60)}"
    result.lines.insert(0, f"{printable(text)}: {change}   by {state.style('name', who)}")
    if isinstance(result.data, dict):
        result.data |= {"before": found.before, "after": found.after, "by": found.owner}
    return result


def look_at_change(state: State, result: Result) -> None:
    """Look at the line that changed a value: where a function has just returned, that of its caller."""
    if state.session.stop.event != "return":
        return
    frames = stack(state)
    if len(frames) > 1 and frames[1]["is_own"]:
        state.frame = 1
        result.lines += _frame_lines(state, 1, frames[1], 1)
        if isinstance(result.data, dict):
            result.data["caller"] = _frame_json(state, 1, frames[1])


def _assert(state: State, text: str) -> Result:
    text, message = _asserted(_need(text, "assert"))
    found = evaluated(state, f"bool({text}\n)")
    if found["text"] == "True":
        return Result([], {"expression": text, "value": True})
    parts = f"; it is {value_of(state, text)}" if value_of(state, text) != "False" else ""
    told = "" if message is None else f"  ({evaluated(state, f'str({message})')['text']})"
    where = "" if state.position is None else f" at {state.position}"
    raise ReplayError(f"assertion failed{where}: {text}{parts}{told}")


def _asserted(text: str) -> tuple[str, str | None]:
    """Return the expression of an `assert`, and what follows its comma."""
    try:
        node = ast.parse(f"assert {text}").body[0]
    except (SyntaxError, ValueError):
        return text, None
    if not isinstance(node, ast.Assert) or node.msg is None:
        return text, None
    return ast.unparse(node.test), ast.unparse(node.msg)


COMMANDS: Final = (
    Command(
        "last",
        _LOOK,
        "last EXPR",
        "Go back to the line that changed the value of an expression last",
        ("last __name__", "last store.rows"),
        ("display", "back"),
        _last,
        takes="expression",
        is_motion=True,
        needs_replay=True,
    ),
    Command(
        "list",
        _LOOK,
        "list [. | LINE | FIRST,LAST | FILE:LINE]",
        "Show the source as it was recorded; again: the next lines",
        ("list", "l 10,30"),
        ("ll", "where"),
        _list,
        ("l",),
        "place",
    ),
    _look(
        "ll",
        "ll",
        "Show the whole function, as it was recorded",
        ("ll", "ll | grep await"),
        ("list",),
        _longlist,
    ),
    _look(
        "where",
        "where [T]",
        "Show the frames of whoever runs here, or of a task, below those of the tasks that wait for it",
        ("where", "w T1"),
        ("up", "down", "frame"),
        _where,
        ("w", "bt"),
        "task",
    ),
    _look(
        "up",
        "up [N]",
        "Look at the frame that called this one",
        ("up", "u 2"),
        ("down", "where"),
        _up,
        ("u",),
    ),
    _look(
        "down",
        "down [N]",
        "Look at the frame that this one called",
        ("down", "d 2"),
        ("up", "where"),
        _down,
        ("d",),
    ),
    _look(
        "frame",
        "frame [N]",
        "Look at a frame of `where`",
        ("frame 1", "f 0"),
        ("where", "up"),
        _frame,
        ("f",),
    ),
    _look(
        "args", "args", "Show the arguments of this function", ("args", "a"), ("locals", "p"), _args, ("a",)
    ),
    _look(
        "locals",
        "locals [--all]",
        "Show the local variables of this frame, or of all; `task all locals --all` of all that is suspended",
        ("locals | grep total", "task T1 locals --all"),
        ("args", "p"),
        _locals,
    ),
    _look(
        "p",
        "p EXPR",
        "Show the value of an expression; it is run in a copy of the process",
        ("p 1 + 1", "p __name__"),
        ("pp", "whatis", "display", "!"),
        _print,
        (),
        "expression",
    ),
    _look(
        "pp",
        "pp EXPR",
        "Show a value over several lines",
        ("pp [1, 2]", "pp dict(a=1)"),
        ("p",),
        _pretty,
        (),
        "expression",
    ),
    _look(
        "whatis",
        "whatis EXPR",
        "Show the type of a value",
        ("whatis 1.5", "whatis __name__"),
        ("p",),
        _whatis,
        (),
        "expression",
    ),
    _look(
        "!",
        "!STATEMENT",
        "Run Python in a copy of the process; what it changes is discarded",
        ("!x = 1; print(x)", "! print(__name__)"),
        ("p",),
        _run,
        (),
        "expression",
    ),
    _look(
        "display",
        "display [EXPR]",
        "Show an expression at each stop, and what it was before",
        ("display 1 + 1", "display"),
        ("undisplay", "p"),
        _display,
        (),
        "expression",
    ),
    _look(
        "undisplay",
        "undisplay [N]",
        "Stop showing an expression, or all",
        ("undisplay 1", "undisplay"),
        ("display",),
        _undisplay,
    ),
    _look(
        "assert",
        "assert EXPR",
        "Fail, and let the exit code be 1, unless an expression is true",
        ("assert 1 + 1 == 2", "assert __name__"),
        ("p", "source"),
        _assert,
        (),
        "expression",
    ),
)
