"""All commands of the debugger, by name."""

from __future__ import annotations

from typing import Final

from replay.cli.repl import (
    deadlocks,
    exceptions,
    helping,
    looking,
    moving,
    recorded,
    settings,
    stops,
    tasking,
)
from replay.cli.repl.command import Command

COMMANDS: Final[tuple[Command, ...]] = (
    *moving.COMMANDS,
    *stops.COMMANDS,
    *looking.COMMANDS,
    *tasking.COMMANDS,
    *exceptions.COMMANDS,
    *deadlocks.COMMANDS,
    *recorded.COMMANDS,
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
