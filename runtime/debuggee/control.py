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
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any, Final, NoReturn

from replay.protocol import ClosedError, Message, pack_message, read_message
from replay.runtime import real
from replay.runtime.debuggee.causes import CAUSES, Causes
from replay.runtime.debuggee.copies import connected_pair, fork
from replay.runtime.debuggee.lines import OWN, kinds, lines
from replay.runtime.debuggee.watch import Watch
from replay.runtime.divergence import Divergence, Ended, Interrupted, Reporter, Unseen
from replay.runtime.inspection.program import ProgramInspector
from replay.runtime.streams import current

NEVER: Final = 1 << 62
MOST_MET: Final = 200_000
"""So many matches are told at most, of a goal that asks for all."""

_LOOK_AT_CLOCK: Final = 32
"""Steps or lines between two looks at how much time was used."""

# Held before the boundary replaces them.
_send_message = _socket.socket.sendmsg
_dup2 = os.dup2
_fcntl = fcntl.fcntl

Answer = Callable[["Control", Message], Any]


class Stop:
    """Where the program stands."""

    __slots__ = ("event", "frame", "reason", "value")

    def __init__(self, reason: str, frame: FrameType | None, event: str, value: object = None) -> None:
        self.reason = reason
        self.frame = frame
        self.event = event
        self.value = value


