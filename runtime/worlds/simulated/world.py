"""The simulated world itself: the recorder of the live one, and what answers each door."""

from __future__ import annotations

import asyncio
import fnmatch
import math
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NoReturn

from replay.labels import short
from replay.options import SHOWN_BYTES
from replay.recording.events import CANCELLED, ORDERED, TAG_BITS, Kind
from replay.recording.writer import RecordingWriter
from replay.runtime import cancelling
from replay.runtime.aio.loop import leave_all_but
from replay.runtime.decisions.decision import Decisions, Policy, Taken
from replay.runtime.streams import current
from replay.runtime.tracebacks import unseen
from replay.runtime.worlds.live import LiveStream, LiveWorld
from replay.runtime.worlds.simulated import threads
from replay.runtime.worlds.simulated.agenda import GO_ON, START_NS, Agenda, Limits, Timer
from replay.runtime.worlds.simulated.children import Children
from replay.runtime.worlds.simulated.clocks import Clocks
from replay.runtime.worlds.simulated.description import Socket
from replay.runtime.worlds.simulated.descriptors import Descriptors
from replay.runtime.worlds.simulated.disk import Disk
from replay.runtime.worlds.simulated.entropy import Entropy
from replay.runtime.worlds.simulated.faults import Faults
from replay.runtime.worlds.simulated.files import Files
from replay.runtime.worlds.simulated.handles import Handles
from replay.runtime.worlds.simulated.names import Names
from replay.runtime.worlds.simulated.network import Network
from replay.runtime.worlds.simulated.places import Place, Places
from replay.runtime.worlds.simulated.polling import Polling
from replay.runtime.worlds.simulated.signals import Signals
from replay.runtime.worlds.simulated.sockets import Sockets
from replay.runtime.worlds.simulated.store import Store
from replay.runtime.worlds.simulated.system import System
from replay.runtime.worlds.simulated.table import REAL, is_passed
from replay.runtime.worlds.simulated.tls import Tls, seed_openssl
from replay.runtime.worlds.simulated.tree import Tree

CANCEL: Final = "cancel it"

_CANCELLED_KEY: Final = -(Kind.DECIDED | CANCELLED << TAG_BITS)
_ORDERED_KEY: Final = -(Kind.DECIDED | ORDERED << TAG_BITS)

START_S: Final = 1_704_067_200
"""2024-01-01, when every simulated day begins."""

_TIMERS_SEEN: Final = 7
"""So many entries of a loop's heap hold the three that are due first."""
_TIMERS_TOLD: Final = 2


@dataclass(frozen=True, slots=True)
class Setting:
    """What a simulated world is like.

    Attributes:
      seed: what all entropy follows from.
      start_s: the time of day at which the program begins, in seconds since 1970 (UTC).
      hosts: names of hosts that can be looked up.
      limits: how late things may be.
      network: ``latency_ns`` of all connections, from and to; ``links``: of some, by pattern.
      faults: what goes wrong: see ``faults`` and ``disk``.
      cancel: labels of tasks that may be cancelled, at each of their awaits.
      any_order: what is ready in a loop of asyncio may run in any order, which no real loop does.
      real_subprocess: children are started, as real processes; else starting one is refused.
    """

    seed: int = 0
    start_s: float = START_S
    hosts: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    network: dict[str, Any] = field(default_factory=dict[str, Any])
    faults: tuple[dict[str, Any], ...] = ()
    cancel: tuple[str, ...] = ()
    any_order: bool = False
    real_subprocess: bool = False


def setting_of(told: dict[str, Any]) -> Setting:
    """Return the setting that a client asks for, as plain data."""
    limits = Limits(**told.get("limits", {}))
    lists = {name: tuple(told.get(name, ())) for name in ("hosts", "cancel", "faults")}
    return Setting(**{**told, **lists, "limits": limits})


