"""Copies of this process, which are the same as it is, and what connects one with its client."""

from __future__ import annotations

import asyncio
import ctypes
import socket
from typing import Final

_libc: Final = ctypes.PyDLL(None)


def fork() -> int:
    """Copy this process by the C library alone; the pid of the copy, or 0 in it.

    ``os.fork`` runs hooks of the program and of ``random`` in the copy, which is to be the same as this one.
    asyncio knows the running loop by the pid too.

    Raises:
      OSError: the system makes no further process.
    """
    loop = asyncio._get_running_loop()
    pid: int = _libc.fork()
    if pid < 0:  # as a pid, this would mean every process
        raise OSError("the system makes no further process")
    if pid == 0 and loop is not None:
        asyncio._set_running_loop(loop)
    return pid


def connected_pair() -> tuple[int, int]:
    """Return two descriptors that are connected, by the C library alone.

    Python's sockets are the program's here: they stand for recorded ones, and have its default timeout.

    Raises:
      OSError: the process has too many open.
    """
    pair = (ctypes.c_int * 2)()
    if _libc.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, 0, pair):
        raise OSError("too many open files")
    return pair[0], pair[1]