class _Goal:
    """Until when to run; see ``replay.protocol``."""

    def __init__(self, form: Mapping[str, Any]) -> None:
        step, line = form.get("at") or (NEVER, 0)
        self.step: int = step
        self.line: int = line
        stops = form.get("stops") or ()
        self.for_steps = [one for one in stops if one["kind"] == "step"]
        self.for_lines = [one for one in stops if one["kind"] not in ("step", "watch", *CAUSES)]
        self.watches = [Watch(one) for one in stops if one["kind"] == "watch"]
        self.causes = Causes([one for one in stops if one["kind"] in CAUSES])
        self.is_last = bool(form.get("last"))
        self.is_rough = bool(form.get("rough"))
        self._seen: dict[tuple[CodeType, int], bool] = {}
        self.wanted = self.wants_line  # each look at a method makes another one
        self.is_all = bool(form.get("all"))
        self.pause_ns: int | None = form.get("pause_ns")
        self.at_signals = bool(form.get("signals"))
        self.met: list[list[Any]] = []
        owners = {one.get("owner") for one in self.for_lines}
        # Lines between steps have their place in the count of the step before.
        self.any_lines = (
            bool(self.watches or self.causes.wanted)
            or None in owners
            or any(not str(one).startswith(("T", "callback")) for one in owners)
        )
        self.owners = owners

    def of_step(self, owner: str) -> Mapping[str, Any] | None:
        """Return the condition that a step of ``owner`` meets, or None."""
        return next((one for one in self.for_steps if one.get("owner") in (None, owner)), None)

    def wants_line(self, code: CodeType, line: int) -> bool:
        """Whether a line is one where somebody wants to stop."""
        found = self._seen.get((code, line))
        if found is None:
            found = any(_is_place(one, code, line) for one in self.for_lines)
            self._seen[code, line] = found
        return found

    def wants_lines(self, step: int, owner: str) -> bool:
        """Whether the lines of this step must be seen."""
        return (step == self.step and self.line > 0) or self.any_lines or owner in self.owners


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
        self._goal = _Goal({})
        self._is_called = False
        self._look_due = 0
        self._cpu_ns = 0
        self._outputs_count = 0
        self._lines = lines(self.on_line, lambda: self.world.parked_frames())
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        real.set_handler(signal.SIGIO, self._call)
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

    @property
    def task(self) -> int:
        """The number of the task whose step it is, or 0."""
        owner = "" if self._stream is None else self.owner(self._stream)
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
        self._goal.causes.look()
        self.step += 1
        self.line = 0
        owner = f"T{task}" if task else f"callback@{self.step}"
        self._running[stream.number] = owner
        goal = self._goal
        if self.step >= goal.step and not (self.step == goal.step and goal.line):
            self._stopped(Stop("at", None, "step"))
        elif goal.for_steps and (one := goal.of_step(owner)) is not None:
            self._meet(Stop("met", None, "step"), owner, one.get("id"))
        elif self._is_called:
            self._stopped(Stop("called", None, "step"))
        elif self._is_tired():
            self._stopped(Stop("pause", None, "step"))
        if self._goal.is_rough:
            self._see_places()
        elif self._goal.wants_lines(self.step, owner):
            self._lines.on()
        elif self._lines.is_on:
            self._lines.off()

    def _see_places(self) -> None:
        """See lines where somebody wants to stop, and no others."""
        if self._goal.for_lines:
            self._lines.on(self._goal.wanted)
        elif self._lines.is_on:
            self._lines.off()

    def after_step(self, stream: Any) -> None:
        """A step has ended."""
        self._running.pop(stream.number, None)

    def on_signal(self) -> None:
        """The program is about to be told of a signal."""
        if self._goal.at_signals:
            self._stopped(Stop("met", None, "signal"))

    def on_line(self, frame: FrameType, event: str, value: object) -> None:
        """A line is about to run, a frame returns, or an exception is raised in one."""
        goal = self._goal
        self.line += not goal.is_rough
        if self.step == goal.step and self.line >= goal.line and not goal.is_rough:
            self._stopped(Stop("at", frame, event, value))
            return
        owner = ""
        for one in goal.for_lines:
            wanted = one.get("owner")
            if wanted is not None:
                if not owner:
                    owner = self.owner(current.stream)
                if wanted != owner:
                    continue
            if _matches(one, frame, event, value) and self._holds(one, frame):
                self._meet(
                    Stop("met", frame, event, value), owner or self.owner(current.stream), one.get("id")
                )
                return
        if goal.watches and kinds[frame.f_code] == OWN:
            self._look(goal, frame, owner or self.owner(current.stream))
        if goal.is_rough:
            return  # where this is inside the step nobody knows
        if self._is_called:
            self._stopped(Stop("called", frame, event, value))
        elif self._is_tired():
            self._stopped(Stop("pause", frame, event, value))

    def _look(self, goal: _Goal, frame: FrameType, owner: str) -> None:
        for watch in goal.watches:
            found = watch.look(frame, owner, [self.step, self.line])
            if found is None:
                continue
            place, before, after = found
            self.note([*place, watch.id, "watch", before, after])
            if not (goal.is_all or goal.is_last):
                self._stopped(Stop("met", frame, "line"), id=watch.id)
                return

    def note(self, met: list[Any]) -> None:
        """Keep what a goal is to tell that does not stop."""
        if self._goal.is_all:
            self._goal.met += [met][: MOST_MET - len(self._goal.met)]
        else:
            self._goal.met[:] = [met]

    def _holds(self, one: Mapping[str, Any], frame: FrameType) -> bool:
        """Whether the condition of a breakpoint holds, if it has one; an error counts as if it did."""
        condition = one.get("condition")
        if not condition:
            return True
        was = self.stop
        self.stop = Stop("condition", frame, "line")
        stream = self._stream = current.stream
        current.stream = None
        try:
            return bool(self._answers["holds"](self, {"text": condition}).get("holds", True))
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
        goal = self._goal
        if not (goal.is_last or goal.is_all):
            self._stopped(stop, id=identity)
            return
        found = [self.step, self.line, owner, identity, stop.event]
        if goal.is_last:
            goal.met[:] = [found]
        elif len(goal.met) < MOST_MET:
            frame = stop.frame
            where = [] if frame is None else [frame.f_code.co_filename, frame.f_lineno, _depth(frame)]
            goal.met.append(found + where)

    def _stopped(self, stop: Stop, **more: Any) -> None:
        """Say where the program stands, and serve until it is to go on."""
        stream = self._stream = current.stream
        frame = stop.frame
        code = None if frame is None else frame.f_code
        message: Message = {
            "kind": "stopped",
            "reason": stop.reason,
            "position": [self.step, self.line],
            "owner": "main" if stream is None else self.owner(stream),
            "event": stop.event,
            "path": None if code is None else code.co_filename,
            "lineno": None if frame is None else frame.f_lineno,
            "function": None if code is None else code.co_qualname,
            "depth": 0 if frame is None else _depth(frame),
            "is_own": code is not None and kinds[code] == OWN,
            "outputs_count": self._outputs_count,
            "met": self._goal.met,
            **more,
        }
        self.stop = stop
        current.stream = None
        self._is_called = False
        try:
            self._send(message)
            self._serve()
        except ClosedError:
            real.exit_now(0)
        self._cpu_ns = real.process_time_ns()
        self._look_due = _LOOK_AT_CLOCK
        current.stream = stream
        self.stop = None

    def _serve(self) -> None:
        """Answer requests, until one says to go on."""
        while True:
            request = read_message(lambda size: real.read(self.fd, size))
            what = request.get("do")
            if what == "run":
                self._goal = _Goal(request.get("goal") or {})
                for watch in self._goal.watches:
                    watch.start_in(self._frames_of(watch.owner))
                if self._goal.causes.wanted:
                    self._goal.causes.start(self, is_rough=self._goal.is_rough)
                self._is_called = False
                return
            if what == "fork":
                self._fork()
            elif what == "ask":
                self._send(self._answered(request))

    def _frames_of(self, owner: str) -> list[FrameType]:
        if not owner.startswith("T"):
            return []
        with ProgramInspector() as inspector:
            return inspector.stack_of(int(owner[1:]))[::-1]

    def _answered(self, request: Message) -> Message:
        try:
            return {"kind": "answer", "value": self._answers[request["name"]](self, request)}
        except ClosedError:
            raise
        except Exception as problem:  # a mistake of ours must not become one of the program
            return {"kind": "answer", "problem": f"{type(problem).__name__}: {problem}"}

    def begin(self, world: Any) -> None:
        """The program is about to begin."""
        self.world = world
        self._stopped(Stop("at", None, "step"))
        if self._goal.is_rough:
            self._see_places()
        elif self._goal.wants_lines(0, "main"):
            self._lines.on()

    # -- copies ----------------------------------------------------------------------------------

    def _fork(self) -> None:
        """Make a copy of this process, which serves too."""
        try:
            ours, theirs = connected_pair()
            pid = fork()
        except OSError as problem:
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
        self._goal = _Goal({})
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
        message: Message = {
            "kind": "output",
            "index": self._outputs_count,
            "position": [self.step, self.line],
            "target": target,
            "data": data,
        }
        self._outputs_count += 1
        try:
            self._send(message)
        except ClosedError:
            real.exit_now(0)


