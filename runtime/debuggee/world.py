"""The recorded world, as a debugged replay runs in it: it tells its control what the program does."""

from __future__ import annotations

from typing import Any

from replay.runtime.debuggee.control import Control
from replay.runtime.worlds.recorded import RecordedStream, RecordedWorld


class DebuggedWorld(RecordedWorld):
    """Answers from a recording, and stops where its control says."""

    def __init__(self, control: Control, *args: Any) -> None:
        super().__init__(*args)
        self._control = control
        self.watcher = control

    def begin(self) -> None:
        """Start answering the main thread; first of all, stop."""
        super().begin()
        self._control.begin(self)

    def before_signal(self) -> None:
        """Stop, if that is wanted where signals come in."""
        self._control.on_signal()

    def show(self, target: int, data: bytes) -> None:
        """Hand over what the program writes."""
        self._control.show(target, data)

    def close(self, how: str, detail: object) -> None:
        """The program has ended as when recorded."""
        super().close(how, detail)
        self._control.end("end", how=how, detail=detail)

    def leave(self, stream: RecordedStream, how: str, detail: object) -> None:
        """The program has ended at once, as when recorded."""
        super().leave(stream, how, detail)
        self._control.end("end", how=how, detail=detail)
