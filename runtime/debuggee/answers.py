"""What a debuggee can be asked while it is stopped; each answer is plain data.

Each looks around in a copy of the process, so that it may hold on to things and run code of the program.
Frames are counted from the innermost, which is 0.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from dataclasses import asdict, is_dataclass
from operator import itemgetter
from types import FrameType
from typing import Any, Final

from replay.protocol import Message
from replay.runtime import real
from replay.runtime.debuggee.control import Control
from replay.runtime.debuggee.evaluation import (
    MAX_VALUE,
    TIMEOUT_S,
    error_text,
    evaluate,
    in_copy,
    text_of,
    texts,
)
from replay.runtime.debuggee.lines import NOT_COUNTED, OWN, kinds
from replay.runtime.debuggee.stack import begins_step
from replay.runtime.inspection.aio_objects import of_handle
from replay.runtime.inspection.data import ErrorTree, Place, Ready, Wait
from replay.runtime.inspection.errors import tree_of
from replay.runtime.inspection.program import ProgramInspector

Answer = Callable[[Control, Message], Any]

LOOK_LIMIT_S: Final = 60.0
"""For what runs no code of the program: it takes long only if there are very many tasks."""

_MAX_FRAMES: Final = 1000


def _running_frames(control: Control) -> list[FrameType]:
    """Return the frames of whoever runs, without those of the loop, what runs the loop, and ours."""
    stop = control.stop
    frame = None if stop is None else stop.frame
    found: list[FrameType] = []
    while frame is not None and len(found) < _MAX_FRAMES:
        if frame.f_globals.get("__name__") == "replay.runtime.boot" or begins_step(frame):
            break
        if kinds[frame.f_code.co_filename] != NOT_COUNTED:
            found.append(frame)
        frame = frame.f_back
    return found


def _frames(control: Control, request: Message, inspector: ProgramInspector) -> list[FrameType]:
    """Return the frames of the task asked for, or of whoever runs."""
    found = _running_frames(control)
    number = request.get("task")
    if number is None and not found:
        number = control.task
    if not number or (found and number == control.task):
        return found
    return inspector.stack_of(number)


def _stack(control: Control, request: Message) -> dict[str, Any]:
    with ProgramInspector() as inspector:
        return {
            "frames": [
                {
                    "path": frame.f_code.co_filename,
                    "lineno": frame.f_lineno,
                    "function": frame.f_code.co_qualname,
                    "is_own": kinds[frame.f_code.co_filename] == OWN,
                }
                for frame in _frames(control, request, inspector)
            ]
        }


def _evaluate(control: Control, request: Message) -> dict[str, Any]:
    with ProgramInspector() as inspector:
        frames = _frames(control, request, inspector)
    at = int(request.get("frame") or 0)
    frame = frames[at] if 0 <= at < len(frames) else None
    return evaluate(request["text"], frame, vars(sys.modules["__main__"]), request.get("width"))


def _holds(control: Control, request: Message) -> dict[str, Any]:
    found = _evaluate(control, {"text": f"bool({request['text']}\n)"})
    return {"holds": found.get("error") is not None or found.get("text") == "True"}


def _scope(control: Control, request: Message) -> dict[str, Any]:
    """Say in which frame an expression is to be watched; or in which module, if it has no local names."""
    number = request.get("task")
    owner = control.here if number is None else f"T{number}"
    with ProgramInspector() as inspector:
        frames = _frames(control, request, inspector)
    at = int(request.get("frame") or 0)
    if not 0 <= at < len(frames):
        return {"module": None if frames else "__main__"}
    frame = frames[at]
    code = frame.f_code
    names = {node.id for node in ast.walk(ast.parse(request["text"])) if isinstance(node, ast.Name)}
    local = {*code.co_varnames, *code.co_cellvars, *code.co_freevars}
    if not code.co_flags & inspect.CO_OPTIMIZED and frame.f_locals is not frame.f_globals:
        local.update(frame.f_locals)
    module = frame.f_globals.get("__name__")
    if not names & local and vars(sys.modules.get(str(module), ast)) is frame.f_globals:
        return {"module": module}
    alike = [one for one in control.frames_of(owner) if one.f_code is code]
    return {
        "of": owner,
        "function": code.co_qualname,
        "path": code.co_filename,
        "before": len(alike) - 1 - alike.index(frame),
    }


def _locals(control: Control, request: Message) -> dict[str, Any]:
    with ProgramInspector() as inspector:
        frames = _frames(control, request, inspector)
        at = int(request.get("frame") or 0)
        if not 0 <= at < len(frames):
            return {"names": []}
        return {"names": _named_texts(inspector.codes.variables(frames[at]))}


def _context(control: Control, request: Message) -> dict[str, Any]:
    number = request.get("task")
    with ProgramInspector() as inspector:
        context = _context_of(control, inspector, control.task if number is None else number)
        if context is None:
            return {"names": None}
        found = sorted(((variable.name, value) for variable, value in context.items()), key=itemgetter(0))
        return {"names": _named_texts(found)}


def _context_of(control: Control, inspector: ProgramInspector, number: int) -> Context | None:
    """Return the context of a task, or if the number is 0 of what runs here outside of any."""
    stop = control.stop
    is_before = stop is not None and stop.event == "step"
    if number == control.task and not is_before:
        return copy_context()  # what runs may have entered another one than the task's
    if number:
        task = inspector.task_of(number)
        return None if task is None else inspector.context(task)
    found = of_handle(_handle(inspector) if is_before else None, "_context")
    return found if type(found) is Context else copy_context()


def _value(control: Control, request: Message) -> dict[str, Any]:
    stop = control.stop
    value = None if stop is None else stop.value
    if isinstance(value, BaseException):
        text = error_text(value)[:MAX_VALUE]
    else:
        text = text_of(value)
    return {"text": text, "type": type(value).__name__}


def _named_texts(named: Iterable[tuple[str, Any]]) -> list[list[str]]:
    names, values = [], []
    for name, value in named:
        names.append(name)
        values.append(value)
    return [list(pair) for pair in zip(names, texts(values), strict=True)]


def _inspect(control: Control, request: Message) -> dict[str, Any]:
    with ProgramInspector() as inspector:
        number = request.get("task")
        task = None if number is None else inspector.task_of(number)
        found: Any
        match request["what"]:
            case "tasks":
                found = inspector.tasks()
            case "all_waits":
                numbers = [info.id for info in inspector.tasks() if info.state == "waiting"]
                found = {str(one): _in_short(inspector.waits(inspector.task_of(one))) for one in numbers}
            case "chains":
                found = [] if task is None else inspector.chains(task)
            case "waits":
                found = None if task is None else inspector.waits(task)
            case "made":
                found = control.world.last_task
            case "ready":
                found = inspector.ready()
            case "chosen":
                found = _chosen(inspector)
            case "error":
                found = None if task is None else inspector.error(task)
            case "raised":
                found = _raised(control, inspector)
            case "blocked":
                found = inspector.blocked()
            case "threads":
                others = map(_place_in, control.world.carrier.waiting_frames())
                found = [place for place in others if place is not None]
            case "scopes":
                found = inspector.scopes()
            case "cancelled_by":
                found = None if task is None else inspector.cancelled_by(task)
            case "locals":
                frames = _frames(control, request, inspector)
                at = int(request.get("frame") or 0)
                found = inspector.locals(frames[at]) if 0 <= at < len(frames) else []
            case what:
                raise ValueError(f"nobody knows what {what!r} is")
        return {"found": _plain(found)}


def _chosen(inspector: ProgramInspector) -> Ready | None:
    """Return what the loop of this thread runs, or is about to."""
    handle = _handle(inspector)
    return None if handle is None else inspector.entry(handle)


def _handle(inspector: ProgramInspector) -> Any:
    frame: FrameType | None = real.getframe(1)
    while frame is not None and not begins_step(frame):
        frame = frame.f_back
    return inspector.codes.variable(frame, "handle")


def _place_in(frame: FrameType | None) -> Place | None:
    """Return the innermost line of the program's own code of a stack."""
    while frame is not None and kinds[frame.f_code.co_filename] != OWN:
        frame = frame.f_back
    if frame is None:
        return None
    return Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)


