"""Commands about tasks: what each does here, what it waits for, who waits for whom."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, Final

from replay.cli.commands.tasks import task_json
from replay.cli.reading import place_of, task_label
from replay.cli.repl.causes import why_cancelled, why_ready
from replay.cli.repl.command import Group, Result, no_more
from replay.cli.repl.grouping import GROUPED, filtered, grouped
from replay.cli.repl.looking import stack
from replay.cli.repl.scopes import cancelled_lines, scope_tree
from replay.cli.repl.showing import owner_label
from replay.cli.repl.state import State
from replay.cli.repl.trees import Room
from replay.cli.repl.waits import label, labels, long_lines, place_text, short_text
from replay.cli.repl.words import Words
from replay.cli.style import Role
from replay.cli.text import Cell, Column, printable, shorten, table
from replay.errors import ReplayError, UsageError
from replay.positions import Position, parse_position
from replay.quantities import counted, duration
from replay.recording.recording import Task, find_task
from replay.timeline.session import Wake

_ASYNC: Final = "async"
_row: Final = Group(_ASYNC, takes="task", needs_replay=True).row
_file_row: Final = Group(_ASYNC, takes="task").row
_MAX_ROWS: Final = 200
_MAX_TIMED: Final = 20_000
"""In a longer run it is not looked up unasked how long tasks were ready: that runs all of it again."""
_MAX_CHAINS: Final = 50
_MAX_NAME: Final = 40
_NOT_MADE: Final = "not made yet"
_MAX_TEXT: Final = 60

_COLUMNS: Final = (
    Column(""),
    Column("T", "right"),
    Column("name"),
    Column("state"),
    Column("steps", "right"),
    Column("run", "right"),
    Column("ready", "right"),
    Column("wait", "right"),
    Column("last", "right"),
    Column("next", "right"),
    Column("parent", "right"),
    Column("nursery"),
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
ENDS: Final = ("returned", "cancelled", "failed")


# -- the table -----------------------------------------------------------------------------------


def rows(state: State) -> list[dict[str, Any]]:
    """Return each task that is there, as it is where one is; in the end, if there is no replay."""
    position = state.position
    tasks = state.session.tasks()
    found = [_recorded(state, task, position) for task in state.made(tasks)]
    found = [row for row in found if row["state"] is not None]
    if not state.can_replay or state.session.stop.has_ended:
        return found
    infos = {info["id"]: info for info in state.session.inspect("tasks")}
    waits = state.session.inspect("all_waits")
    ends = {task.id: task.state for task in tasks if task.ended_at is not None}
    for row in found:
        if row["state"] in ENDS:
            continue
        info, wait = infos.get(row["id"]), waits.get(str(row["id"]))
        if info is None or info["state"] == "done":  # in this step; who is gone has ended in it, too
            row["state"] = ends.get(row["id"], row["state"])
        if info is None:
            continue
        if info["state"] != "done":
            row["state"] = info["state"]
        row["where"] = place_text(state, info["where"]) or row["where"]
        row["nursery"] = place_text(state, info["nursery"]) or None
        row["awaiting"] = None if wait is None else short_text(state, wait)
        row["wait"] = wait
    return found


def _recorded(state: State, task: Task, position: Position | None) -> dict[str, Any]:
    """Return a task as far as the recording knows it; its state is None if it is not made yet."""
    row = {
        **task_json(task),
        "error_text": task.error_text,
        "internal": task.is_internal,
        "here": False,
        "where": task.coroutine,
        "awaiting": None,
        "wait": None,
        "nursery": None,
        "next": None,
        "ready_ns": None,
        "wait_ns": None,
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
    row["run_is_shared"] = any(step.is_shared for step in begun)
    row["last"] = f"@{begun[-1].number}" if begun else None
    row["next"] = None if later is None else f"@{later.number}"
    ended = task.ended_at
    if ended is not None and ended.step < position.step:
        return row
    row |= {"error": None, "error_text": ""}
    born = task.spawned_at
    if is_here and position.line:
        row["state"] = "running"
    elif born is not None and born.step > upto:
        row["state"] = None
    else:
        row["state"] = "waiting" if begun or task.is_eager else "created"
    return row


def _tasks(state: State, text: str) -> Result:
    def add(parser: Any) -> None:
        parser.add_argument("--all", action="store_true")
        parser.add_argument("--times", action="store_true")
        parser.add_argument("--sort", choices=_SORTED, default="id")
        parser.add_argument("--filter", action="append", default=[])
        parser.add_argument("--group", choices=GROUPED)

    args = Words("tasks", add).of(text)
    if args.group is not None and (args.times or args.sort != "id"):
        raise UsageError("`--group` has no times, and sorts by how many there are")
    found = rows(state)
    every = [row for row in found if args.all or not row["internal"]]
    shown = filtered(every, args.filter)
    if not shown:
        result = Result(["no such tasks here" if every else "no tasks yet"], [])
    elif args.group is not None:
        result = grouped(state, shown, args.group)
    else:
        result = _listed(state, shown, args)
    notes = []
    if len(every) < len(found):
        hidden = counted(len(found) - len(every), "task")
        notes.append(f"{hidden} of the library itself; `tasks --all` shows them")
    later = len(state.session.tasks()) - len(found)
    if later:
        notes.append(f"{counted(later, 'task')} made later")
    result.lines += [state.style("dim", f"({note})") for note in notes]
    return result


def _listed(state: State, shown: list[dict[str, Any]], args: Any) -> Result:
    """Show each task in a line."""
    is_long = len(state.session.steps) > _MAX_TIMED
    if state.can_replay and (args.times or args.sort in ("ready", "wait") or not is_long):
        eager = {task.id for task in state.session.tasks() if task.is_eager}
        for row in shown:
            _add_times(state, row, is_eager=row["id"] in eager)
    shown.sort(key=_SORTED[args.sort])
    kept = shown if args.all else shown[:_MAX_ROWS]
    lines = table(_COLUMNS, [_cells(row) for row in kept], state.style)
    notes = []
    if len(shown) > len(kept):
        notes.append(f"{counted(len(shown) - len(kept), 'more task')}; `tasks --all` shows them")
    if state.can_replay and is_long and shown[0]["wait_ns"] is None:
        notes.append("how long they were ready and waiting: `tasks --times`, which runs it all once more")
    return Result(lines + [state.style("dim", f"({note})") for note in notes], shown)


_SORTED: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "id": lambda row: row["id"],
    "name": lambda row: (row["name"], row["id"]),
    "state": lambda row: (row["state"], row["id"]),
    "steps": lambda row: -row["steps"],
    "run": lambda row: -row["run_ns"],
    "ready": lambda row: -(row["ready_ns"] or 0),
    "wait": lambda row: -(row["wait_ns"] or 0),
    "last": lambda row: int((row["last"] or "@0")[1:]),
}


def _add_times(state: State, row: dict[str, Any], *, is_eager: bool) -> None:
    """Add how long a task was ready, and how long it waited, up to here; to a step."""
    here, born = state.position, row["spawned"]
    assert here is not None
    now_ns = state.time_ns(here)
    own = [step for step in state.steps_of(row["id"]) if step.number <= here.step - (not here.line)]
    wakes = [wake for wake in state.wakes().get(row["id"], ()) if wake.step < here.step]
    born_at = parse_position(born).step if born else 0
    # Ready at once, when it was made; before the first step there is no time.
    since_ns = ready_at_ns = state.time_ns(Position(born_at)) or (own[0].start_ns if own else now_ns or 0)
    ready_ns = wait_ns = 0
    since = born_at if is_eager else None  # the step in which it ran last
    for step in own:
        if since is not None:
            ready_at_ns = _woken_ns(state, wakes, since, step.number, since_ns, step.start_ns)
        ready_ns += max(0, step.start_ns - ready_at_ns)
        wait_ns += max(0, ready_at_ns - since_ns)
        since, since_ns = step.number, step.start_ns + (step.run_ns or 0)
    if row["state"] not in (*ENDS, "running") and now_ns is not None:
        if since is not None:
            ready_at_ns = _woken_ns(state, wakes, since, here.step, since_ns, now_ns)
        ready_ns += max(0, now_ns - ready_at_ns)
        wait_ns += max(0, ready_at_ns - since_ns)
    row["ready_ns"], row["wait_ns"] = ready_ns, wait_ns


def _woken_ns(state: State, wakes: list[Wake], after: int, before: int, first_ns: int, none_ns: int) -> int:
    """Return when a task was woken between two steps; ``none_ns`` if it was not."""
    at = bisect_right(wakes, before - 1, key=lambda wake: wake.step)
    if not at or wakes[at - 1].step < after:
        return none_ns
    wake = wakes[at - 1]  # what the loop does itself, it does when it has waited: just before the next step
    return max(first_ns, state.time_ns(Position(wake.step + wake.is_after)) or 0)


def _cells(row: dict[str, Any]) -> list[Cell]:
    state = row["state"]
    return [
        Cell(">" if row["here"] else "", "marker"),
        Cell(str(row["id"])),
        Cell(shorten(printable(row["name"]), _MAX_NAME), "name"),
        Cell(state.upper() if state == "failed" else state, _ROLES.get(state)),
        Cell(str(row["steps"])),
        Cell(f"{'~' * row['run_is_shared']}{duration(row['run_ns'])}" if row["steps"] else ""),
        Cell("" if row["ready_ns"] is None else duration(row["ready_ns"])),
        Cell("" if row["wait_ns"] is None else duration(row["wait_ns"])),
        Cell(row["last"] or "-", "position"),
        Cell(row["next"] or "-", "position"),
        Cell(row["parent"] or "-"),
        Cell(shorten(printable(row["nursery"] or ""), _MAX_TEXT)),
        Cell(shorten(printable(row["where"] or ""), _MAX_TEXT)),
        Cell(shorten(row["awaiting"] or "", _MAX_TEXT), "waiting"),
        Cell(shorten(printable(row["error_text"]), 80), "error"),
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
    here = next((row["state"] for row in rows(state) if row["id"] == task.id), _NOT_MADE)
    lines = [
        f"{style('name', task_label(task.id, task.name))}  {here}  {printable(task.coroutine or '')}".rstrip()
    ]
    maker = "code outside of any task" if task.parent is None else label(state, task.parent)
    made = "" if task.site is None else f"  {place_of(task.site, cwd)} in {printable(task.site.qualname)}"
    when = "" if task.spawned_at is None else f" at {style('position', str(task.spawned_at))}"
    lines.append(f"  made by {maker}{when}{made}")
    steps = [step.number for step in state.steps_of(task.id)]
    ran = [style("position", f"@{number}") for number in steps[:20]]
    if task.is_eager:
        ran.insert(0, f"{style('position', str(task.spawned_at))} (inside the step that makes it)")
    more = f" and {len(steps) - 20} more, to @{steps[-1]}" if len(steps) > 20 else ""
    lines.append(f"  runs at {', '.join(ran)}{more}" if ran else "  never runs")
    if task.ended_at is not None:
        error = f": {printable(task.error_text)}" if task.error is not None else ""
        lines.append(f"  {task.state} at {style('position', str(task.ended_at))}{error}")
    else:
        lines.append("  does not end in this recording")
    return Result(
        lines,
        {
            **task_json(task),
            "state_here": None if here == _NOT_MADE else here,
            "runs_at": [f"@{one}" for one in steps],
        },
    )


# -- waiting -------------------------------------------------------------------------------------


def _why(state: State, text: str) -> Result:
    word, _, rest = text.partition(" ")
    if word == "cancelled":
        return why_cancelled(state, _task_or_here(state, rest.strip()))
    task = _task_or_here(state, rest.strip() if word == "ready" else text)
    known = rows(state)
    row = next((row for row in known if row["id"] == task.id), None)
    if word == "ready":
        return why_ready(state, task, is_ready=row is not None and row["state"] in ("ready", "created"))
    name = state.style("name", task_label(task.id, task.name))
    data: dict[str, Any] = {"task": f"T{task.id}", "state": None if row is None else row["state"]}
    if row is None:
        return Result([f"{name} is not made yet: it will be at {task.spawned_at}"], data)
    now = row["state"]
    if now in ENDS:
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
    others = {str(one["id"]): one["wait"] for one in known if one["wait"] is not None}
    chosen = state.session.inspect("chosen")
    if chosen is not None and task.id in chosen["wakes"]:  # which is in no queue any more
        waker = {"kind": "callback", "when": None, "fd": None, "task": None, "detail": chosen["callback"]}
        row["wait"]["wakers"].insert(0, waker)
    lines += [f"  {line}" for line in long_lines(state, row["wait"], others)]
    data["cancelled_by"] = state.session.inspect("cancelled_by", task=task.id)
    lines += [f"  {line}" for line in cancelled_lines(state, data["cancelled_by"])]
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
    chosen = state.session.inspect("chosen")
    stop = state.session.stop
    if chosen is None and stop.event == "step":  # trio has it in the batch until it runs
        chosen = next((one for one in queue if f"T{one['task']}" == stop.owner), None)
        queue = [one for one in queue if one is not chosen]
    since = _ready_since(state, [one["task"] for one in (chosen, *queue) if one and one["task"]])
    mark = state.style("marker", "*")
    lines = []
    if chosen is not None and not stop.is_over:
        doing = "runs next" if stop.event == "step" else "is running"
        lines.append(f"{mark} {_ready_line(state, chosen, since)}  <- {doing}")
    elif not stop.is_over:
        lines.append(f"{mark} {state.style('name', owner_label(state, stop.owner))}  is here")
    lines += [f"  {_ready_line(state, one, since)}" for one in queue]
    if not queue:
        lines.append(state.style("dim", "  (nothing else is ready)"))
    for one in (chosen, *queue):
        if one is not None:
            one["since"] = None if one["task"] not in since else f"@{since[one['task']]}"
            one["chosen"] = one is chosen
            one["task"] = f"T{one['task']}" if one["task"] else None
            one["wakes"] = [f"T{number}" for number in one["wakes"]]
    return Result(lines, [one for one in (chosen, *queue) if one is not None])


def _ready_line(state: State, one: dict[str, Any], since: dict[int, int]) -> str:
    who = label(state, one["task"]) if one["task"] else printable(one["callback"])
    notes = [_because(one)]
    if one["task"] in since:
        notes.insert(0, f"since @{since[one['task']]}")
    if one["wakes"]:
        notes.append(f"wakes {labels(state, one['wakes'])}")
    if one["is_cancelled"]:
        notes.append("cancelled")
    return f"{state.style('name', who)}  {state.style('dim', ', '.join(notes))}"


def _ready_since(state: State, tasks: list[int]) -> dict[int, int]:
    """Return the steps since when tasks are ready: the queue is short, so it is not long ago."""
    here = state.position
    assert here is not None
    made = {task.id: task.spawned_at for task in state.session.tasks()}
    new = [number for number in tasks if all(step.number >= here.step for step in state.steps_of(number))]
    found = {number: at.step for number in new if (at := made[number]) is not None}
    count = 16 + 2 * len(tasks)
    while True:
        first = Position(max(here.step - count, 0))
        woken = {wake.task: wake.step for wake in state.session.wakes(first, here)}
        found |= {number: woken[number] for number in tasks if number in woken}
        if first == Position(0) or all(number in found for number in tasks):
            return found
        count *= 8


def _await(state: State, text: str) -> Result:
    task = _task_or_here(state, text)
    chains = state.session.inspect("chains", task=task.id)
    for chain in chains:
        for frame in chain["frames"]:
            del frame["handle"]
    if not chains:
        return Result([f"{label(state, task.id)} has no chain here: `task T{task.id}` tells more"], [])
    lines: list[str] = []
    for chain in chains[:_MAX_CHAINS]:
        indent = "   " * chain["depth"]
        lines.append(f"{indent}{state.style('name', label(state, chain['task']))}")
        for frame in chain["frames"]:
            if frame["is_internal"] and not state.settings.internals:
                continue
            where = place_text(state, frame)
            source = printable(state.sources.line(frame["path"], frame["line"]).strip())
            lines.append(f"{indent}   {where}  {state.style('dim', source)}".rstrip())
        called = None if state.settings.internals else _called(chain["frames"])
        if called is not None:
            lines.append(f"{indent}   {state.style('waiting', printable(called))}")
    if len(chains) > _MAX_CHAINS:
        more = f"and {len(chains) - _MAX_CHAINS} more; `await T` shows one of them, `tree` how they wait"
        lines.append(state.style("dim", more))
    return Result(lines, [{**chain, "task": f"T{chain['task']}"} for chain in chains])


def _called(frames: list[dict[str, Any]]) -> str | None:
    """Return the function of a library at which a chain leaves the program's own code, at its end."""
    called = None
    for frame in reversed(frames):
        if not frame["is_internal"]:
            break
        called = frame["function"]
    return called


