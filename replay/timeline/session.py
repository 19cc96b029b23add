"""A debugging session of one recording: what is in the file, and a replay to move along and to ask.

What the file alone can tell is there in any case; if the recording cannot be replayed here, ``refusal`` says
why and there is no timeline.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self

from replay.errors import ReplayError, UnreadableRecording, UsageError
from replay.positions import Position
from replay.recording.events import UNMEASURED, Kind
from replay.recording.recording import Recording, Step, Task
from replay.timeline.debuggee import Stop, TooDeepError
from replay.timeline.motions import Motions
from replay.timeline.timeline import START, Timeline

_CLOCK_KEY: Final = -Kind.CLOCK
_MOST_SENT: Final = 50_000
"""At a time."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a recorded run failed with.

    Attributes:
      position: where it was raised; at least the step.
      task: the id of the task, 0 if none.
      text: the exception, as ``Type: message``.
    """

    position: Position
    task: int
    text: str


@dataclass(frozen=True, slots=True)
class Cause:
    """Who woke a task, or asked it to cancel.

    Attributes:
      position: the line in which it was done, or the step.
      owner: whose code did it.
      how: what the frames there told, see ``replay.runtime.inspection.data``.
    """

    position: Position
    owner: str
    how: dict[str, Any]


class Wake(NamedTuple):
    """That a task was woken.

    Attributes:
      step: the last that had begun.
      task: its number.
      is_after: not in that step, but after it, by the loop: trio sees to deadlines and descriptors so.
    """

    step: int
    task: int
    is_after: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """What a request sent.

    Attributes:
      size: so many bytes; None if it has none.
      data: the first of them.
      to: an address, if it has one.
    """

    size: int | None
    data: bytes
    to: str


@dataclass(frozen=True, slots=True)
class Change:
    """Where the value of an expression changed.

    Attributes:
      stop: before the line that changed it.
      owner: who ran that line.
      before: the value as text; after: likewise.
    """

    stop: Stop
    owner: str
    before: str
    after: str


class Session:
    """A recording that is being debugged.

    Attributes:
      recording: what the file says.
      steps: of the whole run, the first has number 1.
      refusal: why it cannot be replayed here; None if it can.
    """

    def __init__(self, path: str, source: str = "check") -> None:
        """Open a recording, and start its replay, which stands at the beginning.

        Raises:
          UnreadableRecording: it cannot be read.
        """
        self.path = path
        self.recording = Recording.open(path)
        self.steps: list[Step] = list(self.recording.steps())
        self.refusal: ReplayError | None = None
        self._timeline: Timeline | None = None
        self._origins: dict[int, int | None] = {}
        owners = [f"T{step.task}" if step.task else f"callback@{step.number}" for step in self.steps]
        try:
            self._timeline = Timeline(path, source)
        except UnreadableRecording:
            self.recording.close()
            raise
        except ReplayError as problem:
            self.refusal = problem
        else:
            self._motions = Motions(self._timeline, owners, _ends(self.steps))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the replay."""
        if self._timeline is not None:
            self._timeline.close()
        self.recording.close()

    @property
    def timeline(self) -> Timeline:
        """The replay.

        Raises:
          ReplayError: it cannot be replayed here.
        """
        if self._timeline is None:
            assert self.refusal is not None
            raise self.refusal
        return self._timeline

    @property
    def motions(self) -> Motions:
        """The ways to move along it.

        Raises:
          ReplayError: it cannot be replayed here.
        """
        self.timeline  # noqa: B018 - says why there is none
        return self._motions

    @property
    def stop(self) -> Stop:
        """Where we are."""
        return self.timeline.stop

    def tasks(self) -> tuple[Task, ...]:
        """Return the tasks of the whole run, as recorded."""
        return self.recording.tasks()

    # -- questions about where we stand ------------------------------------------------------------

    def stack(self, task: int | None = None) -> list[dict[str, Any]]:
        """Return frames of a task, or of whoever runs, innermost first: path, lineno, function, is_own."""
        found: list[dict[str, Any]] = self.timeline.here.look("stack", task=task)["frames"]
        return found

    def evaluate(
        self,
        text: str,
        frame: int = 0,
        *,
        task: int | None = None,
        timeout_s: float | None = None,
        width: int | None = None,
    ) -> dict[str, Any]:
        """Run an expression or statements in a copy of the process, which is thrown away.

        Args:
          width: of the lines that the value is to be broken into, columns.

        Returns:
          ``text`` (the value's repr, or None), ``type``, ``output``; ``error`` if it raised or took too long.
        """
        found: dict[str, Any] = self.timeline.here.ask(
            "evaluate", text=text, frame=frame, task=task, timeout_s=timeout_s, width=width
        )
        return found

    def value(self) -> dict[str, Any] | None:
        """Return what is returned or raised here, as ``text`` and ``type``; None elsewhere."""
        return self.timeline.here.look("value") if self.stop.event in ("return", "raise") else None

    def locals(self, frame: int = 0, *, task: int | None = None) -> list[list[str]]:
        """Return ``[name, text]`` of each local variable of a frame."""
        names: list[list[str]] = self.timeline.here.look("locals", frame=frame, task=task)["names"]
        return names

    def context(self, task: int | None = None) -> list[list[str]] | None:
        """Return ``[name, text]`` of each context variable of a task, or of whoever runs.

        None: there is no such task any more, or not yet.
        """
        names: list[list[str]] | None = self.timeline.here.look("context", task=task)["names"]
        return names

    def inspect(self, what: str, **about: Any) -> Any:
        """Return what the tasks are doing here, as plain data: see ``replay.runtime.inspection.data``.

        Args:
          what: ``tasks`` (TaskInfo of each), ``all_waits`` (Wait by id, as text, of each that waits;
            ``waiters_count`` in place of ``waiters``), ``chains`` (of ``task``: Chain), ``waits`` (of
            ``task``: Wait or None), ``made`` (the id of the task that was made last, or 0), ``ready`` (Ready,
            in order, without whoever runs), ``chosen`` (Ready: what runs here; or None), ``blocked``
            (Blocked), ``scopes`` (Scope, outer ones first), ``cancelled_by`` (of ``task``: Scope or None),
            ``threads`` (Place of each other thread that waits), ``locals`` (Variable, of a ``frame``),
            ``error`` (of ``task``: ErrorTree or None), ``raised`` (what is raised here, likewise).
          about: what else the question names.
        """
        return self.timeline.here.look("inspect", what=what, **about)["found"]

    def error_of(self, task: Task) -> dict[str, Any] | None:
        """Return what a task failed with: an ErrorTree; None if it is gone just behind its end.

        We do not move.
        """
        if task.ended_at is None:
            return None
        behind = Position(task.ended_at.step + 1)
        answer: dict[str, Any] = self.timeline.ask_at(behind, "inspect", what="error", task=task.id)
        return answer.get("found")

    def place(self) -> tuple[str, int, str] | None:
        """Return path, line and function of where we are, or of where a task is about to go on."""
        stop = self.stop
        if stop.path is not None and stop.lineno is not None and stop.function is not None:
            return stop.path, stop.lineno, stop.function
        if stop.event != "step" or not stop.owner.startswith("T"):
            return None
        frames = self.stack()
        own = next((frame for frame in frames if frame["is_own"]), None)
        return None if own is None else (own["path"], own["lineno"], own["function"])

    # -- stops --------------------------------------------------------------------------------------

    def continue_(self, stops: list[dict[str, Any]]) -> Stop:
        """Go on to where one of ``stops`` is met next (see ``replay.protocol``), or to the end."""
        return self.timeline.forward({"stops": stops})

    def reverse_continue(self, stops: list[dict[str, Any]]) -> Stop | None:
        """Go back to where one of ``stops`` was met last; None, and at the start, if nowhere."""
        found = self.timeline.last_before(self.timeline.position, {"stops": stops}) if stops else None
        if found is None:
            self.timeline.goto(START)
            return None
        stop = self.timeline.goto(Position(found[0], found[1]))
        return replace(stop, reason="met", id=found[3], met=[found])

    def last(self, text: str, frame: int = 0, *, task: int | None = None) -> Change | None:
        """Go back to the line that changed the value of an expression last, in a frame as seen from here.

        Raises:
          UsageError: it is no expression.
        """
        goal, here = {"stops": [self.watch(text, frame, task=task)]}, self.timeline.position
        found = self.timeline.last_before(here, goal)
        if found is None:
            return None
        stop = self.timeline.goto(Position(found[0], found[1]))
        return Change(stop, found[2], found[5], found[6])

    def cause(self, kind: str, task: Task, first: Position, end: Position) -> Cause | None:
        """Return who last woke a task (``wake``) or asked it to cancel (``cancelled``) in a part of the run.

        We do not move. A task that is new was woken by nobody.
        """
        goal = {"stops": [{"kind": kind, "task": task.id}]}
        found = self.timeline.last_before(end, goal, first)
        return (
            None
            if found is None or found[5] is None
            else Cause(Position(found[0], found[1]), found[2], found[5])
        )

    def wakes(self, first: Position, end: Position) -> list[Wake]:
        """Return who was woken in a part of the run, in order.

        That a task is new is left out: the recording says when it was made.
        """
        goal = {"stops": [{"kind": "wake", "task": None}]}
        whole = Position(end.step)
        found = self.timeline.all_between(first, whole, {**goal, "rough": True}) if first < whole else []
        if end.line:
            found += self.timeline.all_between(max(first, whole), end, goal)
        return [Wake(one[0], one[3], not one[2].startswith(("T", "callback"))) for one in found]

    def sent(self, size: int) -> dict[tuple[int, int], Sent]:
        """Return what went out in the run, by thread and item of the event that has its checksum.

        Where the replay diverges, which `Timeline.divergence` tells then, nothing more is known.

        Args:
          size: of each the first so many bytes.
        """
        goal = {"stops": [{"kind": "sent", "size": size}], "rough": True, "most": _MOST_SENT}
        found = self.timeline.all_between(START, Position(len(self.steps) + 1), goal)
        return {(one[5], one[6]): Sent(*one[7:]) for one in found}

    def clock_origin_ns(self, stream: int) -> int | None:
        """Return what the clock of a thread's event loop read when the recording began.

        Each reading lies between two steps, and when these began is recorded.
        """
        if stream not in self._origins:
            clock_ns, origin_ns = 0, None
            for event in self.recording.events():
                if event.stream != stream:
                    continue
                if event.key == _CLOCK_KEY and isinstance(event.value, int):
                    clock_ns += event.value
                elif event.key >= 0 and event.value != UNMEASURED and clock_ns:
                    least = clock_ns - self.steps[event.step - 1].start_ns
                    origin_ns = least if origin_ns is None else max(origin_ns, least)
            self._origins[stream] = origin_ns
        return self._origins[stream]

    def watch(self, text: str, frame: int = 0, *, task: int | None = None) -> dict[str, Any]:
        """Return the stop that is met where the value of an expression changes, in a frame as seen from here.

        Raises:
          UsageError: it is no expression, or there is no frame.
        """
        try:
            compile(text, "<debugger>", "eval")
        except (SyntaxError, ValueError) as problem:
            raise UsageError(f"{text!r} is no expression: {problem.args[0]}") from None
        scope = self.timeline.here.look("scope", text=text, frame=frame, task=task)
        if scope.get("module") is None and "function" not in scope:
            raise UsageError("there is no frame here to look from", hint="`goto` a line of the program first")
        return {"kind": "watch", "text": text, **scope}

    def failure(self) -> Failure | None:
        """Return where the run failed, if it did: where the exception that ended it was raised."""
        failures = self.recording.failures()
        if not failures:
            return self._failure_of_main() if self.recording.outcome.is_failure else None
        task = failures[0]
        step = task.last_step or 0
        position = Position(step)
        if self._timeline is not None and task.error is not None:
            goal = {
                "stops": [{"kind": "raise", "name": task.error[0].rpartition(".")[2], "owner": f"T{task.id}"}]
            }
            met: list[list[Any]] = []
            with suppress(TooDeepError):  # then the step has to do
                met = self._timeline.all_between(position, Position(step + 1), goal)
            if met:
                position = Position(met[0][0], met[0][1])
        return Failure(position, task.id, task.error_text)

    def _failure_of_main(self) -> Failure | None:
        """Return where the exception was raised that left the main thread at the end; None if none did."""
        if self._timeline is None:
            return None
        first, end = Position(len(self.steps)), Position(len(self.steps) + 1)
        line: dict[str, Any] = {"kind": "line", "own": True, "owner": "main"}
        try:
            passed = self._timeline.all_between(first, end, {"stops": [line]})
            outermost = min((one[7] for one in passed), default=0)
            last = next((one for one in reversed(passed) if one[7] == outermost), None)
            if last is None or last[4] != "raise":
                return None
            behind = Position(last[0], last[1] + 1)
            raised = {"kind": "raise", "name": None, "owner": "main"}
            found = self._timeline.last_before(behind, {"stops": [raised]}, first)
        except TooDeepError:
            return None
        position = Position(last[0], last[1]) if found is None else Position(found[0], found[1])
        return Failure(position, 0, str(self._timeline.ask_at(position, "value").get("text")))


def _ends(steps: list[Step]) -> list[int]:
    """Return the number of the step, for each, that begins when it is over: the next one of its thread."""
    next_of_stream: dict[int, int] = {}
    found: list[int] = []
    for step in reversed(steps):
        found.append(next_of_stream.get(step.stream, len(steps) + 1))
        next_of_stream[step.stream] = step.number
    return found[::-1]