def _depth(frame: FrameType | None) -> int:
    count = 0
    while frame is not None:
        count += 1
        frame = frame.f_back
    return count


def _matches(one: Mapping[str, Any], frame: FrameType, event: str, value: object) -> bool:
    kind = one["kind"]
    code: CodeType = frame.f_code
    if kind == "line":
        if one.get("own") and kinds[code] != OWN:
            return False
        events = one.get("events")
        if events is not None and event not in events:
            return False
        depth = one.get("depth")
        return depth is None or _depth(frame) <= depth
    if kind == "place":
        return event == "line" and _is_place(one, code, frame.f_lineno)
    if kind == "raise":
        # Of each frame that it passes through, the one where it comes from.
        return (
            event == "raise"
            and one["name"] in (None, *(base.__name__ for base in type(value).__mro__))
            and _comes_from(value, frame)
        )
    return False


def _is_place(one: Mapping[str, Any], code: CodeType, line: int) -> bool:
    if code.co_filename != one.get("path", code.co_filename):
        return False
    if one.get("lines") is not None:
        return line in one["lines"]
    return one["name"] in (code.co_name, code.co_qualname) and line == _first_line(code)


def _comes_from(error: object, frame: FrameType) -> bool:
    """Whether an exception is raised in this frame for the first time."""
    traceback = getattr(error, "__traceback__", None)
    return traceback is None or (traceback.tb_next is None and traceback.tb_frame is frame)


def _first_line(code: CodeType) -> int:
    lines_of = [line for _, _, line in code.co_lines() if line is not None and line > code.co_firstlineno]
    return min(lines_of, default=code.co_firstlineno)
