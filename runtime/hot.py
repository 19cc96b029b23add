"""The hot path of recording: clock, send, receive and step of the main thread.

These few functions are entered for every message and every turn of a recorded program, so they are
written for speed and kept together. ``hot.append`` is the ``append`` of the main stream's list while the
main thread alone is recorded, and ``None`` otherwise; then each hands over to its general twin
(``worlds.live``), which finds the running thread's stream first.

Where ``replay.compiled`` is there, the usual case of some of them is in C; what is not usual is done here.
"""

from __future__ import annotations

from asyncio import Task, events, tasks
from collections.abc import Callable
from types import BuiltinFunctionType, CoroutineType, MethodType
from typing import TYPE_CHECKING, Any

from replay.compiled import compiled
from replay.recording.codec import bytes_checksum
from replay.recording.events import TAG_BITS, Kind
from replay.runtime import real
from replay.runtime.aio import eager
from replay.runtime.garbage import YOUNG, garbage
from replay.runtime.order import SPREAD, TASK_STEP, TASK_WAKEUP
from replay.runtime.signals import signals
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip

if TYPE_CHECKING:
    from replay.runtime.worlds.live import LiveStream, LiveWorld

_ERROR_KEY = -Kind.ERROR
_SHORT_KEY = -Kind.SHORT
_END_KEY = -Kind.END

CLOCK_BATCH_S = 0.001
"""A program that does nothing but read clocks writes its batch out this often: bounds memory."""


class PureStream:
    """The part of a thread's stream that the hot functions change.

    Attributes:
      items: events that are not yet in the file: key, value, key, value, ...
      append: of these.
      number: the ordinal of the stream.
      last_ns: when its last step began.
      clock_ns: what the loop's clock told last.
    """

    __slots__ = ("append", "clock_ns", "items", "last_ns", "number")

    items: list[Any]
    append: Callable[[Any], None]
    number: int
    last_ns: int
    clock_ns: int


class PureHot:
    """What the hot functions share with the world; see the module's text.

    Attributes:
      writer: what only the main thread puts into, nobody else at the same time; or None.
      is_redacting: what goes out is to be redacted before its checksum is taken.
    """

    __slots__ = ("append", "is_redacting", "writer")

    def __init__(self) -> None:
        self.append: Callable[[Any], None] | None = None
        self.writer: Any = None
        self.is_redacting = False


if TYPE_CHECKING or compiled is None:
    Stream = PureStream
    Hot = PureHot
else:
    Stream = compiled.Stream
    Hot = compiled.Hot

hot = Hot()


def introduce(world: LiveWorld, blocked: dict[int, Any]) -> bool:
    """Let what is compiled know the world; return whether it serves it.

    It reads the system's clock and writes to a file, so it serves no world that has its own.

    Args:
      blocked: what is recorded where there was nothing yet, by the key of the request.
    """
    if compiled is None or not world.has_system:
        return False
    shared: Any = hot
    shared.world, shared.main, shared.current, shared.blocked = world, world.main, current, blocked
    shared.error_key, shared.short_key = int(_ERROR_KEY), int(_SHORT_KEY)
    shared.fileno, shared.getblocking = real.Socket.fileno, real.Socket.getblocking
    return True


def clock(
    world: LiveWorld, key: int, read: Callable[[], float], general: Callable[[], float]
) -> Callable[[], float]:
    """Return the door of a clock that counts seconds and never goes far back."""
    due = 0.0

    def catch_up() -> None:
        try:
            world.flush_main()
            if real.gc_get_count()[0] > YOUNG and garbage.is_enabled:
                world.collect_garbage(world.main)
            if signals.pending:
                world.deliver_signals(world.main)
        except BaseException as error:
            strip(error)
            raise

    def clock() -> float:
        nonlocal due
        append = hot.append
        if append is None:
            return general()
        value = read()
        if value > due:
            # Before the event is there: a replay then meets signals where it has to look for a next event.
            due = value + CLOCK_BATCH_S
            try:
                catch_up()
            except BaseException as error:
                strip(error)
                raise
        append(key)
        append(value)
        return value

    def make_due() -> None:
        nonlocal due
        due = 0.0

    if not world.is_compiled:
        # The program may be waiting for the handler of a signal, and only read this clock.
        signals.on_catch.append(make_due)
        return clock

    def make_door_due() -> None:
        door.due = 0.0

    door: Any = compiled.clock(hot, clock, read, key, catch_up)
    signals.on_catch.append(make_door_due)
    return door  # type: ignore[no-any-return]