# -- trees ---------------------------------------------------------------------------------------


def _tree(state: State, text: str) -> Result:
    def add(parser: Any) -> None:
        parser.add_argument("--by", choices=("await", "spawn"), default="await")
        parser.add_argument("--all", action="store_true")

    args = Words("tree", add).of(text)
    if args.by == "await" and not state.can_replay:
        raise UsageError("who awaits whom needs a replay, and there is none", hint="`tree --by spawn`")
    found = {row["id"]: row for row in rows(state) if args.all or not row["internal"]}
    is_of_scopes = args.by == "await" and not state.session.stop.has_ended
    scopes = state.session.inspect("scopes") if is_of_scopes else []
    if scopes:
        live_rows = {number: row for number, row in found.items() if row["state"] not in ENDS}
        return Result(scope_tree(state, live_rows, scopes, show_all=args.all), scopes)
    children: dict[int, list[int]] = {number: [] for number in found}
    for number, row in found.items():
        if args.by == "spawn":
            parent = int(row["parent"][1:]) if row["parent"] else 0
            if parent in children:
                children[parent].append(number)
        elif row["wait"] is not None:
            children[number] = [one for one in row["wait"]["children"] if one in found and one != number]
    below = {child for some in children.values() for child in some}
    live = [number for number in found if args.by == "spawn" or found[number]["state"] not in ENDS]
    roots = [number for number in live if number not in below] or live[:1]
    lines: list[str] = []
    seen: set[int] = set()
    room = Room(is_bounded=not args.all)
    for root in room.roots(roots):
        if root.node is None:
            lines.append(state.style("dim", root.more))
        else:
            lines += _branch(state, root.node, found, children, seen, room, "", "")
    data = [{"task": f"T{number}", "children": [f"T{one}" for one in children[number]]} for number in live]
    return Result(lines or ["no tasks here"], data)


