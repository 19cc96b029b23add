"""Doors between threads: starting and ending them, locks, and the queue that is written in C.

Everything that ``threading``, ``queue`` and ``concurrent.futures`` do between threads comes down to
these few, so nothing above them needs a door. Threads run freely while recording. A lock that goes
from one thread to another gets a number at that moment, in one order for the whole program. A lock
that a thread takes again after itself is no hand-off: it is counted, and the next hand-off of the
thread says how many it passed over, so that a replay knows which acquisition the event is of.

At replay locks are plain flags: only the holder of the baton runs, and each numbered hand-off waits
for its turn (``worlds.recorded``).
"""

from __future__ import annotations

import _queue
import _thread
import concurrent.futures.thread
import queue
import sys
import threading
import types
from collections.abc import Callable
from typing import Any, ClassVar, Final

from replay.recording.events import NO_LOCK_MORE, Kind
from replay.runtime import real
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, nothing, replace
from replay.runtime.garbage import garbage
from replay.runtime.order import SPREAD
from replay.runtime.signals import INTERRUPTED, signals
from replay.runtime.streams import current
from replay.runtime.thread_state import drop_locals
from replay.runtime.tracebacks import strip, unseen

_LOCK_KEY: Final = -Kind.LOCK
_TAKEN_KEY: Final = -Kind.TAKEN
_UNRECORDED: Final = -1

_NOT_TAKEN: Final = 0
_TAKEN: Final = 1
_BROKEN_OFF: Final = 2


class _Shared:
    """What locks and queues need to know of the process."""

    world: ClassVar[Any] = None


class _Identity:
    """How a thread knows itself: at replay several may share one of the kernel's."""

    __slots__ = ("get",)

    def __init__(self) -> None:
        self.get: Callable[[], int] = real.get_ident


_self: Final = _Identity()


class Lock:
    """``threading.Lock`` as a door; a subclass for each world."""

    __slots__ = ("__weakref__", "_last", "_locked", "_number", "_real")

    def __init__(self) -> None:
        stream = current.stream
        self._real: Any = _Shared.world.new_lock()
        self._locked = False
        if stream is None:
            self._last = 0
            self._number = 0
        else:
            self._last = stream.number
            stream.puts += 1
            self._number = stream.puts << 16 | stream.number

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; whether it was taken."""
        raise NotImplementedError

    def release(self) -> None:
        """Give the lock back."""
        raise NotImplementedError

    def locked(self) -> bool:
        """Whether somebody holds the lock."""
        raise NotImplementedError

    def _is_held(self) -> bool:
        raise NotImplementedError

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()

    acquire_lock = acquire
    release_lock = release
    locked_lock = locked

    def __hash__(self) -> int:
        return self._number * SPREAD  # `threading` keeps sets of locks, and goes through them in order

    def __repr__(self) -> str:
        state = "locked" if self._locked else "unlocked"
        return f"<{state} _thread.lock object at {id(self):#x}>"


def _check_timeout(blocking: bool, timeout: float) -> None:
    if not blocking:
        raise ValueError("can't specify a timeout for a non-blocking call")
    if timeout < 0:
        what = "a non-negative number" if sys.version_info >= (3, 13) else "positive"
        raise ValueError(f"timeout value must be {what}")
    if timeout > threading.TIMEOUT_MAX:
        raise OverflowError("timeout value is too large")


class LiveLock(Lock):
    """A real lock, whose changes of hands are recorded."""

    __slots__ = ()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, and write down if it changed hands."""
        if timeout != -1:
            try:
                _check_timeout(blocking, timeout)
            except BaseException as error:
                strip(error)
                raise
        stream = current.stream
        if stream is None:
            got: bool = self._real.acquire(blocking, timeout)
            if got:
                self._last = _UNRECORDED
            return got
        got = at_once = self._real.acquire(False)
        if not got and blocking and timeout != 0:
            try:
                got = self._wait(stream, timeout)
            except BaseException as error:
                strip(error)
                raise
        if not got:
            self._changed(stream, _NOT_TAKEN)
        elif self._last == stream.number and at_once:
            stream.elided += 1
        else:
            self._last = stream.number
            self._changed(stream, _TAKEN)
        return got

    def _changed(self, stream: Any, outcome: int) -> None:
        _Shared.world.turn(stream)
        stream.append(_LOCK_KEY)
        stream.append([self._number, outcome, stream.elided])
        stream.elided = 0

    def _wait(self, stream: Any, timeout: float) -> bool:
        world = _Shared.world
        world.flush(stream)
        stream.waits = True
        if not stream.is_main:
            got: bool = self._real.acquire(True, timeout)
            garbage.wait_over(stream, may_stay=not got)
            return got
        deadline = None if timeout < 0 else world.now_ns() / 1e9 + timeout
        while True:
            left = -1 if deadline is None else max(0.0, deadline - world.now_ns() / 1e9)
            taken = signals.perform(self._real.acquire, (True, left))
            garbage.wait_over(stream)
            if taken is not INTERRUPTED:
                return bool(taken)
            self._changed(stream, _BROKEN_OFF)
            world.deliver_signals(stream)
            stream.waits = True

    def release(self) -> None:
        """Give the lock back; the recording tells of it when somebody else takes it."""
        stream = current.stream
        self._last = _UNRECORDED if stream is None else stream.number
        try:
            self._real.release()
        except BaseException as error:
            strip(error)
            raise

    def locked(self) -> bool:
        """Whether somebody holds the lock; recorded once there are threads."""
        found: bool = self._real.locked()
        stream = current.stream
        if stream is not None and _Shared.world.threads_started:
            self._changed(stream, _TAKEN if found else _NOT_TAKEN)
        return found

    def _at_fork_reinit(self) -> None:
        self._real = _Shared.world.new_lock()

    def _is_held(self) -> bool:
        return bool(self._real.locked())


