"""When the program imports trio, the seams are put in place; trio is not imported otherwise."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn

from replay.errors import ReplayError
from replay.options import ExitCode
from replay.runtime import real
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, nothing
from replay.runtime.divergence import add_loop
from replay.runtime.report import tell
from replay.runtime.trio_ import seams
from replay.runtime.trio_.hooks import Hooks
from replay.runtime.trio_.live import LiveHooks
from replay.runtime.trio_.recorded import RecordedHooks


class Doors:
    """What trio's threads and its loop ask of each other."""

    def __init__(self, boundary: Installer) -> None:
        self.count = boundary.bind(Door("trio.entry_queue", request=nothing, blocking=True), _call)
        self.is_cancelled = boundary.bind(Door("trio.is_cancelled", request=nothing, blocking=True), _call)


def _call(function: Callable[[], Any]) -> Any:
    return function()


def install(boundary: Installer) -> Callable[[Any], None]:
    """Return what is to be done when trio has been imported.

    Raises:
      ReplayError: it has been, before the boundary was there.
    """
    if "trio" in sys.modules:
        raise ReplayError(
            "trio was imported before the recorder was in place",
            hint="something that Python runs at its start imports it: a .pth file, or sitecustomize",
        )
    doors = Doors(boundary)
    world = boundary.world
    hooks = _hooks(world, doors)

    def imported(module: Any) -> None:
        if not hasattr(module, "__path__"):
            return  # a file of the program's own, that is called so
        try:
            seams.install(hooks)
        except ReplayError as error:
            if not world.is_replay and world.is_abandoned:
                return  # nothing is recorded, so nothing needs to be as it must be for that
            _refuse(world, error)
        add_loop(f"{module.__path__[0]}/", _task)

    return imported


def _hooks(world: Any, doors: Doors) -> Hooks:
    if world.is_replay:
        return RecordedHooks(world, doors)
    if world.has_system:
        return LiveHooks(world, doors)
    hooks: Hooks = world.trio_hooks(world, doors)
    return hooks


def _task() -> str | None:
    context = sys.modules["trio._core._run"].GLOBAL_RUN_CONTEXT
    task = getattr(context, "task", None)
    return None if task is None else f"T{task._counter} {task.name}"


def _refuse(world: Any, error: ReplayError) -> NoReturn:
    """End the process: what this trio does could not be recorded, and so not be replayed."""
    if not world.is_replay and world.stop("refused", str(error)):
        world.on_stop(True)
    tell(f"{error}\n\nhint: {error.hint}" if error.hint else f"{error}")
    real.exit_now(ExitCode.PROGRAM_USAGE)
