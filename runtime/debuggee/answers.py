"""What a debuggee can be asked while it is stopped; each answer is plain data.

Each looks around in a copy of the process, so that it may hold on to things and run code of the program.
Frames are counted from the innermost, which is 0.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from types import FrameType
from typing import Any, Final

from replay.protocol import Message
from replay.runtime.debuggee.control import Control
from replay.runtime.debuggee.evaluation import TIMEOUT_S, evaluate, in_copy
from replay.runtime.debuggee.lines import NOT_COUNTED, OWN, kinds
from replay.runtime.inspection.aio import AsyncioInspector

Answer = Callable[[Control, Message], Any]

_MAX_FRAMES: Final = 1000
_MAX_VALUE: Final = 2000
"""Characters of one value that are shown among others."""


def _running_frames(control: Control) -> list[FrameType]:
    """Return the frames of whoever runs, without those of the loop and ours."""
    stop = control.stop
    frame = None if stop is None else stop.frame
    found: list[FrameType] = []
    while frame is not None and len(found) < _MAX_FRAMES:
        if frame.f_globals.get("__name__") == "replay.runtime.boot":
            break
        if kinds[frame.f_code] != NOT_COUNTED:
            found.append(frame)
        frame = frame.f_back
    return found


def _frames(control: Control, request: Message, inspector: AsyncioInspector) -> list[FrameType]:
    """Return the frames of the task asked for, or of whoever runs."""
    found = _running_frames(control)
    number = request.get("task")
    if number is None and not found:
        number = control.task
    if not number or (found and number == control.task):
        return found
    return inspector.stack_of(number)


def _stack(control: Control, request: Message) -> dict[str, Any]:
    with AsyncioInspector() as inspector:
        return {
            "frames": [
                {
                    "path": frame.f_code.co_filename,
                    "lineno": frame.f_lineno,
                    "function": frame.f_code.co_qualname,
                    "is_own": kinds[frame.f_code] == OWN,
                }
                for frame in _frames(control, request, inspector)
            ]
        }


def _evaluate(control: Control, request: Message) -> dict[str, Any]:
    with AsyncioInspector() as inspector:
        frames = _frames(control, request, inspector)
    at = int(request.get("frame") or 0)
    frame = frames[at] if 0 <= at < len(frames) else None
    return evaluate(request["text"], frame, vars(sys.modules["__main__"]))


def _holds(control: Control, request: Message) -> dict[str, Any]:
    found = _evaluate(control, {"text": f"bool({request['text']}\n)"})
    return {"holds": found.get("error") is not None or found.get("text") == "True"}


def _scope(control: Control, request: Message) -> dict[str, Any]:
    """Say in which frame an expression is to be watched; or in which module, if it has no local names."""
    number = request.get("task")
    owner = control.here if number is None else f"T{number}"
    with AsyncioInspector() as inspector:
        frames = _frames(control, request, inspector)
    at = int(request.get("frame") or 0)
    if not 0 <= at < len(frames):
        return {"module": None if frames or owner != "main" else "__main__"}
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
    with AsyncioInspector() as inspector:
        frames = _frames(control, request, inspector)
        at = int(request.get("frame") or 0)
        if not 0 <= at < len(frames):
            return {"names": []}
        values = inspector.codes.variables(frames[at])
        return {"names": [[str(name), _text(value)] for name, value in values]}


def _value(control: Control, request: Message) -> dict[str, Any]:
    stop = control.stop
    value = None if stop is None else stop.value
    if isinstance(value, BaseException):
        text = "".join(traceback.format_exception_only(value)).rstrip()[:_MAX_VALUE]
    else:
        text = _text(value)
    return {"text": text, "type": type(value).__name__}


def _text(value: object) -> str:
    try:
        return repr(value)[:_MAX_VALUE]
    except BaseException as error:
        return f"<{type(value).__name__} object, whose repr raises {type(error).__name__}>"


def _inspect(control: Control, request: Message) -> dict[str, Any]:
    with AsyncioInspector() as inspector:
        number = request.get("task")
        task = None if number is None else inspector.task_of(number)
        found: Any
        match request["what"]:
            case "tasks":
                found = inspector.tasks()
            case "all_waits":
                numbers = [info.id for info in inspector.tasks() if info.state == "waiting"]
                found = {str(one): _plain(inspector.waits(inspector.task_of(one))) for one in numbers}
            case "chains":
                found = [] if task is None else inspector.chains(task)
            case "waits":
                found = None if task is None else inspector.waits(task)
            case "ready":
                loop = asyncio._get_running_loop()
                found = [] if loop is None else inspector.ready(loop)
            case "blocked":
                found = inspector.blocked()
            case "locals":
                frames = _frames(control, request, inspector)
                at = int(request.get("frame") or 0)
                found = inspector.locals(frames[at]) if 0 <= at < len(frames) else []
            case what:
                raise ValueError(f"nobody knows what {what!r} is")
        return {"found": _plain(found)}


def _plain(value: Any) -> Any:
    """Return dataclasses as what a message can hold."""
    if isinstance(value, list):
        return [asdict(one) for one in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _in_copy(look: Callable[[Control, Message], dict[str, Any]]) -> Answer:
    def answer(control: Control, request: Message) -> Any:
        timeout_s = float(request.get("timeout_s") or TIMEOUT_S)
        return in_copy(control, lambda: look(control, request), timeout_s)

    return answer


ANSWERS: Final[dict[str, Answer]] = {
    "evaluate": _in_copy(_evaluate),
    "holds": _in_copy(_holds),
    "inspect": _in_copy(_inspect),
    "locals": _in_copy(_locals),
    "scope": _in_copy(_scope),
    "stack": _in_copy(_stack),
    "value": _in_copy(_value),
}
