"""The event loop: asyncio's own ``SelectorEventLoop``, with its turn of the crank made repeatable.

Transports, streams, servers, TLS and subprocesses are asyncio's. What is ours is ``_run_once``: it
takes its clock, its readiness and what came from other threads from the world, and tells the world
whose step runs. Without a recorder it is asyncio's loop and nothing else.
"""

from __future__ import annotations

import asyncio
import collections
import heapq
import math
import os
import select
import selectors
import threading
from asyncio import base_events, events
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, TypeVarTuple

from replay.recording.events import Kind
from replay.runtime import real
from replay.runtime.aio import eager
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.readiness import LoopEpoll
from replay.runtime.boundary.signals import remove_loop_handler, set_loop_handler
from replay.runtime.boundary.table import Door, nothing
from replay.runtime.garbage import YOUNG, garbage
from replay.runtime.hot import run_ready
from replay.runtime.signals import signals
from replay.runtime.streams import current
from replay.runtime.tracebacks import OUR_FOLDER, strip, unseen

_Ts = TypeVarTuple("_Ts")

_RUN_KEY: Final = -Kind.LOOP
_READ: Final = ~getattr(select, "EPOLLOUT", 4)
_WRITE: Final = ~getattr(select, "EPOLLIN", 1)
_MAXIMUM_TIMEOUT_S: Final[float] = base_events.MAXIMUM_SELECT_TIMEOUT  # type: ignore[attr-defined]
_MIN_TIMERS: Final[int] = base_events._MIN_SCHEDULED_TIMER_HANDLES  # type: ignore[attr-defined]
_MIN_CANCELLED: Final[float] = base_events._MIN_CANCELLED_TIMER_HANDLES_FRACTION  # type: ignore[attr-defined]


def _forget_own_frames(made: Any) -> None:
    """Take our frames from where a task or a handle says that it was made, in debug mode."""
    places = getattr(made, "_source_traceback", None)
    if places:
        places[:] = [place for place in places if not place.filename.startswith(OUR_FOLDER)]


class LoopSelector(selectors.EpollSelector):
    """``epoll`` as the loop asks it, while recording: for a batch of ``(fd, mask)`` pairs.

    A replay keeps in it who waits for what, and never asks the system: the batch is in the recording.
    """

    _selector_cls = LoopEpoll

    def poll_now(self) -> Any:
        """Return what is ready."""
        return self._selector.wait(0, len(self._fd_to_key) + 1)  # type: ignore[attr-defined]

    def wait_arguments(self, timeout: float | None) -> tuple[float, int]:
        """Return the arguments of a wait of up to ``timeout`` seconds, for ``epoll.poll``."""
        if timeout is None:
            seconds = -1.0
        elif timeout <= 0:
            seconds = 0.0
        else:
            # Rounded up to the clock of epoll, or the loop would turn idly until the deadline.
            seconds = math.ceil(timeout * 1e3) * 1e-3
        return seconds, len(self._fd_to_key) + 1  # type: ignore[attr-defined]


# The loop logs the name of its selector.
LoopSelector.__name__ = "EpollSelector"


class _Doors:
    """Doors of what a loop opens for itself: a program may be at its limit of descriptors."""

    open_wake: Any
    open_signals: Any


def install(boundary: Installer) -> None:
    """Make the loops of this process those of the boundary's world."""
    EventLoop._active_world = boundary.world
    _Doors.open_wake = boundary.bind(Door("loop.open_wake", request=nothing, quiet=True), _open_wake)
    _Doors.open_signals = boundary.bind(Door("loop.open_signals", request=nothing, quiet=True), _open_signals)


def _open_wake(epoll: Any) -> int:
    """Return a descriptor by which other threads end the wait of ``epoll``."""
    assert real.eventfd is not None
    fd: int = real.eventfd(0)
    try:
        # Edge-triggered, so that nothing has to be read back; unknown to the loop's own table.
        epoll.register(fd, select.EPOLLIN | select.EPOLLET)
    except BaseException:
        real.close(fd)
        raise
    return fd


