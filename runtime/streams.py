"""Which stream of the recording the running thread belongs to.

Each thread of the program has one stream. ``current.stream`` is ``None`` in threads that are not
recorded, and inside a door whose real function is itself Python code that comes by other doors: what
these do is part of the outer door's result.
"""

from __future__ import annotations

import threading
from typing import Any


class Current(threading.local):
    """The running thread's stream; a class attribute is the cheapest default."""

    stream: Any = None


current = Current()
