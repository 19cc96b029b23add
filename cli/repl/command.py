"""What a command of the debugger is, and what comes of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from replay.errors import ReplayError, UsageError

if TYPE_CHECKING:
    from replay.cli.repl.state import State

Takes = Literal["", "command", "expression", "file", "place", "position", "range", "setting", "task", "topic"]
"""What stands after a command's name; completion goes by it."""


@dataclass(slots=True)
class Result:
    """What comes of a command.

    Attributes:
      lines: text for people; painted, if there is colour.
      data: the same for programs, in values that JSON has.
      error: why it failed; None if it did not.
      diverged: the replay stopped here, because it is not the recorded run.
      quits: the session is to end.
      then: lines to run after it.
    """

    lines: list[str] = field(default_factory=list)
    data: object = None
    error: ReplayError | None = None
    diverged: bool = False
    quits: bool = False
    then: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the command did what it was to do."""
        return self.error is None


Handler = Callable[["State", str], Result]
"""Runs a command with the text after its name.

Raises:
  ReplayError: it cannot be done; nothing has changed.
"""


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table of commands.

    Attributes:
      name: in full.
      group: the heading it stands under in the help.
      synopsis: name, abbreviations are added; what may follow it.
      summary: what it does, in a sentence without a full stop.
      examples: two, each a line that may be typed.
      see: names of other commands.
      run: does it.
      short: other names.
      takes: what follows it.
      is_motion: goes elsewhere; an empty line does it again.
      needs_replay: cannot be done with the file alone.
    """

    name: str
    group: str
    synopsis: str
    summary: str
    examples: tuple[str, str]
    see: tuple[str, ...]
    run: Handler
    short: tuple[str, ...] = ()
    takes: Takes = ""
    is_motion: bool = False
    needs_replay: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """What the rows of one heading have in common; see `Command`."""

    name: str
    takes: Takes = ""
    is_motion: bool = False
    needs_replay: bool = False

    def row(
        self,
        name: str,
        synopsis: str,
        summary: str,
        examples: tuple[str, str],
        see: tuple[str, ...],
        run: Handler,
        short: tuple[str, ...] = (),
        takes: Takes | None = None,
    ) -> Command:
        """Return a row of the table of commands."""
        return Command(
            name,
            self.name,
            synopsis,
            summary,
            examples,
            see,
            run,
            short,
            self.takes if takes is None else takes,
            self.is_motion,
            self.needs_replay,
        )


def no_more(text: str, what: str) -> None:
    """Refuse what stands after a command that takes nothing.

    Raises:
      UsageError: there is something.
    """
    if text:
        raise UsageError(f"`{what}` takes nothing after its name: {text!r:.60}")


def count_of(text: str, what: str) -> int:
    """Return how often something is to be done: 1, if nothing is said.

    Raises:
      UsageError: it is no such number.
    """
    if not text:
        return 1
    if text.isascii() and text.isdigit() and 0 < len(text) < 8 and int(text) > 0:
        return int(text)
    raise UsageError(f"`{what}` takes a number of times: {text!r:.60}", hint=f"`!{what} {text}` is Python")
