"""Ends that the program's own course does not lead to: a limit of time, a signal, a second Ctrl-C.

While recording, whoever ends the run writes the last event itself, on whatever thread it is: a handler
of ours on the main thread, or a watching thread. The other threads may be anywhere meanwhile; none of
them passes a door any more (``LiveWorld.stop``).

At replay the program comes to the place where its recording stops, and there the replay ends, saying
so, as the recorded run ended. A program that was stopped in code without any door never asks for
anything again; then a watching thread ends the replay.
"""

from __future__ import annotations

import ctypes
import resource
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final, NoReturn

from replay.options import ExitCode
from replay.recording.events import TAG_BITS, Kind
from replay.runtime import real
from replay.runtime.boundary import signals as handlers
from replay.runtime.report import tell
from replay.runtime.signals import signals

STOPPED_KEY: Final = -(Kind.EXIT | 1 << TAG_BITS)
EXIT_KEY: Final = -Kind.EXIT

KILL_AFTER_S: Final = 2.0
"""C code that holds the interpreter's lock can be stopped by the kernel alone; so long after the limit."""

_BUSY_NS: Final = 1_000_000_000
"""A replay that stands where its recording stops for so long is in code without any door."""
_LOOK_S: Final = 0.1

_PlainFrame = tuple[int, list[Any]]
_PlainFrames = Iterable[_PlainFrame]


def first_items(chunks: Iterable[_PlainFrames], count: int) -> Iterator[list[_PlainFrame]]:
    """Pass on no more than so many items: a recording that is still being written has more each time."""
    for chunk in chunks:
        frames: list[_PlainFrame] = []
        for number, items in chunk:
            frames.append((number, items if len(items) <= count else items[:count]))
            count -= len(items)
            if count <= 0:
                yield frames
                return
        yield frames


@dataclass
class Ending:
    """How a recorded run ended.

    Attributes:
      how: ``exit``, ``signal``, ``timeout``, ``interrupted``, ``exec``, ``unwritable``; ``cut`` if nothing
        says so.
      is_going_on: it had not ended when the recording was opened.
      items_count: how many items there are.
      is_sudden: it was stopped somewhere, by whatever.
      lengths: how many items each stream has, without the last event.
      extra: what the recorder said about itself; empty if it came to say nothing.
    """

    how: str = "cut"
    detail: Any = None
    is_sudden: bool = False
    is_going_on: bool = False
    items_count: int = 0
    lengths: Counter[int] = field(default_factory=Counter[int])
    extra: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_orderly(self) -> bool:
        """The program came to its own end."""
        return self.how != "cut" and not self.is_sudden

    def watch(self, frames: _PlainFrames) -> Iterator[_PlainFrame]:
        """Pass the frames of a recording on, and find out."""
        for number, items in frames:
            self.items_count += len(items)
            self.lengths[number] += len(items)
            if number == 0 and items and items[-2] in (STOPPED_KEY, EXIT_KEY):
                value = items[-1]
                if isinstance(value, list) and len(value) >= 2 and type(value[0]) is str:
                    self.how, self.detail = value[:2]
                    self.is_sudden = items[-2] == STOPPED_KEY
                    self.lengths[number] -= 2
                    self.extra = value[2] if len(value) > 2 and type(value[2]) is dict else {}
            yield number, items

    def describe(self) -> str:
        """Return in words what stopped the program."""
        match self.how, self.detail:
            case "timeout", int() | float() as seconds:
                return f"the program was stopped after {seconds:g} s (--timeout)"
            case "signal", int() as number:
                return f"{_signal_name(number)} ended the program"
            case "interrupted", int() as number:
                return (
                    f"{_signal_name(number)} came while the program was busy; what it did then is not in it"
                )
            case "exit", code:
                return f"another thread ended the program with {code}"
            case "refused", str() as text:
                return text
            case "deadlock", _:
                return "nothing that the program waited for could ever happen"
            case "endless step", where:
                return f"a step of the program did not end{_at(where)}"
            case "endless", where:
                return f"the program went on and on{_at(where)}"
            case "unwritable", str() as reason:
                return f"the recorder could not write there any more ({reason}), and the program went on"
            case "exec", [str() as name, *_]:
                return f"the program became another one, `{name}`"
            case _:
                if self.is_going_on:
                    return "the program is still running, and this is what was recorded of it so far"
                return "the recorded process was killed there, or this copy was made while it ran"

    def end_process(self) -> NoReturn:
        """End this process as the recorded one ended, as far as that is known."""
        match self.how, self.detail:
            case "timeout", _:
                real.exit_now(ExitCode.PROGRAM_TIMEOUT)
            case "signal", int() as number if 0 < number < signal.NSIG:
                die(number)
            case "interrupted", int() as number if 0 < number < signal.NSIG:
                real.exit_now(128 + number)
            case "exit", int() as code:
                real.exit_now(code & 0xFF)
            case "refused", _:
                real.exit_now(ExitCode.PROGRAM_USAGE)
            case (("deadlock" | "endless step" | "endless"), _):
                real.exit_now(ExitCode.PROGRAM_TIMEOUT)
            case "exec", _:
                real.exit_now(ExitCode.FINE)
            case _:
                real.exit_now(ExitCode.PROGRAM_CUT)


