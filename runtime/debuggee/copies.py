"""Copies of this process, which are the same as it is."""

from __future__ import annotations

import asyncio
import ctypes
from typing import Final

_libc: Final = ctypes.PyDLL(None)


def fork() -> int:
    """Copy this process by the C library alone; the pid of the copy, or 0 in it.

    ``os.fork`` runs hooks of the program and of ``random`` in the copy, which is to be the same as this one.
    asyncio knows the running loop by the pid too.
    """
    loop = asyncio._get_running_loop()
    pid: int = _libc.fork()
    if pid == 0 and loop is not None:
        asyncio._set_running_loop(loop)
    return pid
