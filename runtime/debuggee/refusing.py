"""What stands in place of the recording where nothing was recorded: for code that somebody evaluates."""

from __future__ import annotations

from typing import Final, NoReturn


class NotAtReplayError(RuntimeError):
    """What is evaluated wants something of the outside."""


class Refusing:
    """In place of a thread's stream: refuses what is asked of it, but locks, which nobody else wants."""

    number = -1
    is_main = False
    items: Final = ()
    pos = 0
    ident = None
    eager: Final = ()

    def __init__(self) -> None:
        self.puts = self.elided = 0

    def lock_is_elided(self, *, is_free: bool) -> bool:
        """Whether taking a lock is no hand-off: yes."""
        return True

    def __getattr__(self, name: str) -> NoReturn:
        raise NotAtReplayError("the outside cannot be reached from here: nothing was recorded of this")
