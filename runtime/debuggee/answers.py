"""What a debuggee can be asked while it is stopped; each answer is plain data."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Final

from replay.protocol import Message
from replay.runtime.debuggee.control import Control
from replay.runtime.debuggee.evaluation import TIMEOUT_S, evaluate, in_copy
from replay.runtime.debuggee.lines import NOT_COUNTED, OWN, kinds

_MAX_FRAMES: Final = 1000
_MAX_VALUE: Final = 2000
"""Characters of one value that are shown among others."""


def _frames(control: Control) -> list[FrameType]:
    """Return the frames of whoever runs, innermost first, without those of the loop and ours."""
    stop = control.stop
    frame = None if stop is None else stop.frame
    found: list[FrameType] = []
    while frame is not None and len(found) < _MAX_FRAMES:
        if kinds[frame.f_code] != NOT_COUNTED:
            found.append(frame)
        frame = frame.f_back
    return found


def _stack(control: Control, request: Message) -> Any:
    """Return the frames of whoever runs, innermost first."""
    return [
        {
            "path": frame.f_code.co_filename,
            "lineno": frame.f_lineno,
            "function": frame.f_code.co_qualname,
            "is_own": kinds[frame.f_code] == OWN,
            "arguments": frame.f_code.co_argcount + frame.f_code.co_kwonlyargcount,
        }
        for frame in _frames(control)
    ]


def _frame(control: Control, request: Message) -> FrameType | None:
    frames = _frames(control)
    index = int(request.get("frame") or 0)
    return frames[index] if 0 <= index < len(frames) else None


def _evaluate(control: Control, request: Message) -> Any:
    """Return the value of ``text`` in ``frame``, as its repr; see ``evaluation.evaluate``."""
    frame = _frame(control, request)
    namespace = vars(sys.modules["__main__"])
    run = partial(evaluate, request["text"], frame, namespace)
    return in_copy(control, run, float(request.get("timeout_s") or TIMEOUT_S))


def _holds(control: Control, request: Message) -> Any:
    """Return whether the value of ``text`` is true; an error counts as if it were."""
    found = _evaluate(control, {"text": f"bool({request['text']}\n)"})
    return found.get("error") is not None or found.get("text") == "True"


def _locals(control: Control, request: Message) -> Any:
    """Return ``[[name, text], ...]`` of the local variables of ``frame``."""
    frame = _frame(control, request)
    if frame is None:
        return {"names": []}

    def look() -> dict[str, Any]:
        return {"names": [[name, _text(value)] for name, value in frame.f_locals.items()]}

    return in_copy(control, look)


def _value(control: Control, request: Message) -> Any:
    """Return what is returned, or raised, where the program stands."""
    stop = control.stop
    value = None if stop is None else stop.value

    def look() -> dict[str, Any]:
        if isinstance(value, BaseException):
            text = "".join(traceback.format_exception_only(value)).rstrip()[:_MAX_VALUE]
        else:
            text = _text(value)
        return {"text": text, "type": type(value).__name__}

    return in_copy(control, look)


def _text(value: object) -> str:
    try:
        return repr(value)[:_MAX_VALUE]
    except BaseException as error:
        return f"<{type(value).__name__} object, whose repr raises {type(error).__name__}>"


ANSWERS: Final[dict[str, Callable[[Control, Message], Any]]] = {
    "stack": _stack,
    "evaluate": _evaluate,
    "holds": _holds,
    "locals": _locals,
    "value": _value,
}
