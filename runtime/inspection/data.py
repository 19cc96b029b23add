"""The answers of an inspection: dataclasses of plain values, which any codec can carry.

Task ids are the numbers of the recording. Times are in seconds of the loop's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Place:
    """A line of a function."""

    path: str
    line: int
    function: str


@dataclass(slots=True)
class Error:
    """An exception; the message is ``None`` where only code of the program could tell it."""

    type: str
    message: str | None


@dataclass(slots=True)
class ErrorTree:
    """An exception with those that it comes from.

    Attributes:
      error: itself.
      place: the innermost line of the program's own code that it went through.
      how: what it is to the one above it: ``cause``, ``context``, or ``part`` of a group; empty at the top.
      below: its parts, then what it comes from.
      is_again: it stands in the tree already, with what it comes from.
      more_count: so many of those below it are left out: there are too many, or too deep ones.
    """

    error: Error
    place: Place | None
    how: str
    below: list[ErrorTree] = field(default_factory=list)
    is_again: bool = False
    more_count: int = 0


@dataclass(slots=True)
class TaskInfo:
    """A task, as it is now.

    Attributes:
      state: ``running``, ``ready``, ``waiting``, ``done``, ``cancelled`` or ``failed``.
      coroutine: qualified name of what it runs.
      where: innermost line of the program's own code: where it failed, or where what it ran begins, if it has
        ended; ``None`` if it runs none.
      is_internal: whether what it runs is a part of the event loop's library.
      cancel_requests: how often it was asked to cancel, less what was taken back.
      parent, nursery: of trio, the task that opened the nursery it is in, and the line of that.
    """

    id: int
    name: str
    state: str
    coroutine: str
    where: Place | None
    is_internal: bool
    cancel_requests: int
    error: Error | None
    parent: int | None = None
    nursery: Place | None = None


@dataclass(slots=True)
class FrameInfo:
    """One link of a chain of awaits.

    Attributes:
      kind: ``coroutine``, ``generator``, ``async generator``, ``function``, or ``object`` for an iterator
        that has no frame; then `function` is its description, `path` is empty, and `handle` is 0.
      is_internal: whether it is of Python or of an installed library, not of the program itself.
      handle: for ``locals``, until the inspector is closed.
    """

    path: str
    line: int
    function: str
    kind: str
    is_internal: bool
    handle: int


@dataclass(slots=True)
class Chain:
    """The chain of awaits of one task, outermost first.

    Attributes:
      depth: how many tasks lie between it and the one that was asked about.
      awaits: the tasks that its end waits for.
    """

    task: int
    depth: int
    frames: list[FrameInfo]
    awaits: list[int]


@dataclass(slots=True)
class Holder:
    """A task that holds what others wait for; `place` is that of its ``with`` block, if it is in one."""

    task: int
    place: Place | None


@dataclass(slots=True)
class Deadline:
    """The end of the time that a task has.

    Attributes:
      when: ``None`` if it is not set.
      kind: ``timeout``, ``wait_for``, ``wait`` or ``as_completed``; of trio ``cancel scope``.
      state: of a ``timeout``: ``active``, ``expiring``, ``expired``; of a cancel scope ``active``,
        ``cancelled``, or ``shielded`` if a shield keeps it from the task.
      task: of a cancel scope, the task that entered it, if that shows: it may be around others.
    """

    when: float | None
    kind: str
    state: str
    place: Place | None
    task: int | None = None


@dataclass(slots=True)
class Waker:
    """What can end a wait.

    Attributes:
      kind: ``timer`` (at `when`), ``fd`` (`fd`, and ``read`` or ``write`` as `detail`), ``task``, ``thread``,
        ``process`` (its id as `detail`), ``callback`` (one that is ready, its name as `detail`), ``signal``,
        ``idle`` (when all other tasks wait), or ``any`` for a task that has what is waited for in its hands.
    """

    kind: str
    when: float | None = None
    fd: int | None = None
    task: int | None = None
    detail: str | None = None


@dataclass(slots=True)
class Wait:
    """What a task waits for.

    Attributes:
      kind: ``lock``, ``semaphore``, ``bounded semaphore``, ``condition``, ``event``, ``barrier``,
        ``queue get``, ``queue put``, ``queue join``, ``gather``, ``wait``, ``wait_for``, ``as_completed``,
        ``task group``, ``shield``, ``sleep``, ``stream read``, ``stream drain``, ``stream close``,
        ``socket``, ``connection``, ``server``, ``process``, ``executor``, ``task``, ``future``; of trio also
        ``capacity limiter``, ``channel send``, ``channel receive``, ``nursery``, ``nursery start``,
        ``descriptor``, ``thread``, ``signal``, ``parking lot``, ``idle``, ``reschedule``; ``nothing`` for a
        task that is ready.
      call: the function of the library that the program awaits, if it is one.
      type: name of the type of what is waited for; ``name``: what the program calls it, if a frame shows it.
      place: the program's own line that waits.
      is_over: whether it has ended, and the task only has to be run.
      state: ``locked``, ``unlocked``, ``set``, ``unset``, ``open``, ``shut down``, a barrier's own, or none.
      value, limit: of a semaphore or a limiter what is left (a plain semaphore forgets its limit); size and
        maximum of a queue (0 for none) or a channel; count and parties of a barrier.
      holders: tasks inside a ``with`` block of it; `are_holders_known` if there can be no others.
      waiters: the tasks that wait in the same line, in order; `position` is this task's, from 1.
      children: the tasks that it waits for and that have not ended; `children_total` counts all futures,
        ``None`` where the library forgets those that are done.
      objects: for a bare future, the attributes that hold it: ``Type.name``.
      deadlines: those around it, nearest first.
      open_ends: how many ends the other side of a channel has.
    """

    kind: str
    call: str | None = None
    type: str | None = None
    name: str | None = None
    place: Place | None = None
    is_over: bool = False
    state: str | None = None
    value: int | None = None
    limit: int | None = None
    holders: list[Holder] = field(default_factory=list)
    are_holders_known: bool = False
    waiters: list[int] = field(default_factory=list)
    position: int | None = None
    children: list[int] = field(default_factory=list)
    children_total: int | None = None
    children_done: int | None = None
    needs_all: bool = True
    objects: list[str] = field(default_factory=list)
    deadlines: list[Deadline] = field(default_factory=list)
    wakers: list[Waker] = field(default_factory=list)
    open_ends: int | None = None


@dataclass(slots=True)
class Scope:
    """A cancel scope of trio that a task is in; with a nursery, if it is that of one.

    Attributes:
      task: which entered it, 0 if that does not show.
      outer: the index, in the list, of the scope around it.
      is_nursery: whether it is that of a nursery; `children` are the tasks in that.
      name: what the program calls the nursery or the scope, if a frame shows it.
      place: of its ``with`` block; `is_internal` if that is of trio itself.
      deadline: in seconds of trio's clock; ``None`` if it has none.
      cancel_called: whether it was cancelled itself; `is_cancelled` if what is in it is, by whatever scope.
      reason: why it was cancelled: ``deadline``, ``explicit``, ``nursery`` (a task in it failed),
        ``KeyboardInterrupt``, ``shutdown``; ``None`` where this version of trio does not tell.
      by: the task that cancelled it; ``None`` if none did, or it is gone.
      detail: what was given as the reason, or the error of the task.
      tasks: the tasks whose innermost scope it is.
    """

    task: int
    outer: int | None
    is_nursery: bool
    name: str | None
    place: Place | None
    is_internal: bool
    deadline: float | None
    cancel_called: bool
    is_cancelled: bool
    shield: bool
    reason: str | None
    by: int | None
    detail: str | None
    children: list[int]
    tasks: list[int]


@dataclass(slots=True)
class Ready:
    """An entry of the ready queue.

    Attributes:
      position: in the queue, from 0.
      task: whose step it is; ``None`` for a callback.
      what: ``first step``, ``step``, ``wakeup`` or ``callback``.
      callback: qualified name of the function, or of the coroutine.
      because: ``result``, ``exception`` or ``cancelled`` of the future that was awaited; ``new``, ``yield``,
        ``timer``, ``io``, or ``None`` where the objects do not tell.
      is_cancelled: whether it will be passed over.
      wakes: the tasks that wait for a future among the arguments of a callback.
    """

    position: int
    task: int | None
    what: str
    callback: str
    because: str | None
    error: Error | None
    is_cancelled: bool
    wakes: list[int]


@dataclass(slots=True)
class Canceller:
    """What asks tasks to cancel by itself.

    Attributes:
      kind: ``timeout``, ``wait_for``, ``task group``, ``gather``, ``asyncio.run``, ``signal``.
      place: the program's own line that it is around, or that waits for it.
      task: of a task group, the one whose failure made it do so; of a timeout, the one that has no more time.
    """

    kind: str
    place: Place | None = None
    task: int | None = None


@dataclass(slots=True)
class Cause:
    """What woke a task, or who asked it to cancel; of trio, what woke it to be cancelled.

    Attributes:
      kind: ``wake`` or ``cancel``.
      because: of a wake, see `Ready`; `error` likewise.
      awaited: the task that it waited for, if it did for one.
      wait: what it waited for; ``None`` if it was running, or ready.
      frames: who did it, innermost first, up to the loop.
      callback: the callback of the loop that did it; ``None``: a task's own step, or no step at all.
      ended: the task whose end did it.
      scope: of trio, the cancel scope that cancels what it does.
      agent: of trio, what of the outside did it: ``fd``, ``call`` (from another thread, or for a signal),
        ``idle``.
      scopes: those by which it was asked to cancel, the nearest first.
      through: tasks that wait for this one and were asked to cancel, which then is.
    """

    kind: str
    because: str | None = None
    error: Error | None = None
    awaited: int | None = None
    wait: Wait | None = None
    frames: list[FrameInfo] = field(default_factory=list)
    callback: Ready | None = None
    ended: int | None = None
    scopes: list[Canceller] = field(default_factory=list)
    through: list[int] = field(default_factory=list)
    scope: Scope | None = None
    agent: str | None = None


@dataclass(slots=True)
class Edge:
    """One task can end the wait of another; or, if not certain, has in its hands what could.

    Attributes:
      why: ``holds it``, ``is waited for`` or ``could``.
      place: of the block in which the other one holds it.
      name: what the other one calls it.
    """

    by: int
    why: str
    is_certain: bool
    place: Place | None = None
    name: str | None = None


@dataclass(slots=True)
class Blocked:
    """A waiting task, and the tasks that could wake it.

    Attributes:
      needs_all: whether all of `edges` have to come about, not any.
      is_complete: whether nothing but `edges` can end the wait (save cancelling the task).
      outside: the timers, descriptors, threads, processes that can end it; `deadlines` are those around it
        that are active.
      type: of what is waited for.
      is_internal: whether the library made the task for itself.
    """

    task: int
    kind: str
    name: str | None
    place: Place | None
    edges: list[Edge]
    needs_all: bool
    is_complete: bool
    outside: list[Waker] = field(default_factory=list)
    deadlines: list[Deadline] = field(default_factory=list)
    type: str | None = None
    is_internal: bool = False


@dataclass(slots=True)
class Variable:
    """A variable of a frame, with a description of its value."""

    name: str
    type: str
    text: str
    is_argument: bool
