"""Asks differently for what is refused, when a file is there that it asks the C library about.

python leak_other_refusals.py FILE (not | sooner | later | mask | other)
"""

import ctypes
import os
import select
import sys

changed = ctypes.CDLL(None).access(os.fsencode(sys.argv[1]), 0) == 0
kind = sys.argv[2] if changed else ""
inner, outer = os.pipe()
epoll = select.epoll()
print("before", flush=True)
epoll.register(outer, select.EPOLLOUT)
for _ in range(2 - (kind == "sooner") + (kind == "later")):
    epoll.modify(outer, select.EPOLLOUT)
try:
    if kind != "not":
        epoll.modify(outer if kind == "other" else inner, select.EPOLLPRI if kind == "mask" else select.EPOLLIN)
except FileNotFoundError:
    pass
print("after", flush=True)
