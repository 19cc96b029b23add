"""A small run of trio that the seams are tried with; it reaches nothing outside."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, Final

from replay.errors import ReplayError
from replay.runtime.trio_.hooks import Hooks, batches

_TURNS: Final = 100
"""So many are more than enough."""


class _Wakeup:
    """In the place of the sockets by which threads wake the loop."""

    def __init__(self) -> None:
        self._is_woken = False

    def wakeup_thread_and_signal_safe(self) -> None:
        """Wake who waits."""
        self._is_woken = True

    async def wait_woken(self) -> None:
        """Wait, turn by turn."""
        while not self._is_woken:
            await sys.modules["trio"].sleep(0)
        self._is_woken = False

    def close(self) -> None:
        """There is nothing to close."""


class _IOManager:
    """In the place of the one that waits: what it is asked goes through the seam none the less."""

    def __init__(self) -> None:
        self._epoll = self
        self._registered: dict[int, Any] = {}

    def process_events(self, events: Any) -> None:
        """There are none."""

    def close(self) -> None:
        """There is nothing to close."""


class _KIManager:
    """In the place of the one that sets a handler for Ctrl-C."""

    def install(self, *args: Any) -> None:
        """Set none."""

    def close(self) -> None:
        """There is none."""


class Probe(Hooks):
    """Writes down what the seams tell in the run."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        self._names: dict[int, str] = {}
        self.make_list = batches(_batch_type(self))
        self.clock = self._now
        self.wait = self._waiting()

    def _now(self) -> float:
        self.heard.append("clock")
        return 0.0

    def spawned(self, task: Any, frame: FrameType) -> int:
        """Remember the task by its coroutine."""
        number = super().spawned(task, frame)
        self._names[number] = task.coro.__name__
        self.heard.append(f"spawn {task.coro.__name__}")
        return number

    def step(self, task: Any) -> None:
        """A step is about to begin."""
        self.heard.append(f"step {self._names[task._counter]}")

    def ended(self, task: Any, outcome: Any) -> None:
        """Remember how."""
        self.heard.append(f"end {self._names[task._counter]} {type(outcome).__name__}")

    def running(self, is_running: bool) -> None:
        """Remember it."""
        self.heard.append(f"running {is_running}")

    def _waiting(self) -> Callable[[Any, float], Any]:
        heard = self.heard

        def get_events(self: Any, timeout: float) -> Any:
            heard.append("wait")
            return []

        return get_events

    def run(self, patches: Any, run: Any) -> None:
        """Run trio for a moment, with the seams in place, and see that they are asked and told.

        Args:
          patches: takes what is put in place for this run.
          run: trio's own module.

        Raises:
          ReplayError: they are not.
        """
        version = getattr(sys.modules["trio"], "__version__", "?")
        entry_queue = sys.modules["trio._core._entry_queue"].EntryQueue
        make = entry_queue.__init__

        def with_wakeup(self: Any) -> None:
            make(self, wakeup=_Wakeup())

        patches.put(entry_queue, "__init__", with_wakeup)
        patches.put(_IOManager, "get_events", sys.modules["trio._core._io_epoll"].EpollIOManager.get_events)
        patches.put(run, "TheIOManager", _IOManager)
        patches.put(run, "KIManager", _KIManager)
        try:
            self._drive(run)
        except Exception as problem:
            raise ReplayError(
                f"trio {version} is not known to work: a run of it ends with {problem!r}",
                hint="another version of trio, or of asyncreplay",
            ) from problem
        missing = [what for what in _EXPECTED if what not in self.heard]
        if missing or self.heard.count("step child") < 4:
            raise ReplayError(
                f"trio {version} is not known to work: its loop does not tell of "
                + ", ".join(missing or ["steps"]),
                hint="another version of trio, or of asyncreplay",
            )

    def _drive(self, run: Any) -> None:
        trio = sys.modules["trio"]

        async def child() -> None:
            await trio.sleep(0)

        async def parent() -> None:
            with trio.CancelScope(deadline=-1.0):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(child)
                    nursery.start_soon(child)

        known = {
            "clock": None,
            "instruments": (),
            "restrict_keyboard_interrupt_to_checkpoints": False,
            "strict_exception_groups": True,
        }
        wanted = inspect.signature(run.setup_runner).parameters
        runner = run.setup_runner(**{name: known[name] for name in wanted})
        turns = run.unrolled_run(runner, parent, (), host_uses_signal_set_wakeup_fd=True)
        events: Any = None
        for _ in range(_TURNS):
            try:
                turns.send(events)
            except StopIteration:
                return
            events = runner.io_manager.get_events(0)
        turns.close()
        raise RuntimeError(f"it is not over after {_TURNS} turns")


_EXPECTED: Final = (
    "running True",
    "running False",
    "wait",
    "clock",
    "spawn init",
    "spawn parent",
    "spawn child",
    "step init",
    "step parent",
    "step child",
    "end init Value",
    "end parent Value",
    "end child Error",
)


def _batch_type(probe: Probe) -> Callable[[Iterable[Any]], list[Any]]:
    class Batch(list[Any]):
        def pop(self) -> Any:  # type: ignore[override]
            task = list.pop(self)
            probe.step(task)
            return task

    return Batch
