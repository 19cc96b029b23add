"""All commands of the debugger, by name."""

from __future__ import annotations

from typing import Final

from replay.cli.repl import (
    choices,
    contexts,
    deadlocks,
    exceptions,
    helping,
    looking,
    moving,
    origins,
    recorded,
    settings,
    stops,
    tasking,
)
from replay.cli.repl.command import Command

COMMANDS: Final[tuple[Command, ...]] = (
    *moving.COMMANDS,
    *choices.COMMANDS,
    *stops.COMMANDS,
    *looking.COMMANDS,
    *tasking.COMMANDS,
    *contexts.COMMANDS,
    *deadlocks.COMMANDS,
    *exceptions.COMMANDS,
    *recorded.COMMANDS,
    *origins.COMMANDS,
    *helping.COMMANDS,
    *settings.COMMANDS,
)
_BY_NAME: Final = {name: command for command in COMMANDS for name in (command.name, *command.short)}


def find(name: str) -> Command | None:
    """Return the command of a name or abbreviation; None if there is none."""
    return _BY_NAME.get(name)


def names() -> list[str]:
    """Return all names, abbreviations too."""
    return list(_BY_NAME)
