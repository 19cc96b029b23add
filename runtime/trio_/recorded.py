"""The hooks of the recorded world: what trio's loop does is compared, and what it asks is answered."""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from replay.recording.events import Kind
from replay.runtime import real
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip
from replay.runtime.trio_.hooks import WorldHooks, batches, most_events
from replay.runtime.trio_.outcomes import outcome_of
from replay.runtime.worlds.recorded import RecordedWorld, StepWatcher

_POLL_KEY: Final = -Kind.POLL
_CLOCK_KEY: Final = -Kind.CLOCK
_END_KEY: Final = -Kind.END
_RUN_KEY: Final = -Kind.LOOP


class RecordedHooks(WorldHooks):
    """Compare and answer."""

    has_system = False

    def __init__(self, world: RecordedWorld, doors: Any) -> None:
        super().__init__(world, doors)
        take = _following if world.is_simulated else list.pop
        batch_type = _batch_type if world.watcher is None else _watched_batch_type
        self.make_list = batches(batch_type(world, take))
        self.clock = _clock(world)
        self.wait = _waiting(world)

    def spawned(self, task: Any, frame: FrameType) -> int:
        """Return the id that it had."""
        stream = current.stream
        if stream is None:
            return 0
        if self._world.threads_started:
            self._world.meet_turn(stream)
        number: int = stream.take_spawn()
        return number

    def ended(self, task: Any, outcome: Any) -> None:
        """Compare how."""
        stream = current.stream
        if stream is not None:
            self._world.event(stream, _END_KEY, outcome_of(task._counter, outcome))

    def running(self, is_running: bool) -> None:
        """Compare it."""
        stream = current.stream
        if stream is not None:
            self._world.event(stream, _RUN_KEY, int(is_running))


def _take_step(world: RecordedWorld, stream: Any, task: Any) -> None:
    number = task._counter
    pos = stream.pos
    items = stream.items
    if pos < len(items) and items[pos] == number:
        stream.pos = pos + 2
    else:
        world.take_step(stream, number, None)


def _following(batch: list[Any]) -> Any:
    """Take the task whose step was recorded, where the order was decided and not trio's own."""
    stream = current.stream
    if stream is not None:
        number = stream.next_key()
        for at, task in enumerate(batch):
            if task._counter == number:
                return list.pop(batch, at)
    return list.pop(batch)


def _batch_type(world: RecordedWorld, take: Callable[[list[Any]], Any]) -> Any:
    class Batch(list[Any]):
        def pop(self) -> Any:  # type: ignore[override]
            task = take(self)
            stream = current.stream
            if stream is not None:
                number = task._counter
                pos = stream.pos
                items = stream.items
                if pos < len(items) and items[pos] == number:
                    stream.pos = pos + 2
                else:
                    world.take_step(stream, number, None)
            return task

    return Batch


def _watched_batch_type(world: RecordedWorld, take: Callable[[list[Any]], Any]) -> Any:
    assert world.watcher is not None
    watcher: StepWatcher = world.watcher

    class Batch(list[Any]):
        _stepping: Any = None

        def pop(self) -> Any:  # type: ignore[override]
            task = take(self)
            stream = current.stream
            if stream is not None:
                self._stepping = stream
                watcher.on_step(stream, task._counter)
                _take_step(world, stream, task)
            return task

        def __bool__(self) -> bool:
            """Trio asks this after each step, and once before the first."""
            stream, self._stepping = self._stepping, None
            if stream is not None:
                watcher.after_step(stream)
            return len(self) > 0

    return Batch


def _clock(world: RecordedWorld) -> Callable[[], float]:
    def perf_counter() -> float:
        stream = current.stream
        if stream is None:
            return real.monotonic()
        return world.loop_time(stream)

    return perf_counter


def _waiting(world: RecordedWorld) -> Callable[[Any, float], Any]:
    def get_events(self: Any, timeout: float) -> Any:
        stream = current.stream
        if stream is None:
            return self._epoll.poll(timeout, most_events(self))
        pos = stream.pos
        items = stream.items
        # The usual case: it is what comes next, and no garbage, signal or other thread comes then.
        if pos + 2 < len(items) and items[pos] == _POLL_KEY and items[pos + 2] == _CLOCK_KEY:
            stream.pos = pos + 2
            return items[pos + 1] or ()
        try:
            batch = stream.take(_POLL_KEY)
            if world.is_simulated:
                world.cancel_as_decided(stream)
            world.collect_garbage(stream)
            world.deliver_late_signals()
        except BaseException as error:
            strip(error)
            raise
        return batch or ()

    return get_events
