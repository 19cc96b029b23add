"""Notices when the value of an expression changes, by evaluating it at each line of the program's own code.

That runs code of the program, and keeps frames alive: it is for a copy of the process that is thrown away
when it has said where the changes were. What is found is the line after which the value was another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import CodeType, FrameType
from typing import Any, Final

from replay.runtime.debuggee.refusing import Refusing
from replay.runtime.streams import current

MAX_TEXT: Final = 500
_ABSENT: Final = "(nothing yet)"


class Watch:
    """One expression, in the frame of a function that a certain owner runs, or of a module."""

    def __init__(self, form: Mapping[str, Any]) -> None:
        self.id = form.get("id")
        self._code: CodeType = compile(form["text"], "<debugger>", "eval")
        self.owner: str = form["owner"]
        self._function: str = form["function"]
        self._path: str = form["path"]
        self._frame: FrameType | None = None
        self._before: str | None = None
        self._place: list[Any] = []
        self._refusing = Refusing()

    def look(self, frame: FrameType, owner: str, position: list[int]) -> list[Any] | None:
        """Return ``[place, before, after]`` if the value is not what it was at the last look."""
        if owner == self.owner and (self._frame is None or not self._is_there()):
            self._find(frame)
        place, self._place = self._place, [*position, owner]
        after = self._value()
        before, self._before = self._before, after
        if before is None or before == after or not place:
            return None
        return [place, before, after]

    def start_in(self, frames: list[FrameType]) -> None:
        """Take the frame from those that its owner has already."""
        for frame in frames:
            if self._is_it(frame):
                self._frame = frame

    def _find(self, frame: FrameType) -> None:
        at: FrameType | None = frame
        while at is not None:
            if self._is_it(at):
                self._frame = at
                return
            at = at.f_back

    def _is_it(self, frame: FrameType) -> bool:
        code = frame.f_code
        return code.co_qualname == self._function and code.co_filename == self._path

    def _is_there(self) -> bool:
        """Whether the frame has not ended: one that has may be followed by another of the same function."""
        assert self._frame is not None
        return self._frame.f_lasti >= 0 and not _has_ended(self._frame)

    def _value(self) -> str:
        if self._frame is None:
            return _ABSENT
        stream, current.stream = current.stream, self._refusing
        try:
            return repr(eval(self._code, self._frame.f_globals, self._frame.f_locals))[:MAX_TEXT]  # noqa: S307
        except (NameError, AttributeError, LookupError):
            return _ABSENT
        except BaseException as error:
            return f"({type(error).__name__})"
        finally:
            current.stream = stream


def _has_ended(frame: FrameType) -> bool:
    code = frame.f_code.co_code
    return frame.f_back is None and frame.f_lasti >= len(code) - 2
