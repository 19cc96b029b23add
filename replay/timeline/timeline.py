"""A replay that one can move along: it goes forward by running, and back by running again from a checkpoint.

Checkpoints are copies of the process of the replay, made on the way forward, so many milliseconds of its CPU
time apart. They stand where they were made, and cost the memory that differs. To go anywhere, the nearest one
before it is copied, and the copy runs on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Self

from sortedcontainers import SortedDict

from replay.positions import Position
from replay.protocol import Message
from replay.timeline.debuggee import Debuggee, DebuggeeLostError, Stop, TooDeepError

SPACING_NS: Final = 20_000_000
"""CPU time between two checkpoints, at first."""

MOST_CHECKPOINTS: Final = 200
"""When there are more, every other one is given up, and the next ones are made further apart."""

MOST_BYTES: Final = 300_000_000
"""Likewise if they have more memory of their own than this, as far as is known."""

PATIENCE_S: Final = 1.0
"""How long an interrupted replay may take to come to a place where it can be stopped."""

MOST_VISITED: Final = 8
"""Steps where one has just been looking backwards have checkpoints too: so many of the last ones."""

_ROUGH: Final = {"place", "step", "await", "event", "cancel", "wake", "cancelled", "sent"}
"""Conditions whose step can be found without counting lines."""

START: Final = Position(0)
_END: Final = Position(1 << 60)

Output = tuple[Position, int, bytes]
"""What the program wrote: where, to stdout (1) or stderr (2), and what."""


class Timeline:
    """The replay of one recording, at one place at a time.

    Attributes:
      here: the process that stands where we are.
      output: what the program has written, as far as it has ever been run.
    """

    def __init__(self, path: str, source: str = "check") -> None:
        """Start the replay; it stands at its beginning.

        Raises:
          ReplayError: it cannot be replayed here.
        """
        self.output: list[Output] = []
        self.on_progress: Callable[[Position], object] = str
        self._checkpoints: Any = SortedDict()  # a Debuggee by Position
        self._visited: list[Position] = []
        self._bytes = 0
        self._spacing_ns = SPACING_NS
        first = Debuggee.start(path, source, self._written)
        self._checkpoints[START] = first
        self.here = first.fork()
        self.ending: Stop | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes."""
        self.here.kill()
        for checkpoint in self._checkpoints.values():
            checkpoint.kill()
        self._checkpoints.clear()

    @property
    def stop(self) -> Stop:
        """Where we are."""
        return self.here.stop

    @property
    def position(self) -> Position:
        """Where we are, in short."""
        return self.here.stop.position

    @property
    def divergence(self) -> Stop | None:
        """Where the replay turned out to be another run, if it has come to that."""
        return self.ending if self.ending is not None and self.ending.reason == "diverged" else None

    def from_start(self) -> Debuggee:
        """Return a process that stands at the beginning; who asked for it ends it."""
        return self._checkpoints[START].fork()  # type: ignore[no-any-return]

    def written(self) -> list[Output]:
        """Return what the program had written when it came to where we are."""
        return self.output[: self.stop.outputs_count]

    def goto(self, position: Position) -> Stop:
        """Go to a place, or to the end of the replay if that is before it."""
        start = self.position
        if start != position or self.stop.event == "end":
            self._come_before(position)
        if self.position == position and self.stop.event != "end":
            return self.stop
        return self._run({"at": [position.step, position.line]}, start)

    def forward(self, goal: dict[str, Any]) -> Stop:
        """Run on until ``goal`` is met; see ``replay.protocol``."""
        is_late = _is_late(goal)
        if not _can_be_rough(goal):
            return self._search(goal, self.position) if is_late else self._run(goal)
        since = self.position
        while True:
            before, rough = self._try({**goal, "rough": True})
            if rough.reason != "met" or rough.met[-1][4] == "step":
                before.kill()
                return rough
            # Now it is known in which step; there the lines are counted.
            step = rough.met[-1][0]
            self._replace(before)
            if step > self.position.step:
                self.goto(Position(step))
            stop = self._search(goal, since, Position(step + 1)) if is_late else self._run(goal)
            if stop.reason != "at":
                return stop
            since = Position(step, _END.step)  # what is noticed of the next step may be just before it

    def _search(self, goal: dict[str, Any], since: Position, end: Position | None = None) -> Stop:
        """Look in a copy for what is met next after ``since``, and go there; if nothing is, go to ``end``."""
        goal = {**goal, "since": [since.step, since.line]}
        runner = self.here.fork()
        try:
            # Not just to the end: a step that begins there may be what is met.
            stop = runner.run(goal if end is None else {**goal, "at": [end.step, 1]})
        finally:
            runner.kill()
        found = min((one for one in stop.met if _place(one) > since), key=_place, default=None)
        if found is not None:
            stop = self.goto(_place(found))
            return replace(stop, reason="met", id=found[3], met=[found])
        return self._run({}) if end is None else self.goto(end)

    def look_forward(self, goal: dict[str, Any]) -> Stop | None:
        """Run on until a condition of ``goal`` is met; None, and we stay here, if none is."""
        if self.stop.is_over:
            return None
        before, stop = self._try(goal)
        if stop.reason in ("met", "called"):
            before.kill()
            return stop
        self._replace(before)
        return None

    def _try(self, goal: dict[str, Any]) -> tuple[Debuggee, Stop]:
        """Run on in a copy, which is here now; return the process that was, to be ended or put back."""
        before = self.here
        self.here = before.fork()
        try:
            return before, self._run(goal)
        except BaseException:
            self._replace(before)
            raise

    def last_before(
        self, position: Position, goal: dict[str, Any], first: Position = START
    ) -> list[Any] | None:
        """Return what of ``goal`` was met last before ``position``, from ``first`` on; we do not move.

        It is looked for backwards, from checkpoint to checkpoint.
        """
        end = position
        best: list[Any] | None = None
        if first > START:
            self._visit(first)
        is_rough = _can_be_rough(goal)
        while end > first:
            start = self._start_before(end, goal)
            if is_rough and start.stop.position.step < end.step:
                if end.line:  # lines of its own step have to be counted
                    step = end.step
                else:
                    steps = self._met(start, {**goal, "last": True, "rough": True}, end)
                    steps = steps or self._met_at(start, goal)
                    if not steps:
                        end = start.stop.position
                        continue
                    step = steps[-1][0]
                    end = Position(step + 1)
                self._visit(Position(step))
                start = self._start_before(end, goal)
            found = self._met(start, {**goal, "last": True}, end) or self._met_at(start, goal)
            found = [one for one in found if _place(one) >= first]
            best = max([*found, *([best] if best else [])], key=_place, default=None)
            end = start.stop.position
            if best is not None and _place(best) >= end:  # what is noticed late may have been before
                return best
        return best

    def _met_at(self, start: Debuggee, goal: dict[str, Any]) -> list[list[Any]]:
        """Return what of ``goal`` is met just where a checkpoint stands: it does not come there any more."""
        stop = start.stop
        here = stop.position
        if here == START:
            return []
        if here.line:
            found = self._met(
                self._checkpoint_before(here), goal | {"last": True}, Position(here.step, here.line + 1)
            )
            return [one for one in found if _place(one) == here]
        return [
            [here.step, 0, stop.owner, one.get("id"), "step"]
            for one in goal.get("stops", ())
            if one["kind"] == "step" and one.get("owner") in (None, stop.owner)
        ][:1]

    def all_between(self, first: Position, last: Position, goal: dict[str, Any]) -> list[list[Any]]:
        """Return all that is met of ``goal`` from ``first`` to before ``last``; we do not move."""
        start = self._start_before(Position(first.step, first.line + 1), goal)
        found = self._met(start, {**goal, "all": True}, last)
        return [one for one in found if _place(one) >= first]

    def ask_at(self, position: Position, name: str, **more: Any) -> Any:
        """Return the answer to a question at another place; we do not move."""
        at = self._checkpoints.bisect_right(position)
        nearest: Debuggee = self._checkpoints.values()[at - 1]
        runner = nearest.fork()
        try:
            if runner.stop.position < position:
                runner.run({"at": [position.step, position.line]})
            return runner.ask(name, **more)
        finally:
            runner.kill()

    def _visit(self, position: Position) -> None:
        """Make a checkpoint at the beginning of a step that one will look at more often."""
        if position in self._checkpoints:
            return
        runner = self._checkpoint_before(position).fork()
        try:
            is_there = runner.run({"at": [position.step, position.line]}).position == position
        except BaseException:
            runner.kill()
            raise
        if not is_there:
            runner.kill()
            return
        self._checkpoints[position] = runner
        self._visited.append(position)
        if len(self._visited) > MOST_VISITED:
            self._checkpoints.pop(self._visited.pop(0)).kill()

    def _met(self, start: Debuggee, goal: dict[str, Any], end: Position) -> list[list[Any]]:
        # What was before an await is known when it suspends: at the end of the step, at the latest.
        last = Position(end.step + 1) if end.line and _has_awaits(goal) else end
        runner = start.fork()
        try:
            form = {**goal, "at": [last.step, last.line], "until": [end.step, end.line]}
            stop = runner.run(form)
            found = stop.met
            while stop.reason == "full":
                stop = runner.run(form)
                found += stop.met
            if stop.reason == "diverged":
                self.ending = stop
        finally:
            runner.kill()
        return sorted(found, key=_place)

    def _start_before(self, end: Position, goal: dict[str, Any]) -> Debuggee:
        """Return the checkpoint from which to look for what was met before ``end``."""
        found = self._checkpoint_before(end)
        while found.stop.position.line and _has_awaits(goal):  # whose place is in the same step
            found = self._checkpoint_before(found.stop.position)
        return found

    def _checkpoint_before(self, position: Position) -> Debuggee:
        """Return the last checkpoint before ``position``, and not at it."""
        at = self._checkpoints.bisect_left(position)
        found: Debuggee = self._checkpoints.values()[max(at - 1, 0)]
        return found

    def _come_before(self, position: Position) -> None:
        """Take the nearest process at or before ``position`` as the one that is here."""
        at = self._checkpoints.bisect_right(position)
        nearest: Debuggee = self._checkpoints.values()[at - 1]
        if self.stop.is_over or self.position > position or nearest.stop.position > self.position:
            self._replace(nearest.fork())

    def _run(self, goal: dict[str, Any], start: Position | None = None) -> Stop:
        """Run on; if that is refused, we are at ``start`` again (None: where we are)."""
        if self.stop.is_over:
            return self.stop
        reached = self.position
        if start is None:
            start = reached
        try:
            while True:
                stop = self.here.run({**goal, "pause_ns": self._spacing_ns})
                if stop.is_over:
                    self.ending = stop
                if stop.reason != "pause":
                    return stop
                reached = stop.position
                self._keep()
                self.on_progress(reached)
        except TooDeepError:
            self._return_to(start)
            raise
        except KeyboardInterrupt:
            if self.here.is_running:
                self._pause(reached)
            self.here.stop = replace(self.stop, reason="called")
            return self.stop

    def _return_to(self, position: Position) -> None:
        """Go where we have been already, in another process: this one cannot go on."""
        self._replace(self._checkpoint_before(Position(position.step, position.line + 1)).fork())
        self.goto(position)

    def _pause(self, reached: Position) -> None:
        """Stop after an interruption: where the program can be stopped, or at the last place it was seen."""
        try:
            self.here.pause(PATIENCE_S)
        except DebuggeeLostError:
            self._return_to(reached)

    def _replace(self, process: Debuggee) -> None:
        """Take another process as the one that is here."""
        self.here.kill()
        self.here = process

    def _keep(self) -> None:
        """Make a checkpoint on the way, where there is none near."""
        position = self.position
        if position in self._checkpoints:
            return
        at = self._checkpoints.bisect_left(position)
        self._bytes += self._checkpoints.values()[at - 1].private_bytes()
        self._checkpoints[position] = self.here.fork()
        if len(self._checkpoints) > MOST_CHECKPOINTS or self._bytes > MOST_BYTES:
            self._spacing_ns *= 2
            for one in [one for one in self._checkpoints if one not in self._visited][1::2]:
                self._checkpoints.pop(one).kill()
            self._bytes = sum(one.private_bytes() for one in self._checkpoints.values())

    def _written(self, message: Message) -> None:
        if message["index"] == len(self.output):
            position = Position(message["position"][0])  # lines are not always counted
            self.output.append((position, message["target"], message["data"]))


def _can_be_rough(goal: dict[str, Any]) -> bool:
    """Whether the step in which something is met can be found without counting lines.

    Those of the main thread outside of a step can: no others have to be seen for that.
    """
    stops = [one for one in goal.get("stops", ()) if one["kind"] != "step"]
    return bool(stops) and all(
        one["kind"] in _ROUGH or (one["kind"] == "line" and one.get("owner") == "main") for one in stops
    )


def _is_late(goal: dict[str, Any]) -> bool:
    """Whether something of it is noticed only when its place has passed."""
    return bool(_kinds(goal) & {"await", "cancel", "event", "watch"})


def _has_awaits(goal: dict[str, Any]) -> bool:
    return "await" in _kinds(goal)


def _kinds(goal: dict[str, Any]) -> set[str]:
    return {one["kind"] for one in goal.get("stops", ())}


def _place(met: list[Any]) -> Position:
    return Position(met[0], met[1])
