"""Doors of ``faulthandler``: C code that writes where all threads stand, at a signal or after some time.

A replay takes as long as whoever looks at it: what watches over the program must not end it there. What is
written goes past the recorder.
"""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import Callable
from typing import Any, Final

from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door
from replay.runtime.tracebacks import unseen

_kept: Final[dict[str, Any]] = {}
"""The files that are written to later, as ``faulthandler`` itself keeps them open."""


def install(boundary: Installer, say: Callable[[], None]) -> None:
    """Put the doors in place; ``say`` names what is not recorded."""

    def door(name: str) -> Callable[..., Any]:
        return boundary.bind(Door(f"faulthandler.{name}", effect=True), getattr(faulthandler, name))

    dump, later, at_signal = door("dump_traceback"), door("dump_traceback_later"), door("register")

    @unseen
    def dump_traceback(file: Any = None, all_threads: bool = True) -> None:
        """Dump the traceback of the current thread into file."""
        say()
        dump(_descriptor(file), all_threads)

    @unseen
    def dump_traceback_later(
        timeout: float, repeat: bool = False, file: Any = None, exit: bool = False
    ) -> None:
        """Dump the traceback of all threads after so many seconds, perhaps again, or end the process then."""
        say()
        later(timeout, repeat, _descriptor(file), exit)
        _kept["later"] = file

    @unseen
    def register(signum: int, file: Any = None, all_threads: bool = True, chain: bool = False) -> None:
        """Dump the traceback when a signal comes."""
        say()
        at_signal(int(signum), _descriptor(file), all_threads, chain)
        _kept[f"signal {int(signum)}"] = file

    for function in (dump_traceback, dump_traceback_later, register):
        boundary.replace(faulthandler, function.__name__, function)
    for name in ("cancel_dump_traceback_later", "unregister"):
        boundary.door(Door(f"faulthandler.{name}", effect=True), faulthandler, name)


def _descriptor(file: Any) -> Any:
    """Return what the C code makes of a file; that runs Python code, which must not be behind a door."""
    if isinstance(file, int):
        return file
    if file is None:
        file = sys.stderr
        if file is None:
            raise RuntimeError("sys.stderr is None")
    number = file.fileno()
    try:
        file.flush()
    except Exception:  # as there
        pass
    return number
