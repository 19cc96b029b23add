"""Commands about tasks: what each does here, what it waits for, who waits for whom."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, Final

from replay.cli.commands.tasks import task_json
from replay.cli.reading import place_of, task_label
from replay.cli.repl.command import Group, Result, no_more
from replay.cli.repl.showing import owner_label
from replay.cli.repl.state import State
from replay.cli.repl.waits import label, labels, long_lines, place_text, short_text
from replay.cli.repl.words import Words
from replay.cli.style import Role
from replay.cli.text import Cell, Column, counted, duration, printable, shorten, table
from replay.errors import UsageError
from replay.positions import Position
from replay.recording.recording import Task, find_task

_ASYNC: Final = "async"
_row: Final = Group(_ASYNC, takes="task", needs_replay=True).row
_file_row: Final = Group(_ASYNC, takes="task").row
_MAX_ROWS: Final = 200
_MAX_NAME: Final = 40
_MAX_TEXT: Final = 60

_COLUMNS: Final = (
    Column(""),
    Column("T", "right"),
    Column("name"),
    Column("state"),
    Column("steps", "right"),
    Column("run", "right"),
    Column("last", "right"),
    Column("next", "right"),
    Column("parent", "right"),
    Column("where"),
    Column("awaiting"),
    Column("error"),
)
_ROLES: Final[dict[str, Role]] = {
    "running": "good",
    "ready": "good",
    "waiting": "waiting",
    "created": "waiting",
    "failed": "error",
    "cancelled": "position",
    "returned": "dim",
}
_ENDS: Final = ("returned", "cancelled", "failed")


# -- the table -----------------------------------------------------------------------------------


def rows(state: State) -> list[dict[str, Any]]:
    """Return each task that is there, as it is where one is; in the end, if there is no replay."""
    position = state.position
    found = [_recorded(state, task, position) for task in state.session.tasks()]
    found = [row for row in found if row["state"] is not None]
    if not state.can_replay or state.session.stop.is_over:
        return found
    infos = {info["id"]: info for info in state.session.inspect("tasks")}
    waits = state.session.inspect("all_waits")
    for row in found:
        info, wait = infos.get(row["id"]), waits.get(str(row["id"]))
        if info is None or row["state"] in _ENDS:
            continue
        row["state"] = "returned" if info["state"] == "done" else info["state"]
        row["where"] = place_text(state, info["where"]) or row["where"]
        row["awaiting"] = None if wait is None else short_text(state, wait)
        row["wait"] = wait
    return found


def _recorded(state: State, task: Task, position: Position | None) -> dict[str, Any]:
    """Return a task as far as the recording knows it; its state is None if it is not made yet."""
    row = {
        **task_json(task),
        "internal": task.is_internal,
        "here": False,
        "where": task.coroutine,
        "awaiting": None,
        "wait": None,
        "next": None,
    }
    if position is None:
        return row
    stop = state.session.stop
    own = state.steps_of(task.id)
    upto = position.step if position.line else position.step - 1
    count = bisect_right(own, upto, key=lambda step: step.number)
    begun, later = own[:count], own[count] if count < len(own) else None
    is_here = stop.owner == f"T{task.id}" and not stop.is_over
    row |= {"here": is_here, "steps": len(begun), "run_ns": sum(step.run_ns or 0 for step in begun)}
    row["last"] = f"@{begun[-1].number}" if begun else None
    row["next"] = None if later is None else f"@{later.number}"
    ended = task.ended_at
    if ended is not None and ended.step < position.step:
        return row
    row["error"] = None
    born = task.spawned_at
    if is_here and position.line:
        row["state"] = "running"
    elif born is not None and born.step > upto:
        row["state"] = None
    else:
        row["state"] = "waiting" if begun else "created"
    return row


def _tasks(state: State, text: str) -> Result:
    args = Words("tasks", lambda parser: parser.add_argument("--all", action="store_true")).of(text)
    found = rows(state)
    shown = [row for row in found if args.all or not row["internal"]]
    internal_count = len(found) - len(shown)
    kept = shown if args.all else shown[:_MAX_ROWS]
    lines = table(_COLUMNS, [_cells(row) for row in kept], state.style) if kept else ["no tasks yet"]
    notes = []
    if len(shown) > len(kept):
        notes.append(f"{counted(len(shown) - len(kept), 'more task')}; `tasks --all` shows them")
    if internal_count:
        notes.append(f"{counted(internal_count, 'task')} of the library itself; `tasks --all` shows them")
    later = len(state.session.tasks()) - len(found)
    if later:
        notes.append(f"{counted(later, 'task')} made later")
    lines += [state.style("dim", f"({note})") for note in notes]
    return Result(lines, shown)


def _cells(row: dict[str, Any]) -> list[Cell]:
    state, error = row["state"], row["error"]
    failed = "" if error is None else f"{error['type'].removeprefix('builtins.')}: {error['message']}"
    return [
        Cell(">" if row["here"] else "", "marker"),
        Cell(str(row["id"])),
        Cell(shorten(printable(row["name"]), _MAX_NAME), "name"),
        Cell(state.upper() if state == "failed" else state, _ROLES.get(state)),
        Cell(str(row["steps"])),
        Cell(duration(row["run_ns"]) if row["steps"] else ""),
        Cell(row["last"] or "-", "position"),
        Cell(row["next"] or "-", "position"),
        Cell(row["parent"] or "-"),
        Cell(shorten(printable(row["where"] or ""), _MAX_TEXT)),
        Cell(shorten(row["awaiting"] or "", _MAX_TEXT), "waiting"),
        Cell(shorten(printable(failed), 80), "error"),
    ]


# -- one task ------------------------------------------------------------------------------------


def task_named(state: State, word: str) -> Task:
    """Return the task that a word names."""
    return find_task(state.session.tasks(), word)


def _task_or_here(state: State, text: str) -> Task:
    if text:
        return task_named(state, text)
    owner = state.session.stop.owner
    if not owner.startswith("T"):
        raise UsageError(f"{owner_label(state, owner)} is no task", hint="name one; `tasks` lists them")
    return task_named(state, owner)


def describe_task(state: State, text: str) -> Result:
    """Show one task: who made it, where it runs, how it ends."""
    task = task_named(state, text)
    cwd = state.session.recording.header.get("cwd")
    style = state.style
    row = _recorded(state, task, state.position)
    here = row["state"] or "not made yet"
    lines = [
        f"{style('name', task_label(task.id, task.name))}  {here}  {printable(task.coroutine or '')}".rstrip()
    ]
    maker = "code outside of any task" if task.parent is None else label(state, task.parent)
    made = "" if task.site is None else f"  {place_of(task.site, cwd)} in {printable(task.site.qualname)}"
    when = "" if task.spawned_at is None else f" at {style('position', str(task.spawned_at))}"
    lines.append(f"  made by {maker}{when}{made}")
    steps = [step.number for step in state.steps_of(task.id)]
    some = ", ".join(style("position", f"@{number}") for number in steps[:20])
    more = f" and {len(steps) - 20} more, to @{steps[-1]}" if len(steps) > 20 else ""
    lines.append(f"  runs at {some}{more}" if steps else "  never runs")
    if task.ended_at is not None:
        error = f": {printable(task.error_text)}" if task.error is not None else ""
        lines.append(f"  {task.state} at {style('position', str(task.ended_at))}{error}")
    else:
        lines.append("  does not end in this recording")
    return Result(
        lines, {**task_json(task), "state_here": row["state"], "runs_at": [f"@{one}" for one in steps]}
    )


# -- waiting -------------------------------------------------------------------------------------


def _why(state: State, text: str) -> Result:
    task = _task_or_here(state, text)
    row = next((row for row in rows(state) if row["id"] == task.id), None)
    name = state.style("name", task_label(task.id, task.name))
    data: dict[str, Any] = {"task": f"T{task.id}", "state": None if row is None else row["state"]}
    if row is None:
        return Result([f"{name} is not made yet: it will be at {task.spawned_at}"], data)
    now = row["state"]
    if now in _ENDS:
        how = f"{now.upper() if now == 'failed' else now}"
        error = f": {printable(task.error_text)}" if now == "failed" else ""
        return Result([f"{name} has ended: {how} at {task.ended_at}{error}"], data)
    data |= {"where": row["where"], "wait": row["wait"], "since": row["last"]}
    if now == "running" or row["wait"] is None:
        told = {"created": "has not begun", "ready": "is ready to run", "running": "is running"}.get(now, now)
        next_text = f"; it runs at {row['next']}" if row["next"] and now != "running" else ""
        lines = [f"{name} {told}: {printable(row['where'] or '')}{next_text}"]
        if row["here"] and state.session.stop.event == "raise":
            raised = state.session.value() or {}
            lines.append(f"  it raises {shorten(printable(str(raised.get('text'))), 200)}")
        return Result(lines + _queue_lines(state, task.id), data)
    lines = [f"{name} is waiting in {printable(row['where'] or '')}{_since(state, row)}"]
    lines += [f"  {line}" for line in long_lines(state, row["wait"])]
    if row["next"]:
        lines.append(state.style("dim", f"  in this run it goes on at {row['next']}: `tcont T{task.id}`"))
    else:
        lines.append(state.style("dim", "  in this run it does not go on any more"))
    return Result(lines, data)


def _since(state: State, row: dict[str, Any]) -> str:
    """Return since when a task waits, and how long that is."""
    here = state.position
    if row["last"] is None or here is None:
        return ""
    step = state.session.steps[int(row["last"][1:]) - 1]
    now_ns = state.time_ns(here)
    waited_ns = 0 if now_ns is None else now_ns - step.start_ns - (step.run_ns or 0)
    return f" since {row['last']}" + (f", for {duration(waited_ns)}" if waited_ns > 0 else "")


def _queue_lines(state: State, number: int) -> list[str]:
    found = [one for one in state.session.inspect("ready") if one["task"] == number]
    return [f"  {_because(one)}" for one in found[:1]]


def _because(one: dict[str, Any]) -> str:
    reasons = {
        "result": "what it awaited has a result",
        "exception": "what it awaited has failed",
        "cancelled": "what it awaited was cancelled",
        "new": "it is new",
        "yield": "it gave way to others",
        "timer": "a timer has fired",
        "io": "a descriptor is ready",
    }
    return reasons.get(one["because"] or "", str(one["what"]))


def _ready(state: State, text: str) -> Result:
    no_more(text, "ready")
    queue = state.session.inspect("ready")
    stop = state.session.stop
    mark = state.style("marker", "*")
    lines = [] if stop.is_over else [f"{mark} {state.style('name', owner_label(state, stop.owner))}  is here"]
    for one in queue:
        who = label(state, one["task"]) if one["task"] else printable(one["callback"])
        notes = [_because(one)]
        if one["wakes"]:
            notes.append(f"wakes {labels(state, one['wakes'])}")
        if one["is_cancelled"]:
            notes.append("cancelled")
        lines.append(f"  {state.style('name', who)}  {state.style('dim', ', '.join(notes))}")
    if not queue:
        lines.append(state.style("dim", "  (nothing else is ready)"))
    return Result(lines, queue)


def _await(state: State, text: str) -> Result:
    task = _task_or_here(state, text)
    chains = state.session.inspect("chains", task=task.id)
    if not chains:
        return Result([f"{label(state, task.id)} has no chain here: `task T{task.id}` tells more"], [])
    lines: list[str] = []
    for chain in chains:
        indent = "   " * chain["depth"]
        lines.append(f"{indent}{state.style('name', label(state, chain['task']))}")
        for frame in chain["frames"]:
            if frame["is_internal"] and not state.settings.internals:
                continue
            where = place_text(state, frame)
            source = printable(state.sources.line(frame["path"], frame["line"]).strip())
            lines.append(f"{indent}   {where}  {state.style('dim', source)}".rstrip())
        last = chain["frames"][-1] if chain["frames"] else None
        if last is not None and last["is_internal"] and not state.settings.internals:
            lines.append(f"{indent}   {state.style('waiting', printable(last['function']))}")
    for chain in chains:
        for frame in chain["frames"]:
            del frame["handle"]
    return Result(lines, chains)


# -- trees ---------------------------------------------------------------------------------------


def _tree(state: State, text: str) -> Result:
    def add(parser: Any) -> None:
        parser.add_argument("--by", choices=("await", "spawn"), default="await")
        parser.add_argument("--all", action="store_true")

    args = Words("tree", add).of(text)
    found = {row["id"]: row for row in rows(state) if args.all or not row["internal"]}
    children: dict[int, list[int]] = {number: [] for number in found}
    for number, row in found.items():
        if args.by == "spawn":
            parent = int(row["parent"][1:]) if row["parent"] else 0
            if parent in children:
                children[parent].append(number)
        elif row["wait"] is not None:
            children[number] = [one for one in row["wait"]["children"] if one in found and one != number]
    below = {child for some in children.values() for child in some}
    live = [number for number in found if args.by == "spawn" or found[number]["state"] not in _ENDS]
    roots = [number for number in live if number not in below] or live[:1]
    lines: list[str] = []
    seen: set[int] = set()
    for root in roots:
        lines += _branch(state, root, found, children, seen, "", "")
    data = [{"task": f"T{number}", "children": [f"T{one}" for one in children[number]]} for number in live]
    return Result(lines or ["no tasks here"], data)


def _branch(
    state: State,
    number: int,
    found: dict[int, dict[str, Any]],
    children: dict[int, list[int]],
    seen: set[int],
    first: str,
    rest: str,
) -> Iterator[str]:
    row = found[number]
    text = f"{row['state']}  {printable(row['where'] or '')}"
    if row["awaiting"] and not children[number]:
        text += f"  {row['awaiting']}"
    again = number in seen
    seen.add(number)
    name = state.style("name", label(state, number))
    yield f"{state.style('dim', first)}{name}  {text}{'  (see above)' if again else ''}".rstrip()
    if again:
        return
    own = children[number]
    for at, child in enumerate(own):
        is_last = at == len(own) - 1
        yield from _branch(
            state, child, found, children, seen,
            rest + ("└─ " if is_last else "├─ "), rest + ("   " if is_last else "│  "),
        )  # fmt: skip


def _task(state: State, text: str) -> Result:
    if not text:
        raise UsageError("`task` takes a task", hint="`tasks` lists them")
    return describe_task(state, text)


COMMANDS: Final = (
    _file_row(
        "tasks",
        "tasks [--all]",
        "List the tasks as they are here; `next` is the step in which one runs next",
        ("tasks", "tasks | grep waiting"),
        ("task", "tree", "why", "timeline"),
        _tasks,
        ("ps",),
    ),
    _file_row(
        "task",
        "task T [CMD]",
        "Show one task; or look at it with a command: where, locals, p, list; `all` is each of them",
        ("task T1", "t T1 where"),
        ("tasks", "tcont", "where"),
        _task,
        ("t",),
    ),
    _row(
        "why",
        "why [T]",
        "Explain what a task waits for, and what can end that",
        ("why", "why T1"),
        ("await", "tree", "ready"),
        _why,
    ),
    _row(
        "await",
        "await [T]",
        "Show where a task waits, where those that it waits for do, and so on",
        ("await", "await T1"),
        ("why", "tree", "where"),
        _await,
    ),
    _row(
        "tree",
        "tree [--by await|spawn] [--all]",
        "Draw which task waits for which, or made which",
        ("tree", "tree --by spawn"),
        ("tasks", "await"),
        _tree,
    ),
    _row(
        "ready",
        "ready",
        "List what could run here, in order; the marked one does",
        ("ready", "ready | grep timer"),
        ("why", "tasks"),
        _ready,
    ),
)