class RecordedLock(Lock):
    """A flag, whose changes of hands are read from the recording."""

    __slots__ = ()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock when the recording says that it was this thread's turn."""
        if timeout != -1:
            try:
                _check_timeout(blocking, timeout)
            except BaseException as error:
                strip(error)
                raise
        stream = current.stream
        if stream is None:  # before the run: one thread
            self._locked = True
            return True
        if stream.lock_is_elided(is_free=not self._locked):
            if self._locked:
                _Shared.world.end_if_over(stream)
                _Shared.world.diverge(
                    stream, "the lock is free", f"lock {self._number} is held by thread {self._last}"
                )
            stream.elided += 1
            self._locked = True
            self._last = stream.number
            return True
        try:
            outcome = self._outcome(stream)
            while outcome == _BROKEN_OFF:
                outcome = self._outcome(stream)
        except BaseException as error:
            strip(error)
            raise
        if outcome == _TAKEN:
            self._locked = True
            self._last = stream.number
        return bool(outcome)

    def _outcome(self, stream: Any) -> int:
        """Return what the recording says of this lock's next hand-off."""
        number, outcome, _ = stream.take(_LOCK_KEY, lambda: f"lock {self._number}")
        if number == NO_LOCK_MORE:
            _Shared.world.ran_out(stream)
        stream.elided = 0
        if number != self._number:
            stream.pos -= 2
            _Shared.world.diverge(
                stream, f"lock {number} changes hands", f"lock {self._number} changes hands"
            )
        return int(outcome)

    @unseen
    def release(self) -> None:
        """Give the lock back; who takes it next is in the recording."""
        stream = current.stream
        if stream is not None:
            self._last = stream.number
        if not self._locked:
            raise RuntimeError("release unlocked lock")
        self._locked = False

    def locked(self) -> bool:
        """Whether somebody held the lock."""
        stream = current.stream
        if stream is not None and _Shared.world.threads_started:
            return bool(self._outcome(stream))
        return self._locked

    def _at_fork_reinit(self) -> None:
        self._locked = False

    def _is_held(self) -> bool:
        return self._locked