def receive(
    world: LiveWorld, tag: int, recv: Callable[..., bytes], general: Callable[..., bytes]
) -> Callable[..., bytes]:
    """Return the door of ``socket.recv``; a socket that may wait takes the general one."""
    fileno = real.Socket.fileno
    may_wait = real.Socket.getblocking

    def receive(self: Any, bufsize: int, flags: int = 0, /) -> bytes:
        append = hot.append
        if append is None or may_wait(self):
            stream = current.stream
            if stream is None or may_wait(self):
                try:
                    return general(self, bufsize, flags)
                except BaseException as error:
                    strip(error)
                    raise
            append = stream.append
        key = -(tag | fileno(self) << TAG_BITS)
        try:
            data = recv(self, bufsize, flags)
        except BlockingIOError as error:
            world.would_block(append, -tag if key > 0 else key, error)
            raise
        except BaseException as error:
            world.failed(append, -tag if key > 0 else key, error)
            raise
        append(key)
        append(data)
        return data

    receive.__name__ = receive.__qualname__ = "recv"
    receive.__module__ = real.Socket.__module__
    return compiled.receive(hot, receive, recv, tag) if world.is_compiled else receive


def bytes_of(data: Any) -> bytes:
    """Return the bytes of what is to be sent; refuse what a socket refuses."""
    try:
        view = memoryview(data)
    except TypeError:
        view = None
    if view is None:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__!r}")
    return bytes(view)


def send(
    world: LiveWorld, tag: int, send: Callable[..., int], general: Callable[..., int]
) -> Callable[..., int]:
    """Return the door of ``socket.send``: the event is with the kernel before the bytes are.

    One event says both what was asked and that all of it was taken; a correction follows in the rare
    case that it was not.
    """
    fileno = real.Socket.fileno
    may_wait = real.Socket.getblocking
    flush = world.flush
    main = world.main

    def send_(self: Any, data: Any, flags: int = 0, /) -> int:
        append = hot.append
        stream: Any = main
        if append is None or may_wait(self):
            stream = current.stream
            if stream is None or may_wait(self):
                try:
                    return general(self, data, flags)
                except BaseException as error:
                    strip(error)
                    raise
            append = stream.append
        try:
            content = data if type(data) is bytes else bytes_of(data)
        except BaseException as error:
            strip(error)
            raise
        size = len(content)
        key = -(tag | fileno(self) << TAG_BITS)
        if key > 0:
            key = -tag
        append(key)
        append(bytes_checksum(content))
        flush(stream)
        try:
            count = send(self, data, flags)
        except BaseException as error:
            world.failed(append, key, error)
            raise
        if count != size:
            append(_SHORT_KEY)
            append(count)
        return count

    send_.__name__ = send_.__qualname__ = "send"
    send_.__module__ = real.Socket.__module__
    return compiled.send(hot, send_, send, tag) if world.is_compiled else send_


def run_ready(loop: Any, stream: LiveStream, pending: list[int]) -> None:
    """Run what is ready now, in order, writing down whose step it is and when it began.

    What becomes ready meanwhile waits for the next turn, as in ``asyncio``'s own loop; and as there,
    nothing here keeps a task alive longer than its handle, which the next handle takes the place of.
    """
    ready = loop._ready
    popleft = ready.popleft
    append = stream.append
    now = loop._world.now_ns
    last = stream.last_ns
    step: Any = stream.step if loop._world.is_compiled else None  # type: ignore[attr-defined]
    timed = loop._run_timed if loop._debug else None
    owner = None
    try:
        for _ in range(len(ready)):
            handle = popleft()
            if handle._cancelled:
                continue
            if pending:
                loop._world.deliver_signals(stream)
            callback = handle._callback
            kind = type(callback)
            if kind is TASK_STEP or (kind is BuiltinFunctionType and callback.__name__ == TASK_WAKEUP):
                owner = callback.__self__
                if type(owner) is Task:
                    number = owner._replay_id  # type: ignore[attr-defined]
                    if step is not None:
                        step(number)
                    else:
                        append(number)
                        started = now()
                        append(started - last)
                        last = started
                    if timed is None:
                        # As Handle._run does; what a task raises it keeps, so there is nothing to catch.
                        if kind is TASK_STEP:  # takes no arguments: much faster without a star
                            handle._context.run(callback)
                        else:
                            handle._context.run(callback, *handle._args)
                    else:
                        timed(handle)
                    state = owner._state
                    if state != "PENDING":
                        if state == "FINISHED" and owner._exception is None:
                            append(_END_KEY)
                            append(number)
                        else:
                            loop._world.task_ended(stream, owner)
                    callback = owner = None
                    continue
            if step is not None:
                step(0)
            else:
                append(0)
                started = now()
                append(started - last)
                last = started
            callback = owner = None
            if timed is None:
                handle._run()
            else:
                timed(handle)
    except BaseException:
        if owner is not None and owner.done():  # of SystemExit and the like, which then leaves the loop, too
            loop._world.task_ended(stream, owner)
        raise
    finally:
        if step is None:
            stream.last_ns = last
    handle = None


