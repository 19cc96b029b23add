"""Doors of files that C code reads by itself: memory maps, and (in ``databases``) the databases of sqlite3.

What such code reads cannot be recorded call by call. Recorded is what the file held when it was opened; a
replay works on that, in memory, and touches no file. What others write into the file later is not recorded,
nor what two connections that are open at once write for each other.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn

from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, without_self
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip

MAX_BYTES: Final = 16_000_000
"""More of one file is not kept; a replay stops where it would be needed."""


def refuse(
    world: Any,
    what: str,
    why: str = f"files above {MAX_BYTES // 1_000_000} MB that C code reads are not kept",
) -> NoReturn:
    """Stop the replay: what the program opens here is not in the recording."""
    raise world.diverge(
        current.stream,
        f"{what}, whose content is not in the recording",
        "the program opens it",
        why,
    )


def install(boundary: Installer, say: Callable[[], None]) -> None:
    """Put the door of memory maps in place; ``say`` names what is not recorded of them."""
    world = boundary.world
    make = mmap.mmap.__new__

    def content(made: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes | None:
        with suppress(TypeError, ValueError):  # it may not be read
            if len(made) <= MAX_BYTES:
                return made[:]  # type: ignore[no-any-return]
        return None

    def from_content(value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if value is None:
            refuse(world, f"a memory map of descriptor {args[1]}")
        made = make(args[0], -1, len(value))
        made[:] = value
        return made

    door = boundary.bind(
        Door("mmap.mmap", request=without_self, captured=content, replayed=from_content), make
    )

    ask_size = boundary.bind(Door("mmap.size", request=without_self), mmap.mmap.size)

    class Mapping(mmap.mmap):
        """A memory map; of a file it comes by the door."""

        def __new__(cls, fileno: int, length: int, *args: Any, **kwargs: Any) -> Any:
            try:
                if fileno == -1 or current.stream is None:
                    return make(cls, fileno, length, *args, **kwargs)
                say()
                return door(cls, fileno, length, *args, **kwargs)
            except BaseException as error:
                strip(error)
                raise

        def size(self) -> int:
            """Return the size of the file, which may be larger than what is mapped."""
            try:
                found: int = ask_size(self)
                return found
            except BaseException as error:
                strip(error)
                raise

    Mapping.__name__ = Mapping.__qualname__ = "mmap"
    Mapping.__module__ = "mmap"
    boundary.replace(mmap, "mmap", Mapping)
