"""The recorded world: nothing happens, everything is answered from the file, and compared.

Each request takes the next event of its thread's stream. If that is not the event of this request,
the run has left the recording: it stops with a divergence. Events that come by themselves (garbage
collection, signals, hand-offs between threads) are met on the way and carried out where they stand.

Threads are real ones, but only one of them runs: the holder of the baton. A thread runs on until it
comes to a hand-off whose turn it is not; it then parks and passes the baton to the thread whose turn
it is. As each thread waits *before* its hand-off, all code between two hand-offs runs in an order
that the recorded run could have had.
"""

from __future__ import annotations

from asyncio import Task
from collections.abc import Callable, Iterator, Sequence
from types import BuiltinFunctionType, FrameType
from typing import Any, Final, NoReturn, Protocol

from replay.recording.codec import Malformed, checksum, pack_request, unpack_error
from replay.recording.describe import describe_event
from replay.recording.events import (
    CANCELLED,
    FIRST_DOOR,
    NO_LOCK_MORE,
    ORDERED,
    TAG_BITS,
    TAG_MASK,
    Kind,
)
from replay.runtime import cancelling, real
from replay.runtime.aio import eager
from replay.runtime.aio.loop import leave_all_but
from replay.runtime.boundary.table import Door, nothing
from replay.runtime.carriers import KERNEL_THREADS, Carrier, Token, park_for_ever
from replay.runtime.contents import Reread
from replay.runtime.divergence import Divergence, Ended, Interrupted, Position, Unseen, place_of, same_output
from replay.runtime.ending import Ending
from replay.runtime.garbage import garbage
from replay.runtime.order import SPREAD, TASK_STEP, TASK_WAKEUP
from replay.runtime.report import wrote
from replay.runtime.signals import signals
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip
from replay.runtime.worlds.live import outcome_of

_ERROR_KEY: Final = -Kind.ERROR
_EFFECT_KEY: Final = -Kind.EFFECT
_TURN_KEY: Final = -Kind.TURN
_END_KEY: Final = -Kind.END
_POLL_KEY: Final = -Kind.POLL
_CLOCK_KEY: Final = -Kind.CLOCK
_SIGNAL_AFTER_KEY: Final = -(Kind.SIGNAL | 1 << TAG_BITS)
_SIGNAL_OVER_KEY: Final = -(Kind.SIGNAL | 2 << TAG_BITS)
_LOCK_KEY: Final = -Kind.LOCK
_SPAWN_KEY: Final = -Kind.SPAWN
_STOPPED_KEY: Final = -(Kind.EXIT | 1 << TAG_BITS)
_SKIPPED: Final = frozenset(
    (
        -Kind.SITE,
        -Kind.SOURCE,
        -Kind.FOUND,
        -Kind.NOTE,
        -Kind.DECIDED,
        *(-(Kind.NAME | n << TAG_BITS) for n in range(3)),
    )
)
_CANCELLED_KEY: Final = -(Kind.DECIDED | CANCELLED << TAG_BITS)
_ORDERED_KEY: Final = -(Kind.DECIDED | ORDERED << TAG_BITS)
_MAY_REFUSE: Final = _SKIPPED | {_ERROR_KEY}
"""What may come next where a request is refused, that is recorded only then."""


