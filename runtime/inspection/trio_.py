"""The tasks of trio, their nurseries and cancel scopes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextvars import Context
from itertools import islice
from types import CoroutineType, FrameType
from typing import Any, Final

from replay.runtime.inspection.data import (
    Blocked,
    Deadline,
    Error,
    Holder,
    Place,
    Ready,
    Scope,
    TaskInfo,
    Wait,
    Waker,
)
from replay.runtime.inspection.frames import Link, chain_of, code_of
from replay.runtime.inspection.library import HANDS_SHOWN, LibraryInspector, is_running, running_stack
from replay.runtime.inspection.trio_objects import (
    Runs,
    batch_of,
    cancel_called,
    children_of,
    class_of,
    context_of,
    coroutine_name,
    current_runner,
    deadline_of,
    folder,
    has_ended,
    is_scheduled,
    is_shield,
    keys_of,
    number_of,
    number_of_hash,
    nurseries_of,
    parent_of,
    plain_list,
    plain_set,
    population,
    scope_of,
    statuses_of,
    task_name,
    watched,
)
from replay.runtime.inspection.trio_waits import PASS, SLEEP, YIELD, YIELDING, describe_of, key_of
from replay.runtime.inspection.values import describe_error, field, is_a, is_plain_instance, parts_of, text

_BY_CHILDREN: Final = ("nursery", "nursery start")
_IN_HANDS: Final = ("event", "condition", "channel send", "channel receive", "queue get", "parking lot")
PARTS: Final = 100
"""So many attributes of a context manager are searched for a scope."""
_ADDRESS: Final = re.compile(r" at 0x([0-9a-f]+)>$")


class _Entered:
    """Who entered a scope, and where."""

    __slots__ = ("is_internal", "name", "place", "task")

    def __init__(self, task: Any, place: Place, name: str | None, is_internal: bool) -> None:
        self.task = task
        self.place = place
        self.name = name
        self.is_internal = is_internal


class TrioInspector(LibraryInspector):
    """Looks at the tasks of trio in this process; there are none if trio is not loaded.

    Args:
      id_of: the id of a task; by default that of the recording.

    Attributes:
      folder: where trio is.
    """

    def __init__(self, id_of: Callable[[Any], int] = number_of) -> None:
        super().__init__(id_of)

    def _forget(self) -> None:
        super()._forget()
        self.folder = folder()
        self._known: Runs | None = None
        self._fds: dict[int, list[Waker]] | None = None
        self._entries: tuple[dict[int, _Entered], dict[int, _Entered]] | None = None
        self._children: list[Any] = []
        self._waiting: set[int] = set()
        self._lines: dict[int, tuple[list[int], dict[int, int], set[int]]] = {}
        self._held: dict[int, list[Holder]] | None = None
        self._owners: dict[int, list[Holder]] = {}
        self.known: dict[int, Any] = {}
        self._starting: dict[int, list[Any]] | None = None

    # -- tasks ------------------------------------------------------------------------------------

    def _population(self) -> Runs:
        if self._known is None:
            tasks, runners, channels = population()
            tasks.sort(key=lambda task: (self._id_of(task), field(task, "_counter") or 0))
            self._known = tasks, runners, channels
        return self._known

    def _all(self) -> list[Any]:
        return self._population()[0]

    def _live(self) -> Iterator[Any]:
        return (task for task in self._all() if not has_ended(task))

    def _has_ended(self, task: Any) -> bool:
        return has_ended(task)

    @staticmethod
    def _is_end(value: Any) -> bool:
        return False

    def _is_internal(self, task: Any) -> bool:
        code = code_of(field(task, "coro"))
        return code is not None and key_of(code, self.folder) is not None

    def _is_of_library(self, task: Any) -> bool:
        runner = field(task, "_runner")
        init = field(runner, "init_task")
        is_system = (task is init or parent_of(task) is init) and field(runner, "main_task") is not task
        return is_system and self._is_internal(task)

    def _task_info(self, task: Any) -> TaskInfo:
        parent = parent_of(task)
        scope = field(field(task, "_parent_nursery"), "cancel_scope")
        entered = None if scope is None else self._entered(scope)
        return TaskInfo(
            id=self._id_of(task),
            name=task_name(task),
            state=self.state(task),
            coroutine=coroutine_name(task),
            where=self._where(task),
            is_internal=self._is_internal(task),
            cancel_requests=sum(cancel_called(scope_of(status)) for status in statuses_of(task)),
            error=None,
            parent=None if parent is None else self._id_of(parent),
            nursery=None if entered is None or entered.is_internal else entered.place,
        )

    def _where(self, task: Any) -> Place | None:
        if not has_ended(task):
            return self.place_in(self._chain(task)[0])
        code = code_of(field(task, "coro"))
        if code is None or not self.codes.of(code).is_users:
            return None
        return Place(text(code.co_filename), code.co_firstlineno, text(code.co_qualname))

    def state(self, task: Any) -> str:
        """Return the state of a task; see `TaskInfo`. How one has ended, trio itself does not keep."""
        if has_ended(task):
            return "done"
        if is_running(field(task, "coro")):
            return "running"
        return "ready" if is_scheduled(task) else "waiting"

    def context(self, task: Any) -> Context | None:
        """Return the context that a task runs in, ``None`` if it cannot be found."""
        return context_of(task)

    # -- chains -----------------------------------------------------------------------------------

    def _find_chain(self, task: Any, frame: FrameType | None) -> tuple[list[Link], Any]:
        coroutine = field(task, "coro")
        if coroutine is None or has_ended(task):
            return [], None
        if is_running(coroutine):
            stack = running_stack(coroutine, frame)
            if stack is not None:
                return stack, None
        return chain_of(coroutine, self._is_end)

    def _awaited_tasks(self, task: Any) -> list[Any]:
        self._wait_of(task)
        return self._children

    # -- waits ------------------------------------------------------------------------------------

    def waits(self, task: Any) -> Wait | None:
        """Return what a task waits for, ``None`` if it is running or has ended."""
        found = self._wait_of(task)
        return None if found is None else found[0]

    def _wait_of(self, task: Any) -> tuple[Wait, Any] | None:
        """Describe a wait, and note the tasks that it is for. Returns also the object that is waited for."""
        self._children, self._waiting = [], {id(task)}
        coroutine = field(task, "coro")
        if has_ended(task) or is_running(coroutine):
            return None
        links = self._chain(task)[0]
        wait = Wait("nothing", place=self.place_in(links), is_over=is_scheduled(task))
        tail = self._tail(links)
        if not tail or YIELD in tail or (type(coroutine) is CoroutineType and not coroutine.cr_suspended):
            return wait, None
        wait.wakers.extend(self._wakers_outside().get(id(task), ()))
        subject = self._describe(wait, task, tail)
        if subject is not None:
            wait.type = type(subject).__name__
            wait.name = self.name_of(subject, links)
        wait.deadlines = self._deadlines(task)
        wait.wakers.extend(Waker("task", task=self._id_of(child)) for child in self._children)
        wait.wakers.extend(Waker("task", task=holder.task) for holder in wait.holders[:HANDS_SHOWN])
        if subject is not None and self._is_in_hands(wait):
            wait.wakers.extend(Waker("any", task=self._id_of(one)) for one in self._in_hands(wait, subject))
        return wait, subject

    def _tail(self, links: list[Link]) -> dict[str, FrameType]:
        """Return the functions of trio at the end of a chain, outermost first, by their keys."""
        found: list[tuple[str, FrameType]] = []
        for link in reversed(links):
            if link.frame is None:
                continue
            key = key_of(link.frame.f_code, self.folder)
            if key is None:
                break
            if key not in YIELDING:
                found.append((key, link.frame))
        return dict(reversed(found))

    def _describe(self, wait: Wait, task: Any, tail: dict[str, FrameType]) -> Any:
        keys = tuple(tail)
        called = next((key for key in keys if not key.endswith("__aenter__")), keys[0])
        wait.call = called.partition(":")[2]
        for at, (key, frame) in enumerate(tail.items(), 1):
            describe = describe_of(key)
            if describe is not None:
                subject = describe(self, wait, frame, task, keys[at:])
                if subject is not PASS:
                    return subject
        return None

    def queue_up(self, wait: Wait, line: Any, task: Any) -> None:
        """Write down the tasks that stand in a line, and the place of this one; a set has no order."""
        known = self._lines.get(id(line))
        if known is None:
            tasks = keys_of(line)
            numbers = [self._id_of(one) for one in tasks] or sorted(map(self._id_of, plain_set(line)))
            places = {id(one): at for at, one in enumerate(tasks, 1)}
            waiting = {id(one) for one in tasks or plain_set(line)}
            known = self._lines[id(line)] = numbers, places, waiting
        wait.waiters, wait.position = known[0], known[1].get(id(task))
        self._waiting = known[2]

    def add_children(self, wait: Wait, children: list[Any]) -> None:
        """Write down the tasks that are waited for."""
        self._children = sorted(children, key=self._id_of)
        wait.children = [self._id_of(child) for child in self._children]

    def add_owners(self, wait: Wait, owners: list[Any], subject: Any) -> None:
        """Write down the tasks that hold what is waited for."""
        known = self._owners.get(id(subject))
        if known is None:
            found = [Holder(self._id_of(one), self._block_of(one, subject)) for one in owners]
            known = self._owners[id(subject)] = sorted(found, key=lambda holder: holder.task)
        wait.holders = known

    def add_entered(self, wait: Wait, subject: Any) -> int:
        """Write down the tasks inside ``with`` blocks of what is waited for; return how many there are."""
        if self._held is None:
            self._held = {}
            for task in self._live():
                for manager, place in self.held_in(self._chain(task)[0]):
                    self._held.setdefault(id(manager), []).append(Holder(self._id_of(task), place))
        wait.holders = self._held.get(id(subject), [])
        return len(wait.holders)

    def coming_to(self, nursery: Any) -> list[Any]:
        """Return the tasks that will be in a nursery when they have started."""
        if self._starting is None:
            self._starting = {}
            for task in self._live():
                coming = field(task, "_eventual_parent_nursery")
                self._starting.setdefault(id(coming), []).append(task)
        return self._starting.get(id(nursery), [])

    def _block_of(self, task: Any, subject: Any) -> Place | None:
        """Return where a task has entered an object, or a condition of that lock."""
        for link in reversed(self._chain(task)[0]):
            for manager, place in () if link.frame is None else self.managers(link.frame):
                if manager is subject or field(manager, "_lock") is subject:
                    return place
        return None

    def _wakers_outside(self) -> dict[int, list[Waker]]:
        """Return the descriptors that tasks wait for, by the addresses of the tasks."""
        if self._fds is None:
            self._fds = {}
            for runner in self._population()[1]:
                for fd, way, task in watched(runner):
                    self._fds.setdefault(id(task), []).append(Waker("fd", fd=fd, detail=way))
        return self._fds

    # -- who could wake it ------------------------------------------------------------------------

    def _is_in_hands(self, wait: Wait) -> bool:
        """Whether anybody may end a wait who has what is waited for."""
        if wait.kind in ("semaphore", "bounded semaphore", "capacity limiter"):
            return not wait.are_holders_known
        return wait.kind in _IN_HANDS

    def _in_hands(self, wait: Wait, subject: Any) -> list[Any]:
        """Return the tasks that can reach an object, or the other side of a channel, and do not wait."""
        if not wait.kind.startswith("channel"):
            return self._reaching([id(subject)], self._waiting)
        ends = [
            one
            for one in self._population()[2].get(id(field(subject, "_state")), ())
            if type(one) is not type(subject) and field(one, "_closed") is not True
        ]
        return self._reaching([id(one) for one in ends], self._waiting)

    def blocked(self) -> list[Blocked]:
        """Return each waiting task with the tasks that could wake it."""
        found = []
        for task in self._all():
            if self.state(task) == "waiting":
                described = self._wait_of(task)
                if described is not None:
                    wait, subject = described
                    found.append(self._blocked(task, wait, subject, wait.kind in _BY_CHILDREN))
        return found

    # -- the run ----------------------------------------------------------------------------------

    def ready(self, loop: Any = None) -> list[Ready]:
        """Return the tasks that will run in a run of trio: those of this turn in order, then the others.

        Args:
          loop: the runner; by default that of this thread.
        """
        runner = current_runner() if loop is None else loop
        if runner is None:
            return []
        batch: list[Any] = []
        for frame in sys._current_frames().values():
            batch = batch or batch_of(runner, frame, self.codes.variable)
        order = [*batch, *plain_list(field(runner, "runq"))]
        listed = {id(task) for task in order}
        order += [
            task
            for task in self._live()
            if field(task, "_runner") is runner and is_scheduled(task) and id(task) not in listed
        ]
        return [self._ready(at, task) for at, task in enumerate(order)]

    def _ready(self, position: int, task: Any) -> Ready:
        coroutine = field(task, "coro")
        if type(coroutine) is CoroutineType and not coroutine.cr_suspended:
            what, because, error = "first step", "new", None
        else:
            because, error = self.outcome(task, field(task, "_next_send"))
            what = "step" if because == "yield" else "wakeup"
        return Ready(position, self._id_of(task), what, coroutine_name(task), because, error, False, [])

    def outcome(self, task: Any, sent: Any) -> tuple[str, Error | None]:
        """Return why a task that has run goes on (see `Ready`), and with what error.

        Args:
          task: which.
          sent: what it is resumed with.
        """
        tail = self._tail(self._chain(task)[0])
        raised = sent if is_a(sent, BaseException) else field(sent, "error")
        if is_a(raised, class_of("trio._core._exceptions", "Cancelled")):
            return "timer" if self._slept(task, tail.get(SLEEP)) else "cancelled", None
        if is_a(raised, BaseException):
            return "exception", describe_error(raised)
        if YIELD in tail:
            return "yield", None
        return "io" if any(key.startswith("_core._io_epoll:") for key in tail) else "result", None

    def _slept(self, task: Any, frame: FrameType | None) -> bool:
        """Whether what cancels a task is the end of its sleep, in that frame."""
        status = _cancelling(task)
        if status is None or frame is None:
            return False
        return any(manager is scope_of(status) for manager, _ in self.managers(frame))

    # -- scopes -----------------------------------------------------------------------------------

    def _entered(self, scope: Any) -> _Entered | None:
        """Return who entered a scope, and where."""
        if self._entries is None:
            self._entries = self._find_entered()
        direct, indirect = self._entries
        return direct.get(id(scope)) or indirect.get(id(scope))

    def _find_entered(self) -> tuple[dict[int, _Entered], dict[int, _Entered]]:
        """Return who entered scopes, by their addresses; those of managers of others apart."""
        scope_class = class_of("trio._core._run", "CancelScope")
        manager_class = class_of("trio._core._run", "NurseryManager")
        direct: dict[int, _Entered] = {}
        indirect: dict[int, _Entered] = {}
        searched: set[int] = set()
        for task in self._live():
            links = self._chain(task)[0]
            for at, link in enumerate(links):
                if link.frame is None:
                    continue
                is_internal = key_of(link.frame.f_code, self.folder) is not None
                entered = list(self.managers(link.frame))
                if link.frame.f_code.co_name == "__aexit__" and at:  # what waits there has left its block
                    around = links[at - 1].frame
                    manager = self.codes.variable(link.frame, "self")
                    if around is not None:
                        entered.append((manager, self.codes.place(around)))
                        is_internal = key_of(around.f_code, self.folder) is not None
                for manager, place in entered:
                    found, into = [manager], direct
                    if not is_a(manager, scope_class, manager_class) and is_plain_instance(manager):
                        into = indirect  # of a library on top of trio
                        found = [] if id(manager) in searched else list(islice(parts_of(manager), PARTS))
                        searched.add(id(manager))
                    for one in found:
                        scope = field(one, "_scope") if is_a(one, manager_class) else one
                        if is_a(scope, scope_class):
                            named = field(one, "_nursery") if is_a(one, manager_class) else scope
                            name = self.name_of(named, links) or self.name_of(scope, links)
                            into.setdefault(id(scope), _Entered(task, place, name, is_internal))
        return direct, indirect

    def _deadlines(self, task: Any) -> list[Deadline]:
        found: list[Deadline] = []
        is_shielded = False
        for status in statuses_of(task):
            scope = scope_of(status)
            entered = self._entered(scope)
            when = deadline_of(scope, field(task, "_runner"))
            if when is not None and not (entered is not None and self._is_of_sleep(entered)):
                state = "cancelled" if cancel_called(scope) else "active"
                place = None if entered is None else entered.place
                by = None if entered is None else self._id_of(entered.task)
                found.append(Deadline(when, "cancel scope", "shielded" if is_shielded else state, place, by))
            is_shielded = is_shielded or is_shield(scope)
        return found

    def _is_of_sleep(self, entered: _Entered) -> bool:
        place = entered.place
        return entered.is_internal and place.function == SLEEP.partition(":")[2]

    def scopes(self) -> list[Scope]:
        """Return the cancel scopes that tasks are in, outer ones first."""
        nurseries = {
            id(field(nursery, "cancel_scope")): nursery
            for task in self._live()
            for nursery in nurseries_of(task)
        }
        found: list[Scope] = []
        indices: dict[int, int] = {}
        for task in self._live():
            statuses = statuses_of(task)
            for status in reversed(statuses):
                if id(status) not in indices:
                    indices[id(status)] = len(found)
                    outer = indices.get(id(field(status, "_parent")))
                    nursery = nurseries.get(id(scope_of(status)))
                    found.append(self._scope(status, outer, nursery))
            if statuses:
                found[indices[id(statuses[0])]].tasks.append(self._id_of(task))
        return found

    def _scope(self, status: Any, outer: int | None, nursery: Any) -> Scope:
        scope = scope_of(status)
        entered = self._entered(scope)
        owner = field(nursery, "_parent_task") if nursery is not None else None
        if owner is None and entered is not None:
            owner = entered.task
        reason, by, detail = self._reason(scope)
        return Scope(
            task=0 if owner is None else self._id_of(owner),
            outer=outer,
            is_nursery=nursery is not None,
            name=None if entered is None else entered.name,
            place=None if entered is None else entered.place,
            is_internal=entered is None or entered.is_internal,
            deadline=deadline_of(scope, field(owner, "_runner")),
            cancel_called=cancel_called(scope),
            is_cancelled=field(status, "effectively_cancelled") is True,
            shield=is_shield(scope),
            reason=reason,
            by=by,
            detail=detail,
            children=sorted(self._id_of(child) for child in children_of(nursery)),
            tasks=[],
        )

    def _reason(self, scope: Any) -> tuple[str | None, int | None, str | None]:
        """Return why a scope was cancelled, by which task, and what was said."""
        found = field(scope, "_cancel_reason")
        source = field(found, "source") if cancel_called(scope) else None
        if type(source) is not str:
            return None, None, None
        by = None
        named = field(found, "source_task")
        match = _ADDRESS.search(named) if type(named) is str else None
        if match is not None:  # trio keeps the description of the task alone
            shown = int(match[1], 16)
            by = number_of_hash(shown) or next(
                (self._id_of(task) for task in self._all() if id(task) == shown), None
            )
        detail = field(found, "reason")
        return source, by, detail if type(detail) is str else None

    def cancelled_by(self, task: Any) -> Scope | None:
        """Return the cancel scope that cancels what a task does now, ``None`` if none does."""
        status = _cancelling(task)
        if status is None:
            return None
        scopes = self.scopes()
        wanted = self._id_of(task)
        at = next((at for at, one in enumerate(scopes) if wanted in one.tasks), None)
        for one in statuses_of(task):
            if at is None or one is status:
                break
            at = scopes[at].outer
        return None if at is None else scopes[at]


def _cancelling(task: Any) -> Any:
    """Return the status of the scope that cancels what a task does now, ``None`` if none does."""
    for status in statuses_of(task):
        if field(status, "effectively_cancelled") is not True:
            return None
        if cancel_called(scope_of(status)) and not _is_consequence(status):
            return status
    return None


def _is_consequence(status: Any) -> bool:
    """Whether a scope was cancelled because one around it was: as a nursery, whose tasks then fail."""
    outer = field(status, "_parent")
    if is_shield(scope_of(status)) or field(outer, "effectively_cancelled") is not True:
        return False
    reason = field(scope_of(status), "_cancel_reason")
    return reason is not None and reason is field(scope_of(outer), "_cancel_reason")
