"""What the inspections of the libraries have in common: chains, what `with` blocks hold, what is in hand."""

from __future__ import annotations

import collections
import contextlib
import sys
import types
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any, Final

from replay.runtime.inspection.data import Blocked, Chain, Edge, FrameInfo, Place, TaskInfo, Wait
from replay.runtime.inspection.frames import Block, Link, chain_of, stack_of
from replay.runtime.inspection.inspector import Inspector
from replay.runtime.inspection.values import field, is_a, is_plain_instance, parts_of, text

PARTS_SEARCHED: Final = 1000
"""A container or an instance is searched this far for what a task has in its hands."""
HANDS_SHOWN: Final = 50
"""So many tasks that have a thing in their hands, or hold it, are told of."""

_OUTSIDE: Final = ("timer", "fd", "thread", "process", "callback", "signal", "idle")
_GENERATED: Final[tuple[type, ...]] = (
    contextlib._GeneratorContextManager,
    contextlib._AsyncGeneratorContextManager,
)
_LEAVES_STACK: Final = contextlib.AsyncExitStack.__aexit__.__code__


class LibraryInspector(Inspector):
    """Looks at the tasks of one library.

    Args:
      id_of: the id of a task.
    """

    def __init__(self, id_of: Callable[[Any], int]) -> None:
        super().__init__()
        self._id_of = id_of
        self._forget()

    def _forget(self) -> None:
        """Let go what was found out."""
        self._chains: dict[int, tuple[list[Link], Any]] = {}
        self._numbered: dict[int, Any] | None = None
        self._called: dict[tuple[int, int], str | None] = {}
        self._hands: tuple[dict[int, list[Any]], dict[int, list[int]]] | None = None

    def close(self) -> None:
        """Let everything go."""
        super().close()
        self._forget()

    # -- what each library knows ------------------------------------------------------------------

    @abstractmethod
    def _all(self) -> list[Any]:
        """Return all tasks, by id."""

    @abstractmethod
    def _has_ended(self, task: Any) -> bool:
        """Whether a task is over."""

    def _is_of_library(self, task: Any) -> bool:
        """Whether the library made a task for itself, for as long as it runs."""
        return False

    @abstractmethod
    def _task_info(self, task: Any) -> TaskInfo: ...

    @abstractmethod
    def _find_chain(self, task: Any, frame: FrameType | None) -> tuple[list[Link], Any]: ...

    @abstractmethod
    def _awaited_tasks(self, task: Any) -> list[Any]:
        """Return the tasks that one waits for."""

    @staticmethod
    @abstractmethod
    def _is_end(value: Any) -> bool:
        """Whether a chain of awaits ends with an object."""

    # -- tasks ------------------------------------------------------------------------------------

    def id_of(self, task: Any) -> int:
        """Return the id of a task."""
        return self._id_of(task)

    def task_of(self, number: int) -> Any:
        """Return the task with this id, ``None`` if there is none."""
        if self._numbered is None:
            self._numbered = {self._id_of(task): task for task in reversed(self._all())}
        return self._numbered.get(number)

    def tasks(self) -> list[TaskInfo]:
        """Return all tasks that live, and those that have ended and are still referred to, by id."""
        return [self._task_info(task) for task in self._all()]

    # -- chains -----------------------------------------------------------------------------------

    def _chain(self, task: Any, frame: FrameType | None = None) -> tuple[list[Link], Any]:
        """Return the chain of a task, and what its end awaits."""
        known = self._chains.get(id(task))
        if known is None or frame is not None:
            known = self._chains[id(task)] = self._find_chain(task, frame)
        return known

    def frames(self, task: Any, frame: FrameType | None = None) -> list[FrameInfo]:
        """Return the chain of awaits of a task, outermost first."""
        return [self._frame_info(link) for link in self._chain(task, frame)[0]]

    def caller(self, frame: FrameType) -> FrameInfo:
        """Return one frame of a stack, at which nobody will look later."""
        place = self.codes.place(frame)
        return FrameInfo(
            place.path, place.line, place.function, "function", not self.codes.is_users(frame), 0
        )

    def chains(self, task: Any, frame: FrameType | None = None) -> list[Chain]:
        """Return the chain of a task, those of the tasks that it waits for, and so on; each task once."""
        found: list[Chain] = []
        seen: set[int] = set()
        stack = [(task, 0)]
        while stack:
            one, depth = stack.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            frames = self.frames(one, frame if one is task else None)
            following = self._awaited_tasks(one)
            found.append(Chain(self._id_of(one), depth, frames, [self._id_of(child) for child in following]))
            stack.extend((child, depth + 1) for child in reversed(following))
        return found

    # -- what `with` blocks hold ------------------------------------------------------------------

    def managers(self, frame: FrameType) -> Iterator[tuple[Any, Place]]:
        """Yield what the ``with`` blocks of a frame will leave, innermost first, and their places."""
        blocks = list(self.codes.blocks(frame))
        if frame.f_code is _LEAVES_STACK:  # what is still to be left
            blocks.insert(0, Block(self.codes.variable(frame, "self"), frame, frame.f_lineno or 0))
        for block in blocks:
            code = frame.f_code
            place = Place(text(code.co_filename), block.line, text(code.co_qualname))
            yield from ((manager, place) for manager in self._within(block.manager))

    def _within(self, first: Any) -> Iterator[Any]:
        """Yield a context manager, and those that it has entered."""
        pending, seen = [first], set[int]()
        while pending:
            manager = pending.pop()
            if id(manager) in seen:
                continue
            seen.add(id(manager))
            yield manager
            if is_a(manager, contextlib.ExitStack, contextlib.AsyncExitStack):
                entered = field(manager, "_exit_callbacks")
                for entry in entered if type(entered) is collections.deque else ():
                    if type(entry) is tuple and type(entry[-1]) is types.MethodType:
                        pending.append(entry[-1].__self__)
            elif is_a(manager, *_GENERATED):
                for link in chain_of(field(manager, "gen"), self._is_end)[0]:
                    if link.frame is not None:
                        pending.extend(
                            block.manager for block in reversed(list(self.codes.blocks(link.frame)))
                        )

    def held_in(self, links: list[Link]) -> Iterator[tuple[Any, Place]]:
        """Yield what a chain has entered and surely not released by hand, and where."""
        for link in links:
            if link.frame is None or "release" in link.frame.f_code.co_names:
                continue  # a block that may have released by hand what it is in tells nothing
            yield from self.managers(link.frame)

    # -- the graph --------------------------------------------------------------------------------

    def _blocked(self, task: Any, wait: Wait, subject: Any, by_children: bool) -> Blocked:
        """Return who could end a wait.

        Args:
          task: which waits.
          wait: what for.
          subject: the object that it waits for.
          by_children: whether it is the children of the wait that end it.
        """
        # All of many holders are not told of; then nothing follows from those that are.
        is_cut = len(wait.holders) > HANDS_SHOWN
        edges = [
            Edge(one.task, "holds it", not is_cut, one.place, self._name_by(one.task, subject))
            for one in wait.holders[:HANDS_SHOWN]
        ]
        edges += [Edge(child, "is waited for", True) for child in wait.children]
        edges += [
            Edge(one.task, "could", False)
            for one in wait.wakers
            if one.kind == "any" and one.task is not None
        ]
        is_complete = wait.are_holders_known and not is_cut
        if by_children:
            pending = len(wait.children)
            if wait.children_total is not None and wait.children_done is not None:
                pending = wait.children_total - wait.children_done
            is_complete = pending == len(wait.children)
        deadlines = [one for one in wait.deadlines if one.when is not None and one.state == "active"]
        outside = [one for one in wait.wakers if one.kind in _OUTSIDE]
        return Blocked(
            task=self._id_of(task),
            kind=wait.kind,
            name=wait.name,
            place=wait.place,
            edges=edges,
            needs_all=wait.needs_all and by_children,
            is_complete=is_complete,
            outside=outside,
            deadlines=deadlines,
            type=wait.type,
            is_internal=self._is_of_library(task),
        )

    def _name_by(self, number: int, subject: Any) -> str | None:
        """Return what a task calls an object."""
        key = number, id(subject)
        if key not in self._called:
            task = self.task_of(number)
            self._called[key] = None if task is None else self.name_of(subject, self._chain(task)[0])
        return self._called[key]

    # -- who has it in hand -----------------------------------------------------------------------

    def _reaching(self, addresses: Iterable[int], waiting: set[int]) -> list[Any]:
        """Return the tasks that can reach one of some objects from their variables, but for some tasks.

        Args:
          addresses: of the objects.
          waiting: addresses of the tasks that are left out.
        """
        if self._hands is None:
            self._hands = self._find_hands()
        direct, containers = self._hands
        found = {
            id(task): task
            for wanted in addresses
            for address in (wanted, *containers.get(wanted, ()))
            for task in direct.get(address, ())
            if id(task) not in waiting
        }
        return list(found.values())[:HANDS_SHOWN]

    def _find_hands(self) -> tuple[dict[int, list[Any]], dict[int, list[int]]]:
        """Return tasks by the addresses of their variables, containers by those of their parts."""
        direct: dict[int, list[Any]] = {}
        containers: dict[int, list[int]] = {}
        opened: set[int] = set()
        for task in self._all():
            if self._has_ended(task):
                continue
            for link in self._chain(task)[0]:
                if link.frame is None:
                    continue
                known = [value for _, value in self.codes.variables(link.frame)]
                for name in link.frame.f_code.co_names:
                    value = dict.get(link.frame.f_globals, name)
                    if value is not None and not is_a(value, type, types.ModuleType, types.FunctionType):
                        known.append(value)
                for value in known:
                    mine = direct.setdefault(id(value), [])
                    if not mine or mine[-1] is not task:
                        mine.append(task)
                    if id(value) not in opened and _may_hold(value):
                        opened.add(id(value))
                        for at, part in enumerate(parts_of(value)):
                            if at == PARTS_SEARCHED:
                                break
                            containers.setdefault(id(part), []).append(id(value))
        return direct, containers


def running_stack(coroutine: Any, frame: FrameType | None) -> list[Link] | None:
    """Return the frames of a coroutine that is running; ``None`` if they are not found.

    Args:
      coroutine: a coroutine or a generator.
      frame: innermost frame, if it is known.
    """
    top = None
    if type(coroutine) is types.CoroutineType:
        top = coroutine.cr_frame
    elif type(coroutine) is types.GeneratorType:
        top = coroutine.gi_frame
    for inner in (frame, *sys._current_frames().values()):
        stack = stack_of(inner, top) if inner is not None and top is not None else None
        if stack is not None:
            return stack
    return None


def is_running(coroutine: Any) -> bool:
    """Whether a coroutine or a generator is on a stack."""
    if type(coroutine) is types.CoroutineType:
        return coroutine.cr_running
    return type(coroutine) is types.GeneratorType and coroutine.gi_running


def _may_hold(value: Any) -> bool:
    """Whether to look inside a variable for what it holds."""
    kind = type(value)
    if is_plain_instance(value):
        return not is_a(value, BaseException)
    return kind is list or kind is tuple or kind is dict or kind is set