def _raised(control: Control, inspector: ProgramInspector) -> ErrorTree | None:
    """Return the exception that is raised here, with what it comes from."""
    stop = control.stop
    if stop is None or not isinstance(stop.value, BaseException):
        return None
    found = tree_of(inspector.codes, stop.value)
    if found.place is None and stop.frame is not None and inspector.codes.is_users(stop.frame):
        found.place = inspector.codes.place(stop.frame)  # Python 3.11 adds this frame to the traceback later
    return found


def _in_short(wait: Wait | None) -> dict[str, Any] | None:
    """Return a wait with how many are in its line: their names, for each of them, would be too many."""
    if wait is None:
        return None
    count = len(wait.waiters)
    wait.waiters = []
    return {**asdict(wait), "waiters_count": count}


def _plain(value: Any) -> Any:
    """Return dataclasses as what a message can hold."""
    if isinstance(value, list):
        return [asdict(one) for one in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _in_copy(look: Callable[[Control, Message], dict[str, Any]], limit_s: float = LOOK_LIMIT_S) -> Answer:
    def answer(control: Control, request: Message) -> Any:
        timeout_s = float(request.get("timeout_s") or limit_s)
        return in_copy(control, lambda: look(control, request), timeout_s)

    return answer


ANSWERS: Final[dict[str, Answer]] = {
    "context": _in_copy(_context, TIMEOUT_S),
    "evaluate": _in_copy(_evaluate, TIMEOUT_S),
    "holds": _in_copy(_holds, TIMEOUT_S),
    "inspect": _in_copy(_inspect),
    "locals": _in_copy(_locals, TIMEOUT_S),
    "scope": _in_copy(_scope),
    "stack": _in_copy(_stack),
    "value": _in_copy(_value, TIMEOUT_S),
}
