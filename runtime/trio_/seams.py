"""What is replaced in trio, and how one finds out that this trio has it.

Each seam is there for a program that replays otherwise without it (``tests/programs/trio_*``):

- a task's id is the ordinal of its creation, and its hash follows from it, so that sets of tasks are walked
  in the same order at replay; equal deadlines are ordered by hash, too, not by address;
- whose step comes next is told when trio takes it from its batch; trio itself draws the order of a batch,
  from a generator whose seed is recorded, and it is compared at replay step by step;
- what is ready, and what time it is, comes from the hooks;
- what threads share with the loop (``threads``).
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from replay.errors import ReplayError
from replay.runtime.order import SPREAD
from replay.runtime.trio_.hooks import Hooks
from replay.runtime.trio_.probe import Probe
from replay.runtime.trio_.threads import CancelRegister, IdempotentJobs, IdleWorkers, Jobs, OwnRandom

OLDEST: Final = (0, 19)
"""With Python 3.11 and later, older ones fail for themselves."""

_RUN: Final = "trio._core._run"


@dataclass(frozen=True, slots=True)
class Name:
    """Something of trio's that a seam needs.

    Args:
      module: where it is.
      path: its name there; with dots, a member of a class or an object.
      parameters: the names of its parameters; None if they do not matter, or it has none.
    """

    module: str
    path: str
    parameters: tuple[str, ...] | None = None

    def __str__(self) -> str:
        listed = "" if self.parameters is None else f"({', '.join(self.parameters)})"
        return f"{self.module}.{self.path}{listed}"

    def is_there(self) -> bool:
        """Whether this trio has it, as it is expected to be."""
        found: Any = sys.modules.get(self.module)
        for part in self.path.split("."):
            found = getattr(found, part, None)
        if found is None:
            return False
        if self.parameters is None:
            return True
        return tuple(inspect.signature(found).parameters)[: len(self.parameters)] == self.parameters


NEEDED: Final = (
    Name(_RUN, "Task.__init__"),
    Name(_RUN, "Task._counter"),
    Name(_RUN, "Task.coro"),
    Name(_RUN, "Task.name"),
    Name(_RUN, "Runner.close", ("self",)),
    Name(_RUN, "Runner.reschedule", ("self", "task", "next_send")),
    Name(_RUN, "Runner.task_exited", ("self", "task", "outcome")),
    Name(_RUN, "Runner.runq"),
    Name(_RUN, "setup_runner"),
    Name(_RUN, "unrolled_run", ("runner", "async_fn", "args", "host_uses_signal_set_wakeup_fd")),
    Name(_RUN, "GLOBAL_RUN_CONTEXT"),
    Name(_RUN, "TheIOManager"),
    Name(_RUN, "perf_counter"),
    Name(_RUN, "_r.random"),
    Name("trio._core._io_epoll", "EpollIOManager.get_events", ("self", "timeout")),
    Name("trio._core._io_epoll", "EpollIOManager._epoll"),
    Name("trio._core._io_epoll", "EpollIOManager._registered"),
    Name("trio._core._entry_queue", "EntryQueue.__init__"),
    Name("trio._core._entry_queue", "EntryQueue.queue"),
    Name("trio._core._entry_queue", "EntryQueue.idempotent_queue"),
    Name("trio._core._entry_queue", "EntryQueue.lock"),
    Name("trio._core._thread_cache", "THREAD_CACHE._idle_workers"),
)


class _Patches:
    """What was replaced, to be put back."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def put(self, owner: Any, name: str, value: Any) -> None:
        """Put ``value`` in the place of ``owner.name``, or where nothing is yet."""
        namespace = getattr(owner, "__dict__", {})
        before = namespace.get(name, _NOTHING) if isinstance(owner, type) else getattr(owner, name, _NOTHING)
        self._before.append((owner, name, before))
        setattr(owner, name, value)

    def undo(self) -> None:
        """Put back what was there."""
        while self._before:
            owner, name, before = self._before.pop()
            if before is _NOTHING:
                delattr(owner, name)
            else:
                setattr(owner, name, before)


_NOTHING: Final = object()


def install_trio() -> Callable[[], None]:
    """Put the seams in place in this process, without a recorder; return a function that undoes it.

    Imports trio. What it does with the seams is what it does without them, which its own tests can be run to
    show; under ``replay record`` they are in place already.

    Raises:
      ReplayError: this trio is not known, a run of it is going on, or the seams are in place.

    Example:
      >>> undo = replay.install_trio()
      >>> trio.run(main)
      >>> undo()
    """
    import trio._core._run

    assert trio._core._run.__name__ in sys.modules
    return install(Hooks())


