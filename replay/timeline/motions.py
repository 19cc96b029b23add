"""The ways of a debugger to move, made of what a timeline can do.

Who moves stays with one owner: the task (or the main thread, ...) whose code it is. Its places are, in
order: just before each of its steps (``@N``), and in these steps each line, return and raised exception of
the program's own code. ``step`` goes to the next of these places and ``reverse_step`` to the one before, so
each undoes the other; other motions go to the nearest place for which something holds.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from typing import Any

from replay.positions import Position
from replay.timeline.debuggee import Stop
from replay.timeline.timeline import START, Timeline


class Motions:
    """Moves along a timeline.

    Attributes:
      is_own_only: whether libraries and Python itself are passed over.
    """

    def __init__(self, timeline: Timeline, owners: list[str], ends: list[int]) -> None:
        """Move along ``timeline``, whose step N is one of ``owners[N - 1]``, and over at ``ends[N - 1]``.

        Where several threads have loops, steps of the others may begin before.
        """
        self._timeline = timeline
        self._ends = ends
        self._end = Position(len(owners) + 1)
        self._steps: dict[str, list[int]] = defaultdict(list)
        for number, owner in enumerate(owners, start=1):
            self._steps[owner].append(number)
        self.is_own_only = True

    # -- lines -----------------------------------------------------------------------------------

    def step(self) -> Stop | None:
        """Go to the next place of this owner; None if this is its last."""
        return self._forward(self._lines())

    def next(self) -> Stop | None:
        """Go to the next place of this owner that is not deeper: over calls, and what others do."""
        return self._forward(self._lines(depth=self._depth()), steps=False)

    def finish(self) -> Stop | None:
        """Go to where this frame returns; from there, or if an exception leaves it, to what follows.

        If nothing does, to the frame's last place. Before a step it is the frame of the first line there.
        """
        stop = self._timeline.stop
        if stop.event == "step":
            first = self.step()
            ends_there = first is None or first.event not in ("line", "raise")
            return first if ends_there else self.finish() or first
        outside = self._lines(depth=stop.depth - 1)
        if stop.event == "return":
            return self._forward(outside, steps=False)
        returns = self._lines(depth=stop.depth, events=["return"])
        return self._forward(returns, outside, steps=False) or self._to_last(stop)

    def _to_last(self, stop: Stop) -> Stop | None:
        """Go to the last place of this owner that is not deeper; None if that is here."""
        timeline, own = self._timeline, self._steps[stop.owner]
        end = Position(self._ends[own[-1] - 1]) if own else self._end
        found = timeline.last_before(end, {"stops": [self._lines(depth=stop.depth)]}, stop.position)
        last = stop.position if found is None else Position(found[0], found[1])
        return timeline.goto(last) if last > stop.position else None

    def step_any(self) -> Stop | None:
        """Go to the next line of whoever runs."""
        return self._timeline.look_forward({"stops": [self._line_of(None)]})

    def reverse_step_any(self) -> Stop | None:
        """Go to the line before, of whoever ran."""
        found = self._timeline.last_before(self._timeline.position, {"stops": [self._line_of(None)]})
        return None if found is None else self._timeline.goto(Position(found[0], found[1]))

    def reverse_step(self) -> Stop | None:
        """Go to the place of this owner before this one; None if this is its first."""
        return self._backward(self._lines())

    def reverse_next(self) -> Stop | None:
        """Go to the place before that is not deeper."""
        stop = self._timeline.stop
        if stop.event == "step":
            return self.reverse_step()
        return self._backward(self._lines(depth=stop.depth), steps=False)

    def reverse_finish(self) -> Stop | None:
        """Go back to the line that called this frame."""
        return self._backward(self._lines(depth=self._timeline.stop.depth - 1), steps=False)

    # -- steps -----------------------------------------------------------------------------------

    def step_forward(self, count: int = 1) -> Stop:
        """Go so many scheduler steps on."""
        return self._timeline.goto(Position(self._timeline.position.step + count))

    def step_back(self, count: int = 1) -> Stop:
        """Go back to the beginning of this step; further, if we are there."""
        here = self._timeline.position
        step = here.step - count + bool(here.line)
        return self._timeline.goto(Position(max(step, 0)))

    def task_forward(self, owner: str | None = None) -> Stop | None:
        """Go on to where ``owner`` (None: whose code it is here) runs next; None if it does not any more."""
        here = self._timeline.position
        steps = self._steps[owner or self._timeline.stop.owner]
        at = bisect_right(steps, here.step)
        return self._timeline.goto(Position(steps[at])) if at < len(steps) else None

    def task_back(self, owner: str | None = None) -> Stop | None:
        """Go back to where ``owner`` ran last; None if it has not."""
        here = self._timeline.position
        steps = self._steps[owner or self._timeline.stop.owner]
        at = bisect_left(steps, here.step + bool(here.line)) - 1
        return self._timeline.goto(Position(steps[at])) if at >= 0 else None

    # -- how -------------------------------------------------------------------------------------

    def _depth(self) -> int:
        stop = self._timeline.stop
        # What returns is left: in its place there may be another one of the same depth.
        return stop.depth - (stop.event == "return")

    def _line_of(self, owner: str | None, **more: Any) -> dict[str, Any]:
        return {"kind": "line", "owner": owner, "own": self.is_own_only, **more}

    def _lines(self, **more: Any) -> dict[str, Any]:
        return self._line_of(self._timeline.stop.owner, **more)

    def _forward(self, *lines: dict[str, Any], steps: bool = True) -> Stop | None:
        owner = self._timeline.stop.owner
        here = self._timeline.position
        if here.line == 0 and not steps and self._timeline.stop.event == "step":
            # Before a step there is no frame to be in yet: its first line is where one goes on.
            lines = (self._line_of(owner),)
        own = self._steps[owner]
        at = bisect_right(own, here.step) - 1
        goal: dict[str, Any] = {"stops": [*lines, *([{"kind": "step", "owner": owner}] if steps else [])]}
        if own and at == len(own) - 1:
            # Nothing of it is left after this step: do not run to the end of the program in vain.
            goal["at"] = [self._ends[own[at] - 1], 0]
        return self._timeline.look_forward(goal)

    def _backward(self, line: dict[str, Any], *, steps: bool = True) -> Stop | None:
        timeline = self._timeline
        owner, here = timeline.stop.owner, timeline.position
        if not owner.startswith(("T", "callback")):
            found = timeline.last_before(here, {"stops": [line]})
            return None if found is None else timeline.goto(Position(found[0], found[1]))
        own = self._steps[owner]
        at = bisect_right(own, here.step) - 1
        end = here
        while at >= 0:
            first = Position(own[at])
            if end > first:
                found = timeline.last_before(end, {"stops": [line]}, first)
                if found is not None:
                    return timeline.goto(Position(found[0], found[1]))
                if steps:
                    return timeline.goto(first)
            at -= 1
            end = Position(self._ends[own[at] - 1]) if at >= 0 else START
        return None
