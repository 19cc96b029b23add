"""What a session at the prompt remembers beside the place where it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from replay.cli.repl.sources import SourceBook
from replay.cli.style import Style
from replay.errors import ReplayError
from replay.positions import Position
from replay.recording.recording import Step, Task
from replay.timeline.debuggee import Stop
from replay.timeline.session import Failure, Sent, Session, Wake

if TYPE_CHECKING:
    from replay.cli.repl.stops import Breakpoint

USUAL_WIDTH = 100
"""Columns of text that is not for a terminal."""


class Bounds(NamedTuple):
    """A part of the run, with both its ends."""

    first: Position
    last: Position

    def __str__(self) -> str:
        return f"{self.first} and {self.last}"

    def nearest(self, position: Position) -> Position:
        """Return the place in it that is nearest to one."""
        return min(max(position, self.first), self.last)


@dataclass(slots=True)
class Settings:
    """What `set` changes.

    Attributes:
      width: columns; None is those of the terminal.
      pager: long output is shown by the page, on a terminal.
      color: commands paint what they print.
      internals: frames of libraries and of Python itself are shown, and stepped into.
      json: each command prints one JSON object.
      editing: the keys of the line, ``emacs`` or ``vi``.
    """

    width: int | None = None
    pager: bool = True
    color: bool = False
    internals: bool = False
    json: bool = False
    editing: str = "emacs"


@dataclass(slots=True)
class State:
    """A session at the prompt.

    Attributes:
      session: the recording and its replay.
      settings: what `set` changes.
      columns: of the terminal.
      frame: the frame that one looks at, 0 is the innermost; None: the innermost of the program's own.
      task: whose frames one looks at; None: those of whoever runs here.
      bookmarks: places with a name.
      notes: what was written down about places.
      past: where one was before, the last one last.
      future: where one was before `back`.
      bounds: the part of the run that motions stay in; None: all of it.
      breakpoints: where to stop, by number.
      collecting: the stop whose commands are being given, and those so far.
      displays: expressions that are shown at each stop, with what each was last.
      aliases: other names for commands.
      lines: what was typed.
      last_motion: what an empty line does again.
      listed: the next line that `list` shows, if one goes on with it.
      reason: how one came here, in a few words.
      is_interactive: somebody is at a terminal.
    """

    session: Session
    settings: Settings = field(default_factory=Settings)
    columns: int = USUAL_WIDTH
    frame: int | None = None
    task: int | None = None
    bookmarks: dict[str, Position] = field(default_factory=dict)
    notes: list[tuple[Position, str]] = field(default_factory=list)
    past: list[Position] = field(default_factory=list)
    future: list[Position] = field(default_factory=list)
    bounds: Bounds | None = None
    breakpoints: dict[int, Breakpoint] = field(default_factory=dict)
    collecting: tuple[int, list[str]] | None = None
    displays: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    last_motion: str = ""
    listed: tuple[str, int] | None = None
    reason: str = ""
    is_interactive: bool = False
    sources: SourceBook = field(init=False)
    _names: dict[int, str] | None = None
    _steps_of: dict[int, list[Step]] | None = None
    _sent: dict[int, dict[tuple[int, int], Sent]] = field(default_factory=dict)
    _wakes: dict[int, list[Wake]] | None = None
    _failure: tuple[Failure | None] | None = None

    def __post_init__(self) -> None:
        header = self.session.recording.header
        self.sources = SourceBook(self.session.path, header.get("cwd"), header.get("script"))

    @property
    def style(self) -> Style:
        """How text is painted."""
        return Style(self.settings.color and not self.settings.json)

    @property
    def width(self) -> int:
        """Columns that there are."""
        return self.settings.width or self.columns

    @property
    def can_replay(self) -> bool:
        """Whether there is a replay, and not just a file."""
        return self.session.refusal is None

    def need_replay(self, name: str) -> None:
        """Refuse a command where there is no replay.

        Raises:
          ReplayError: there is none; says why.
        """
        refusal = self.session.refusal
        if refusal is not None:
            told = f"`{name}` needs a replay, and there is none: {refusal.message}"
            raise ReplayError(told, hint=refusal.hint)

    @property
    def stop(self) -> Stop | None:
        """Where one is; None if there is no replay."""
        return self.session.stop if self.can_replay else None

    @property
    def position(self) -> Position | None:
        """Where one is, in short."""
        stop = self.stop
        return None if stop is None else stop.position

    @property
    def end(self) -> Position:
        """The end of the run."""
        return Position(len(self.session.steps) + 1)

    def forbids(self, position: Position) -> Bounds | None:
        """Return the bounds that a place is out of; None if motions may go there."""
        return None if self.bounds is None or self.bounds.nearest(position) == position else self.bounds

    def steps_of(self, task: int) -> list[Step]:
        """Return the steps of a task, in order."""
        if self._steps_of is None:
            found: dict[int, list[Step]] = {}
            for step in self.session.steps:
                found.setdefault(step.task, []).append(step)
            self._steps_of = found
        return self._steps_of.get(task, [])

    def wakes(self) -> dict[int, list[Wake]]:
        """Return where each task was woken, in the whole run; found once."""
        if self._wakes is None:
            found: dict[int, list[Wake]] = {}
            for wake in self.session.wakes(Position(0), self.end):
                found.setdefault(wake.task, []).append(wake)
            self._wakes = found  # all of them, or none: this may be interrupted
        return self._wakes

    def sent(self, size: int) -> dict[tuple[int, int], Sent]:
        """Return so many bytes of what went out each time, by thread and item of its event; found once."""
        if size not in self._sent:
            self._sent = {size: self.session.sent(size)}
        return self._sent[size]

    def made(self, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        """Return those that are made where one is, as far as that is known: the replay knows it."""
        stop = self.stop
        if stop is None or stop.has_ended:
            return tasks
        last: int = self.session.inspect("made")
        return tuple(task for task in tasks if task.id <= last)

    def failure(self) -> Failure | None:
        """Return where the run failed, found once."""
        if self._failure is None:
            self._failure = (self.session.failure(),)
        return self._failure[0]

    def time_ns(self, position: Position) -> int | None:
        """Return when the step of a place began, since the recording did; at the end, when that was."""
        steps = self.session.steps
        if not steps or not position.step:
            return None
        if position.step > len(steps):
            ended_ns = steps[-1].start_ns + (steps[-1].run_ns or 0)
            return max(ended_ns, self.session.recording.survey().duration_ns)
        return steps[position.step - 1].start_ns

    def loop_ns(self, when: float) -> int | None:
        """Return a time of the event loop that runs here as one since the recording began."""
        here, steps = self.position, self.session.steps
        if here is None or not steps:
            return None
        origin_ns = self.session.clock_origin_ns(steps[min(max(here.step, 1), len(steps)) - 1].stream)
        return None if origin_ns is None else round(when * 1e9) - origin_ns

    def owner_name(self, owner: str) -> str:
        """Return what the owner of a place is called: a task by its name."""
        if owner[:1] == "T" and owner[1:].isdigit():
            if self._names is None:
                self._names = {task.id: task.name for task in self.session.tasks()}
            return self._names.get(int(owner[1:]), owner)
        return owner.partition("@")[0]
