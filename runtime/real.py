"""The real functions, held before the boundary replaces them in their modules.

Everything in ``replay.runtime`` that must reach the operating system itself takes it from here, so
that no door is ever entered by the machinery behind the doors.
"""

from __future__ import annotations

import _queue
import _socket
import _thread
import gc
import os
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

allocate_lock = _thread.allocate_lock
get_ident = _thread.get_ident
get_native_id = threading.get_native_id
start_new_thread = _thread.start_new_thread
SimpleQueue = _queue.SimpleQueue

monotonic = time.monotonic
monotonic_ns = time.monotonic_ns
sleep = time.sleep
pthread_kill = signal.pthread_kill
process_time_ns = time.process_time_ns

write = os.write
read = os.read
fstat = os.fstat
close = os.close
pipe2 = getattr(os, "pipe2", None)
getpid = os.getpid
eventfd = getattr(os, "eventfd", None)
eventfd_write = getattr(os, "eventfd_write", None)
exit_now = os._exit
abort = os.abort
access = os.access
kill = os.kill
unlink = os.unlink
getrlimit = resource.getrlimit
setrlimit = resource.setrlimit
replace = os.replace
CLOCK_MONOTONIC = time.CLOCK_MONOTONIC

poll = select.poll
_POLLOUT = select.POLLOUT
epoll = getattr(select, "epoll", None)

set_handler = signal.signal
get_handler = signal.getsignal
signal_mask = signal.pthread_sigmask
set_wakeup_fd = signal.set_wakeup_fd

gc_collect = gc.collect
gc_get_count = gc.get_count
gc_enable = gc.enable
gc_disable = gc.disable

Socket = _socket.socket
stderr_fd = 2
getframe = sys._getframe


def start_apart(function: Callable[..., object], args: tuple[Any, ...]) -> None:
    """Start a thread of ours, to which no signal comes: the program may have blocked it, to wait for it."""
    before = signal_mask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        start_new_thread(function, args)
    finally:
        signal_mask(signal.SIG_SETMASK, before)


def wait_until_writable(fd: int) -> None:
    """Wait for a descriptor that somebody made non-blocking."""
    poller = poll()
    poller.register(fd, _POLLOUT)
    poller.poll()
