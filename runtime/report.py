"""Our own lines on stderr, those that `record` ends with, and the file that is kept or dropped."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, Final

from replay.quantities import byte_size, counted, duration
from replay.runtime import real

untold: Final[list[str]] = []
"""What could not be said when it happened, for descriptor 2 was the program's own then."""


_has_open_line: Final = {1: False, 2: False}
"""Whether the last line on stdout and stderr still lacks its end."""
_last_target: int = 2


def wrote(target: int, data: bytes) -> None:
    """Take note of what goes to stdout or stderr: a line of ours does not begin in the middle of another."""
    global _last_target
    if data:
        _has_open_line[target] = not data.endswith(b"\n")
        _last_target = target


def tell(text: str) -> None:
    """Say something of ours on stderr, on lines of its own; the program goes on whatever becomes of it."""
    with suppress(OSError):
        start = "\n" if _has_open_line[_last_target if _is_one_file() else 2] else ""
        real.write(real.stderr_fd, f"{start}replay: {text}\n".encode(errors="backslashreplace"))
        wrote(2, b"\n")


def _is_one_file() -> bool:
    """Whether stdout and stderr lead to the same place: a terminal, mostly."""
    try:
        return os.path.samestat(real.fstat(1), real.fstat(real.stderr_fd))
    except OSError:
        return False


class Report:
    """Says what was recorded, however the program ends.

    Args:
      world: which records.
      output: where the recording is wanted.
      on_failure: whether it is, if the program does not fail.
      redaction: says what was redacted.

    Attributes:
      first_path: where the recording is until there is a line of the program to run: until then, an older one
        is left alone.
    """

    def __init__(self, world: Any, output: str, on_failure: bool, redaction: Any) -> None:
        self._world = world
        self._secrets = redaction
        self._output = output
        self._part = f"{output}.part" if on_failure else output
        self.first_path = f"{output}.new"
        self._has_started = False
        self._on_failure = on_failure
        self._started_ns = real.monotonic_ns()
        name = os.path.relpath(output)  # now: the program may go elsewhere
        self._name = output if name.startswith("..") else name

    def start(self) -> None:
        """Give the recording its name: the program's first line is about to run."""
        if not self._has_started:
            self._has_started = True
            try:
                real.replace(self.first_path, self._part)
            except OSError as problem:
                tell(f"the recording stays at {self.first_path}: it cannot be renamed ({problem.strerror})")

    def forgo(self, problem: OSError) -> None:
        """Say that there is no recording, since its file cannot be made; the program runs all the same."""
        self._has_started = True
        reason = problem.strerror or str(problem)
        left = self._tell_left_alone()
        tell(f"the recording cannot be written ({reason}); the program runs, unrecorded{left}")

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
        if failed and not self._has_started:
            with suppress(OSError):
                real.unlink(self.first_path)
            tell(f"nothing was recorded: the program did not start{self._tell_left_alone()}")
            return
        self.start()
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
        took = duration(real.monotonic_ns() - self._started_ns)
        counts = f"{counted(world.events_count, 'event')}, {counted(world.tasks_count, 'task')}"
        size = byte_size(world.bytes_written)
        tell(f"recorded {name}  {counts}, {took}, {size}{'  FAILED' if failed else ''}")
        tell(f"next: replay {'debug' if failed else 'play'} {name}")

    def _tell_left_alone(self) -> str:
        return f"; {self._name} is left as it was" if real.access(self._output, os.F_OK) else ""

    def _tell_redacted(self) -> None:
        redacted = self._secrets.summary()
        if redacted:
            tell(redacted)