def _open_signals(epoll: Any) -> tuple[int, int]:
    """Return both ends of a pipe by which the interpreter ends the wait of ``epoll``."""
    assert real.pipe2 is not None
    inner, outer = real.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # Edge-triggered, so that a byte nobody has read yet is no reason to turn again and again.
        epoll.register(inner, select.EPOLLIN | select.EPOLLET)
    except BaseException:
        real.close(inner)
        real.close(outer)
        raise
    return inner, outer


class Own:
    """What a loop of ours has beyond asyncio's.

    In an object of its own: an instance of a Python class keeps its attributes in a fast array only
    as long as there are at most 30, and asyncio's loops come close.

    Attributes:
      inbox: callbacks from other threads, with their tickets, while recording.
      arrived: the same at replay, until their recorded arrival.
      left: what is ready and was left for a later turn, where any order is tried.
      gate: held by whoever needs to know, or changes, whether the loop runs; a lock of the program's kind, so
        that who came first is recorded.
      is_running: whether it does.
      is_woken_by_signals: whether it has asked for `signal_fds`, which a replay does not get.
    """

    __slots__ = (
        "arrived",
        "gate",
        "inbox",
        "is_running",
        "is_woken_by_signals",
        "left",
        "signal_fds",
        "wake_fd",
    )

    def __init__(self) -> None:
        self.inbox: collections.deque[tuple[list[int] | None, Any]] = collections.deque()
        self.arrived: dict[tuple[int, int], Any] = {}
        self.left: list[Any] = []
        self.wake_fd = -1
        self.signal_fds: tuple[int, int] | None = None
        self.is_woken_by_signals = False
        self.gate = threading.Lock()
        self.is_running = False


def leave_all_but(loop: Any, at: int) -> None:
    """Leave what is ready in a loop for the next turn, all but one."""
    handles = list(loop._ready)
    loop._ready.clear()
    loop._ready.append(handles.pop(at))
    loop._own.left.extend(handles)


class EventLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop whose runs can be recorded and replayed.

    Use it alone with ``asyncio.Runner(loop_factory=replay.EventLoop)``; under ``replay record`` it is
    every asyncio loop of the program.
    """

    _active_world: Any = None
    """The world of this process; set by the launcher, ``None`` without a recorder."""

    if TYPE_CHECKING:
        # Of asyncio's loops; not in their stubs.
        _clock_resolution: float
        _csock: Any
        _current_handle: Any
        _debug: bool
        _internal_fds: int
        _ready: collections.deque[Any]
        _scheduled: list[Any]
        _selector: Any
        _signal_handlers: dict[int, Any]
        _ssock: Any
        _stopping: bool
        _task_factory: Any
        _thread_id: int | None
        _timer_cancelled_count: int

    def __init__(self, selector: Any = None) -> None:
        world = self._active_world if current.stream is not None else None
        self._world: Any = world
        self._own = Own()
        if world is None:
            super().__init__(selector)
            return
        super().__init__(LoopSelector())
        self._clock_resolution = 1e-9

    # -- clock ----------------------------------------------------------------------------------

    def time(self) -> float:
        """Return the loop's clock, in seconds."""
        if self._world is None:
            return super().time()
        stream = current.stream
        if stream is None:
            return real.monotonic()
        return self._world.loop_time(stream)  # type: ignore[no-any-return]

    # -- tasks ----------------------------------------------------------------------------------

    def create_task(self, coro: Any, **kwargs: Any) -> Any:
        """Return a new task that runs ``coro``."""
        world, stream = self._world, current.stream
        try:
            if world is None or stream is None:
                task = super().create_task(coro, **kwargs)
            else:
                if world.threads_started:
                    world.meet_turn(stream)
                if self._task_factory is None:
                    task = super().create_task(coro, **kwargs)
                else:
                    stream.is_in_factory = True
                    task = eager.create(world, stream, super().create_task, coro, **kwargs)
        except BaseException as error:
            strip(error)
            raise
        if self._debug:
            _forget_own_frames(task)
        return task

    # -- waking up ------------------------------------------------------------------------------

    def _make_self_pipe(self) -> None:
        if self._world is None:
            super()._make_self_pipe()  # type: ignore[misc]
            return
        self._ssock = self._csock = None
        self._internal_fds += 1
        fd = _Doors.open_wake(self._selector._selector.made)
        if fd is not None:
            self._own.wake_fd = fd

    def _close_self_pipe(self) -> None:
        if self._world is None:
            super()._close_self_pipe()  # type: ignore[misc]
            return
        self._internal_fds -= 1
        own = self._own
        if own.wake_fd >= 0:
            self._selector._selector.made.unregister(own.wake_fd)
            real.close(own.wake_fd)
            own.wake_fd = -1
        if own.signal_fds is not None:
            if self._signal_handlers:
                self._wake_by_signals_no_more()
            for fd in own.signal_fds:  # which the epoll forgets
                real.close(fd)
            own.signal_fds = None

    def _wake_by_signals(self) -> None:
        """Let signals end the wait of this loop, even those that come just before it.

        A Python handler is not called between the interpreter's last look for signals and the system call
        that waits; only what the interpreter writes to a descriptor is seen there.
        """
        own = self._own
        if not own.is_woken_by_signals:
            own.signal_fds = _Doors.open_signals(self._selector._selector.made)
            own.is_woken_by_signals = True
        if own.signal_fds is not None:
            inner, outer = own.signal_fds
            real.set_wakeup_fd(outer, warn_on_full_buffer=False)
            signals.wake_fd = inner

    def _wake_by_signals_no_more(self) -> None:
        """Take back the interpreter's descriptor, whoever has set one since: as asyncio does."""
        fds = self._own.signal_fds
        if fds is not None and threading.current_thread() is threading.main_thread():
            if signals.wake_fd == fds[0]:
                signals.wake_fd = -1
            real.set_wakeup_fd(-1)

    def _write_to_self(self) -> None:
        if self._world is None:
            super()._write_to_self()  # type: ignore[misc]
        elif self._own.wake_fd >= 0:
            try:
                real.eventfd_write(self._own.wake_fd, 1)  # type: ignore[misc]
            except OSError:  # closed meanwhile by its own thread
                pass

    @unseen
    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> events.Handle:
        """Like ``call_soon``, from any thread."""
        if self._world is None:
            handle = super().call_soon_threadsafe(callback, *args, context=context)
            if self._debug:
                _forget_own_frames(handle)
            return handle
        if self._thread_id == threading.get_ident():
            return self.call_soon(callback, *args, context=context)
        with self._own.gate:
            if not self._own.is_running:
                return self.call_soon(callback, *args, context=context)
        self._check_closed()  # type: ignore[attr-defined]
        if self._debug:
            self._check_callback(callback, "call_soon_threadsafe")  # type: ignore[attr-defined]
        handle = events.Handle(callback, args, self, context)
        self._world.post(self, handle)
        return handle

    # -- signals --------------------------------------------------------------------------------

    @unseen
    def add_signal_handler(self, sig: int, callback: Callable[[*_Ts], object], *args: *_Ts) -> None:
        """Call ``callback(*args)`` in this loop when the signal comes in."""
        if self._world is None:
            super().add_signal_handler(sig, callback, *args)
            return
        set_loop_handler(self, sig, callback, args)

    @unseen
    def remove_signal_handler(self, sig: int) -> bool:
        """Give the signal back; whether there was a handler."""
        if self._world is None:
            return super().remove_signal_handler(sig)
        return remove_loop_handler(self, sig)

    # -- running --------------------------------------------------------------------------------

    @unseen
    def run_forever(self) -> None:
        """Run until stopped."""
        world, stream = self._world, current.stream
        if world is None or self._thread_id is not None:
            super().run_forever()
            return
        self._tell_running(world, stream, True)
        try:
            super().run_forever()
        finally:
            self._tell_running(world, stream, False)

    def _tell_running(self, world: Any, stream: Any, is_running: bool) -> None:
        if stream is not None:
            world.event(stream, _RUN_KEY, int(is_running))
        with self._own.gate:
            self._own.is_running = is_running

    # -- one turn -------------------------------------------------------------------------------

    def _run_once(self) -> None:
        world = self._world
        stream = current.stream
        if world is None or stream is None:
            inbox = self._own.inbox
            while inbox:  # nothing is recorded any more
                self._ready.append(inbox.popleft()[1])
            super()._run_once()  # type: ignore[misc]
            return
        if world.reorders and self._own.left:
            self._ready.extendleft(reversed(self._own.left))
            self._own.left.clear()
        scheduled = self._scheduled
        if scheduled:
            scheduled = self._without_cancelled()
        if self._ready or self._stopping:
            timeout: float | None = 0
        elif scheduled:
            timeout = min(max(0, scheduled[0]._when - self.time()), _MAXIMUM_TIMEOUT_S)
        else:
            timeout = None
        batch = world.poll(stream, self, timeout)
        if batch:
            self._dispatch(batch)
        if scheduled:
            end = self.time() + self._clock_resolution
            while scheduled and scheduled[0]._when < end:
                handle = heapq.heappop(scheduled)
                handle._scheduled = False
                self._ready.append(handle)
            handle = None  # its callback may hold what is to end with its step
        try:
            if world.is_replay:
                if stream.pos >= len(stream.items) or stream.items[stream.pos] < 0:  # no step comes next
                    world.collect_garbage(stream)
                world.run_ready(self, stream)
                return
            if real.gc_get_count()[0] > YOUNG and garbage.is_enabled:
                world.collect_garbage(stream)
            if world.reorders:
                world.reorder(stream, self)
            run_ready(self, stream, signals.pending)
        except BaseException as error:
            strip(error)
            raise

    def is_due(self) -> bool:
        """Whether the next turn has something to do at once."""
        return bool(self._ready or self._stopping)

    def _without_cancelled(self) -> list[Any]:
        """Drop timers that were cancelled; as ``asyncio.base_events`` does."""
        scheduled = self._scheduled
        count = len(scheduled)
        if count > _MIN_TIMERS and self._timer_cancelled_count / count > _MIN_CANCELLED:
            kept = []
            for handle in scheduled:
                if handle._cancelled:
                    handle._scheduled = False
                else:
                    kept.append(handle)
            heapq.heapify(kept)
            self._scheduled = scheduled = kept
            self._timer_cancelled_count = 0
        else:
            while scheduled and scheduled[0]._cancelled:
                self._timer_cancelled_count -= 1
                handle = heapq.heappop(scheduled)
                handle._scheduled = False
        return scheduled

    def _dispatch(self, batch: Any) -> None:
        ready = self._ready
        keys = self._selector._fd_to_key
        for fd, mask in batch:
            key = keys.get(fd)
            if key is None:
                continue
            reader, writer = key.data
            if mask & _READ and reader is not None and key.events & 1:
                if reader._cancelled:
                    self._remove_reader(fd)  # type: ignore[attr-defined]
                else:
                    ready.append(reader)
            if mask & _WRITE and writer is not None and key.events & 2:
                if writer._cancelled:
                    self._remove_writer(fd)  # type: ignore[attr-defined]
                else:
                    ready.append(writer)

    def _run_timed(self, handle: Any) -> None:
        """Run one handle in debug mode: what takes long is logged."""
        self._current_handle = handle
        try:
            started = self.time()
            handle._run()
            took = self.time() - started
            if took >= self.slow_callback_duration:
                base_events.logger.warning(  # type: ignore[attr-defined]
                    "Executing %s took %.3f seconds",
                    base_events._format_handle(handle),  # type: ignore[attr-defined]
                    took,
                )
        finally:
            self._current_handle = handle = None  # the frame may live on, in a traceback