def create_task(world: LiveWorld, create: Callable[..., Any]) -> Callable[..., Any]:
    """Return the loop's ``create_task``: finds out who creates, for ``task_hash`` to write down.

    Only the caller's frame is looked at: each frame that is, has to be made an object first.
    """
    getframe = real.getframe
    sites = world.spawn_keys
    site_of = world.spawn_key
    main = world.main
    hidden = world.hidden_codes

    def create_task(self: Any, coro: Any, *, name: Any = None, context: Any = None, **kwargs: Any) -> Any:
        stream: Any = main
        if hot.append is None:
            stream = current.stream
            if stream is None:
                return create(self, coro, name=name, context=context, **kwargs)
            if world.threads_started:
                # Ids and default names come from counters of the whole process.
                world.meet_turn(stream)
        frame: Any = getframe(1)
        # By address: the hash of a code object goes through all its constants.
        place = id(frame.f_code)
        while place in hidden and frame.f_back is not None:
            frame = frame.f_back
            place = id(frame.f_code)
        runs = coro.cr_code if type(coro) is CoroutineType else None
        key = sites.get((place, frame.f_lasti, id(runs)))
        stream.spawn_key = site_of(stream, frame, coro) if key is None else key
        is_plain = name is None and context is None and not kwargs and runs is not None
        if is_plain and self._task_factory is None and not self._debug and not self._closed:
            return tasks.Task(coro, loop=self)  # what `create` comes to
        try:
            if self._task_factory is None:
                task = create(self, coro, name=name, context=context, **kwargs)
            else:
                stream.spawn_key = -stream.spawn_key  # tells `task_hash` so
                task = eager.create(world, stream, create, self, coro, name=name, context=context, **kwargs)
        except BaseException as error:
            strip(error)
            raise
        if name is None:
            return task
        world.task_named(stream, task, name)
        return task

    return create_task


def create_task_now(
    world: LiveWorld, loop_type: Any, of_loop: Callable[..., Any], create: Callable[..., Any]
) -> Callable[..., Any]:
    """Return ``asyncio.create_task``: in the usual case the loop's own, without going through it."""
    getframe = real.getframe
    running_loop = events._get_running_loop
    sites = world.spawn_keys
    site_of = world.spawn_key
    main = world.main
    hidden = world.hidden_codes
    # The place of the last creation and what was to run: a loop comes by with the same ones again.
    last_code: Any = None
    last_runs: Any = None
    last_at = last_key = 0

    def create_task(coro: Any, *, name: Any = None, context: Any = None) -> Any:
        nonlocal last_code, last_runs, last_at, last_key
        if hot.append is not None and name is None and context is None and type(coro) is CoroutineType:
            loop: Any = running_loop()
            if type(loop) is loop_type and loop._task_factory is None and not loop._debug:
                method = loop.create_task
                if type(method) is MethodType and method.__func__ is of_loop:
                    frame = getframe(1)
                    code = frame.f_code
                    if code is last_code and coro.cr_code is last_runs and frame.f_lasti == last_at:
                        main.spawn_key = last_key
                        return tasks.Task(coro, loop=loop)
                    if id(code) not in hidden:
                        last_code, last_runs, last_at = code, coro.cr_code, frame.f_lasti
                        key = sites.get((id(code), last_at, id(last_runs)))
                        main.spawn_key = last_key = site_of(main, frame, coro) if key is None else key
                        return tasks.Task(coro, loop=loop)
        try:
            return create(coro, name=name, context=context)
        except BaseException as error:
            strip(error)
            raise

    create_task.__qualname__, create_task.__module__ = create.__qualname__, create.__module__
    create_task.__doc__ = create.__doc__
    return create_task


def task_hash(world: LiveWorld) -> Callable[[Any], int]:
    """Return the hash of tasks: of their ids, which they get here.

    asyncio puts each new task into a set before anything else, so its first hashing is its creation.
    """
    next_id = world.next_task
    main = world.main

    def task_hash(task: Any) -> int:
        number: int = task._replay_id
        if number:
            return number * SPREAD
        number = task._replay_id = next_id()
        append = hot.append
        stream: Any = main
        if append is None:
            stream = current.stream
            if stream is None:
                return number * SPREAD
            append = stream.append
        key = stream.spawn_key
        if key < 0:
            stream.spawn_key = 0
            append(key)
            append(number)
        else:
            world.spawned(stream, task, real.getframe(1))
        return number * SPREAD

    task_hash.__name__ = task_hash.__qualname__ = "__hash__"
    return task_hash