def install(hooks: Hooks) -> Callable[[], None]:
    """Install the seams in the trio that has been imported; return what undoes it.

    Raises:
      ReplayError: this trio is not known, or a run is going on, or they are installed.
    """
    check()
    run: Any = sys.modules[_RUN]
    if isinstance(run._r, OwnRandom):
        raise ReplayError("the seams are installed in this trio already")
    if hasattr(run.GLOBAL_RUN_CONTEXT, "runner"):
        raise ReplayError("a run of trio is going on", hint="install the seams before `trio.run`")
    probe = Probe()
    patches = _Patches()
    try:
        _install(probe, patches, run)
        probe.run(patches, run)
    finally:
        patches.undo()
    _install(hooks, patches, run)
    return patches.undo


def check() -> None:
    """Make sure that this trio has what the seams need.

    Raises:
      ReplayError: it has not.
    """
    version = _version()
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        raise ReplayError(
            f"trio {version} is too old to be recorded",
            hint=f"trio {'.'.join(map(str, OLDEST))} is the oldest that is",
        )
    missing = [name for name in NEEDED if not name.is_there()]
    if missing:
        raise ReplayError(
            f"trio {version} is not known to work: it has no {', no '.join(map(str, missing))}",
            hint="another version of trio, or of asyncreplay",
        )


def _version() -> str:
    return str(getattr(sys.modules["trio"], "__version__", "?"))


def _install(hooks: Hooks, patches: _Patches, run: Any) -> None:
    _tasks(hooks, patches, run)
    _loop(hooks, patches, run)
    _threads(hooks, patches)


def _tasks(hooks: Hooks, patches: _Patches, run: Any) -> None:
    init, task_exited = run.Task.__init__, run.Runner.task_exited

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self._counter = hooks.spawned(self, sys._getframe(1))

    def __hash__(self: Any) -> int:
        number: int = self._counter
        return number * SPREAD

    def exited(self: Any, task: Any, outcome: Any) -> None:
        hooks.ended(task, outcome)
        task_exited(self, task, outcome)

    patches.put(run.Task, "__init__", __init__)
    patches.put(run.Task, "__hash__", __hash__)
    patches.put(run.Runner, "task_exited", exited)
    # Of scopes with the same deadline, and of tasks that wait for all others to be blocked.
    patches.put(run, "id", hash)


def _loop(hooks: Hooks, patches: _Patches, run: Any) -> None:
    setup_runner, close = run.setup_runner, run.Runner.close

    @functools.wraps(setup_runner)
    def set_up(*args: Any, **kwargs: Any) -> Any:
        runner = setup_runner(*args, **kwargs)
        hooks.running(True)
        return runner

    def closed(self: Any) -> None:
        close(self)
        hooks.running(False)

    patches.put(run, "list", hooks.make_list)
    patches.put(run, "perf_counter", hooks.clock)
    patches.put(run, "_r", OwnRandom([run._r]))
    patches.put(run, "setup_runner", set_up)
    patches.put(run.Runner, "close", closed)
    manager = sys.modules["trio._core._io_epoll"].EpollIOManager
    init = manager.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self._epoll = hooks.epoll(self._epoll)

    patches.put(manager, "__init__", __init__)
    patches.put(manager, "get_events", hooks.wait)


def _threads(hooks: Hooks, patches: _Patches) -> None:
    entry_queue = sys.modules["trio._core._entry_queue"].EntryQueue
    init = entry_queue.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.queue = Jobs(hooks)
        self.idempotent_queue = IdempotentJobs(hooks, self.lock)

    patches.put(entry_queue, "__init__", __init__)
    data = getattr(sys.modules["trio._threads"], "_ParentTaskData", None)
    if data is not None:  # before 0.23, threads could not ask whether they are cancelled
        patches.put(data, "cancel_register", CancelRegister(hooks))
    cache = sys.modules["trio._core._thread_cache"]
    patches.put(cache.THREAD_CACHE, "_idle_workers", IdleWorkers())
    if not hooks.has_system and getattr(cache, "set_os_thread_name", None) is not None:
        # By the thread's id, which is an address; that of a recorded or a simulated one leads nowhere.
        patches.put(cache, "set_os_thread_name", None)