class RLock:
    """``threading.RLock``: a lock with an owner and a count."""

    __slots__ = ("__weakref__", "_block", "_count", "_owner")

    make_lock: ClassVar[type[Lock]]

    def __init__(self) -> None:
        self._block = self.make_lock()
        self._owner: int | None = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, again if it is held by this thread; whether it was taken."""
        me = _self.get()
        if self._owner == me:
            self._count += 1
            return True
        got = self._block.acquire(blocking, timeout)
        if got:
            self._owner = me
            self._count = 1
        return got

    @unseen
    def release(self) -> None:
        """Give the lock back once."""
        if self._owner != _self.get():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None
            self._block.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()

    def _acquire_restore(self, state: tuple[int, int]) -> None:
        self._block.acquire()
        self._count, self._owner = state

    @unseen
    def _release_save(self) -> tuple[int, int | None]:
        if self._count == 0:
            raise RuntimeError("cannot release un-acquired lock")
        state = self._count, self._owner
        self._count = 0
        self._owner = None
        self._block.release()
        return state

    def _is_owned(self) -> bool:
        return self._owner == _self.get()

    def _recursion_count(self) -> int:
        return self._count if self._owner == _self.get() else 0

    def _at_fork_reinit(self) -> None:
        self._block._at_fork_reinit()  # type: ignore[attr-defined]
        self._owner = None
        self._count = 0

    def __repr__(self) -> str:
        state = "locked" if self._count else "unlocked"
        return f"<{state} _thread.RLock object owner={self._owner or 0} count={self._count} at {id(self):#x}>"


class SimpleQueue:
    """``queue.SimpleQueue``: which item a thread takes is a hand-off; putting one is not."""

    def __init__(self) -> None:
        self._waiting: _queue.SimpleQueue[Any] = _Shared.world.new_queue()
        self._items: dict[tuple[int, int], Any] = {}

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an item on the queue; never waits."""
        stream = current.stream
        if stream is None:
            self._waiting.put((None, item))
            return
        stream.puts += 1
        ticket = (stream.number, stream.puts)
        if _Shared.world.is_replay:
            self._items[ticket] = item
        else:
            self._waiting.put((ticket, item))

    def put_nowait(self, item: Any) -> None:
        """Put an item on the queue."""
        self.put(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the oldest item.

        Raises:
          queue.Empty: there was none, in time.
        """
        stream = current.stream
        world = _Shared.world
        if stream is None:
            return self._waiting.get(block, timeout)[1]
        if timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        try:
            if world.is_replay:
                return self._recorded_get(world, stream)
            return self._live_get(world, stream, block, timeout)
        except BaseException as error:
            strip(error)
            raise

    def _recorded_get(self, world: Any, stream: Any) -> Any:
        if not world.threads_started and self._items:
            return self._items.pop(next(iter(self._items)))
        value = stream.take(_TAKEN_KEY)
        while value == _BROKEN_OFF:
            value = stream.take(_TAKEN_KEY)
        if value == _NOT_TAKEN:
            raise queue.Empty
        ticket = tuple(value)
        if ticket not in self._items:
            stream.pos -= 2
            world.diverge(
                stream, f"item {ticket[1]} put by thread {ticket[0]} is taken", "it is not in the queue"
            )
        return self._items.pop(ticket)

    def _live_get(self, world: Any, stream: Any, block: bool, timeout: float | None) -> Any:
        if not world.threads_started and not self._waiting.empty():
            return self._waiting.get(False)[1]
        try:
            try:
                ticket, item = self._waiting.get(False)
            except queue.Empty:
                if not block:
                    raise
                world.flush(stream)
                stream.waits = True
                try:
                    ticket, item = self._wait(world, stream, timeout)
                except queue.Empty:
                    garbage.wait_over(stream, may_stay=True)
                    raise
                except BaseException:
                    garbage.wait_over(stream)
                    raise
                garbage.wait_over(stream)
        except queue.Empty:
            world.turn(stream)
            stream.append(_TAKEN_KEY)
            stream.append(0)
            raise queue.Empty from None
        world.turn(stream)
        stream.append(_TAKEN_KEY)
        stream.append(ticket)
        return item

    def _wait(self, world: Any, stream: Any, timeout: float | None) -> Any:
        if not stream.is_main:
            return self._waiting.get(True, timeout)
        deadline = None if timeout is None else real.monotonic() + timeout
        while True:
            left = None if deadline is None else max(0.0, deadline - real.monotonic())
            found = signals.perform(self._waiting.get, (True, left))
            if found is not INTERRUPTED:
                return found
            world.waited(stream)
            stream.append(_TAKEN_KEY)
            stream.append(_BROKEN_OFF)
            world.deliver_signals(stream)
            stream.waits = True

    def get_nowait(self) -> Any:
        """Take the oldest item, if there is one."""
        return self.get(False)

    def qsize(self) -> int:
        """Return how many items there are."""
        stream = current.stream
        world = _Shared.world
        if stream is not None and world.threads_started:
            if world.is_replay:
                value: int = stream.take(_TAKEN_KEY)
                return value
            size = self._waiting.qsize()
            world.turn(stream)
            stream.append(_TAKEN_KEY)
            stream.append(size)
            return size
        return len(self._items) if world.is_replay else self._waiting.qsize()

    def empty(self) -> bool:
        """Whether there is no item."""
        return self.qsize() == 0

    __class_getitem__: ClassVar[Any] = classmethod(types.GenericAlias)


class Handle:
    """What joins a thread (3.13); made of a lock, so that joining is a hand-off like any other."""

    alive: ClassVar[list[Handle]] = []
    make_lock: ClassVar[type[Lock]]

    def __init__(self, ident: int | None = None) -> None:
        self.ident = ident
        self._done = self.make_lock()
        self._is_done = False

    def started(self, ident: int, daemon: bool) -> None:
        """The thread runs."""
        self.ident = ident
        if not daemon:
            Handle.alive.append(self)

    def is_done(self) -> bool:
        """Whether the thread has ended."""
        if not self._is_done and self._done.acquire(False):
            self._done.release()
            self._is_done = True
        return self._is_done

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended."""
        if self._is_done:
            return
        if self._done.acquire(True, -1 if timeout is None else max(timeout, 0)):
            self._done.release()
            self._is_done = True

    def _set_done(self) -> None:
        self._is_done = True


# What a program may see of them, and trio asserts.
for _kind, _name, _module in (
    (LiveLock, "lock", "_thread"),
    (RecordedLock, "lock", "_thread"),
    (RLock, "RLock", "_thread"),
    (SimpleQueue, "SimpleQueue", "_queue"),
):
    _kind.__name__ = _kind.__qualname__ = _name
    _kind.__module__ = _module


def install(boundary: Installer) -> None:
    """Put the doors between threads in place."""
    world = _Shared.world = boundary.world
    make_lock = RecordedLock if boundary.is_replay else LiveLock
    RLock.make_lock = Handle.make_lock = make_lock
    lock_type, rlock_type = type(real.allocate_lock()), type(_thread.RLock())
    _thread.allocate_lock = _thread.allocate = make_lock  # type: ignore[assignment]
    _thread.RLock = RLock  # type: ignore[misc, assignment]
    for name, value in (
        ("Lock", make_lock),
        ("_allocate_lock", make_lock),
        ("RLock", RLock),
        ("_CRLock", RLock),
    ):
        boundary.replace(threading, name, value)
    boundary.replace(_thread, "LockType", make_lock)
    boundary.door(Door("_thread.interrupt_main", effect=True), _thread, "interrupt_main")
    boundary.is_alone = _is_alone(boundary)
    if hasattr(_thread, "lock"):
        _thread.lock = make_lock  # pyright: ignore[reportAttributeAccessIssue]
    boundary.replace(_queue, "SimpleQueue", SimpleQueue)
    boundary.replacements.add(real.allocate_lock, make_lock)
    boundary.replacements.add(_RealRLock, RLock)
    start = _starter(world)
    _thread.start_new = boundary.replace(_thread, "start_new_thread", start)
    if hasattr(threading, "_start_joinable_thread"):
        _install_joinable(boundary, start)
    else:
        _install_sentinels(boundary, make_lock, start)
    boundary.replace_instances(lock_type, make_lock)
    boundary.replace_instances(rlock_type, RLock)
    _identity(boundary)
    concurrent.futures._base._AcquireFutures.__init__ = _acquire_in_order  # type: ignore[method-assign]


def _acquire_in_order(self: Any, futures: Any) -> None:
    """Lock several futures in the order of their hashes; by address it would be another order each time."""
    self.futures = sorted(futures, key=hash)


_RealRLock = _thread.RLock


def _identity(boundary: Installer) -> None:
    """Ids of threads are the outside's: recorded where a thread begins."""
    if boundary.has_system:
        return

    def get_ident() -> int:
        stream = current.stream
        return real.get_ident() if stream is None or stream.ident is None else stream.ident

    def get_native_id() -> int:
        stream = current.stream
        return real.get_native_id() if stream is None or stream.ident is None else stream.native_id

    _self.get = get_ident
    boundary.replace(_thread, "get_ident", get_ident)
    boundary.replace(_thread, "get_native_id", get_native_id)


def begin_main(world: Any) -> None:
    """Write down, or take over, the ids of the main thread."""
    stream = world.main
    if world.is_replay:
        stream.ident, stream.native_id = stream.take(-Kind.BEGIN)
    else:
        world.event(stream, -Kind.BEGIN, world.idents(stream))
        if world.has_system:
            return
    main = threading.main_thread()
    active = threading._active  # type: ignore[attr-defined]
    active.pop(main.ident, None)
    main._ident, main._native_id = stream.ident, stream.native_id  # type: ignore[attr-defined]
    active[stream.ident] = main


def _is_alone(boundary: Installer) -> Callable[[], bool]:
    world = boundary.world
    stand_still = boundary.bind(
        Door("threads.stand_still", request=nothing, blocking=True), lambda: world.stand_still()
    )

    def is_alone() -> bool:
        if not world.is_replay and world.is_abandoned:  # threads that were started since are no streams
            return len(threading._active) == 1  # type: ignore[attr-defined]
        return not world.threads_started or bool(stand_still())

    return is_alone


def _starter(world: Any) -> Callable[..., int]:
    def start_live(
        function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> int:
        stream = current.stream
        if stream is None:
            return real.start_new_thread(function, args, kwargs or {})
        world.start_threads()
        world.flush(stream)
        child = world.new_stream()

        def run() -> None:
            current.stream = child
            world.waited(child)
            world.event(child, -Kind.BEGIN, world.idents(child))
            try:
                function(*args, **(kwargs or {}))
            except SystemExit:
                pass
            except BaseException:
                _unraisable(function)
            finally:
                drop_locals(current)
                world.turn(child)
                world.event(child, -Kind.FINISH, 0)
                world.end_stream(child)
                current.stream = None

        stream.append(-Kind.THREAD)
        ident: int = world.start_thread(child, getattr(function, "thread", function), run)
        stream.append([child.number, ident])
        return ident

    def start_recorded(
        function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> int:
        stream = current.stream
        if stream is None:
            return real.start_new_thread(function, args, kwargs or {})
        world.start_threads()
        number, ident = stream.take(-Kind.THREAD)
        child = world.stream(number)

        def run(token: Any, *_: object) -> None:
            world.thread_woken(child, token)
            child.ident, child.native_id = child.take(-Kind.BEGIN)
            try:
                function(*args, **(kwargs or {}))
            except SystemExit:
                pass
            except BaseException:
                _unraisable(function)
            finally:
                drop_locals(current)
                child.take(-Kind.FINISH)
                world.thread_over(child)

        world.new_thread(child, run)
        return int(ident)

    return start_recorded if world.is_replay else start_live


def _unraisable(function: Callable[..., Any]) -> None:
    """Report what escaped a bare thread, as ``_thread`` does."""
    error = sys.exc_info()[1]
    assert error is not None
    strip(error)
    sys.unraisablehook(
        types.SimpleNamespace(
            exc_type=type(error),
            exc_value=error,
            exc_traceback=error.__traceback__,
            err_msg="Exception ignored in thread started by",
            object=function,
        )  # pyright: ignore[reportArgumentType]
    )


def _install_sentinels(boundary: Installer, make_lock: type[Lock], start: Callable[..., int]) -> None:
    """Before 3.13 the interpreter itself releases a lock when a thread is gone; ours does it."""
    sentinels: dict[int, Lock] = {}

    def set_sentinel() -> Lock:
        lock = make_lock()
        sentinels[_self.get()] = lock
        return lock

    def start_with_sentinel(
        function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> int:
        def run() -> None:
            try:
                function(*args, **(kwargs or {}))
            finally:
                drop_locals(current)
                lock = sentinels.pop(_self.get(), None)
                if lock is not None and lock._is_held():
                    lock.release()

        run.thread = function  # type: ignore[attr-defined]
        return start(run, ())

    # The main thread's own lock is kept among those of others, in a set.
    main_lock = make_lock()
    main_lock.acquire()
    threading.main_thread()._tstate_lock = main_lock  # type: ignore[attr-defined]
    threading._shutdown_locks.clear()  # type: ignore[attr-defined]
    threading._shutdown_locks.add(main_lock)  # type: ignore[attr-defined]
    boundary.replace(_thread, "_set_sentinel", set_sentinel)
    replace(threading, "_start_new_thread", start_with_sentinel)


def _install_joinable(boundary: Installer, start: Callable[..., int]) -> None:
    def start_joinable_thread(
        function: Callable[..., Any], handle: Handle | None = None, daemon: bool = True
    ) -> Handle:
        handle = Handle() if handle is None else handle
        done = handle._done
        done.acquire()

        def run() -> None:
            try:
                function()
            finally:
                drop_locals(current)
                done.release()

        run.thread = function  # type: ignore[attr-defined]
        handle.started(start(run, ()), daemon)
        return handle

    def shutdown() -> None:
        while Handle.alive:
            Handle.alive.pop(0).join()

    boundary.replace(_thread, "start_joinable_thread", start_joinable_thread)
    _thread._ThreadHandle = _thread._make_thread_handle = Handle  # type: ignore[attr-defined]
    threading._ThreadHandle = Handle  # type: ignore[attr-defined]
    threading._make_thread_handle = Handle  # type: ignore[attr-defined]
    replace(threading, "_thread_shutdown", shutdown)