class RecordedStream:
    """The events of one thread, and how far its replay has come."""

    __slots__ = (
        "clock_ns",
        "eager",
        "elided",
        "ident",
        "is_in_factory",
        "is_main",
        "items",
        "more",
        "native_id",
        "number",
        "passed",
        "pos",
        "puts",
        "quiet_calls",
        "reread",
        "world",
    )

    def __init__(self, world: RecordedWorld, number: int) -> None:
        self.world = world
        self.number = number
        self.is_main = number == 0
        self.items: list[Any] = []
        self.pos = 0
        self.passed = 0
        self.more: list[list[Any]] = []
        self.clock_ns = 0
        self.puts = 0
        self.quiet_calls = 0
        self.eager: list[int] = []
        self.is_in_factory = False
        self.reread = Reread()
        self.elided = 0
        self.ident: int | None = None
        self.native_id = 0

    def fill(self) -> bool:
        """Get further events; whether there are any."""
        while not self.more and self.world.read_chunk():
            pass
        if not self.more:
            return False
        self.passed += len(self.items)
        more = self.more
        self.items = more[0] if len(more) == 1 else [item for part in more for item in part]
        more.clear()
        self.pos = 0
        return True

    def next_key(self) -> int | None:
        """Return the key of the next event that is no remark, or ``None`` at the end."""
        while self.pos < len(self.items) or self.fill():
            key: int = self.items[self.pos]
            if key not in _SKIPPED:
                return key
            self.pos += 2
        return None

    def peek(self) -> int | None:
        """Return the key of the next event that a request can be answered with, or ``None``."""
        while (key := self.next_key()) is not None:
            if key == _TURN_KEY:
                number = self.items[self.pos + 1]
                self.pos += 2
                self.world.wait_turn(self, number)
            elif key in (-Kind.SIGNAL, _SIGNAL_AFTER_KEY):
                self.deliver_signal()
            elif key in self.world.met:
                value = self.items[self.pos + 1]
                self.pos += 2
                self.world.met[key](self, value)
            else:
                return key
        return None

    def lock_is_elided(self, *, is_free: bool) -> bool:
        """Whether the lock that this thread takes now was no hand-off when recorded."""
        key = self.next_key()
        if key is None:
            if is_free and self.world.is_cut_here():
                return True  # it goes on to where it asks for something that there is no event of any more
            # It may be a lock that another thread holds, which has come to its end too.
            self.world.ran_out(self)
        at = self.pos
        if key == _TURN_KEY:
            at += 2
            if at >= len(self.items):
                return True
        if self.items[at] != _LOCK_KEY:
            return True
        return bool(self.elided < self.items[at + 1][2])

    def refusal(self, key: int, asked: Callable[[], int]) -> BaseException | None:
        """Return what a request raised that is recorded only if it raised.

        The recorded refusal may be that of a later request: ``asked()`` tells them apart.
        """
        if self.next_key() == _ERROR_KEY:
            failed, form, recorded = self.items[self.pos + 1]
            if failed == key and recorded == asked():
                self.pos += 2
                return self.world.decoded_error(form)
        return None

    def deliver_signals_after(self) -> None:
        """Run the handlers that ran right after the event that was taken last."""
        while self.pos < len(self.items) or self.fill():
            if self.items[self.pos] != _SIGNAL_AFTER_KEY:
                return
            self.deliver_signal()

    def deliver_signal(self) -> None:
        """Run the handler of the signal that is the next event."""
        self.world.before_signal()
        key, number = self.items[self.pos : self.pos + 2]
        self.pos += 2
        signals.deliver(number)
        if key == _SIGNAL_AFTER_KEY and (self.pos < len(self.items) or self.fill()):
            self.pos += 2 * (self.items[self.pos] == _SIGNAL_OVER_KEY)

    def take(  # noqa: RET503 - `differ` does not return
        self, key: int, describe: Callable[[], str] | None = None, asked: int | None = None
    ) -> Any:
        """Return the value of the next event, which must have this key.

        Raises what was recorded if the request ended with an exception.
        """
        pos = self.pos
        items = self.items
        if pos < len(items) and items[pos] == key:
            self.pos = pos + 2
            return items[pos + 1]
        found = self.peek()
        if found == key:
            value = self.items[self.pos + 1]
            self.pos += 2
            return value
        if found == _ERROR_KEY:
            failed, form, recorded = self.items[self.pos + 1]
            if failed == key and recorded in (asked, None):
                self.pos += 2
                raise self.world.decoded_error(form)
        self.world.differ(self, key, describe)

    def take_spawn(self) -> int:
        """Return the number of the task that is created here; where, is not compared."""
        key = self.peek()
        if key is None or key >= 0 or -key & TAG_MASK != Kind.SPAWN:
            key = _SPAWN_KEY
        number: int = self.take(key)
        self.world.last_task = number
        return number