def _at(where: Any) -> str:
    return f", at {where}" if isinstance(where, str) else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def die(number: int, *, core: bool = False) -> NoReturn:
    """End this process by a signal, from any thread."""
    if not core:
        with suppress(OSError, ValueError):
            real.setrlimit(resource.RLIMIT_CORE, (0, real.getrlimit(resource.RLIMIT_CORE)[1]))
    if number == signal.SIGABRT:
        real.abort()
    # Past the interpreter, whose own function is for the main thread alone.
    set_handler = ctypes.CDLL(None).signal
    set_handler.argtypes, set_handler.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    set_handler(number, None)
    real.kill(real.getpid(), number)
    real.sleep(1.0)  # another thread may be the one that dies
    real.exit_now(128 + number)


class Ender:
    """Ends a recorded run, when a signal or the clock says so.

    Args:
      world: which records.
      report: says what was recorded, and whether it failed: ``show(failed)``.
    """

    def __init__(self, world: Any, report: Any) -> None:
        self._world = world
        self._report = report
        self._main = real.get_ident()
        self._process = real.getpid()

    def install(self, timeout_s: float | None) -> None:
        """Watch for signals, and for the end of the time."""
        # Now, not when it is needed: nothing of ours is imported while the program runs.
        from replay.runtime.divergence import place_of

        self._place_of = place_of
        signals.end = self._end_by_signal
        signals.on_repeat = self._interrupted
        self._world.on_stop = self._report.show
        handlers.catch_endings()
        if timeout_s is not None:
            self._world.share()
            _kill_in(timeout_s + KILL_AFTER_S)
            real.start_apart(self._watch, (timeout_s,))

    def _end_by_signal(self, number: int, frame: FrameType | None) -> None:
        if real.getpid() != self._process:  # a child that was forked this instant
            die(number, core=True)
        if self._world.is_writing(frame):
            signals.fatal = number
            return
        if self._world.stop("signal", int(number)):
            self._report.show(True)
        die(number, core=True)

    def _interrupted(self, number: int, frame: FrameType | None) -> bool:
        world = self._world
        if world.is_writing(frame) or not world.stop("interrupted", int(number), for_good=False):
            return False
        tell(f"{_signal_name(number)} while the program is busy: recording stops here, the program goes on")
        return True

    def _watch(self, timeout_s: float) -> None:
        lock = real.allocate_lock()
        lock.acquire()
        lock.acquire(True, min(timeout_s, threading.TIMEOUT_MAX))
        if self._world.stop("timeout", timeout_s) or self._world.is_abandoned:
            place = self._place_of(self._main)
            tell(f"stopped after {timeout_s:g} s{f', at {place}' if place else ''}")
            self._report.show(True)
            real.exit_now(ExitCode.PROGRAM_TIMEOUT)


class _SignalEvent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("padding", ctypes.c_char * 48),
    )


def _kill_in(seconds: float) -> None:
    """Let the kernel kill this process; the timer does not outlive an exec, and no child has it."""
    libc = ctypes.CDLL(None)
    timer = ctypes.c_void_p()
    event = _SignalEvent(None, signal.SIGKILL, 0, b"")
    whole = min(int(seconds), 2**31)
    setting = (ctypes.c_long * 4)(0, 0, whole, int(seconds % 1 * 1e9))
    # Older C libraries have these elsewhere; then C code that does not return is not stopped.
    with suppress(AttributeError):
        if libc.timer_create(real.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) == 0:
            libc.timer_settime(timer, 0, setting, None)


def limit_replay(world: Any, timeout_s: float) -> None:
    """End a replay that takes longer."""
    lock = real.allocate_lock()
    lock.acquire()

    def watch() -> None:
        lock.acquire(True, min(timeout_s, threading.TIMEOUT_MAX))
        if not (world.is_closed or world.is_stopped):
            world.run_out_of_time(timeout_s)

    _kill_in(timeout_s + KILL_AFTER_S)
    real.start_new_thread(watch, ())


class BusyEnd:
    """Notices that a replay computes on where its recording stops, and asks for nothing any more.

    Args:
      now_ns: the clock by which that takes its time.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self.forget()

    def forget(self) -> None:
        """Begin anew: the replay stood still meanwhile."""
        self._seen, self._since_ns = -1, 0

    def is_reached(self, world: Any) -> bool:
        """Whether it has been so for long; to be asked again and again."""
        stream = world.holder
        at = stream.passed + stream.pos
        if at < world.ending.lengths[stream.number] or at != self._seen:
            self._seen, self._since_ns = at, self._now_ns()
            return False
        return self._now_ns() - self._since_ns > _BUSY_NS


def watch_replay(world: Any) -> None:
    """End a replay that comes to a sudden end in code without any door."""
    lock = real.allocate_lock()
    lock.acquire()

    def watch() -> None:
        busy = BusyEnd(real.monotonic_ns)
        while not world.is_closed:
            lock.acquire(True, _LOOK_S)
            if busy.is_reached(world):
                world.end()

    real.start_new_thread(watch, ())
