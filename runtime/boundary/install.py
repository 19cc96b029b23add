"""Puts the boundary in place: asks each kind of door for its rows, and the world for what they become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from replay.recording.events import FIRST_DOOR, TAG_MASK
from replay.runtime.boundary.table import Door, Replacements, nothing

_KEEPS_REAL = (
    "replay.",
    "importlib",
    "_frozen_importlib",
    "posix",
    "zipimport",
    "msgspec",
    "zstandard",
)


class Names:
    """Tags of doors in one recording, given out as the rows come."""

    def __init__(self, recorded: list[str] | None = None) -> None:
        self.recorded = recorded is not None
        self.tags: dict[str, int] = {name: FIRST_DOOR + at for at, name in enumerate(recorded or ())}

    def add(self, name: str) -> int:
        """Return the tag of the door, giving out the next one while recording."""
        found = self.tags.get(name)
        if found is None:
            if self.recorded:
                return TAG_MASK  # no event has it: whoever comes by this door leaves the recording
            found = self.tags[name] = FIRST_DOOR + len(self.tags)
            assert found < TAG_MASK
        return found


class Installer:
    """What a kind of door uses to put its rows in place."""

    def __init__(self, world: Any, names: Names) -> None:
        self.world = world
        self.names = names
        self.replacements = Replacements()
        self.outputs: Any = None
        """Knows which descriptors are the program's output (``descriptors.Outputs``)."""
        self.is_alone: Callable[[], bool]
        """Whether no thread but the main one goes on any more, once the program is over."""
        self._at_start: list[Callable[[], object]] = []

    @property
    def is_replay(self) -> bool:
        """Whether nothing may really happen."""
        return bool(self.world.is_replay)

    @property
    def has_system(self) -> bool:
        """Whether the sockets and threads of the program are the system's."""
        return bool(self.world.has_system)

    def door(self, door: Door, owner: Any, name: str) -> None:
        """Put a row in place of ``owner.name``, if this platform and version has it."""
        function = getattr(owner, name, None)
        if function is None:
            return
        self.replace(owner, name, self.bind(door, function))

    def bind(self, door: Door, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what a row becomes, for owners that put it in place themselves."""
        performed = self.world.performer(door.name, function)
        bound: Callable[..., Any] = self.world.bind(door, self.names.add(door.name), performed)
        return bound

    def clock(self, owner: Any, name: str) -> None:
        """Put a clock in seconds in place: it has a door of its own that is fast."""
        door = Door(f"{owner.__name__}.{name}", request=nothing)
        real = getattr(owner, name)
        function = self.world.performer(door.name, real)
        tag = self.names.add(door.name)
        general = self.world.bind(door, tag, function)
        if self.is_replay:
            replacement = self.world.clock(-tag)
        else:
            from replay.runtime import hot

            replacement = hot.clock(self.world, -tag, function, general)
        self.replace(owner, name, replacement)

    def replace(self, owner: Any, name: str, value: Any) -> Any:
        """Put ``value`` in place of ``owner.name``, and of copies of it; return what is there now."""
        return self.replacements.put(owner, name, value)

    def replace_instances(self, kind: type, make: Callable[[], Any]) -> None:
        """Replace the objects of a type that modules hold by new ones, made by ``make``."""
        self.replacements.add_kind(kind, make)

    def at_start(self, action: Callable[[], object]) -> None:
        """Do this as the first thing of the recorded run."""
        self._at_start.append(action)

    def finish(self) -> None:
        """Find copies made before."""
        self.replacements.sweep(lambda name: name.startswith(_KEEPS_REAL) or name in ("posix", "time"))

    def start(self) -> None:
        """Do what was asked for ``at_start``."""
        for action in self._at_start:
            action()
