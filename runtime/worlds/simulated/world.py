"""The simulated world itself: the recorder of the live one, and what answers each door."""

from __future__ import annotations

import asyncio
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from replay.recording.events import TAG_BITS, Kind
from replay.recording.writer import RecordingWriter
from replay.runtime.decisions.decision import Decisions, Policy
from replay.runtime.streams import current
from replay.runtime.worlds.live import LiveStream, LiveWorld
from replay.runtime.worlds.simulated import threads
from replay.runtime.worlds.simulated.agenda import START_NS, Agenda, Limits, Timer
from replay.runtime.worlds.simulated.clocks import Clocks
from replay.runtime.worlds.simulated.descriptors import Descriptors
from replay.runtime.worlds.simulated.entropy import Entropy
from replay.runtime.worlds.simulated.names import Names
from replay.runtime.worlds.simulated.network import Network
from replay.runtime.worlds.simulated.places import Place, Places
from replay.runtime.worlds.simulated.polling import Polling
from replay.runtime.worlds.simulated.signals import Signals
from replay.runtime.worlds.simulated.sockets import Sockets
from replay.runtime.worlds.simulated.system import System
from replay.runtime.worlds.simulated.table import REAL, is_passed
from replay.runtime.worlds.simulated.tls import Tls, seed_openssl

START_S: Final = 1_704_067_200
"""2024-01-01, when every simulated day begins."""

