"""Who wants to know is told of each task of trio that is made ready: in a replay that is looked at."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from replay.runtime.divergence import at_new_loop

Tell = Callable[[Any, Any], None]
"""Takes a task that has run before, and what it is to be resumed with: an outcome, None for no value."""

_NOTHING: Final = object()


class Wakes:
    """Tells, once somebody has asked; for a process that is thrown away, since nothing undoes it."""

    def __init__(self) -> None:
        self._tell: Tell | None = None
        self._is_put = False

    def notice(self, tell: Tell) -> None:
        """Tell of each from now on, before it happens; if trio is imported later, of those from then on."""
        self._tell = tell
        at_new_loop.append(self._put)
        if "trio._core._run" in sys.modules:
            self._put()

    def _put(self) -> None:
        """Take notice of the trio that is there now."""
        if self._is_put:
            return
        self._is_put = True
        runner: Any = sys.modules["trio._core._run"].Runner
        real = runner.reschedule

        def reschedule(self_: Any, task: Any, next_send: Any = _NOTHING) -> None:
            is_new = next_send is None
            if not is_new and self._tell is not None:
                self._tell(task, None if next_send is _NOTHING else next_send)
            real(self_, task, *(() if next_send is _NOTHING else (next_send,)))

        runner.reschedule = reschedule


wakes = Wakes()
