"""The hooks of the live world: what trio's loop does is written down.

Written for speed, as ``hot`` is: they are entered in each step and each turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from replay.compiled import compiled
from replay.recording.events import OF_TRIO, TAG_BITS, UNMEASURED, Kind
from replay.runtime import real
from replay.runtime.garbage import YOUNG, garbage
from replay.runtime.hot import hot
from replay.runtime.signals import signals
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip
from replay.runtime.trio_.hooks import WorldHooks
from replay.runtime.trio_.outcomes import outcome_of
from replay.runtime.worlds.live import BATCH_ITEMS, LiveWorld

_LONG_BATCH: Final = 64
"""Of so many tasks that can run at once, not each step reads the clock: a tenth of what a step costs."""
_UNMEASURED_COUNT: Final = 7
"""So many steps share the time of one that does."""

_POLL_KEY: Final = -Kind.POLL
_CLOCK_KEY: Final = -Kind.CLOCK
_END_KEY: Final = -Kind.END
_RUN_KEY: Final = -Kind.LOOP
_NAME_KEY: Final = -(Kind.NAME | OF_TRIO << TAG_BITS)


class LiveHooks(WorldHooks):
    """Write down.

    Attributes:
      plain_batch: the type of a batch each of whose steps is measured.
    """

    def __init__(self, world: LiveWorld, doors: Any) -> None:
        super().__init__(world, doors)
        self.plain_batch = _batch_type(world)
        self.make_list = _make_list(world, self.plain_batch)
        self.clock = _clock(world)
        self.wait = _waiting(world)

    def spawned(self, task: Any, frame: FrameType) -> int:
        """Write down who was made, where, and its name."""
        world: LiveWorld = self._world
        stream = current.stream
        if stream is None:
            return world.next_task()
        if world.threads_started:
            # Ids come from a counter of the whole process.
            world.meet_turn(stream)
        place: FrameType = frame
        while id(place.f_code) in world.hidden_codes and place.f_back is not None:
            place = place.f_back
        coro = task.coro
        key = world.spawn_keys.get((id(place.f_code), place.f_lasti, id(getattr(coro, "cr_code", None))))
        if key is None:
            key = world.spawn_key(stream, place, coro)
        number = world.next_task()
        append = stream.append
        append(key)
        append(number)
        append(_NAME_KEY)
        append([number, str(task.name)])
        return number

    def ended(self, task: Any, outcome: Any) -> None:
        """Write down how."""
        stream = current.stream
        if stream is not None:
            stream.append(_END_KEY)
            stream.append(outcome_of(task._counter, outcome))

    def running(self, is_running: bool) -> None:
        """Write it down."""
        stream = current.stream
        if stream is not None:
            stream.append(_RUN_KEY)
            stream.append(int(is_running))


def _batch_type(world: LiveWorld) -> Any:
    main = world.main
    items = main.items
    now = world.now_ns
    pop_last = list.pop

    class Batch(list[Any]):
        def pop(self) -> Any:  # type: ignore[override]
            task = pop_last(self)
            if hot.append is not None:
                items.append(task._counter)  # faster than what is bound
                started = now()
                items.append(started - main.last_ns)
                main.last_ns = started
                return task
            stream: Any = current.stream
            if stream is not None:
                stream.append(task._counter)
                started = now()
                stream.append(started - stream.last_ns)
                stream.last_ns = started
            return task

    return Batch


def _make_list(world: LiveWorld, plain: Any) -> Callable[..., list[Any]]:
    items = world.main.items
    pop_last = list.pop
    pop_plain = plain.pop
    left = 0

    class LongBatch(list[Any]):
        def pop(self) -> Any:  # type: ignore[override]
            nonlocal left
            if left and hot.append is not None:
                left -= 1
                task = pop_last(self)
                items.append(task._counter)
                items.append(UNMEASURED)
                return task
            left = _UNMEASURED_COUNT
            return pop_plain(self)

    def make_list(tasks: Any = ()) -> list[Any]:
        nonlocal left
        if type(tasks) is not deque:
            return list(tasks)
        left = 0
        batch: list[Any] = plain(tasks) if len(tasks) < _LONG_BATCH else LongBatch(tasks)
        return batch

    if world.is_compiled:
        return compiled.trio_make_list(hot, make_list)  # type: ignore[no-any-return]
    return make_list


def _clock(world: LiveWorld) -> Callable[[], float]:
    main = world.main
    now_ns = world.now_ns

    def perf_counter() -> float:
        append = hot.append
        stream: Any = main
        if append is None:
            stream = current.stream
            if stream is None:
                return real.monotonic()
            append = stream.append
        now = now_ns()
        append(_CLOCK_KEY)
        append(now - stream.clock_ns)
        stream.clock_ns = now
        return now / 1e9

    if world.is_compiled:
        return compiled.trio_clock(hot, perf_counter, int(_CLOCK_KEY))  # type: ignore[no-any-return]
    return perf_counter


def _never() -> bool:
    return False


def _waiting(world: LiveWorld) -> Callable[[Any, float], Any]:
    main = world.main
    pending = signals.pending
    gc_count = real.gc_get_count

    def get_events(self: Any, timeout: float) -> Any:
        append = hot.append
        stream: Any = main
        epoll = self._epoll
        most = len(self._registered) or 1
        if append is None:
            stream = current.stream
            if stream is None:
                return epoll.poll(timeout, most)
            append = stream.append
        try:
            if timeout > 0:
                batch = world.wait_ready(stream, epoll.wait, lambda left: (left, most), timeout, _never)
            else:
                batch = epoll.wait(0, most)
                if len(stream.items) > BATCH_ITEMS:
                    world.flush(stream)
            append(_POLL_KEY)
            append(batch or 0)
            if gc_count()[0] > YOUNG and garbage.is_enabled:
                world.collect_garbage(stream)
            if pending and stream.is_main:
                world.deliver_signals(stream)
        except BaseException as error:
            strip(error)
            raise
        return batch

    if not world.is_compiled:
        return get_events

    def wait(wait: Callable[..., Any], timeout: float, most: int) -> Any:
        """Wait for what is not ready yet: what is compiled has looked."""
        try:
            return world.wait_ready(main, wait, lambda left: (left, most), timeout, _never, has_looked=True)
        except BaseException as error:
            strip(error)
            raise

    def settle(stream: Any) -> None:
        """Do what is due in some turns."""
        try:
            if gc_count()[0] > YOUNG and garbage.is_enabled:
                world.collect_garbage(stream)
            if pending:
                world.deliver_signals(stream)
        except BaseException as error:
            strip(error)
            raise

    key = int(_POLL_KEY)
    return compiled.trio_wait(hot, get_events, gc_count, key, wait, settle, pending)  # type: ignore[no-any-return]
