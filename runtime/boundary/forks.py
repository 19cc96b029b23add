"""Doors of ``os`` that start a child process, and what the program wants done around a fork.

Functions given to ``os.register_at_fork`` are the program's own code: they run outside the door, recorded,
and in a replay too, where nothing is forked. Those that were given before the program began are the standard
library's and ours; the interpreter calls them, inside the door.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

from replay.runtime import unrecorded
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door
from replay.runtime.hot import hot
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip, unseen

_Hook = Callable[[], object]

_HOOKS: Final[dict[str, list[_Hook]]] = {"before": [], "after_in_child": [], "after_in_parent": []}


def install(boundary: Installer) -> None:
    """Put the doors of starting a process by ``os`` in place."""
    if not boundary.is_replay:
        os.register_at_fork(after_in_child=boundary.world.leave)
    boundary.replace(os, "register_at_fork", register_at_fork)
    door = boundary.bind(Door("os.fork", effect=True), os.fork)

    @unseen
    def fork() -> int:
        unrecorded.say_child(sys._getframe(2), unrecorded.FORK)
        pid: int = around(door, lambda pid: pid == 0)
        return pid

    boundary.replace(os, "fork", fork)
    door_of_terminal = boundary.bind(Door("os.forkpty", effect=True), os.forkpty)

    @unseen
    def forkpty() -> tuple[int, int]:
        unrecorded.say_child(sys._getframe(2), unrecorded.CHILD)
        found: tuple[int, int] = around(door_of_terminal, lambda found: found[0] == 0)
        return found

    boundary.replace(os, "forkpty", forkpty)


@unseen
def register_at_fork(**hooks: _Hook) -> None:
    """Register callables to be called when forking a new process; as ``os.register_at_fork``."""
    for name in hooks:
        if name not in _HOOKS:
            raise TypeError(f"{name!r} is an invalid keyword argument for register_at_fork()")
    if not hooks:
        raise TypeError("At least one argument is required.")
    given = [(name, hooks[name]) for name in _HOOKS if name in hooks]
    for name, hook in given:
        if not callable(hook):
            raise TypeError(f"'{name}' must be callable, not {type(hook).__name__}")
    for name, hook in given:
        _HOOKS[name].append(hook)


def around(fork: Callable[[], Any], is_child: Callable[[Any], bool]) -> Any:
    """Call ``fork``, and the program's hooks before and after it."""
    call_hooks("before")
    try:
        found = fork()
    except OSError:
        call_hooks("after_in_parent")
        raise
    if is_child(found):  # the door has made this thread's stream the running one again
        current.stream = None
        hot.append = None
        call_hooks("after_in_child")
    else:
        call_hooks("after_in_parent")
    return found


def call_hooks(name: str) -> None:
    """Call the program's hooks of one kind, as the interpreter does: what they raise is told, and ignored."""
    for hook in _HOOKS[name][:: -1 if name == "before" else 1]:
        try:
            hook()
        except BaseException as error:
            strip(error)
            sys.unraisablehook(
                SimpleNamespace(  # pyright: ignore[reportArgumentType] - its own type has no public name
                    exc_type=type(error),
                    exc_value=error,
                    exc_traceback=error.__traceback__,
                    err_msg=None,
                    object=hook,
                )
            )
