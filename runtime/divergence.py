"""What a replay says when it is not the recorded run: where, what was expected, what was seen."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Final, NoReturn

from replay.options import ExitCode
from replay.recording.merge import Event, merged
from replay.recording.reader import RecordingFile
from replay.runtime import real
from replay.runtime.ending import Ending
from replay.runtime.report import tell

_ADDRESS: Final = re.compile(rb" at 0x([0-9a-f]{6,16})")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a recording, as a stream knows it."""

    stream: int
    item: int


@dataclass(frozen=True, slots=True)
class Divergence:
    """The replay asked for something other than the recording has next."""

    position: Position
    expected: str
    observed: str
    cause: str | None
    task: str | None
    where: str | None

    @classmethod
    def here(cls, position: Position, expected: str, observed: str, cause: str | None = None) -> Divergence:
        """Describe the difference as of the running thread's task and source line."""
        return cls(position, expected, observed, cause, _task(), _where())


@dataclass(frozen=True, slots=True)
class Ended:
    """The recording has no more events, though the program goes on."""

    message: str
    damaged: bool = False
    where: str | None = field(default_factory=lambda: _where())
    ending: Ending = field(default_factory=Ending)


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Whoever looks on has had enough of it: by Ctrl-C, or after the time that was given."""

    position: Position
    where: str | None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unseen:
    """What the replay shows can be written nowhere."""

    problem: OSError


_task_tellers: Final[list[Callable[[], str | None]]] = []

loop_folders: Final = [asyncio.__file__.rpartition("/")[0] + "/"]
"""Where the event loops of the program are, and what belongs to them."""

at_new_loop: Final[list[Callable[[], object]]] = []
"""Called when there is one more."""


def add_loop(folder: str, task_teller: Callable[[], str | None]) -> None:
    """The program has imported a library with an event loop.

    Args:
      folder: where it is, with a final separator.
      task_teller: says which task of it runs.
    """
    loop_folders.append(folder)
    _task_tellers.append(task_teller)
    for action in at_new_loop:
        action()


def _task() -> str | None:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    if task is None:
        return next((told for tell in _task_tellers if (told := tell()) is not None), None)
    return f"T{getattr(task, '_replay_id', '?')} {task.get_name()}"


def is_installed(path: str) -> bool:
    """Whether a file is of Python or of an installed library."""
    return path.startswith((sys.base_prefix, sys.prefix, "<frozen"))


def is_users(frame: FrameType) -> bool:
    """Whether the frame is of the program itself: not of Python, of an installed library, or of ours."""
    name = frame.f_globals.get("__name__", "")
    path = frame.f_code.co_filename
    return not (str(name).startswith("replay.runtime.") or is_installed(path))


def place_of(ident: int) -> str | None:
    """Return where another thread is."""
    frame = sys._current_frames().get(ident)
    return None if frame is None else _where(frame)


def _where(frame: FrameType | None = None) -> str | None:
    """Return the innermost line of the program's own code, or of anybody's but ours."""
    if frame is None:
        frame = real.getframe(1)
    other: FrameType | None = None
    while frame is not None:
        if is_users(frame):
            return _place(frame)
        if other is None and not str(frame.f_globals.get("__name__", "")).startswith("replay.runtime."):
            other = frame
        frame = frame.f_back
    return None if other is None else _place(other)


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"


def same_output(recorded: bytes, observed: bytes) -> bool:
    """Whether two outputs differ in nothing but addresses, and these one to one in each line.

    Not one to one in the whole run: an address is used again when its object is gone, and which one
    is, differs from process to process.
    """
    lines, others = recorded.split(b"\n"), observed.split(b"\n")
    return len(lines) == len(others) and all(map(_same_line, lines, others))


def _same_line(recorded: bytes, observed: bytes) -> bool:
    if recorded == observed:
        return True
    parts, others = _ADDRESS.split(recorded), _ADDRESS.split(observed)
    if len(parts) != len(others) or parts[::2] != others[::2]:
        return False
    pairs = set(zip(parts[1::2], others[1::2], strict=True))
    return len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


class Reporter:
    """Ends a replay that is not the recorded run, and says why."""

    def __init__(
        self, path: str, suspects: Sequence[str] = (), others: Callable[[], list[str]] | None = None
    ) -> None:
        self._path = path
        self._suspects = suspects
        self._others = others
        self._uncaught: str | None = None

    def uncaught(self, error: BaseException) -> None:
        """An exception that nobody caught is about to be printed: where that differs, it is why."""
        text = ""
        with contextlib.suppress(Exception):  # that is the program's own code
            text = str(error).partition("\n")[0]
        self._uncaught = f"the program ends here with {type(error).__name__}{f': {text}' if text else ''}"

    def stop(self, reason: Divergence | Ended | Interrupted | Unseen) -> NoReturn:
        """Print the reason and end the process."""
        if isinstance(reason, Unseen):
            if isinstance(reason.problem, BrokenPipeError):  # the reader (`head`, a pager) has seen enough
                real.exit_now(ExitCode.FINE)
            tell(f"the output cannot be written: {reason.problem.strerror}")
            real.exit_now(ExitCode.PROGRAM_USAGE)
        if isinstance(reason, Interrupted):
            index, step = self._place(reason.position)
            where = f"\n  at        {reason.where}" if reason.where else ""
            is_late = reason.timeout_s is not None
            what = f"stopped after {reason.timeout_s:g} s (--timeout)," if is_late else "interrupted"
            tell(f"{what} at event {index}, step {step}; as recorded so far{where}")
            real.exit_now(ExitCode.PROGRAM_TIMEOUT if is_late else ExitCode.INTERRUPTED)
        if isinstance(reason, Ended):
            # What a stopped program had in its buffers, nobody has seen.
            tell(self._ended(reason))
            if reason.damaged:
                real.exit_now(ExitCode.PROGRAM_UNREADABLE)
            reason.ending.end_process()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        tell(self._diverged(reason))
        real.exit_now(ExitCode.PROGRAM_DIVERGENCE)

    def text(self, reason: Divergence | Ended | Interrupted | Unseen) -> str:
        """Return what is said of a replay that could not go on."""
        if isinstance(reason, Divergence):
            return self._diverged(reason)
        return self._ended(reason) if isinstance(reason, Ended) else ""

    def _place(self, position: Position) -> tuple[str, str]:
        """Return the event index and the step of a position, as they are printed everywhere."""
        with RecordingFile.open(self._path) as file:
            last: Event | None = None
            for event in merged(file.frames()):
                if event.stream == position.stream:
                    last = event
                    if event.item >= position.item:
                        break
        return (f"#{last.index}", f"@{last.step}") if last is not None else ("#0", "@0")

    def _diverged(self, reason: Divergence) -> str:
        index, step = self._place(reason.position)
        task = f' (task "{reason.task}")' if reason.task else ""
        lines = [f"divergence at event {index}, step {step}{task}"]
        if reason.where:
            lines.append(f"  at        {reason.where}")
        lines += [f"  expected  {reason.expected}", f"  observed  {reason.observed}"]
        first = [cause for cause in (reason.cause, self._uncaught) if cause]
        causes = [*first, *(self._others() if self._others is not None else ()), *self._suspects]
        lines += [f"  {'or' if at else 'likely':<8}  {cause}" for at, cause in enumerate(causes)]
        name = self._path
        lines += ["", f"hint: `replay events {name} {index[1:]}..` shows what was recorded there"]
        return "\n".join(lines)

    def _ended(self, reason: Ended) -> str:
        where = f"\n  at        {reason.where}" if reason.where else ""
        if reason.damaged:
            return f"{reason.message}{where}"
        damage = None
        if reason.ending.how == "cut":
            with RecordingFile.open(self._path) as file:
                damage = file.verify()
        return f"{reason.message}: {damage or reason.ending.describe()}{where}"