_SHOWN_BYTES: Final = 100_000
"""The last of a run's output is kept, up to so much."""

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
    """

    seed: int = 0
    start_s: float = START_S
    hosts: tuple[str, ...] = ()
    limits: Limits = Limits()


def setting_of(told: dict[str, Any]) -> Setting:
    """Return the setting that a client asks for, as plain data."""
    limits = Limits(**told.get("limits", {}))
    return Setting(**{**told, "hosts": tuple(told.get("hosts", ())), "limits": limits})


class SimulatedWorld(LiveWorld):
    """Performs in memory, and records.

    Args:
      setting: what the world is like.
      policy: decides.
    """

    has_system = False

    def __init__(self, setting: Setting, policy: Policy) -> None:
        self.decisions = Decisions(policy)
        self.agenda = Agenda(self.decisions, setting.limits, self._stuck)
        super().__init__()
        self.on_stuck: Callable[[], NoReturn] | None = None
        self.on_refused: Callable[[str], NoReturn] | None = None
        self.trio_hooks: Callable[..., Any] | None = None
        self.descriptors = Descriptors()
        names = Names(setting.hosts)
        self.network = Network(self.agenda, names, lambda label: 0)
        self.ended: tuple[str, object] = "exit", 0
        self.labels: dict[int, str] = {}
        self.surroundings = _Surroundings(self)
        self._names_count: Counter[str] = Counter()
        polling = Polling(self.agenda, self.network, self.descriptors)
        sockets = Sockets(self.agenda, self.network, self.descriptors, self.refuse)
        seed_openssl(setting.seed)
        self._answers: dict[str, Callable[..., Any]] = {
            **Clocks(self.agenda, round(setting.start_s * 1e9)).table(),
            **Entropy(setting.seed).table(),
            **names.table(),
            **sockets.table(),
            **Tls(sockets).table(),
            **Signals(self.agenda, self.descriptors, self.refuse, self._end_by_signal).table(),
            **polling.table(),
        }
        self._is_open = False
        self._is_real = False
        self.steps_digest = 0
        self.output_digest = 0
        self.shown_last = bytearray()
        self._makers = System(self.agenda, self.network, self.descriptors, self.refuse).table()

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
                self.steps_digest = zlib.crc32(repr(steps).encode(), self.steps_digest)
            super().flush(stream)

    def _extra(self) -> dict[str, int]:
        return {}

    def output(self, fd: int, target: int, data: bytes) -> int:
        """Keep what the program prints: nobody is to see it now."""
        stream = current.stream
        if stream is not None:
            stream.append(-(Kind.OUTPUT | target << TAG_BITS))
            stream.append([next(self._outputs) if self.threads_started else 0, data])
            self.output_digest = zlib.crc32(data, self.output_digest)
        self.shown_last += data
        del self.shown_last[:-_SHOWN_BYTES]
        return len(data)

    # -- doors ----------------------------------------------------------------------------------

    def now_ns(self) -> int:  # type: ignore[override]
        """Return the virtual time."""
        return self.agenda.now_ns

    def performer(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what answers a door."""
        if name in REAL:
            return self._really(function)
        maker = self._makers.get(name)
        if maker is not None:
            answer = maker(function)
        elif name in self._answers:
            answer = self._answers[name]
        elif is_passed(name):
            return function
        else:
            answer = self._refusal(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return (function if self._is_real else answer)(*args, **kwargs)

        return call

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
            self.refuse(name)

        return refused

    def refuse(self, name: str) -> NoReturn:
        """End the run: the program asks for something that is not simulated."""
        assert self.on_refused is not None
        self.on_refused(name)

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

    def new_lock(self) -> Any:  # type: ignore[override]
        """Return what is behind a lock of the program."""
        return threads.Lock(self.agenda)

    def new_queue(self) -> Any:  # type: ignore[override]
        """Return what is behind a queue of the program."""
        return threads.Queue(self.agenda)

    def start_thread(self, stream: LiveStream, function: Callable[..., Any], run: Callable[[], None]) -> int:
        """Start the thread of a stream; it waits for its turn."""
        name = getattr(getattr(function, "__self__", None), "name", None)
        threads.start(self.agenda, str(name or f"thread {stream.number}"), run)
        return threads.ident(stream.number)

    def idents(self, stream: LiveStream) -> list[int]:
        """Return both ids of the running thread, and let it have them."""
        stream.ident = threads.ident(stream.number)
        stream.native_id = threads.FIRST_NATIVE_ID + stream.number
        return [stream.ident, stream.native_id]

    def _stuck(self) -> NoReturn:
        assert self.on_stuck is not None
        self.on_stuck()

    # -- the loop -------------------------------------------------------------------------------

    def poll(self, stream: Any, loop: Any, timeout: float | None) -> Any:
        """Wait for readiness; say first what the loop could be late for."""
        thread = self.agenda.running
        thread.is_loop = True
        thread.timers = lambda: self._timers(loop)
        thread.next_step = lambda: self._next_step(loop)
        inbox = loop._own.inbox
        thread.is_woken = lambda: bool(inbox)
        try:
            return super().poll(stream, loop, timeout)
        finally:
            thread.forget_loop()

    def _timers(self, loop: Any) -> Iterator[Timer]:
        first = [one for one in loop._scheduled[:_TIMERS_SEEN] if not one._cancelled and one._when < math.inf]
        first.sort(key=_when)
        for handle in first[:_TIMERS_TOLD]:
            yield Timer(round(handle._when * 1e9), f"the timer of {self.owner(handle)}")

    def _next_step(self, loop: Any) -> str | None:
        for handle in loop._ready:
            if not handle._cancelled:
                return self.owner(handle)
        return None

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
        name = str(getattr(coro, "__qualname__", type(coro).__name__)).rpartition("<locals>.")[2]
        self._names_count[name] += 1
        return f"{name}#{self._names_count[name]}"

    def task_label(self, task: Any) -> str:
        """Return what a task is called in decisions: the name it was given, or what it runs, and which one."""
        name = task.get_name()
        if name.startswith("Task-") and name[5:].isdigit():
            return self.labels.get(task._replay_id, name)
        return str(name)

    def owner(self, handle: Any) -> str:
        """Return whose a handle of a loop is: a task's, or that of what it calls."""
        return self._owner(handle._callback, handle._args or ())

    def _owner(self, callback: Any, args: tuple[Any, ...]) -> str:
        of = getattr(callback, "__self__", None)
        if isinstance(of, asyncio.Task):
            return self.task_label(of)
        if isinstance(of, asyncio.Timeout) and of._task is not None:
            return f"the timeout of {self.task_label(of._task)}"
        for one in args:
            if isinstance(one, asyncio.Future):
                for waiting, _ in getattr(one, "_callbacks", None) or ():
                    return self._owner(waiting, ())
        return getattr(callback, "__qualname__", None) or type(callback).__qualname__


class _Surroundings:
    """What the rules of a scenario look at."""

    def __init__(self, world: SimulatedWorld) -> None:
        self._agenda = world.agenda
        self._places = Places(world.task_label)

    def places(self) -> Iterator[Place]:
        """Where the tasks stand."""
        return self._places.all()

    def timers(self) -> Iterator[tuple[int, str]]:
        """The next deadlines, in time since the start."""
        for timer in self._agenda.all_timers():
            yield timer.when_ns - START_NS, timer.label

    def now_ns(self) -> int:
        """The virtual time since the start."""
        return self._agenda.now_ns - START_NS

    def turns(self) -> int:
        """How often a thread has gone on."""
        return self._agenda.turns


def _when(handle: Any) -> float:
    return float(handle._when)
