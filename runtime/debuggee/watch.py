"""Notices when the value of an expression changes, by evaluating it at each line of the program's own code.

That runs code of the program, and keeps frames alive: it is for a copy of the process that is thrown away
when it has said where the changes were. What is found is the line after which the value was another one.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import CodeType, FrameType
from typing import Any, Final

from replay.runtime.debuggee.refusing import Refusing
from replay.runtime.debuggee.stack import frames_from
from replay.runtime.inspection.frames import Codes, has_ended
from replay.runtime.streams import current

MAX_TEXT: Final = 500
"""So much is told of a value; what is compared is all of it."""

_SAME_TEXT: Final = 100
"""Of what is before the first difference, so much."""

_ABSENT: Final = "(nothing yet)"


class Watch:
    """One expression: of a module, or in the frames of a function that a certain owner runs.

    Of several such frames it is the one before which there are ``before`` others, from the outermost.
    """

    sees_end = False  # the interpreter has cleared the modules

    def __init__(self, form: Mapping[str, Any]) -> None:
        self.form = form
        self._code: CodeType = compile(form["text"], "<debugger>", "eval")
        self._module: str | None = form.get("module")
        self._frame: FrameType | None = None
        self._value: str = _ABSENT
        self._refusing = Refusing()
        self._codes = Codes()

    def begin(self, control: Any) -> None:
        """Take the frame from those that its owner has already, and the value that it has."""
        if self._module is None:
            self._find(control.frames_of(self.form["of"]))
        self._value = self._text()

    def look(self, frame: FrameType | None, owner: str) -> list[Any] | None:
        """Return the value before and the one that it is now, if they differ."""
        if self._module is None:
            if self._frame is not None and has_ended(self._frame):
                self._frame = None
                self._value = _ABSENT
            if self._frame is None and frame is not None and owner == self.form["of"]:
                self._find(frames_from(frame))
        before, self._value = self._value, self._text()
        return None if before == self._value else _told(before, self._value)

    def _find(self, frames: list[FrameType]) -> None:
        function, path = self.form["function"], self.form["path"]
        found = [
            one
            for one in reversed(frames)
            if one.f_code.co_qualname == function and one.f_code.co_filename == path
        ]
        at: int = self.form["before"]
        self._frame = found[at] if at < len(found) else None

    def _text(self) -> str:
        if self._module is not None:
            module = sys.modules.get(self._module)
            names = spaces = {} if module is None else vars(module)
        elif self._frame is None:
            return _ABSENT
        else:
            # Not `f_locals`: what it holds lives longer than in the program, its `__del__` comes elsewhere.
            names, spaces = dict(self._codes.variables(self._frame)), self._frame.f_globals
        stream, current.stream = current.stream, self._refusing
        try:
            return repr(eval(self._code, spaces, names))  # noqa: S307 - asked for
        except (NameError, AttributeError, LookupError):
            return _ABSENT
        except BaseException as error:
            return f"({type(error).__name__})"
        finally:
            current.stream = stream
            del names


def _told(before: str, after: str) -> list[str]:
    """Return two texts that differ as they are told: long ones from a little before the first difference."""
    at = 0
    if max(len(before), len(after)) > MAX_TEXT:
        pairs = enumerate(zip(before, after, strict=False))
        first = next((at for at, (one, other) in pairs if one != other), min(len(before), len(after)))
        at = max(first - _SAME_TEXT, 0)
    return [("..." if at else "") + text[at : at + MAX_TEXT] for text in (before, after)]
