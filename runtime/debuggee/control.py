"""Talks to the client of a debugged replay: runs to where it is wanted, stops there, answers.

The program is stopped by not returning: while it is, the place that noticed that it is to stop serves
requests. A copy of the process made there is a checkpoint: it serves requests of its own.
"""

from __future__ import annotations

import _socket
import fcntl
import os
import select
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, Final, NoReturn

from replay.protocol import MAX_PIECE_BYTES, ClosedError, Message, pack_message, read_message
from replay.runtime import real
from replay.runtime.debuggee.causes import Causes
from replay.runtime.debuggee.copies import connected_pair, fork
from replay.runtime.debuggee.evaluation import INTERRUPTED
from replay.runtime.debuggee.goal import Goal, Stop, depth_of, is_place, matches
from replay.runtime.debuggee.inplace import InPlace
from replay.runtime.debuggee.lines import OWN, kinds, lines
from replay.runtime.debuggee.noticed import Cancelling, Place
from replay.runtime.debuggee.sent import sent
from replay.runtime.debuggee.stack import frames_from
from replay.runtime.divergence import Divergence, Ended, Interrupted, Reporter, Unseen
from replay.runtime.ending import BusyEnd
from replay.runtime.inspection.program import ProgramInspector
from replay.runtime.streams import current

_LOOK_AT_CLOCK: Final = 32
"""Steps or lines between two looks at how much time was used."""

_TICK_S: Final = 0.1

_MAIN: Final = 0
"""The number of the main thread's stream."""

# Held before the boundary replaces them.
_send_message = _socket.socket.sendmsg
_set_timer = signal.setitimer
_dup2 = os.dup2
_fcntl = fcntl.fcntl

Answer = Callable[["Control", Message], Any]


