"""Doors of C modules that few programs import: the log of the system, memory that processes share.

They are put in place when the program imports the module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door
from replay.runtime.tracebacks import unseen

_EFFECTS: Final = {
    "syslog": ("closelog", "openlog", "setlogmask", "syslog"),
    "_posixshmem": ("shm_open", "shm_unlink"),
}
"""Change something that others could see."""


def watched(boundary: Installer) -> dict[str, Callable[[Any], None]]:
    """Return, by the name of the module, what is to be done when it has been imported."""
    found = {}
    for module, names in _EFFECTS.items():
        install = _installing(boundary, module, names)
        if module in sys.modules:
            install(sys.modules[module])
        else:
            found[module] = install
    return found


def _installing(boundary: Installer, module: str, names: tuple[str, ...]) -> Callable[[Any], None]:
    real: dict[str, Callable[..., Any]] = {}

    def door(name: str) -> Callable[..., Any]:
        row = Door(f"{module}.{name}", effect=True)
        # Bound now: a recording says at its beginning which doors there are.
        return unseen(boundary.bind(row, lambda *args, **kwargs: real[name](*args, **kwargs)))

    doors = {name: door(name) for name in names}

    def install(imported: Any) -> None:
        for name, replacement in doors.items():
            function = getattr(imported, name, None)
            if function is not None:
                real[name] = function
                replacement.__name__ = replacement.__qualname__ = name
                replacement.__doc__ = function.__doc__
                boundary.replace(imported, name, replacement)

    return install
