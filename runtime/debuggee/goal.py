"""What a run is for: until when it goes on, which lines must be seen for that, which places meet it.

See ``replay.protocol`` for the form in which a client says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import CodeType, FrameType
from typing import Any, Final

from replay.runtime.debuggee.lines import NOT_COUNTED, OWN, kinds, traceback_of
from replay.runtime.debuggee.noticed import Awaits, Consumed, Noticed
from replay.runtime.debuggee.watch import Watch

NEVER: Final = 1 << 62
_LINES: Final = ("line", "place", "raise")
_CAUSES: Final = ("wake", "cancelled")

MOST_MET: Final = 200_000
"""So many matches are told at a time, of a goal that asks for all."""

MOST_BYTES: Final = 16_000_000
"""So much of what they sent, at a time."""


class Stop:
    """Where the program stands."""

    __slots__ = ("event", "frame", "reason", "value")

    def __init__(self, reason: str, frame: FrameType | None, event: str, value: object = None) -> None:
        self.reason = reason
        self.frame = frame
        self.event = event
        self.value = value


class Goal:
    """Until when to run."""

    def __init__(self, form: Mapping[str, Any]) -> None:
        step, line = form.get("at") or (NEVER, 0)
        self.step: int = step
        self.line: int = line
        step, line = form.get("since") or (-1, 0)
        self.since: tuple[int, int] = (step, line)
        step, line = form.get("until") or (NEVER, 0)
        self.until: tuple[int, int] = (step, line)
        stops = form.get("stops") or ()
        self.for_steps = [one for one in stops if one["kind"] == "step"]
        self.for_lines = [one for one in stops if one["kind"] in _LINES]
        awaits = [one for one in stops if one["kind"] == "await"]
        self.awaits = Awaits(awaits) if awaits else None
        self.cancels = [one for one in stops if one["kind"] == "cancel"]
        self.noticed: list[Noticed] = [
            Watch(one) if one["kind"] == "watch" else Consumed(one)
            for one in stops
            if one["kind"] in ("watch", "event")
        ]
        self.sent = next((one for one in stops if one["kind"] == "sent"), None)
        self.causes = [one for one in stops if one["kind"] in _CAUSES]
        self.at_signals = bool(form.get("signals"))
        self.is_last = bool(form.get("last"))
        self.is_rough = bool(form.get("rough"))
        self._places = [*(one for one in self.for_lines if one["kind"] == "place"), *awaits]
        self.is_all = bool(form.get("all"))
        self.most: int = form.get("most") or MOST_MET
        self.pause_ns: int | None = form.get("pause_ns")
        self.met: list[list[Any]] = []
        self.bytes_count = 0
        owners = {one.get("owner") for one in self.for_lines}
        # Lines between steps have their place in the count of the step before.
        self.any_lines = (
            bool(self.noticed or self.cancels or awaits or self.causes)
            or None in owners
            or any(not str(one).startswith(("T", "callback")) for one in owners)
        )
        self.owners = owners
        self.is_between_steps = self.is_rough and any(one["kind"] == "line" for one in self.for_lines)

    def of_step(self, owner: str) -> Mapping[str, Any] | None:
        """Return the condition that a step of ``owner`` meets, or None."""
        return next((one for one in self.for_steps if one.get("owner") in (None, owner)), None)

    def wants_code(self, code: CodeType) -> bool:
        """Whether some line of it is one where somebody wants to stop."""
        for one in self._places:
            # Most code is out of the question by its names alone.
            if one.get("lines") is None:
                if one["name"] in (code.co_name, code.co_qualname):
                    return True
            elif code.co_filename == one.get("path", code.co_filename) and any(
                line in one["lines"] for _, _, line in code.co_lines()
            ):
                return True
        return False

    def wants_line(self, code: CodeType, line: int) -> bool:
        """Whether a line is one where somebody wants to stop."""
        return any(is_place(one, code, line) for one in self._places)

    def wants_lines(self, step: int, running: Iterable[str]) -> bool:
        """Whether lines must be seen in a step, with those ``running``: in it, or in one of a thread."""
        return (step == self.step and self.line > 0) or self.any_lines or not self.owners.isdisjoint(running)

    @property
    def is_full(self) -> bool:
        """Whether so much is met that it has to be told before one goes on."""
        return self.is_all and (len(self.met) >= self.most or self.bytes_count >= MOST_BYTES)

    @property
    def has_places(self) -> bool:
        """Whether it is certain lines of certain code that are wanted."""
        return bool(self._places)


def depth_of(frame: FrameType | None) -> int:
    """Return how many frames there are on the stack, this one included."""
    count = 0
    while frame is not None:
        count += 1
        frame = frame.f_back
    return count


def matches(one: Mapping[str, Any], frame: FrameType, event: str, value: object) -> bool:
    """Whether an event of a line is what a stop condition says, but for its owner and its expression."""
    kind = one["kind"]
    code: CodeType = frame.f_code
    if kind == "line":
        if one.get("own") and kinds[code.co_filename] != OWN:
            return False
        events = one.get("events")
        if events is not None and event not in events:
            return False
        depth = one.get("depth")
        return depth is None or depth_of(frame) <= depth
    if kind == "place":
        return event == "line" and is_place(one, code, frame.f_lineno)
    # Of each frame that an exception passes through, the one where it comes from.
    return (
        event == "raise"
        and one["name"] in (None, *(base.__name__ for base in type(value).__mro__))
        and _comes_from(value, frame)
    )


def is_place(one: Mapping[str, Any], code: CodeType, line: int) -> bool:
    """Whether a line is one of a place: by its number, or the first one (of an await: any) of a function."""
    if code.co_filename != one.get("path", code.co_filename):
        return False
    if one.get("lines") is not None:
        return line in one["lines"]
    if one["name"] not in (code.co_name, code.co_qualname):
        return False
    return one["kind"] == "await" or line == _first_line(code)


def _comes_from(error: object, frame: FrameType) -> bool:
    """Whether an exception is raised in this frame for the first time; in what is not counted, it was not."""
    traceback = traceback_of(error)
    if traceback is None:
        return True
    if traceback.tb_frame is not frame:
        return False
    while (traceback := traceback.tb_next) is not None:
        if kinds[traceback.tb_frame.f_code.co_filename] != NOT_COUNTED:
            return False
    return True


def _first_line(code: CodeType) -> int:
    lines_of = [line for _, _, line in code.co_lines() if line is not None and line > code.co_firstlineno]
    return min(lines_of, default=code.co_firstlineno)
