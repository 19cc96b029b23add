"""Collection of garbage, at places that a replay finds again.

The interpreter's own collections come after so many allocations, and a recorder does not allocate
what a replay allocates; finalizers and weak references would then run elsewhere. So automatic
collection is off in both, the world collects at turns of the loop and notes it, and what the program
asks of ``gc`` is answered as if collection were automatic.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door


class Garbage:
    """What the program believes of automatic collection."""

    def __init__(self) -> None:
        self.is_enabled = True


garbage = Garbage()


def install(boundary: Installer) -> None:
    """Turn automatic collection off, and answer for it."""
    gc.disable()

    def enable() -> None:
        garbage.is_enabled = True

    def disable() -> None:
        garbage.is_enabled = False

    def isenabled() -> bool:
        return garbage.is_enabled

    for function in (enable, disable, isenabled):
        boundary.replace(gc, function.__name__, function)
    for name in ("get_count", "get_stats"):
        boundary.door(Door(f"gc.{name}"), gc, name)
    boundary.replace(gc, "collect", _collect(boundary))


def _collect(boundary: Installer) -> Callable[[int], int]:
    collect = gc.collect
    # What was found is an answer of the outside; the collection itself happens in both runs, since
    # finalizers and weak references are the program's.
    answer = boundary.bind(
        Door("gc.collect", request=lambda args, kwargs: args[0]), lambda generation, found: found
    )

    def collect_(generation: int = 2) -> int:
        return answer(generation, collect(generation))  # type: ignore[no-any-return]

    collect_.__name__ = collect_.__qualname__ = "collect"
    return collect_