class SimulatedWorld(LiveWorld):
    """Performs in memory, and records.

    Args:
      setting: what the world is like.
      policy: decides.
      overlay: the path of a folder for what a run writes; nothing may be there.
    """

    has_system = False

    def __init__(self, setting: Setting, policy: Policy, overlay: str) -> None:
        self.decisions = Decisions(policy)
        self.agenda = Agenda(self.decisions, setting.limits, self._stuck)
        super().__init__()
        self.agenda.running.stream = self.main
        self.decisions.on_taken = self._note_taken
        self.on_stuck: Callable[[], NoReturn] | None = None
        self.on_refused: Callable[[str], NoReturn] | None = None
        self.trio_hooks: Callable[..., Any] | None = None
        self.descriptors = Descriptors()
        names = Names(setting.hosts)
        self.faults = Faults(self.agenda, setting.faults, setting.network, setting.seed)
        self.network = Network(self.agenda, names, self.faults)
        self.ended: tuple[str, object] = "exit", 0
        self.labels: dict[int, str] = {}
        self.unhandled: list[str] = []
        self.reorders = setting.any_order
        self._cancel = setting.cancel
        self.cancels = bool(setting.cancel)
        self._awaited: dict[int, Any] = {}
        self.surroundings = _Surroundings(self)
        self._names_count: Counter[str] = Counter()
        clocks = Clocks(self.agenda, round(setting.start_s * 1e9))
        entropy = Entropy(setting.seed)
        self._clocks = clocks
        self.tree = Tree(Store(overlay), lambda: self.agenda.now_ns + clocks.offset_ns)
        handles = Handles(
            self.tree,
            self.descriptors,
            Disk(setting.faults),
            wait=self.agenda.wait,
            draw=entropy.draw,
            refuse=self._refuse,
        )
        self.files = Files(handles)
        self.network.paths = self.files
        polling = Polling(self.agenda, self.network, self.descriptors)
        sockets = Sockets(self.agenda, self.network, self.descriptors, self._refuse)
        signals_ = Signals(self.agenda, self.descriptors, self._refuse, self._end_by_signal)
        seed_openssl(setting.seed)
        self._answers: dict[str, Callable[..., Any]] = {
            **clocks.table(),
            **entropy.table(),
            **names.table(),
            **sockets.table(),
            **Tls(sockets).table(),
            **signals_.table(),
            **polling.table(),
        }
        self.children = Children(self.agenda, self.network, self.descriptors, self._refuse, signals_)
        self._answers |= self.children.table()
        if setting.real_subprocess:
            self._answers |= self.children.starting()
        self._is_open = False
        self._is_real = False
        self.steps_digest = 0
        self.output_digest = 0
        self.shown_last = bytearray()
        self._makers = (
            self.files.table(),
            System(self.agenda, self.network, self.descriptors, self._refuse).table(),
        )

    def begin(self) -> None:
        """Start recording the main thread; what is to happen at some time is on the agenda from now on."""
        super().begin()
        self.faults.begin(self._clocks.jump, self.network.crash)

    # -- the file -------------------------------------------------------------------------------

    def open(self, writer: RecordingWriter) -> None:
        """Write to this file from now on; what was before is kept until then."""
        super().open(writer)
        self._is_open = True

    def flush(self, stream: LiveStream) -> None:
        """Bring what ``stream`` holds into the file, if there is one already."""
        if self._is_open:
            steps = [key for key in stream.items[::2] if key >= 0]
            if steps:
                text = "".join([f"{step} " for step in steps])
                self.steps_digest = zlib.crc32(text.encode(), self.steps_digest)
            super().flush(stream)

    def _extra(self) -> dict[str, int]:
        return {}

    def output(self, fd: int, target: int, data: bytes) -> int:
        """Keep what the program prints: nobody is to see it now."""
        stream = current.stream
        if stream is None:
            self._show(data)
            return len(data)
        self.drain_pumps()
        ordered = self.threads_started or self._pumps
        with self.output_lock if ordered else nullcontext():
            stream.append(-(Kind.OUTPUT | target << TAG_BITS))
            stream.append([next(self._outputs) if ordered else 0, data])
            self.output_digest = zlib.crc32(data, self.output_digest)
            self._show(data)
        return len(data)

    def _show(self, data: bytes) -> None:
        self.shown_last += data
        del self.shown_last[:-SHOWN_BYTES]

    def child_output(self, number: int, target: int, own: int, data: bytes) -> None:
        """Keep what a child writes to a stream of the program."""
        super().child_output(number, target, own, data)
        self._show(data)

    # -- doors ----------------------------------------------------------------------------------

    def now_ns(self) -> int:
        """Return the virtual time."""
        return self.agenda.now_ns

    def performer(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what answers a door."""
        if name in REAL:
            return self._really(function)
        answer = self._answers.get(name, function)
        for table in self._makers:  # what is none of one's is the other's
            if name in table:
                answer = table[name](answer)
        if answer is function:
            if is_passed(name):
                return function
            answer = self._refusal(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return (function if self._is_real else answer)(*args, **kwargs)

        return call

    def answered(self) -> frozenset[str]:
        """Return the doors that functions of this package answer."""
        return frozenset(self._answers).union(*self._makers)

    def _really(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what performs a call with all that it calls as it is outside."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self._is_real = True
            try:
                return function(*args, **kwargs)
            finally:
                self._is_real = False

        return call

    def _refusal(self, name: str) -> Callable[..., NoReturn]:
        def refused(*args: Any, **kwargs: Any) -> NoReturn:
            self._refuse(name)

        return refused

    def _refuse(self, what: str) -> NoReturn:
        assert self.on_refused is not None
        self.on_refused(what)

    def database_file(self, database: Any, uri: bool) -> Any:
        """Return where a database is in the overlay."""
        return self.files.by_name.database(database, uri)

    def give_up(self, what: str) -> NoReturn:
        """End the run: it would reach real files."""
        self._refuse(what)

    def close_socket(self, fd: int) -> None:
        """Close the descriptor of a socket."""
        if self.descriptors.find(fd) is not None:
            self.descriptors.close(fd)

    def set_blocking(self, fd: int, is_blocking: bool) -> None:
        """Say whether calls on the descriptor of a socket wait."""
        found = self.descriptors.find(fd)
        if found is not None:
            found.is_blocking = is_blocking

    def stop(self, how: str, detail: object, *, for_good: bool = True) -> bool:
        """Write the last event and close the file, whatever the program is doing; whether it was open."""
        self.ended = how, detail
        return super().stop(how, detail, for_good=for_good)

    def _end_by_signal(self, number: int) -> NoReturn:
        if self.stop("signal", number) and self.on_stop is not None:
            self.on_stop(True)
        raise AssertionError("the run is over")

    # -- threads --------------------------------------------------------------------------------

    def new_lock(self) -> Any:
        """Return what is behind a lock of the program."""
        return threads.Lock(self.agenda)

    def new_queue(self) -> Any:
        """Return what is behind a queue of the program."""
        return threads.Queue(self.agenda)

    def start_thread(self, stream: LiveStream, function: Callable[..., Any], run: Callable[[], None]) -> int:
        """Start the thread of a stream; it waits for its turn."""
        thread = getattr(function, "__self__", None)
        label = str(getattr(thread, "name", None) or f"thread {stream.number}")
        late_ns = self.faults.late_thread_ns(label)
        if late_ns and isinstance(thread, threading.Thread):
            # Not its very beginning: whoever started it waits for that.
            own = vars(thread).get("run")
            thread.run = partial(self._run_late, thread, late_ns, own)  # type: ignore[method-assign]
        threads.start(self.agenda, label, stream, run)
        return threads.ident(stream.number)

    @unseen
    def _run_late(self, thread: threading.Thread, late_ns: int, own: Any) -> None:
        del thread.run
        if own is not None:
            thread.run = own  # type: ignore[method-assign]
        self.agenda.sleep(late_ns)
        thread.run()

    def idents(self, stream: LiveStream) -> list[int]:
        """Return both ids of the running thread, and let it have them."""
        stream.ident = threads.ident(stream.number)
        stream.native_id = threads.FIRST_NATIVE_ID + stream.number
        return [stream.ident, stream.native_id]

    def _note_taken(self, taken: Taken) -> None:
        stream = self.agenda.running.stream
        stream.append(-Kind.DECIDED)
        stream.append([*taken.key, taken.option])

    def _stuck(self) -> NoReturn:
        assert self.on_stuck is not None
        self.on_stuck()

    # -- the loop -------------------------------------------------------------------------------

    def loop_time(self, stream: LiveStream) -> float:
        """Read the loop's clock, in seconds."""
        self.agenda.stay()
        return super().loop_time(stream)

    def poll(self, stream: Any, loop: Any, timeout: float | None) -> Any:
        """Wait for readiness; say first what the loop could be late for."""
        thread = self.agenda.running
        thread.is_loop = thread.has_loop = True
        if thread.loop is not loop:
            inbox = loop._own.inbox
            thread.loop = loop
            thread.loop_says = (
                lambda: self._timers(loop),
                lambda: self._next_step(loop),
                lambda: bool(inbox),
            )
        thread.timers, thread.next_step, thread.is_woken = thread.loop_says
        try:
            batch = super().poll(stream, loop, timeout)
        finally:
            thread.forget_loop()
        if self.cancels:
            self.cancel_some(stream)
        return batch

    def reorder(self, stream: LiveStream, loop: Any) -> None:
        """Decide which one of those that are ready runs; the others are left for the next turn."""
        handles = list(loop._ready)
        waiting = [at for at, handle in enumerate(handles) if not handle._cancelled]
        if len(waiting) < 2:
            return
        labels = tuple(f"{self.owner(handles[at])} ({at})" for at in waiting)
        taken = self.decisions.choose("order", self.owner(handles[waiting[0]]), labels)
        at = waiting[labels.index(taken)]
        stream.append(_ORDERED_KEY)
        stream.append(at)
        leave_all_but(loop, at)

    def cancel_some(self, stream: LiveStream) -> None:
        """Decide of each task that may be, and has come to a new await, whether it is cancelled there."""
        for number, task in list(cancelling.tasks()):
            label = self.label_of(task)
            if not any(fnmatch.fnmatchcase(label, pattern) for pattern in self._cancel):
                continue
            awaited = cancelling.awaited(task)
            if awaited is None or self._awaited.get(number) is awaited:
                continue
            self._awaited[number] = awaited
            text = self.surroundings.text_of(task)
            if self.decisions.choose("cancel", f"{label} at {text}", (GO_ON, CANCEL)) == CANCEL:
                stream.append(_CANCELLED_KEY)
                stream.append(number)
                cancelling.cancel(task)

    def _timers(self, loop: Any) -> Iterable[Timer]:
        return self._first_timers(loop) if loop._scheduled else ()

    def _first_timers(self, loop: Any) -> Iterator[Timer]:
        first = [one for one in loop._scheduled[:_TIMERS_SEEN] if not one._cancelled and one._when < math.inf]
        first.sort(key=_when)
        for handle in first[:_TIMERS_TOLD]:
            yield Timer(round(handle._when * 1e9), f"the timer of {self.owner(handle)}")

    def _next_step(self, loop: Any) -> str | None:
        for handle in loop._ready:
            if not handle._cancelled:
                return self.owner(handle)
        return None

    # -- the end --------------------------------------------------------------------------------

    def watch_exceptions(self) -> None:
        """Note what the loops of asyncio report that nobody has seen to."""
        report = asyncio.BaseEventLoop.call_exception_handler
        unhandled = self.unhandled

        @unseen
        def call_exception_handler(loop: Any, context: dict[str, Any]) -> None:
            unhandled.append(_exception_text(context))
            report(loop, context)

        loop_type: Any = asyncio.BaseEventLoop
        loop_type.call_exception_handler = call_exception_handler

    def leaks(self) -> list[str]:
        """Return what the program has left open: tasks, sockets, threads."""
        found = [
            f"socket {found.label or found.name}"
            for found in self.descriptors.all()
            if isinstance(found, Socket)
        ]
        return found + [f"thread {name}" for name in self.agenda.waiting_threads()]

    def add_fault(self, fault: dict[str, Any]) -> None:
        """Let something go wrong from now on."""
        self.faults.add(fault)
        self.files.disk.add(fault)

    # -- names ----------------------------------------------------------------------------------

    def task_hash(self) -> Callable[[Any], int]:
        """Return the hash of tasks, which names each at its first."""
        inner = super().task_hash()
        labels = self.labels

        def task_hash(task: Any) -> int:
            if not task._replay_id:
                found = inner(task)
                labels[task._replay_id] = self._label(task.get_coro())
                return found
            return inner(task)

        task_hash.__name__ = task_hash.__qualname__ = "__hash__"
        return task_hash

    def _label(self, coro: Any) -> str:
        name = short(str(getattr(coro, "__qualname__", type(coro).__name__)))
        self._names_count[name] += 1
        return f"{name}#{self._names_count[name]}"

    def task_label(self, task: Any) -> str:
        """Return what a task is called in decisions: its given name, or what it runs, and which one."""
        name = task.get_name()
        if name.startswith("Task-") and name[5:].isdigit():
            return self.labels.get(task._replay_id) or str(name)
        return str(name)

    def label_of(self, task: Any) -> str:
        """Return what a task of either library is called in decisions."""
        if isinstance(task, asyncio.Task):
            return self.task_label(task)
        return str(task.name).rpartition(".")[2]

    def owner(self, handle: Any) -> str:
        """Return whose a handle of a loop is: a task's, or that of what it calls."""
        return self._owner(handle._callback, handle._args or ())

    def _owner(self, callback: Any, args: tuple[Any, ...]) -> str:
        of = getattr(callback, "__self__", None)
        if isinstance(of, asyncio.Task):
            return self.task_label(of)
        if isinstance(of, asyncio.Timeout):
            task = of._task  # type: ignore[attr-defined]
            if task is not None:
                return f"the timeout of {self.task_label(task)}"
        for one in args:
            if isinstance(one, asyncio.Future):
                for waiting, _ in getattr(one, "_callbacks", None) or ():
                    return self._owner(waiting, ())
        return getattr(callback, "__qualname__", None) or type(callback).__qualname__


class _Surroundings:
    """What the rules of a scenario look at."""

    def __init__(self, world: SimulatedWorld) -> None:
        self._world = world
        self._agenda = world.agenda
        self._places = Places(world.label_of)

    def places(self) -> Iterator[Place]:
        """Where the tasks stand."""
        return self._places.all()

    def timers(self) -> Iterator[tuple[int, str]]:
        """The next deadlines, in time since the start."""
        for timer in self._agenda.all_timers():
            yield timer.when_ns - START_NS, timer.label

    def text_of(self, task: Any) -> str:
        """Return the innermost expression of the program's own that a task awaits."""
        return self._places.innermost(task)

    def now_ns(self) -> int:
        """The virtual time since the start."""
        return self._agenda.now_ns - START_NS

    def turns(self) -> int:
        """How often a thread has gone on."""
        return self._agenda.turns

    def add_fault(self, fault: dict[str, Any]) -> None:
        """Let something go wrong from now on."""
        self._world.add_fault(fault)


def _exception_text(context: dict[str, Any]) -> str:
    error = context.get("exception")
    message = str(context.get("message", ""))
    return message if error is None else f"{message}: {type(error).__name__}: {error}"


def _when(handle: Any) -> float:
    return float(handle._when)