def _branch(
    state: State,
    number: int,
    found: dict[int, dict[str, Any]],
    children: dict[int, list[int]],
    seen: set[int],
    room: Room,
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
    for branch in room.below(children[number], rest):
        if branch.node is None:
            yield state.style("dim", branch.more)
        else:
            yield from _branch(state, branch.node, found, children, seen, room, branch.first, branch.further)


def _task(state: State, text: str) -> Result:
    if not text:
        raise UsageError("`task` takes a task", hint="`tasks` lists them")
    return describe_task(state, text)


def _select(state: State, text: str) -> Result:
    """Look at a task from now on; without a name, at the next that has frames."""
    owner = state.session.stop.owner
    here = int(owner[1:]) if owner[:1] == "T" else 0
    if text == ".":
        number = here
    elif text:
        number = task_named(state, text).id
    else:
        live = [row["id"] for row in rows(state) if row["state"] not in ENDS and not row["internal"]]
        if not live:
            raise ReplayError("there are no tasks to look at here")
        now = state.task if state.task is not None else here
        number = next((one for one in live if one > now), live[0])
    before = state.task, state.frame
    state.task, state.frame, state.listed = None if number == here or not number else number, None, None
    if not stack(state):
        state.task, state.frame = before
        raise ReplayError(f"{label(state, number)} has no frames here: it has ended, or is not made yet")
    if not number:
        return Result([f"{owner_label(state, owner)}, which is here"], {"task": None})
    row = next(row for row in rows(state) if row["id"] == number)
    awaiting = f"  {row['awaiting']}" if row["awaiting"] else ""
    told = f"{state.style('name', label(state, number))}  {row['state']}  {printable(row['where'] or '')}"
    return Result([told + awaiting], {"task": f"T{number}", "here": state.task is None})


COMMANDS: Final = (
    _file_row(
        "tasks",
        "tasks [--all] [--times] [--sort id|name|state|steps|run|ready|wait|last] [--filter [COLUMN=]TEXT]\n"
        f"      [--group {'|'.join(GROUPED)}]",
        "List the tasks as they are here: for how long they ran, were ready, waited; the last and next step; "
        "or how many are alike",
        ("tasks --sort wait | head 5", "tasks --filter state=waiting --group where"),
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
        "select",
        "select [T | .]",
        "Look at a task until one moves: where, locals, p and list are about it; alone: the next one",
        ("select", "select T1"),
        ("task", "where", "locals"),
        _select,
    ),
    _row(
        "why",
        "why [T | ready T | cancelled T]",
        "Explain what a task waits for, and what can end that; what woke it; who cancelled it",
        ("why T1", "why ready T1"),
        ("await", "tree", "ready", "last"),
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
    _file_row(
        "tree",
        "tree [--by await|spawn] [--all]",
        "Draw which task waits for which, or made which; tasks of trio in their nurseries and cancel scopes",
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
