"""The live world: everything really happens, and is written down.

What a door does while recording is here: perform the real call, append the event to the running
thread's list. Lists become frames of the file at each visible effect, before each wait, and at a size
limit (``flush``).

If writing fails, the program goes on without a recorder: ``abandon`` turns every door into its real
function, says so once on stderr, and in the recording if that can still be written. ``do_without`` does it
before anything is written.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from types import CodeType, FrameType
from typing import Any, Final, NoReturn

from replay.recording.codec import Unrecordable, checksum, pack_error, pack_request, unrecorded
from replay.recording.events import DURATION, NO_LOCK_MORE, TAG_BITS, Kind
from replay.recording.frames import Frames
from replay.recording.redaction import SECRETS_COUNT, Redactor
from replay.recording.writer import RecordingWriter
from replay.runtime import real
from replay.runtime.aio import eager
from replay.runtime.boundary.table import Door, nothing
from replay.runtime.contents import Read
from replay.runtime.garbage import OVERDUE, YOUNG, garbage
from replay.runtime.hot import Stream, hot, introduce, task_hash
from replay.runtime.report import tell, wrote
from replay.runtime.signals import INTERRUPTED, signals
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip

BATCH_ITEMS: Final = 1024
"""A list of this many items is written out even if nothing visible happens: bounds memory."""

_STILL_S: Final = 0.2
"""So long may a thread that outlives the program take to come to where it waits."""

_MOMENT_S: Final = 0.001

_LAST_WRITE_S: Final = 2.0
"""So long may a thread that outlives the program take for what it is writing to its output."""

_ERROR_KEY: Final = -Kind.ERROR
_LOCK_KEY: Final = -Kind.LOCK
_TURN_KEY: Final = -Kind.TURN
_EFFECT_KEY: Final = -Kind.EFFECT
_POLL_KEY: Final = -Kind.POLL
_CLOCK_KEY: Final = -Kind.CLOCK
_END_KEY: Final = -Kind.END
_SIGNAL_AFTER_KEY: Final = -(Kind.SIGNAL | 1 << TAG_BITS)
_SIGNAL_OVER_KEY: Final = -(Kind.SIGNAL | 2 << TAG_BITS)
_SITE_KEY: Final = -Kind.SITE
_EXIT_KEY: Final = -Kind.EXIT
_STOPPED_KEY: Final = -(Kind.EXIT | 1 << TAG_BITS)
_NAME_KEY: Final = -(Kind.NAME | 1 << TAG_BITS)


_NOT_A_PLACE: Final = ("asyncio.", "trio.", "anyio.", "replay.runtime.", "_weakrefset")
"""Modules of these names make tasks for others: who called them is where a task was made."""


class Delivered(BaseException):
    """Carries what a signal's handler raised out of the wait that the signal ended."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def throw(self) -> NoReturn:
        """Raise it as if it came from where the program waited."""
        error = self.error
        context = error.__context__
        try:
            raise error
        except BaseException:
            strip(error)
            error.__context__ = context
            raise


class LiveStream(Stream):
    """The events of one thread that are not yet in the file."""

    __slots__ = (
        "eager",
        "elided",
        "ident",
        "is_main",
        "native_id",
        "puts",
        "quiet_calls",
        "read",
        "spawn_key",
        "waits",
    )

    def __init__(self, number: int, now_ns: int) -> None:
        self.number = number
        self.is_main = number == 0
        self.items: list[Any] = []
        self.append = self.items.append
        self.last_ns = now_ns
        self.clock_ns = 0
        self.ident: int | None = None
        self.native_id = 0
        self.puts = 0
        self.quiet_calls = 0
        self.elided = 0
        self.eager: list[int] = []
        self.spawn_key = 0
        self.read = Read()
        self.waits = False


def _lose(stream: int, items: list[Any]) -> None:
    """In the place of the writer's ``put`` where nothing is written, or nothing any more."""


