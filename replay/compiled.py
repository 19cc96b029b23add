"""What is compiled, where it is: a part of the recorder, and what brings a process back (``_rewind.c``).

``_compiled.c`` has the usual case of a few functions that are entered for each message and each step. What is
recorded is the same without it; recording costs more. It is missing where there was no C compiler when the
package was installed, and left out if the variable ``REPLAY_PURE`` is set.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, Final

PURE: Final = "REPLAY_PURE"
"""Variable that says to do without."""


_INTERFACES: Final = {"replay._compiled": 2, "replay._rewind": 2}
"""As ``INTERFACE`` of the C files: a build of another one, left in a checkout, is passed over."""


def _load(name: str) -> Any:
    if os.environ.get(PURE):
        return None
    try:
        module = import_module(name)
    except ImportError:  # not built, or not for this Python
        return None
    del sys.modules[name]  # programs look through these, and a replay may be without it
    return module if getattr(module, "INTERFACE", 0) == _INTERFACES[name] else None


compiled: Final = _load("replay._compiled")
"""The module of the recorder, or None."""


def rewinding() -> Any:
    """Return the module by which a process goes back to an earlier state of itself, or None."""
    return _load("replay._rewind")
