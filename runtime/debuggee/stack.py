"""The stack of whoever's step it is: where it begins, below the loop that runs it."""

from __future__ import annotations

from types import FrameType
from typing import Final

from replay.runtime.inspection.trio_objects import unrolled_run_code
from replay.runtime.worlds.recorded import RecordedWorld

_OF_ASYNCIO: Final = RecordedWorld.run_ready.__code__
_OF_TRIO: Final = "unrolled_run"


def begins_step(frame: FrameType) -> bool:
    """Whether it is the frame that runs steps: further out, nothing is of the task whose step it is."""
    code = frame.f_code
    return code is _OF_ASYNCIO or (code.co_name == _OF_TRIO and code is unrolled_run_code())


def frames_from(frame: FrameType | None) -> list[FrameType]:
    """Return the frames from the innermost to the first of whoever's step it is."""
    found: list[FrameType] = []
    while frame is not None and not begins_step(frame):
        found.append(frame)
        frame = frame.f_back
    return found
