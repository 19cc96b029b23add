"""Randomness and identity in the simulated world: drawn from the seed, or fixed."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from typing import Any, Final, NoReturn

from replay.runtime.worlds.simulated.description import fail

PID: Final = 4711
HOST: Final = "simulated"
"""The name of the machine that the program runs on."""

_PARENT_PID: Final = 1
_NODE: Final = 0x02_00_00_00_00_01


class Entropy:
    """The calls.

    Args:
      seed: what they follow from.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"entropy {seed}")

    def table(self) -> dict[str, Callable[..., Any]]:
        """Return what answers each door."""
        return {
            "os.urandom": self.draw,
            "os.getrandom": lambda size, flags=0: self.draw(size),
            "ssl.RAND_bytes": self.draw,
            "ssl.RAND_pseudo_bytes": lambda size: (self.draw(size), True),
            "uuid.generate_time_safe": lambda: (self.draw(16), 0),
            "uuid.getnode": lambda *args, **kwargs: _NODE,
            "os.getpid": lambda: PID,
            "threads.stand_still": lambda: True,
            "os.getppid": lambda: _PARENT_PID,
            "os.pidfd_open": _no_process,
            "os.getpgrp": lambda: PID,
            "os.getpgid": _group,
            "os.getsid": _group,
            "os.getloadavg": lambda: (0.0, 0.0, 0.0),
            "socket.gethostname": lambda: HOST,
            "os.uname": _uname,
        }

    def draw(self, size: int) -> bytes:
        """Return so many bytes."""
        if size < 0:
            raise ValueError("negative argument not allowed")
        return self._random.randbytes(size)


def _group(pid: int) -> int:
    if pid not in (0, PID):
        raise fail(errno.ESRCH)
    return PID


def _no_process(*args: Any) -> NoReturn:
    raise fail(errno.ENOSYS)  # as of a kernel that has none: there are no children to wait for


_real_uname = os.uname


def _uname() -> os.uname_result:
    found = _real_uname()
    return os.uname_result((found.sysname, HOST, found.release, found.version, found.machine))
