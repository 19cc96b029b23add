"""The interface of an inspection, and what the libraries' implementations of it have in common."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from contextvars import Context
from types import CodeType, FrameType, TracebackType
from typing import Any, Final, Self

from replay.runtime.inspection import frames, values
from replay.runtime.inspection.data import (
    Blocked,
    Chain,
    ErrorTree,
    FrameInfo,
    Place,
    Ready,
    Scope,
    TaskInfo,
    Variable,
    Wait,
)
from replay.runtime.inspection.frames import Codes, Link, code_of
from replay.runtime.inspection.values import describe, field, text, type_name

ITEMS_SEARCHED: Final = 1000
"""A container in a variable is searched this far for the name of an object."""


class Inspector(ABC):
    """Looks at the tasks of a library in this process, which is stopped as long as this is open.

    Holds frames and tasks, as any look at them does: close it before the program goes on. What it has found
    out stays true no longer than that.
    """

    def __init__(self) -> None:
        frames.check()
        self.codes = Codes()
        self._handles: dict[int, FrameType] = {}
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let everything go."""
        self._handles.clear()
        self.codes.clear()

    def share(self, other: Inspector) -> None:
        """Give out handles that another inspector knows too."""
        self.codes, self._handles, self._numbers = other.codes, other._handles, other._numbers

    # -- what each library answers ----------------------------------------------------------------

    @abstractmethod
    def tasks(self) -> list[TaskInfo]:
        """Return all tasks that live, and those that have ended and are still referred to, by id."""

    @abstractmethod
    def task_of(self, number: int) -> Any:
        """Return the task with this id, ``None`` if there is none."""

    @abstractmethod
    def frames(self, task: Any, frame: FrameType | None = None) -> list[FrameInfo]:
        """Return the chain of awaits of a task, outermost first.

        Args:
          task: whose.
          frame: innermost frame, if the task is running; if ``None``, it is found from the thread's stack.
        """

    @abstractmethod
    def chains(self, task: Any, frame: FrameType | None = None) -> list[Chain]:
        """Return the chain of a task, those of the tasks that it waits for, and so on; each task once."""

    @abstractmethod
    def waits(self, task: Any) -> Wait | None:
        """Return what a task waits for, ``None`` if it is running or has ended."""

    @abstractmethod
    def context(self, task: Any) -> Context | None:
        """Return the context that a task runs in, ``None`` if it cannot be found."""

    @abstractmethod
    def ready(self, loop: Any) -> list[Ready]:
        """Return the ready queue of a loop, in order."""

    @abstractmethod
    def blocked(self) -> list[Blocked]:
        """Return each waiting task with the tasks that could wake it."""

    def error(self, task: Any) -> ErrorTree | None:
        """Return what a task has failed with, ``None`` if it has not, or the library does not keep it."""
        return None

    def scopes(self) -> list[Scope]:
        """Return the cancel scopes that tasks are in, outer ones first; a library may have none."""
        return []

    def cancelled_by(self, task: Any) -> Scope | None:
        """Return the cancel scope that cancels what a task does now, ``None`` if none does."""
        return None

    # -- frames -----------------------------------------------------------------------------------

    def frame_of(self, handle: int) -> FrameType | None:
        """Return the frame that a handle stands for."""
        return self._handles.get(handle)

    def stack_of(self, number: int) -> list[FrameType]:
        """Return the frames of a task's chain of awaits, innermost first; none if there is no such task."""
        task = self.task_of(number)
        links = [] if task is None else self.frames(task)
        frames = [self.frame_of(link.handle) for link in reversed(links)]
        return [frame for frame in frames if frame is not None]

    def locals(self, frame: FrameType | int) -> list[Variable]:
        """Return the variables of a frame, arguments first."""
        found = self.frame_of(frame) if isinstance(frame, int) else frame
        if found is None:
            return []
        arguments = _arguments(found.f_code)
        return [
            Variable(text(name), type_name(value), describe(value), name in arguments)
            for name, value in self.codes.variables(found)
        ]

    def _frame_info(self, link: Link) -> FrameInfo:
        frame = link.frame
        if frame is not None:
            handle = next(self._numbers)
            self._handles[handle] = frame
            place = self.codes.place(frame)
            is_internal = not self.codes.is_users(frame)
            return FrameInfo(place.path, place.line, place.function, link.kind, is_internal, handle)
        code = code_of(link.value)
        if code is not None:  # it has ended
            is_internal = not self.codes.of(code).is_users
            path, function = text(code.co_filename), text(code.co_qualname)
            return FrameInfo(path, code.co_firstlineno, function, link.kind, is_internal, 0)
        return FrameInfo("", 0, f"<{type_name(link.value)} object>", link.kind, True, 0)

    def place_in(self, links: list[Link], end: int | None = None) -> Place | None:
        """Return the innermost line of the program's own code, of the first links or of all."""
        for at in range((len(links) if end is None else end) - 1, -1, -1):
            frame = links[at].frame
            if frame is not None and self.codes.is_users(frame):
                return self.codes.place(frame)
        return None

    # -- names ------------------------------------------------------------------------------------

    def name_of(self, value: Any, links: list[Link]) -> str | None:
        """Return what the program's own frames call an object, the innermost first."""
        for link in reversed(links):
            frame = link.frame
            if frame is not None and self.codes.is_users(frame):
                name = self._name_in(value, frame)
                if name is not None:
                    return name
        return None

    def _name_in(self, value: Any, frame: FrameType) -> str | None:
        known = [(text(name), one) for name, one in self.codes.variables(frame)]
        for name, one in known:
            if one is value:
                return name
        attributes = frame.f_code.co_names
        for name, one in known:
            if not values.is_plain_instance(one):
                continue
            for attribute in attributes:
                if field(one, attribute) is value:
                    return f"{name}.{text(attribute)}"
        for name, one in known:
            place = _item_of(one, value)
            if place is not None:
                return name + place
        # Code that was compiled with other globals than those of its module has these.
        for key, one in list(dict.items(frame.f_globals)):
            if one is value and type(key) is str:
                return key
        return None


def _item_of(container: Any, value: Any) -> str | None:
    """Return the subscript of a value in a container of Python's own."""
    kind = type(container)
    if kind is list or kind is tuple:
        for at, one in enumerate(itertools.islice(container, ITEMS_SEARCHED)):
            if one is value:
                return f"[{at}]"
    elif kind is dict:
        for key, one in itertools.islice(dict.items(container), ITEMS_SEARCHED):
            if one is value:
                return f"[{describe(key, 0)}]"
    return None


def _arguments(code: CodeType) -> tuple[str, ...]:
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & 4) + bool(code.co_flags & 8)  # *args, **kwargs
    return code.co_varnames[:count]