class Control:
    """What the program's replay is told, and tells.

    Attributes:
      fd: where the client is, the same in each copy.
      step: how many steps have begun.
      line: how many line events have passed since then.
      stop: where the program stands, while it does.
    """

    def __init__(self, fd: int, answers: Mapping[str, Answer]) -> None:
        self.fd = fd
        self._socket = _socket.socket(fileno=fd)
        self._answers = answers
        self.step = 0
        self.line = 0
        self.stop: Stop | None = None
        self.world: Any = None
        self._stream: Any = None
        self._running: dict[int, str] = {}
        self._goal = Goal({})
        self._place: Place = [0, 0, "main"]
        self._is_looking = False
        self._in_place = InPlace()
        self._causes: Causes | None = None
        self._cancelling = Cancelling(self._on_cancel)
        self._is_called = False
        self._look_due = 0
        self._cpu_ns = 0
        self._outputs_count = 0
        self._lines = lines(self.on_line, lambda: self.world.parked_frames())
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        real.set_handler(signal.SIGIO, self._call)
        self._busy = BusyEnd(real.process_time_ns)
        real.set_handler(signal.SIGALRM, self._tick)
        self._listen()

    def _listen(self) -> None:
        """Be told by a signal when the client writes, or goes away."""
        _fcntl(self.fd, fcntl.F_SETOWN, real.getpid())
        _fcntl(self.fd, fcntl.F_SETFL, _fcntl(self.fd, fcntl.F_GETFL) | os.O_ASYNC)

    def _call(self, number: int, frame: FrameType | None) -> None:
        """The client wrote something, or is gone; a handler."""
        poller = real.poll()
        poller.register(self.fd, select.POLLIN)
        for _, mask in poller.poll(0):
            if mask & (select.POLLHUP | select.POLLERR):
                real.exit_now(0)
            self._is_called = True

    def _tick(self, number: int, frame: FrameType | None) -> None:
        """Stop where the recording does, if the program asks for nothing any more; a handler."""
        world = self.world
        if self.stop is not None or self._is_called or world.ending.is_orderly:
            return
        if self._busy.is_reached(world):
            world.end()

    @property
    def here(self) -> str:
        """Whose code it is where the program stands."""
        return "main" if self._stream is None else self.owner(self._stream)

    @property
    def task(self) -> int:
        """The number of the task whose step it is, or 0."""
        owner = self.here
        return int(owner[1:]) if owner.startswith("T") else 0

    # -- what the program does -------------------------------------------------------------------

    def owner(self, stream: Any) -> str:
        """Return whose code runs in a thread."""
        found = self._running.get(stream.number)
        if found is not None:
            return found
        return "main" if stream.is_main else f"thread-{stream.number}"

    def on_step(self, stream: Any, task: int) -> None:
        """A step is about to begin."""
        goal = self._goal
        owner = f"T{task}" if task else f"callback@{self.step + 1}"
        if goal.noticed:
            self._look(None, owner)
        if self._goal.is_full:
            self._stopped(Stop("full", None, "step"))
        goal = self._goal
        self.step += 1
        self.line = 0
        self._place = [self.step, 0, owner]
        self._running[stream.number] = owner
        if self.step >= goal.step and not (self.step == goal.step and goal.line):
            self._stopped(Stop("at", None, "step"))
        elif goal.for_steps and (one := goal.of_step(owner)) is not None:
            self._meet(Stop("met", None, "step"), owner, one.get("id"))
        elif self._is_called:
            self._stopped(Stop("called", None, "step"))
        elif self._is_tired():
            self._stopped(Stop("pause", None, "step"))
        self._see()

    def _see(self) -> None:
        """Switch on what is to be seen of the step that begins."""
        goal = self._goal
        self._lines.is_blind = goal.is_between_steps and _MAIN in self._running
        if goal.is_between_steps:
            self._lines.on()
        elif goal.has_places and goal.is_rough:
            self._lines.on(goal, yields=goal.awaits is not None)
        elif goal.wants_lines(self.step, self._running.values()) and not goal.is_rough:
            self._lines.on(yields=goal.awaits is not None)
        elif self._lines.is_on:
            self._lines.off()

    def after_step(self, stream: Any) -> None:
        """A step has ended."""
        self._running.pop(stream.number, None)
        if self._goal.is_between_steps:
            self._see()

    def on_signal(self) -> None:
        """The program is about to be told of a signal."""
        if self._goal.at_signals:
            self._stopped(Stop("met", None, "signal"))

    def on_line(self, frame: FrameType, event: str, value: object) -> None:
        """A line is about to run, a frame returns, or an exception is raised in one; or it suspends."""
        if self._is_looking:
            return
        if event == "deep":
            while True:
                self._stopped(Stop("deep", frame, "line"))
        if event == "yield":
            self._suspends(frame)
            return
        is_own = kinds[frame.f_code.co_filename] == OWN
        if is_own and self._goal.noticed:
            self._look(frame, self.owner(current.stream))
        if self._goal.is_full and self._goal.awaits is None:  # which are known when the step is over
            self._stopped(Stop("full", frame, event, value))
        goal = self._goal
        self.line += not goal.is_rough
        owner = self.owner(current.stream)
        if is_own and not goal.is_rough:
            self._place = [self.step, self.line, owner]
        if self.step == goal.step and self.line >= goal.line and not goal.is_rough:
            self._stopped(Stop("at", frame, event, value))
            return
        if goal.awaits is not None and event == "line":
            self._arrives(frame, owner)
        for one in goal.for_lines:
            if one.get("owner") not in (None, owner):
                continue
            if matches(one, frame, event, value) and self._holds(one, frame):
                if not is_own and goal.noticed:
                    self._look(frame, owner)
                self._meet(Stop("met", frame, event, value), owner, one.get("id"))
                return
        if goal.is_rough:
            return  # where this is inside the step nobody knows
        if self._is_called:
            self._stopped(Stop("called", frame, event, value))
        elif self._is_tired():
            self._stopped(Stop("pause", frame, event, value))

    # -- what is noticed when it has happened ----------------------------------------------------

    def _look(self, frame: FrameType | None, owner: str, *, is_end: bool = False) -> None:
        """Notice what has happened since the last place."""
        goal = self._goal
        self._is_looking = True
        try:
            found = [(one, one.look(frame, owner)) for one in goal.noticed if one.sees_end or not is_end]
        finally:
            self._is_looking = False
        for one, more in found:
            if more is not None and goal is self._goal:
                self._notice(one.form, self._place, frame, more)

    def _notice(
        self, one: Mapping[str, Any], place: Place, frame: FrameType | None, more: Sequence[object] = ()
    ) -> None:
        is_before_all = place[:2] == [0, 0] and not self._goal.is_rough
        if one.get("owner") in (None, place[2]) and not is_before_all:
            self.note([*place, one.get("id"), one["kind"], *more], Stop("met", frame, one["kind"]))

    def _arrives(self, frame: FrameType, owner: str) -> None:
        """A frame comes to a line: there may be an await in it."""
        goal = self._goal
        assert goal.awaits is not None
        code, line = frame.f_code, frame.f_lineno
        one = next((one for one in goal.awaits.stops if is_place(one, code, line)), None)
        if one is not None and not self._holds(one, frame):
            one = None
        goal.awaits.arrive(frame, one, [self.step, self.line, owner])

    def _suspends(self, frame: FrameType) -> None:
        """A frame suspends its task."""
        goal = self._goal
        found = None if goal.awaits is None else goal.awaits.suspend(frame, self.step)
        if found is not None:
            self._notice(found[0], found[1], frame)

    def _on_cancel(self, task: Any, through: Sequence[Any]) -> None:
        """A task that has not ended is cancelled."""
        if self._is_looking:
            return
        if self._causes is not None:
            self._causes.on_cancel(task, through)
        number = task._replay_id
        for one in self._goal.cancels:
            if one.get("task") in (None, number):
                self._notice(one, self._place, None, [number])
                return

    def _on_sent(self, stream: Any, item: int, door: str, args: tuple[Any, ...]) -> None:
        """Something goes out, as an event of the recording says."""
        goal = self._goal
        told = None if goal.sent is None else sent(door, args, goal.sent.get("size", 0))
        if goal.sent is None or told is None:
            return
        met = [*self._place, goal.sent.get("id"), "sent", stream.number, item, *told]
        self.note(met, Stop("met", None, "sent"))
        goal.bytes_count += len(told[1])
        if goal.is_full:  # here: all may go out in one step
            self._stopped(Stop("full", None, "sent"))

    def _holds(self, one: Mapping[str, Any], frame: FrameType) -> bool:
        """Whether the condition of a breakpoint holds, if it has one; an error counts as if it did."""
        condition = one.get("condition")
        if not condition:
            return True
        told = self._in_place.holds(condition, frame)
        if told is not None:
            return told
        if self._is_called:  # the client waits: do not begin what takes long
            return False
        was = self.stop
        self.stop = Stop("condition", frame, "line")
        stream = self._stream = current.stream
        current.stream = None
        try:
            found = self._answers["holds"](self, {"text": condition})
            # Without an answer one stops, so as to miss nothing; but not if the client did not wait for it.
            return bool(found.get("holds", found.get("error") != INTERRUPTED))
        finally:
            current.stream = stream
            self.stop = was

    def _is_tired(self) -> bool:
        """Whether it has run for as long as it was to run without a pause."""
        if self._goal.pause_ns is None:
            return False
        self._look_due -= 1
        if self._look_due > 0:
            return False
        self._look_due = _LOOK_AT_CLOCK
        return real.process_time_ns() - self._cpu_ns > self._goal.pause_ns

    def end(self, reason: str, **more: Any) -> NoReturn:
        """The replay has ended, one way or another: there is nothing more to run."""
        self._lines.off()
        self._look(None, self.here, is_end=True)
        self.step, self.line = self.step + 1, 0
        while True:
            self._stopped(Stop(reason, None, "end"), **more)

    def ends(self, reporter: Reporter) -> Callable[[Any], NoReturn]:
        """Return what a replay is to do that cannot go on."""

        def stop(reason: Divergence | Ended | Interrupted | Unseen) -> NoReturn:
            is_divergence = isinstance(reason, Divergence)
            self.end("diverged" if is_divergence else "over", message=reporter.text(reason))

        return stop

    # -- stopping --------------------------------------------------------------------------------

    def _meet(self, stop: Stop, owner: str, identity: object = None) -> None:
        found = [self.step, self.line, owner, identity, stop.event]
        frame = stop.frame
        if frame is not None and self._goal.is_all:
            found += [frame.f_code.co_filename, frame.f_lineno, depth_of(frame)]
        self.note(found, stop)

    def note(self, found: list[Any], stop: Stop) -> None:
        """Something of the goal is met, at a place that may have passed."""
        goal = self._goal
        at = (found[0], found[1])
        if at >= goal.until:
            return
        if goal.is_last:
            before = (goal.met[0][0], goal.met[0][1]) if goal.met else (-1, 0)
            # Of what is met at one place the first is told, as forwards; of who did something, the last.
            if at > before or (goal.causes and at == before):
                goal.met[:] = [found]
        elif goal.is_all:
            goal.met.append(found)
        elif goal.is_rough or at > goal.since:
            goal.met.append(found)
            if goal.awaits is not None and not goal.is_rough and goal.awaits.may_be_before(at):
                # What suspends in this step may have come to its await before.
                goal.is_all = True
                goal.step, goal.line = self.step + 1, 0
            else:
                self._stopped(stop, id=found[3])

    def _stopped(self, stop: Stop, **more: Any) -> None:
        """Say where the program stands, and serve until it is to go on."""
        stream = self._stream = current.stream
        frame = stop.frame
        code = None if frame is None else frame.f_code
        message: Message = {
            "kind": "stopped",
            "reason": stop.reason,
            "position": [self.step, self.line],
            "owner": self.here,
            "event": stop.event,
            "path": None if code is None else code.co_filename,
            "lineno": None if frame is None else frame.f_lineno,
            "function": None if code is None else code.co_qualname,
            "depth": 0 if frame is None else depth_of(frame),
            "is_own": code is not None and kinds[code.co_filename] == OWN,
            "outputs_count": self._outputs_count,
            "met": self._goal.met,
            **more,
        }
        self.stop = stop
        current.stream = None
        self._is_called = False
        _set_timer(signal.ITIMER_REAL, 0)
        try:
            self._send(message)
            self._serve()
        except ClosedError:
            real.exit_now(0)
        self._busy.forget()
        _set_timer(signal.ITIMER_REAL, _TICK_S, _TICK_S)  # no copy of the process inherits it
        self._cpu_ns = real.process_time_ns()
        self._look_due = _LOOK_AT_CLOCK
        current.stream = stream
        self.stop = None
        if frame is not None:  # in a step, whose other lines may not be wanted any more, or in another way
            self._see()

    def _serve(self) -> None:
        """Answer requests, until one says to go on."""
        while True:
            request = read_message(lambda size: real.read(self.fd, size))
            what = request.get("do")
            if what == "run":
                self._begin(Goal(request.get("goal") or {}))
                return
            if what == "fork":
                self._fork()
            elif what == "ask":
                self._send(self._answered(request))

    def _begin(self, goal: Goal) -> None:
        """Go on from here, for another goal."""
        self._goal = goal
        if goal.since < (0, 0):
            goal.since = (self.step, self.line)
        self.world.stop_noting()
        self._is_looking = True
        try:
            for one in goal.noticed:
                one.begin(self)
        finally:
            self._is_looking = False
        self.world.sent = None if goal.sent is None else self._on_sent
        self._causes = Causes(goal.causes, self, is_rough=goal.is_rough) if goal.causes else None
        self._lines.is_blind = False
        self._cancelling.is_on = bool(goal.cancels or (self._causes and self._causes.cancelled))
        self._is_called = False

    def frames_of(self, owner: str) -> list[FrameType]:
        """Return the frames that an owner has where the program stands, innermost first."""
        frame = None if self.stop is None else self.stop.frame
        if frame is not None and owner == self.here:
            return frames_from(frame)
        if owner.startswith("T"):
            with ProgramInspector() as inspector:
                return inspector.stack_of(int(owner[1:]))
        if owner != "main" or self._stream is None or not self._stream.is_main:
            return []
        found: list[FrameType] = []
        rest: FrameType | None = real.getframe()
        while rest is not None:
            above = frames_from(rest)
            found, rest = above, above[-1].f_back
            rest = None if rest is None else rest.f_back  # past the frame that runs steps
        return found

    def _answered(self, request: Message) -> Message:
        answer: Message = {"kind": "answer", "number": request["number"]}
        try:
            return {**answer, "value": self._answers[request["name"]](self, request)}
        except ClosedError:
            raise
        except Exception as problem:  # a mistake of ours must not become one of the program
            return {**answer, "problem": f"{type(problem).__name__}: {problem}"}

    def begin(self, world: Any) -> None:
        """The program is about to begin."""
        self.world = world
        self._stopped(Stop("at", None, "step"))
        self._see()

    # -- copies ----------------------------------------------------------------------------------

    def _fork(self) -> None:
        """Make a copy of this process, which serves too."""
        ends: tuple[int, ...] = ()
        try:
            ours, theirs = ends = connected_pair()
            pid = fork()
        except OSError as problem:
            for end in ends:
                real.close(end)
            self._send({"kind": "forked", "problem": str(problem)})
            return
        if pid == 0:
            _dup2(theirs, self.fd, False)
            real.close(theirs)
            real.close(ours)
            self._listen()
            return
        real.close(theirs)
        data = pack_message({"kind": "forked", "pid": pid})
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, ours.to_bytes(4, sys.byteorder))]
        _send_message(self._socket, [data[:1]], rights)
        real.close(ours)
        self._write(data[1:])

    def leave(self) -> None:
        """Be no debuggee any more: this process is a copy for something else."""
        self._lines.off()
        self._cancelling.is_on = False
        self._goal = Goal({})
        real.close(self.fd)

    def _send(self, message: Message) -> None:
        self._write(pack_message(message))

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[real.write(self.fd, data) :]
        except OSError:
            raise ClosedError from None

    def show(self, target: int, data: bytes) -> None:
        """The program wrote to its stdout (1) or stderr (2)."""
        for start in range(0, len(data), MAX_PIECE_BYTES):
            message: Message = {
                "kind": "output",
                "index": self._outputs_count,
                "position": [self.step, self.line],
                "target": target,
                "data": data[start : start + MAX_PIECE_BYTES],
            }
            self._outputs_count += 1
            try:
                self._send(message)
            except ClosedError:
                real.exit_now(0)
