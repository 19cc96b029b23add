"""What makes a task of trio ready: told by the stack, at the moment when it happens.

All that wakes a task comes to one function of the run. Above it on the stack is whoever does it: a task, the
end of one, or the loop, which has a deadline to see to, a descriptor that is ready, a call from a thread.
"""

from __future__ import annotations

from types import FrameType
from typing import Any, Final

from replay.runtime.inspection.data import Cause
from replay.runtime.inspection.frames import is_ours
from replay.runtime.inspection.trio_ import TrioInspector
from replay.runtime.inspection.trio_objects import unrolled_run_code
from replay.runtime.inspection.trio_waits import key_of

MOST_FRAMES: Final = 100

_TASK_EXITED: Final = "_core._run:Runner.task_exited"
_AGENTS: Final = {
    "_core._io_epoll:EpollIOManager.process_events": "fd",
    "_core._entry_queue:EntryQueue.task": "call",
}


def cause_of_wake(look: TrioInspector, task: Any, sent: Any, frame: FrameType | None) -> Cause:
    """Describe why a task is made ready now.

    Args:
      look: sees the task still waiting.
      task: which.
      sent: what it is to be resumed with.
      frame: innermost frame of whoever does it.
    """
    cause = Cause("wake")
    cause.because, cause.error = look.outcome(task, sent)
    cause.wait = look.waits(task)
    if cause.because == "cancelled":
        cause.scope = look.cancelled_by(task)
    agent = "idle" if cause.wait is not None and cause.wait.kind == "idle" else None
    for one in _stack(frame):
        cause.frames.append(look.caller(one))
        key = key_of(one.f_code, look.folder)
        if key == _TASK_EXITED and cause.ended is None:
            cause.ended = look.id_of(look.codes.variable(one, "task"))
        agent = agent or _AGENTS.get(key or "")
    cause.agent = agent
    return cause


def _stack(frame: FrameType | None) -> list[FrameType]:
    """Return the frames up to the loop of the run, innermost first."""
    found: list[FrameType] = []
    loop = unrolled_run_code()
    while frame is not None and frame.f_code is not loop and len(found) < MOST_FRAMES:
        if not is_ours(frame):
            found.append(frame)
        frame = frame.f_back
    return found
