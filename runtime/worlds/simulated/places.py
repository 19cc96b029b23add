"""Where the tasks of a simulated run stand: what rules are anchored to.

A place is a function and the text of the expression in it that is awaited, not a line: so it is found again
in a program that was edited elsewhere.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any, Final

from replay.runtime import cancelling, real
from replay.runtime.divergence import is_users

_open, _read, _close = os.open, os.read, os.close
_READ_BYTES: Final = 1 << 20

START: Final = "start"
"""Stands for the expression of a task that has not begun."""

WAITING: Final = "waiting"
READY: Final = "ready"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task stands, in one of the frames of its chain of awaits.

    Attributes:
      task: its label.
      function: the qualified name.
      text: of the expression, with single spaces; that of the whole line if it is not known more exactly.
      state: ``waiting`` or ``ready``.
    """

    task: str
    function: str
    text: str
    state: str


class Places:
    """Tells where tasks stand.

    Args:
      label: what a task is called.
    """

    def __init__(self, label: Callable[[Any], str]) -> None:
        self._label = label
        self._texts: dict[tuple[int, int], str] = {}
        self._lines: dict[str, list[bytes]] = {}
        self._codes: list[CodeType] = []

    def all(self) -> Iterator[Place]:
        """Yield a place for each frame of the program's own, of each task: all calls of one that runs."""
        for _, task in cancelling.tasks():
            coro = _coroutine(task)
            if getattr(coro, "cr_running", False):
                yield from self._running(self._label(task), coro.cr_frame)
                continue
            state = READY if cancelling.is_ready(task) else WAITING
            yield from self._of(self._label(task), coro, state)

    def _running(self, label: str, outermost: FrameType) -> Iterator[Place]:
        """Yield the places of a task from its first call on, if it is this thread that runs it."""
        frames = []
        frame: FrameType | None = real.getframe(1)
        while frame is not None and frame is not outermost:
            frames.append(frame)
            frame = frame.f_back
        if frame is None:
            frames = []
        for one in (outermost, *reversed(frames)):
            if is_users(one):
                yield Place(label, one.f_code.co_qualname, self._text(one), READY)

    def innermost(self, task: Any) -> str:
        """Return the text of the innermost expression of the program's own that a task is suspended in."""
        text = ""
        for place in self._of("", _coroutine(task), WAITING):
            text = place.text
        return text

    def _of(self, label: str, coro: Any, state: str) -> Iterator[Place]:
        while coro is not None:
            frame = next(
                (
                    one
                    for one in (getattr(coro, name, None) for name in ("cr_frame", "gi_frame", "ag_frame"))
                    if one
                ),
                None,
            )
            if frame is not None and is_users(frame):
                text = self._text(frame) if _has_begun(coro) else START
                yield Place(label, frame.f_code.co_qualname, text, state)
            coro = next(
                (
                    one
                    for one in (
                        getattr(coro, name, None) for name in ("cr_await", "gi_yieldfrom", "ag_await")
                    )
                    if one
                ),
                None,
            )

    def _text(self, frame: FrameType) -> str:
        code = frame.f_code
        key = id(code), frame.f_lasti
        found = self._texts.get(key)
        if found is None:
            self._codes.append(code)
            found = self._texts[key] = self._text_of(code, frame.f_lasti, frame.f_lineno or 0)
        return found

    def _text_of(self, code: CodeType, at: int, line: int) -> str:
        lines = self._lines_of(code.co_filename)
        if at >= 0:
            positions = list(code.co_positions())
            first, last, start, end = positions[at // 2] if at // 2 < len(positions) else (None,) * 4
            if first is not None and last is not None and start is not None and end is not None:
                part = lines[first - 1 : last]
                if part:
                    part[-1] = part[-1][:end]
                    part[0] = part[0][start:]
                    return normal(b" ".join(part).decode(errors="replace"))
        return normal(lines[line - 1].decode(errors="replace")) if 0 < line <= len(lines) else ""

    def _lines_of(self, path: str) -> list[bytes]:
        found = self._lines.get(path)
        if found is None:
            found = self._lines[path] = _content(path).split(b"\n")
        return found


def _has_begun(coro: Any) -> bool:
    for name in ("cr_suspended", "gi_suspended", "ag_suspended"):
        suspended = getattr(coro, name, None)
        if suspended is not None:
            return bool(suspended)
    return True


def normal(text: str) -> str:
    """Return source text with single spaces."""
    return " ".join(text.split())


def _content(path: str) -> bytes:
    """Return a file of the program, past all doors."""
    try:
        fd = _open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    parts = []
    try:
        while part := _read(fd, _READ_BYTES):
            parts.append(part)
    except OSError:
        return b""
    finally:
        _close(fd)
    return b"".join(parts)


def _coroutine(task: Any) -> Any:
    return task.get_coro() if isinstance(task, asyncio.Task) else task.coro