class Sent(Protocol):
    """Is told what goes out, of which the recording has a checksum."""

    def __call__(self, stream: RecordedStream, item: int, door: str, args: tuple[Any, ...], /) -> None:
        """A door with its arguments; the event that says so begins at this item of its stream."""


class StepWatcher(Protocol):
    """Is told of each step."""

    def on_step(self, stream: RecordedStream, task: int) -> None:
        """A step is about to begin, of a task or (0) of none."""

    def after_step(self, stream: RecordedStream) -> None:
        """It has ended."""


class RecordedWorld:
    """Answers from a recording."""

    is_replay: Final = True
    has_system: Final = False
    new_lock: Callable[[], Any] = staticmethod(real.allocate_lock)
    new_queue: Callable[[], Any] = staticmethod(real.SimpleQueue)

    def __init__(
        self,
        chunks: Iterator[list[tuple[int, list[Any]]]],
        doors: Sequence[str],
        ending: Ending,
        stop: Callable[[Divergence | Ended | Interrupted | Unseen], NoReturn],
        carrier: Carrier = KERNEL_THREADS,
    ) -> None:
        self.carrier = carrier
        self.is_simulated = self.reorders = False
        self.watcher: StepWatcher | None = None
        self.sent: Sent | None = None
        self._chunks = chunks
        self.names = {FIRST_DOOR + at: name for at, name in enumerate(doors)}
        self._stop = stop
        self.ending = ending
        self.is_closed = False
        self.is_stopped = False
        self._main_ident = real.get_ident()
        self.streams: dict[int, RecordedStream] = {}
        self.main = self.holder = self.stream(0)
        self.threads_started = False
        self.at_first_thread: list[Callable[[], None]] = []
        self.met: dict[int, Callable[[RecordedStream, Any], object]] = {
            -Kind.GC: lambda stream, generation: garbage.collect(generation)
        }
        self.last_task = 0
        self._next_turn = 1
        self._parked: dict[int, Any] = {}
        self._main_at_end: Any = None
        self._next_output = 1
        self._waiting_output: dict[int, tuple[int, bytes]] = {}
        self._children: set[int] = set()

    # -- streams --------------------------------------------------------------------------------

    def stream(self, number: int) -> RecordedStream:
        """Return the stream of that number."""
        found = self.streams.get(number)
        if found is None:
            found = self.streams[number] = self.new_stream(number)
        return found

    def new_stream(self, number: int) -> RecordedStream:
        """Return the events of one thread."""
        return RecordedStream(self, number)

    def before_signal(self) -> None:
        """A handler of the program is about to run, for a signal."""

    def read_chunk(self) -> bool:
        """Hand the frames of one more chunk to their streams; whether there was one."""
        frames = next(self._chunks, None)
        if frames is None:
            return False
        for number, items in frames:
            if number in self._children:
                self._keep_output(items)
            else:
                self.stream(number).more.append(items)
        return True

    def show_child(self, number: int) -> None:
        """Show, in its order, what a child process wrote: the stream of that number."""
        self._children.add(number)
        for items in self.stream(number).more:
            self._keep_output(items)
        self.stream(number).more.clear()

    def _keep_output(self, items: list[Any]) -> None:
        for key, (order, data) in zip(items[::2], items[1::2], strict=True):
            self._waiting_output[order] = (-key >> TAG_BITS, data)
        self._show_due()

    def _show_due(self) -> None:
        while (ready := self._waiting_output.pop(self._next_output, None)) is not None:
            self._next_output += 1
            self.show(*ready)

    def start_threads(self) -> None:
        """A second thread is about to start: from now on there are hand-offs."""
        if not self.threads_started:
            self.threads_started = True
            for action in self.at_first_thread:
                action()

    def begin(self) -> None:
        """Start answering the main thread."""
        current.stream = self.main

    def flush(self, stream: RecordedStream) -> None:
        """Nothing to write."""

    def performer(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what performs the calls of a door: it is there to be named, and never called."""
        return function

    def close_socket(self, fd: int) -> None:
        """Nothing to close."""

    def set_blocking(self, fd: int, is_blocking: bool) -> None:
        """Nothing to set."""

    # -- what does not fit ----------------------------------------------------------------------

    def decoded_error(self, form: Any) -> BaseException:
        """Return the exception of a recorded form."""
        try:
            return unpack_error(form)
        except Malformed as problem:
            self._stop(Ended(f"the recording holds {problem}", damaged=True))

    def differ(self, stream: RecordedStream, key: int, describe: Callable[[], str] | None = None) -> NoReturn:
        """Stop: the program asked for ``key`` and the recording has something else, or nothing."""
        if stream.pos >= len(stream.items) and not stream.fill():
            self.ran_out(stream)
        found, value = stream.items[stream.pos], stream.items[stream.pos + 1]
        if found == _STOPPED_KEY or (found == _LOCK_KEY and value[0] == NO_LOCK_MORE):
            self.ran_out(stream)
        if found == -Kind.EXIT:
            expected = "the end of the program"
        else:
            expected = self.describe(found, value)
        observed = self.describe(key, None) if describe is None else describe()
        self.diverge(stream, expected, observed)

    def diverge(
        self, stream: RecordedStream, expected: str, observed: str, cause: str | None = None
    ) -> NoReturn:
        """Stop the replay: this is not the recorded run."""
        reason = Divergence.here(self.position(stream), expected, observed, cause)
        current.stream = None
        self.is_stopped = True
        self._stop(reason)

    def interrupt(self, number: int, frame: FrameType | None) -> NoReturn:
        """Stop: a real Ctrl-C came, which is none of the program's business; a handler."""
        self.is_stopped = True
        self._stop(Interrupted(self.position(self.holder), place_of(self._main_ident)))

    def run_out_of_time(self, timeout_s: float) -> NoReturn:
        """Stop: it takes longer than whoever looks on wants to wait."""
        self.is_stopped = True
        self._stop(Interrupted(self.position(self.holder), place_of(self._main_ident), timeout_s))

    def position(self, stream: RecordedStream) -> Position:
        """Return where the replay of ``stream`` stands."""
        return Position(stream=stream.number, item=stream.passed + stream.pos)

    def ran_out(self, stream: RecordedStream) -> NoReturn:
        """A thread came to the end of what was recorded of it."""
        if self.ending.is_orderly:
            if stream.is_main:
                self.diverge(stream, "nothing more of the main thread", "it goes on")
            self._park_for_ever(stream)
        if self._next_turn in self._parked:
            self._park_for_ever(stream)
        self.end()

    def is_at_end(self, stream: RecordedStream) -> bool:
        """Whether nothing more was recorded of this thread."""
        if stream.pos >= len(stream.items) and not stream.fill():
            return True
        return bool(stream.items[stream.pos] == _STOPPED_KEY)

    def is_cut_here(self) -> bool:
        """Whether the recording was cut, and nothing more was recorded of any thread."""
        streams = list(self.streams.values())
        return not self.ending.is_orderly and all(stream.next_key() is None for stream in streams)

    def end_if_over(self, stream: RecordedStream) -> None:
        """Do not return if nothing more was recorded of this thread."""
        if self.is_at_end(stream):
            self.ran_out(stream)

    def end(self) -> NoReturn:
        """Stop: the recording ends here, since the recorded program was stopped."""
        current.stream = None
        self.show_rest()
        message = "the recording ends here"
        if self.ending.how == "cut":
            self._stop(Ended(message, ending=self.ending))
        self._stop(Ended(message, where=place_of(self._main_ident), ending=self.ending))

    def describe(self, key: int, value: Any) -> str:
        """Return an event in words."""
        return describe_event(key, value, self.names)

    # -- doors ----------------------------------------------------------------------------------

    def bind(self, door: Door, tag: int, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what takes the place of ``function``: answer from the recording."""
        if door.quiet:
            return self._bind_quiet(door, tag, function)
        bare = -tag
        request, decode, fd_of, effect = door.request, door.decode, door.fd, door.effect
        has_content, replayed = door.has_content, door.replayed
        unchecked = request is nothing

        def call(*args: Any, **kwargs: Any) -> Any:
            stream = current.stream
            if stream is None:
                if self.carrier.has_left():
                    return None  # a last finalizer: not recorded, so not done
                try:
                    return function(*args, **kwargs)
                except BaseException as error:
                    strip(error)
                    raise
            key = bare
            if fd_of is not None:
                fd = fd_of(args)
                if fd > 0:
                    key = -(tag | fd << TAG_BITS)
            try:

                def describe() -> str:
                    return f"{self.describe(key, None)} {request(args, kwargs)!r:.300}"

                if effect:
                    asked_key, recorded = stream.take(_EFFECT_KEY, describe)
                    if asked_key != key or (
                        not unchecked and recorded != checksum(pack_request(request(args, kwargs)))
                    ):
                        stream.pos -= 2
                        self.differ(stream, key, describe)
                    if self.sent is not None:
                        self.sent(stream, stream.passed + stream.pos - 2, door.name, args)
                    value = stream.take(key, describe)
                elif unchecked:
                    value = stream.take(key, describe)
                else:
                    asked = checksum(pack_request(request(args, kwargs)))
                    recorded, value = stream.take(key, describe, asked)
                    if recorded != asked:
                        stream.pos -= 2
                        self.differ(stream, key, describe)
                stream.deliver_signals_after()
                try:
                    result = decode(stream.reread.decode(value) if has_content else value)
                except Malformed as problem:
                    self._stop(Ended(f"{door.name}: the recording holds {problem}", damaged=True))
                return result if replayed is None else replayed(result, args, kwargs)
            except BaseException as error:
                strip(error)
                raise

        call.__name__ = call.__qualname__ = door.name.rpartition(".")[2]
        call.__doc__ = function.__doc__
        return call

    def _bind_quiet(self, door: Door, tag: int, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what does nothing, unless it was refused."""
        request, fd_of = door.request, door.fd

        def call(*args: Any) -> None:
            stream = current.stream
            if stream is None:  # nothing of the program's outside is there
                return
            stream.quiet_calls += 1
            pos = stream.pos
            if pos < len(stream.items) and stream.items[pos] not in _MAY_REFUSE:
                return
            fd = 0 if fd_of is None else max(fd_of(args), 0)
            error = stream.refusal(
                -(tag | fd << TAG_BITS),
                lambda: checksum(pack_request([stream.quiet_calls, request(args, {})])),
            )
            if error is not None:
                try:
                    raise error
                except BaseException:
                    strip(error)
                    raise

        return call

    def clock(self, key: int) -> Callable[[], float]:
        """Return the door of a clock."""

        def clock() -> float:
            stream = current.stream
            if stream is None:
                return real.monotonic()
            pos = stream.pos
            items = stream.items
            value: float
            try:
                if pos < len(items) and items[pos] == key:
                    value = items[pos + 1]
                    stream.pos = pos = pos + 2
                    if pos < len(items) and items[pos] != _SIGNAL_AFTER_KEY:
                        return value
                else:
                    value = stream.take(key)
                stream.deliver_signals_after()
            except BaseException as error:
                strip(error)
                raise
            return value

        return clock

    # -- output ---------------------------------------------------------------------------------

    def output(self, fd: int, target: int, data: bytes) -> int:
        """Compare what the program writes with what it wrote, and show it."""
        stream = current.stream
        if stream is None:
            if self.is_stopped:  # what the program had in its buffers
                self.show(target, data)
            return len(data)
        key = -(Kind.OUTPUT | target << TAG_BITS)
        order, recorded = stream.take(key, lambda: f"{self.describe(key, None)}: {data!r:.300}")
        if recorded != data and not same_output(recorded, data):
            stream.pos -= 2
            self.differ(stream, key, lambda: f"{self.describe(key, None)}: {data!r:.300}")
        count = len(data)
        stream.deliver_signals_after()  # it waited; what they raise ended it, with nothing written
        following = stream.items[stream.pos] if stream.pos < len(stream.items) or stream.fill() else None
        if following == -Kind.SHORT:
            count = stream.items[stream.pos + 1]
            stream.pos += 2
        elif following == _ERROR_KEY and stream.items[stream.pos + 1][0] == key:
            form = stream.items[stream.pos + 1][1]
            stream.pos += 2
            raise self.decoded_error(form)
        if order == 0:
            self.show(target, recorded[:count])
        else:
            self._waiting_output[order] = (target, recorded[:count])
            self._show_due()
        return count

    def shown(self, target: int, data: bytes) -> None:
        """Compare what C code wrote when recorded, and show it."""
        self.output(target, target, data)

    def show(self, target: int, data: bytes) -> None:
        """Write what the program writes to the real stdout or stderr."""
        wrote(target, data)
        while data:
            try:
                data = data[real.write(target, data) :]
            except BlockingIOError:
                real.wait_until_writable(target)
            except OSError as problem:
                # None of the program's business, whose own output went out when it was recorded.
                if self.is_stopped:
                    return
                current.stream = None
                self.is_stopped = True
                self._stop(Unseen(problem))

    # -- the loop -------------------------------------------------------------------------------

    def loop_time(self, stream: RecordedStream) -> float:
        """Answer the loop's clock, in seconds."""
        pos = stream.pos
        items = stream.items
        if pos < len(items) and items[pos] == _CLOCK_KEY:
            stream.pos = pos + 2
            stream.clock_ns += items[pos + 1]
        else:
            stream.clock_ns += stream.take(_CLOCK_KEY)
        return stream.clock_ns / 1e9

    def poll(self, stream: RecordedStream, loop: Any, timeout: float | None) -> Any:
        """Answer with the recorded batch."""
        batch = stream.take(_POLL_KEY)
        if stream.pos >= len(stream.items):
            stream.fill()
        if stream.pos < len(stream.items):
            following = stream.items[stream.pos]
            if following >= 0:
                return batch
            if following == -Kind.ARRIVALS or (
                following == _TURN_KEY
                and stream.pos + 2 < len(stream.items)
                and stream.items[stream.pos + 2] == -Kind.ARRIVALS
            ):
                for ticket in stream.take(-Kind.ARRIVALS):
                    handle = loop._own.arrived.pop(tuple(ticket), None)
                    if handle is None:
                        self.diverge(
                            stream,
                            f"callback {ticket[1]} from thread {ticket[0]}",
                            "no such callback was given",
                        )
                    loop._ready.append(handle)
            elif self.is_simulated:
                self.cancel_as_decided(stream)
        return batch

    def cancel_as_decided(self, stream: RecordedStream) -> None:
        """Cancel the tasks that were cancelled here from outside."""
        while stream.next_key() == _CANCELLED_KEY:
            number = stream.items[stream.pos + 1]
            stream.pos += 2
            task = cancelling.find(number)
            if task is None:
                self.diverge(stream, f"T{number} is cancelled", "there is no such task")
            cancelling.cancel(task)

    def collect_garbage(self, stream: RecordedStream) -> None:
        """Collect if it was done here: before the handles of a turn are counted, for it may add some."""
        while (key := stream.next_key()) in (-Kind.GC, _TURN_KEY):
            items, pos = stream.items, stream.pos
            if key == _TURN_KEY:
                if items[pos + 2 : pos + 3] != [-Kind.GC]:
                    return
                stream.pos += 2
                self.wait_turn(stream, items[pos + 1])
            else:
                stream.pos += 2
                garbage.collect(items[pos + 1])

    def post(self, loop: Any, handle: Any) -> None:
        """Keep a callback for a loop of another thread until its recorded arrival."""
        stream = current.stream
        stream.puts += 1
        loop._own.arrived[stream.number, stream.puts] = handle

    def run_ready(self, loop: Any, stream: RecordedStream) -> None:
        """Run what is ready now, comparing whose step it is."""
        ready = loop._ready
        if self.is_simulated and stream.next_key() == _ORDERED_KEY:
            at = stream.take(_ORDERED_KEY)
            if at >= len(ready):
                self.diverge(stream, f"{at + 1} callbacks or more are ready", f"{len(ready)} are")
            leave_all_but(loop, at)
        popleft = ready.popleft
        is_done = Task.done
        timed = loop._run_timed if loop._debug else None
        watcher = self.watcher
        for _ in range(len(ready)):
            handle = popleft()
            if handle._cancelled:
                continue
            callback = handle._callback
            kind = type(callback)
            owner: Any = None
            if kind is TASK_STEP or (kind is BuiltinFunctionType and callback.__name__ == TASK_WAKEUP):
                owner = callback.__self__
            task = owner._replay_id if type(owner) is Task else 0  # type: ignore[attr-defined]
            if watcher is not None:
                watcher.on_step(stream, task)
            pos = stream.pos
            items = stream.items
            if pos < len(items) and items[pos] == task:
                stream.pos = pos + 2
            else:
                self.take_step(stream, task, handle)
            try:
                if timed is not None:
                    timed(handle)
                elif task:
                    # Not by `handle._run`: the program sees how deep its stack is, and `hot` does it so.
                    if kind is TASK_STEP:
                        handle._context.run(callback)
                    else:
                        handle._context.run(callback, *handle._args)
                else:
                    handle._run()
            finally:
                if task and is_done(owner):
                    self.task_ended(stream, owner)
                if watcher is not None:
                    watcher.after_step(stream)
            callback = owner = None
        handle = None

    def take_step(self, stream: RecordedStream, task: int, handle: Any) -> None:
        """Take the step event of ``task``, or diverge."""

        def describe() -> str:
            return f"step of T{task}" if task else f"callback {getattr(handle, '_callback', None)!r:.200}"

        stream.take(task, describe)

    def event(self, stream: RecordedStream, key: int, value: Any) -> None:
        """Compare an event that both runs derive."""
        pos = stream.pos
        items = stream.items
        if pos < len(items) and items[pos] == key and items[pos + 1] == value:
            stream.pos = pos + 2
            return
        recorded = stream.take(key, lambda: self.describe(key, value))
        if recorded != value and checksum(recorded) != checksum(value):  # which leaves out addresses
            stream.pos -= 2
            self.diverge(stream, self.describe(key, recorded), self.describe(key, value))

    def task_hash(self) -> Callable[[Any], int]:
        """Return the hash of tasks: of their ids, which are in the recording."""

        def task_hash(task: Any) -> int:
            number: int = task._replay_id
            if not number:
                stream = current.stream
                if stream is not None:
                    number = task._replay_id = stream.take_spawn()
                    if stream.is_in_factory:
                        stream.is_in_factory = False
                        eager.began(self, stream, task)
            return number * SPREAD

        task_hash.__name__ = task_hash.__qualname__ = "__hash__"
        return task_hash

    def task_ended(self, stream: RecordedStream, task: Any) -> None:
        """Compare how a task ended."""
        self.event(stream, _END_KEY, outcome_of(task))

    def task_named(self, stream: Any, task: Any, name: str, *, at_creation: bool = True) -> None:
        """Names are derived."""

    def deliver_late_signals(self) -> None:
        """Run the handlers that ran here."""
        stream = current.stream
        while stream.next_key() in (-Kind.SIGNAL, _SIGNAL_AFTER_KEY):
            stream.deliver_signal()

    def note(self, text: str) -> None:
        """Remarks are the recording's own."""

    # -- threads --------------------------------------------------------------------------------

    def meet_turn(self, stream: RecordedStream) -> None:
        """Wait for a turn that stands before something that comes a little later."""
        if stream.next_key() == _TURN_KEY:
            stream.pos += 2
            self.wait_turn(stream, stream.items[stream.pos - 1])

    def wait_turn(self, stream: RecordedStream, number: int) -> None:
        """Go on only when every hand-off before ``number`` is done."""
        if number != self._next_turn:
            here = self._parked[number] = self.carrier.here()
            self.carrier.switch(here, self._whose_turn(stream))
            self.holder = current.stream = stream
        self._next_turn += 1

    def new_thread(self, stream: RecordedStream, run: Callable[..., None]) -> None:
        """Make a thread that will run at its first turn; none if it never ran when recorded."""
        if stream.pos >= len(stream.items) and not stream.fill():
            return
        number = stream.items[stream.pos + 1]
        stream.pos += 2
        self._parked[number] = self.carrier.new(run)

    def thread_woken(self, stream: RecordedStream, token: Token) -> None:
        """Wait for the first turn of a new thread."""
        self.carrier.began(token)
        self.holder = current.stream = stream
        self._next_turn += 1

    def thread_over(self, stream: RecordedStream) -> None:
        """A thread has ended: another one goes on."""
        current.stream = None
        self.carrier.leave(self._whose_turn(stream))

    def parked_frames(self) -> list[FrameType]:
        """Return the innermost frame of each thread that waits, if its carrier knows."""
        tokens = [*self._parked.values(), *([] if self._main_at_end is None else [self._main_at_end])]
        return [frame for frame in map(self.carrier.frame, tokens) if frame is not None]

    def _park_for_ever(self, stream: RecordedStream) -> NoReturn:
        park_for_ever(self.carrier, self._whose_turn(stream))

    def _whose_turn(self, stream: RecordedStream) -> Token:
        """Return the thread that goes on when ``stream`` cannot."""
        found = self._parked.pop(self._next_turn, None)
        if found is None:
            found, self._main_at_end = self._main_at_end, None
        if found is None:
            if not self.ending.is_orderly:
                self.end()
            self.diverge(
                stream,
                f"hand-off {self._next_turn} between threads",
                "no thread is there",
                "the threads went another way than when recorded",
            )
        return found

    # -- the end --------------------------------------------------------------------------------

    def close(self, how: str, detail: object) -> None:
        """Compare how the program ended with how it ended when recorded."""
        stream = self.main
        key = -Kind.EXIT
        recorded = stream.take(key, lambda: f"the end of the program ({how} {detail})")
        if recorded[:2] != [how, detail]:
            stream.pos -= 2
            self.diverge(
                stream, f"the program ends with {recorded[0]} {recorded[1]}", f"it ends with {how} {detail}"
            )
        self._let_others_end(stream)
        self.is_closed = True
        self.show_rest()
        current.stream = None

    def _let_others_end(self, stream: RecordedStream) -> None:
        """Let the threads that outlived the main one do what they did until then."""
        while self._next_turn in self._parked:
            here = self._main_at_end = self.carrier.here()
            self.carrier.switch(here, self._parked.pop(self._next_turn))
        self.holder = current.stream = stream

    def leave(self, stream: RecordedStream, how: str, detail: object) -> None:
        """Compare how a thread ends the whole program, at once."""
        if stream.is_main and stream.peek() != _STOPPED_KEY:
            self.differ(stream, _STOPPED_KEY, lambda: f"the end of the program ({how} {detail})")
        recorded = self.ending
        if (recorded.how, recorded.detail) != (how, detail):
            self.diverge(
                stream,
                f"the program ends with {recorded.how} {recorded.detail}",
                f"it ends with {how} {detail}",
            )
        self.is_closed = True
        current.stream = None
        self.show_rest()

    def show_rest(self) -> None:
        """Show the output that waits for its turn."""
        while self.read_chunk():
            pass
        for _, ready in sorted(self._waiting_output.items()):
            self.show(*ready)
        self._waiting_output.clear()