class LiveWorld:
    """Performs and records."""

    is_replay: Final = False
    has_system = True
    reorders = False
    now_ns = staticmethod(real.monotonic_ns)
    new_lock: Callable[[], Any] = staticmethod(real.allocate_lock)
    new_queue: Callable[[], Any] = staticmethod(real.SimpleQueue)

    def __init__(self) -> None:
        self._lock = real.allocate_lock()
        self.output_lock = real.allocate_lock()
        self._pumps: list[Any] = []
        self._turns = itertools.count(1)
        self._outputs = itertools.count(1)
        self._streams = itertools.count(1)
        self._tasks = itertools.count(1)
        self.next_task = self._tasks.__next__
        self._blocked: dict[int, list[Any]] = {}
        self.spawn_keys: dict[tuple[int, int, int], int] = {}
        self.hidden_codes: set[int] = set()
        self._codes: list[CodeType | None] = []
        self.is_abandoned = False
        self.redactor: Redactor | None = None
        self._is_shared = False
        self._put: Callable[[int, list[Any]], None] = _lose
        self.threads_started = False
        self.at_first_thread: list[Callable[[], None]] = []
        self._began_ns = self.now_ns()
        self.main = LiveStream(0, self._began_ns)
        self._live_streams = [self.main]
        self.on_stop: Callable[[bool | None], None] | None = None
        self._start_cpu_ns = 0
        self._writer: RecordingWriter
        self.is_compiled = introduce(self, self._blocked)

    def open(self, writer: RecordingWriter) -> None:
        """Write to this file from now on."""
        self._writer = writer
        self._put = writer.put
        hot.writer = writer if isinstance(writer, Frames) and not self._is_shared else None

    # -- the file -------------------------------------------------------------------------------

    def flush(self, stream: LiveStream) -> None:
        """Bring what ``stream`` holds into the kernel."""
        items = stream.items
        if not items:
            return
        try:
            if self._is_shared:
                with self._lock:
                    self._put(stream.number, items)
                    items.clear()
            else:
                self._put(stream.number, items)
        except Exception as problem:  # the program must not feel it
            self.abandon(problem)
        items.clear()
        if signals.fatal:
            signals.end_process(signals.fatal, None)

    def flush_main(self) -> None:
        """Bring what the main stream holds into the kernel."""
        self.flush(self.main)

    def abandon(self, problem: BaseException) -> None:
        """Go on without recording."""
        self.do_without()
        with suppress(Exception):  # no end is told then
            self._writer.last_words(0, [_STOPPED_KEY, ["unwritable", str(problem), {}]])
        self._writer.give_up()
        tell(f"recording stopped here ({problem}); the program goes on, unrecorded")

    def do_without(self) -> None:
        """Turn every door into its real function."""
        self.is_abandoned = True
        self._put = _lose
        signals.is_plain = True
        garbage.leave()
        hot.append = None
        current.stream = None

    def leave(self) -> None:
        """Record nothing any more in this process: it is a forked child."""
        if self.is_abandoned:
            return
        self.is_abandoned = True
        self._put = _lose
        garbage.leave()
        hot.append = None
        current.stream = None
        self._writer.detach()

    def close(self, how: str, detail: object) -> None:
        """Write the last event and close the file."""
        if self.is_abandoned:
            return
        stream = self.main
        for pump in self._pumps:
            pump.drain()
            if not pump.wait():
                self.note("a child process outlived the program; what it writes later is not recorded")
        self.flush(stream)
        hot.append = None
        current.stream = None
        # For good: what other threads do from here on is in no recording, so they do nothing any more.
        self.output_lock.acquire(True, _LAST_WRITE_S)
        self._lock.acquire()
        if self._put is not _lose:
            self._put = _lose
            try:
                self._put_streams()
                self._writer.seal()  # now, so that it counts
                self._writer.put(0, [_EXIT_KEY, [how, detail, self._extra()]])
                self._writer.close()
            except Exception as problem:
                self.abandon(problem)

    def _extra(self) -> dict[str, int]:
        """Return how long the run took, and what the recorder says of itself: its cost, and what it redacted.

        What each recorded call costs is not in it: to measure that would cost more.
        """
        told = {
            "cpu_ns": real.process_time_ns(),
            "start_cpu_ns": self._start_cpu_ns,
            DURATION: self.now_ns() - self._began_ns,
            "sealing_cpu_ns": self._writer.sealing_cpu_ns,
        }
        if self.redactor is not None:
            told[SECRETS_COUNT] = self.redactor.secrets_count
        return told

    def drain_pumps(self) -> None:
        """Pass on what children have written so far."""
        for pump in self._pumps:
            pump.drain()

    def share(self) -> None:
        """More than one thread writes to the file from now on."""
        self._is_shared = True
        hot.writer = None

    def stop(self, how: str, detail: object, *, for_good: bool = True) -> bool:
        """Write the last event and close the file, whatever the program is doing; whether it was open.

        For functions of ours that the program's own course does not lead to: handlers of signals and
        watching threads; the main thread must not be inside a function that writes (`is_writing`).

        Args:
          for_good: the process ends: no thread may pass a door any more, so the lock is kept.
        """
        if not self._hold():
            return False
        try:
            self._put_streams()
            self._writer.seal()
            self._writer.put(0, [_STOPPED_KEY, [how, detail, self._extra()]])
            self._put = _lose
            self._writer.close()
        except Exception as problem:
            self.abandon(problem)
        if not for_good:
            self._lock.release()
        return True

    def stop_for_exec(self, argv: list[str]) -> bool:
        """Write the last event of a program that becomes another one; it may fail to (`resume`)."""
        if not self._hold():
            return False
        try:
            self._put_streams()
            self._writer.seal()
            self._writer.put(0, [_STOPPED_KEY, ["exec", argv, self._extra()]])
        except Exception as problem:
            self.abandon(problem)
        return True

    def _hold(self) -> bool:
        """Take the file's lock if there is still something to write to; whether there is."""
        self._lock.acquire()
        if self._put is _lose:
            self._lock.release()
            return False
        return True

    def resume(self) -> None:
        """Take back the last event: the program is what it was."""
        if not self.is_abandoned:
            self._writer.take_back()
        self._lock.release()

    def _put_streams(self) -> None:
        """Put what all threads have in their lists, which may grow meanwhile; the lock is held."""
        for stream in list(self._live_streams):
            items = stream.items[:]
            del items[len(items) & ~1 :]  # a key whose value is still to come
            if stream.elided and not stream.is_main:
                items += (_LOCK_KEY, [NO_LOCK_MORE, 0, stream.elided])
            if items:
                self._writer.put(stream.number, items)
                del stream.items[: len(items)]

    @staticmethod
    def is_writing(frame: FrameType | None) -> bool:
        """Whether a thread that is in ``frame`` is about to write to the file, or holds its lock."""
        while frame is not None:
            if id(frame.f_code) in _WRITING:
                return True
            frame = frame.f_back
        return False

    @property
    def bytes_written(self) -> int:
        """How large the file is."""
        return self._writer.bytes_written

    @property
    def events_count(self) -> int:
        """How many events are in it."""
        return self._writer.events_count

    @property
    def tasks_count(self) -> int:
        """How many tasks were made."""
        return next(self._tasks) - 1

    # -- doors ----------------------------------------------------------------------------------

    def performer(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what performs the calls of a door: the real function."""
        return function

    def database_file(self, database: Any, uri: bool) -> Any:
        """Return what sqlite is to open where the program names a database."""
        return database

    def give_up(self, what: str) -> None:
        """C code is about to open a file that no door leads to."""

    def close_socket(self, fd: int) -> None:
        """Close the descriptor of a socket that has no system's behind it."""
        raise AssertionError("the system closes its own")

    def set_blocking(self, fd: int, is_blocking: bool) -> None:
        """Say whether the descriptor of a socket that has no system's behind it waits."""
        raise AssertionError("the system sets its own")

    def task_hash(self) -> Callable[[Any], int]:
        """Return the hash of tasks."""
        return task_hash(self)

    def start_thread(self, stream: LiveStream, function: Callable[..., Any], run: Callable[[], None]) -> int:
        """Start the thread of a stream, which is to do ``function`` and does ``run``; return its id."""
        return real.start_new_thread(run, ())

    def idents(self, stream: LiveStream) -> list[int]:
        """Return both ids of the running thread."""
        return [real.get_ident(), real.get_native_id()]

    def next_stream(self) -> int:
        """Return the number of a new stream."""
        return next(self._streams)

    def new_stream(self) -> LiveStream:
        """Return the stream of a new thread."""
        stream = LiveStream(self.next_stream(), self.now_ns())
        stream.waits = True  # to begin
        self._live_streams.append(stream)
        return stream

    def end_stream(self, stream: LiveStream) -> None:
        """Write out what is left of a thread that has ended."""
        self.flush(stream)
        self._live_streams.remove(stream)

    def start_threads(self) -> None:
        """A second thread is about to start: from now on there are hand-offs."""
        if not self.threads_started:
            self.threads_started = True
            self.share()
            hot.append = None
            for action in self.at_first_thread:
                action()

    def stand_still(self) -> bool:
        """Let no other thread go on, since the program is over; return whether all of them stand still.

        As at the end of the interpreter, a thread that nobody waits for gets no further than its next wait.
        """
        garbage.close()
        until = real.monotonic() + _STILL_S
        while not all(other.waits or other.is_main for other in self._live_streams[:]):
            if real.monotonic() > until:
                return False
            real.sleep(_MOMENT_S)
        return True

    def begin(self) -> None:
        """Start recording the main thread."""
        if self.is_abandoned:
            return
        self._start_cpu_ns = real.process_time_ns()
        current.stream = self.main
        hot.append = self.main.append

    def event(self, stream: LiveStream, key: int, value: Any) -> None:
        """Append an event that replay derives for itself and compares."""
        stream.append(key)
        stream.append(value)

    def turn(self, stream: LiveStream) -> None:
        """Give the next event of ``stream`` a place in the order of all threads."""
        if self.threads_started:
            stream.append(_TURN_KEY)
            stream.append(next(self._turns))

    def meet_turn(self, stream: LiveStream) -> None:
        """Take a turn before something whose event comes a little later."""
        self.turn(stream)

    def failed(
        self, append: Callable[[Any], None], key: int, error: BaseException, asked: int | None = None
    ) -> None:
        """Append that the request of ``key`` raised ``error``; takes our frames off its traceback."""
        strip(error)
        try:
            form = pack_error(error)
        except Unrecordable as problem:
            form = ["RuntimeError", [f"an exception that cannot be recorded: {problem}"], {}]
        append(_ERROR_KEY)
        append([key, form, asked])

    def would_block(self, append: Callable[[Any], None], key: int, error: BlockingIOError) -> None:
        """Append that there was nothing yet, and take off our one frame; some loops try before they wait."""
        error.__traceback__ = None
        value = self._blocked.get(key)
        if value is None:
            value = self._blocked[key] = [key, pack_error(error), None]
        append(_ERROR_KEY)
        append(value)

    def bind(self, door: Door, tag: int, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what takes the place of ``function``: perform it and record what came of it."""
        if door.quiet:
            return self._bind_quiet(door, tag, function)
        bare = -tag
        request, encode, fd_of = door.request, door.encode, door.fd
        effect, captured = door.effect, door.captured
        may_block = door.blocking if callable(door.blocking) else None
        always_blocks = door.blocking is True
        unchecked, has_content = request is nothing, door.has_content
        flush, waited, failed = self.flush, self.waited, self.failed
        gc_count, collects = real.gc_get_count, door.collects
        may_stay = collects and not effect  # what is below a buffer in C holds that

        def call(*args: Any, **kwargs: Any) -> Any:
            stream = current.stream
            if stream is None:
                try:
                    return function(*args, **kwargs)
                except BaseException as error:
                    strip(error)
                    raise
            if collects and gc_count()[0] > YOUNG and garbage.is_enabled:
                self.collect_garbage(stream)
            append = stream.append
            key = bare
            if fd_of is not None:
                fd = fd_of(args)
                if fd > 0:
                    key = -(tag | fd << TAG_BITS)
            asked = 0 if unchecked else checksum(pack_request(request(args, kwargs)))
            blocking = always_blocks or (may_block is not None and may_block(args))
            if effect:
                append(_EFFECT_KEY)
                append([key, asked])
                flush(stream)
            elif blocking or len(stream.items) > BATCH_ITEMS:
                flush(stream)
            paused = hot.append
            current.stream = None
            hot.append = None
            stream.waits = blocking
            try:
                if blocking and stream.is_main:
                    result = self._perform(stream, door, function, args, kwargs)
                else:
                    result = function(*args, **kwargs)
                try:
                    value = encode(result if captured is None else captured(result, args, kwargs))
                    if has_content:
                        value = stream.read.encode(args[0], value)
                except Unrecordable as problem:
                    value = unrecorded(problem)
            except Delivered as outer:
                current.stream = stream
                hot.append = None if self.threads_started else paused
                outer.throw()
            except BaseException as error:
                current.stream = stream
                hot.append = None if self.threads_started else paused
                if blocking:
                    waited(stream, may_stay=may_stay)
                failed(append, key, error, None if effect or unchecked else asked)
                if signals.pending and stream.is_main:
                    self.deliver_signals(stream, _SIGNAL_AFTER_KEY)
                raise
            current.stream = stream
            hot.append = None if self.threads_started else paused  # a handler may have started one
            if blocking:
                waited(stream, may_stay=may_stay)
            append(key)
            append(value if effect or unchecked else [asked, value])
            if signals.pending and stream.is_main:
                try:
                    self.deliver_signals(stream, _SIGNAL_AFTER_KEY)
                except BaseException as error:
                    strip(error)
                    raise
            return result

        call.__name__ = call.__qualname__ = door.name.rpartition(".")[2]
        call.__doc__ = function.__doc__
        return call

    def _bind_quiet(self, door: Door, tag: int, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what performs ``function``, and records it where it is refused."""
        request, fd_of, failed = door.request, door.fd, self.failed

        def call(*args: Any) -> Any:
            stream = current.stream
            if stream is not None:
                stream.quiet_calls += 1
            try:
                return function(*args)
            except BaseException as error:
                if stream is None:
                    strip(error)
                else:
                    fd = 0 if fd_of is None else max(fd_of(args), 0)
                    asked = checksum(pack_request([stream.quiet_calls, request(args, {})]))
                    failed(stream.append, -(tag | fd << TAG_BITS), error, asked)
                raise

        return call

    def _perform(
        self,
        stream: LiveStream,
        door: Door,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Perform a call that waits; deliver signals that come in, and wait on."""
        if door.effect:
            return signals.perform_effect(function, args, kwargs, lambda: self._deliver_in_wait(stream))
        started_ns = self.now_ns()
        left = args
        while True:
            result = signals.perform(function, left, kwargs)
            if result is not INTERRUPTED:
                return result
            self._deliver_in_wait(stream)
            if door.resume is not None:
                left = door.resume(args, (self.now_ns() - started_ns) / 1e9)

    def _deliver_in_wait(self, stream: LiveStream) -> None:
        """Run handlers between the beginning and the end of a door's call."""
        current.stream = stream
        if not self.threads_started:
            hot.append = stream.append
        self.waited(stream)
        try:
            self.deliver_signals(stream)
        except BaseException as error:
            raise Delivered(error) from None
        current.stream = None
        hot.append = None
        stream.waits = True

    # -- output ---------------------------------------------------------------------------------

    def output(self, fd: int, target: int, data: bytes) -> int:
        """Write ``data`` to a descriptor that leads to our stdout (1) or stderr (2)."""
        stream = current.stream
        if stream is None:
            count = real.write(fd, data)
            wrote(target, data)
            return count
        ordered = self.threads_started or self._pumps
        for pump in self._pumps:
            pump.drain()
        key = -(Kind.OUTPUT | target << TAG_BITS)
        with self.output_lock if ordered else _NO_LOCK:
            stream.append(key)
            stream.append([next(self._outputs) if ordered else 0, data])
            self.flush(stream)
            try:
                if ordered or not stream.is_main:
                    count = real.write(fd, data)
                else:
                    count = signals.perform_effect(
                        real.write, (fd, data), {}, lambda: self._deliver_in_output(stream)
                    )
            except Delivered as outer:
                outer.throw()
            except BaseException as error:
                self.failed(stream.append, key, error)
                raise
            wrote(target, data)
        if count != len(data):
            stream.append(-Kind.SHORT)
            stream.append(count)
        return count

    def _deliver_in_output(self, stream: LiveStream) -> None:
        try:
            self.deliver_signals(stream, _SIGNAL_AFTER_KEY)
        except BaseException as error:
            raise Delivered(error) from None

    def shown(self, target: int, data: bytes) -> None:
        """Write down what C code is about to write to our stdout (1) or stderr (2) itself."""
        stream = current.stream
        ordered = self.threads_started or self._pumps
        with self.output_lock if ordered else _NO_LOCK:
            stream.append(-(Kind.OUTPUT | target << TAG_BITS))
            stream.append([next(self._outputs) if ordered else 0, data])
            self.flush(stream)
        wrote(target, data)

    def add_pump(self, pump: Any) -> None:
        """From now on a child writes to our streams too."""
        self.share()
        self._pumps.append(pump)

    def child_output(self, number: int, target: int, own: int, data: bytes) -> None:
        """Pass on to ``own`` what a child wrote; called with ``output_lock`` held."""
        if not self.is_abandoned:
            items: list[Any] = [-(Kind.OUTPUT | target << TAG_BITS), [next(self._outputs), data]]
            try:
                with self._lock:
                    self._put(number, items)
            except Exception as problem:
                self.abandon(problem)
            if signals.fatal and current.stream is self.main:
                signals.end_process(signals.fatal, None)
        wrote(target, data)
        while data:
            data = data[real.write(own, data) :]

    # -- the loop -------------------------------------------------------------------------------

    def loop_time(self, stream: LiveStream) -> float:
        """Read the loop's clock, in seconds."""
        now = self.now_ns()
        append = stream.append
        append(_CLOCK_KEY)
        append(now - stream.clock_ns)
        stream.clock_ns = now
        return now / 1e9

    def poll(self, stream: LiveStream, loop: Any, timeout: float | None) -> Any:
        """Wait for readiness; return ``[(fd, mask), ...]``."""
        if timeout != 0 or not self.has_system:  # then others run meanwhile, even if nothing is waited for
            selector = loop._selector
            batch = self.wait_ready(
                stream, selector._selector.wait, selector.wait_arguments, timeout, loop.is_due
            )
        else:
            batch = loop._selector.poll_now()
            if len(stream.items) > BATCH_ITEMS:
                self.flush(stream)
        append = stream.append
        append(_POLL_KEY)
        append(batch or 0)
        inbox = loop._own.inbox
        if inbox:
            taken = []
            for _ in range(len(inbox)):
                ticket, handle = inbox.popleft()
                taken.append(ticket)
                loop._ready.append(handle)
            self.turn(stream)
            append(-Kind.ARRIVALS)
            append(taken)
        return batch

    def wait_ready(
        self,
        stream: LiveStream,
        wait: Callable[..., Any],
        arguments: Callable[[float | None], tuple[Any, ...]],
        timeout: float | None,
        is_due: Callable[[], bool],
        *,
        has_looked: bool = False,
    ) -> Any:
        """Wait for readiness; return ``[(fd, mask), ...]``.

        Args:
          wait: the ``poll`` of an ``epoll``.
          arguments: its arguments, for a wait of up to so many seconds.
          is_due: whether the handler of a signal has made something ready that need not be waited for.
          has_looked: nothing is ready yet.
        """
        is_alone = hot.append is not None
        if not has_looked and is_alone and self.has_system and len(stream.items) <= BATCH_ITEMS:
            batch = wait(*arguments(0))
            if batch:  # it need not be waited for, so nothing need be in the file by now
                return batch
        self.flush(stream)
        if is_alone:  # there is nobody else to be told of it
            batch = signals.perform(wait, arguments(timeout))
            if batch is not INTERRUPTED:
                return batch
        stream.waits = True
        batch = self._wait(stream, wait, arguments, timeout, is_due)
        self.waited(stream, may_stay=True)
        return batch

    def _wait(
        self,
        stream: LiveStream,
        wait: Callable[..., Any],
        arguments: Callable[[float | None], tuple[Any, ...]],
        timeout: float | None,
        is_due: Callable[[], bool],
    ) -> Any:
        if not stream.is_main:
            return wait(*arguments(timeout))
        # What the timeout counts from: the loop has just read its clock for it, unless it has another one.
        began_ns = max(stream.clock_ns, stream.last_ns)
        deadline = None if timeout is None else began_ns / 1e9 + timeout
        while True:
            batch = signals.perform(wait, arguments(timeout))
            if batch is not INTERRUPTED:
                return batch
            self.waited(stream)
            self.deliver_signals(stream)
            if is_due():
                return []
            stream.waits = True
            if deadline is not None:
                timeout = max(0.0, deadline - self.now_ns() / 1e9)

    def collect_garbage(self, stream: LiveStream) -> None:
        """Collect, at a place that replay finds again; or not yet, since other threads are busy."""
        if not self.threads_started:
            generation = garbage.next_generation()
            stream.append(-Kind.GC)
            stream.append(generation)
            garbage.collect(generation)
        elif garbage.begin():
            others_wait = all(other.waits or other is stream for other in self._live_streams[:])
            if not others_wait and real.gc_get_count()[0] < OVERDUE:
                garbage.give_up()
                return
            generation = garbage.next_generation()
            self.turn(stream)
            stream.append(-Kind.GC)
            stream.append(generation)
            garbage.collect_between(generation)

    def waited(self, stream: LiveStream, *, may_stay: bool = False) -> None:
        """A thread that waited goes on: a hand-off; see ``Garbage.wait_over``."""
        garbage.wait_over(stream, may_stay=may_stay)
        self.turn(stream)

    def post(self, loop: Any, handle: Any) -> None:
        """Hand ``handle`` to a loop that runs in another thread."""
        stream = current.stream
        if stream is None:
            ticket = None
        else:
            stream.puts += 1
            ticket = [stream.number, stream.puts]
        loop._own.inbox.append((ticket, handle))
        loop._write_to_self()

    def reorder(self, stream: LiveStream, loop: Any) -> None:
        """Change the order of what is ready; only where that is asked for, for no real loop does it."""

    # -- tasks ----------------------------------------------------------------------------------

    def task_named(self, stream: Any, task: Any, name: str, *, at_creation: bool = True) -> None:
        """Write down the name that a task was given when it was made."""
        stream.append(_NAME_KEY if at_creation else -Kind.NAME)
        stream.append([task._replay_id, str(name)])

    def spawned(self, stream: LiveStream, task: Any, frame: FrameType) -> None:
        """Write down that a task was made: by a task factory, or without the loop's ``create_task``."""
        key = -stream.spawn_key
        stream.spawn_key = 0
        stream.append(key or self.spawn_key(stream, frame, task.get_coro()))
        stream.append(task._replay_id)
        if key:
            eager.began(self, stream, task)

    def task_ended(self, stream: LiveStream, task: Any) -> None:
        """Write down how a task ended."""
        stream.append(_END_KEY)
        stream.append(outcome_of(task))

    def spawn_key(self, stream: LiveStream, frame: FrameType, coro: Any) -> int:
        """Return the key of the event that ``coro`` became a task, at a place outside the libraries."""
        place = frame
        while place.f_back is not None and self._is_hidden(place):
            place = place.f_back
        code, runs = place.f_code, getattr(coro, "cr_code", None)
        key = (id(code), place.f_lasti, id(runs))
        spawn_key = self.spawn_keys.get(key)
        if spawn_key is None:
            number = len(self.spawn_keys) + 1
            spawn_key = self.spawn_keys[key] = -(Kind.SPAWN | number << TAG_BITS)
            self._codes += [code, runs]  # an address stands for it as long as it lives
            stream.append(_SITE_KEY)
            stream.append(
                [
                    number,
                    code.co_filename,
                    place.f_lineno or 0,
                    code.co_qualname,
                    None if runs is None else runs.co_qualname,
                ]
            )
        return spawn_key

    def _is_hidden(self, frame: FrameType) -> bool:
        code = frame.f_code
        if id(code) in self.hidden_codes:
            return True
        name = frame.f_globals.get("__name__", "")
        if type(name) is str and name.startswith(_NOT_A_PLACE):
            self._codes.append(code)
            self.hidden_codes.add(id(code))
            return True
        return False

    # -- signals --------------------------------------------------------------------------------

    def deliver_signals(self, stream: LiveStream, key: int = -Kind.SIGNAL) -> None:
        """Run the handlers of the signals that came in, here.

        Args:
          key: says whether it is right after a door's result, or right before the next event.
        """
        pending = signals.pending
        while pending:
            batch = [pending.pop(0) for _ in pending[:]]  # these do not run inside each other
            try:
                while batch:
                    number = batch.pop(0)
                    stream.append(key)
                    stream.append(number)
                    self.flush(stream)
                    signals.deliver(number)
                    if key == _SIGNAL_AFTER_KEY:
                        # Or what follows for the same event would follow the last event of the handler.
                        stream.append(_SIGNAL_OVER_KEY)
                        stream.append(number)
            finally:
                pending[:0] = batch

    def deliver_late_signals(self) -> None:
        """Run the handlers of the signals that came in since the last door."""
        stream = current.stream
        if stream is not None and signals.pending:
            self.deliver_signals(stream)

    def note(self, text: str) -> None:
        """Put a remark into the recording."""
        stream = current.stream or self.main
        stream.append(-Kind.NOTE)
        stream.append(text)


class _NoLock:
    def __enter__(self) -> None: ...

    def __exit__(self, *args: object) -> None: ...


_NO_LOCK: Final = _NoLock()


_WRITING: Final = frozenset(
    id(function.__code__)
    for function in (
        LiveWorld.flush,
        LiveWorld.abandon,
        LiveWorld.close,
        LiveWorld.stop,
        LiveWorld.stop_for_exec,
        LiveWorld.resume,
        LiveWorld.child_output,
    )
)
"""A code object as such has a hash that goes through all its constants."""


def outcome_of(task: Any) -> Any:
    """Return how a finished task ended, without marking its exception as seen."""
    number = task._replay_id
    if task.cancelled():
        return [number, 1]
    error = task._exception
    if error is None:
        return number
    first = error.args[0] if error.args else ""
    return [
        number,
        f"{type(error).__module__}.{type(error).__qualname__}",
        first if type(first) is str else "",
    ]
