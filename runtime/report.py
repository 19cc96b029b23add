"""The lines that `record` ends with, and the file that is kept or dropped."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, Final

from replay.runtime import real

untold: Final[list[str]] = []
"""What could not be said when it happened, for descriptor 2 was the program's own then."""


def tell(text: str) -> None:
    """Say something of ours on stderr; the program goes on whatever becomes of it."""
    with suppress(OSError):
        real.write(real.stderr_fd, f"replay: {text}\n".encode(errors="backslashreplace"))


class Report:
    """Says what was recorded, however the program ends."""

    def __init__(self, world: Any, output: str, part: str, on_failure: bool, secrets_: Any) -> None:
        self._world = world
        self._secrets = secrets_
        self._output = output
        self._part = part
        self._on_failure = on_failure
        self._started = real.monotonic()
        name = os.path.relpath(output)  # now: the program may go elsewhere
        self._name = output if name.startswith("..") else name

    def note(self) -> None:
        """Write down how much was redacted."""
        if not self._world.is_abandoned:
            self._world.flush_main()
            text = self._secrets.summary()
            if text:
                self._world.note(text)

    def show(self, failed: bool | None) -> None:
        """Say what was recorded, and how to look at it; keep or drop what is kept on failure only.

        Args:
          failed: whether the run did; None if it goes on as another program, and nobody knows.
        """
        if self._world.is_abandoned:
            return
        name = self._name
        if self._on_failure and failed is None:
            name += ".part"
        elif self._on_failure:
            if not failed:
                with suppress(OSError):
                    real.unlink(self._part)
                return
            try:
                real.replace(self._part, self._output)
            except OSError as problem:
                tell(f"the recording cannot be renamed ({problem.strerror})")
                name = self._part
        while untold:
            tell(untold.pop(0))
        self._tell_redacted()
        world = self._world
        took = _seconds(real.monotonic() - self._started)
        tell(
            f"recorded {name}  {world.events_count} events, {world.tasks_count} tasks, "
            f"{took}, {_bytes(world.bytes_written)}{'  FAILED' if failed else ''}"
        )
        tell(f"next: replay play {name}")

    def _tell_redacted(self) -> None:
        redacted = self._secrets.summary()
        if redacted:
            tell(redacted)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(count / 1e3, 0.1):.1f} KB"
