"""What the interpreter keeps for each thread, beside its stack: the values of ``threading.local``."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from typing import Any, Final

_dictionary: Final = ctypes.pythonapi.PyThreadState_GetDict
_dictionary.restype = ctypes.c_void_p
_here: Final = ctypes.pythonapi.PyThreadState_Get
_here.restype = ctypes.c_void_p

_STATE_BYTES: Final = 2048
"""So far a state is looked through; it lies in a page of the heap, or in a larger structure."""


def _find_keys() -> int:
    """Return where in a thread's state (3.13) the key of its ``threading.local`` values is, or -1.

    The key is followed by the object whose end drops the values. Nothing gives their place away but
    their values: a ``threading.local`` refers to both.
    """
    probe = threading.local()
    probe.value = 1
    keys: list[Any] = []
    for found in gc.get_referents(probe):
        if isinstance(found, dict | set):
            keys.extend(found)
    if len(keys) != 2:
        return -1
    key, reference = keys
    sentinel = reference()
    address = _here()
    for offset in range(0, _STATE_BYTES, 8):
        pair = (ctypes.c_size_t * 2).from_address(address + offset)
        if pair[0] == id(key) and pair[1] == id(sentinel):
            return offset
    return -1


_keys_at: Final = _find_keys() if sys.version_info >= (3, 13) else -1


def _keys() -> Any:
    return (ctypes.c_size_t * 2).from_address(_here() + _keys_at)


def drop_locals(but: Any) -> None:
    """Let go of what ``threading.local`` keeps for this thread, now; except for the values of ``but``.

    The interpreter does so later, when nobody can know any more whose thread it was.
    """
    if _keys_at >= 0:
        # Another key: the thread goes on with no values at all.
        kept = vars(but).copy()
        pair = _keys()
        old = [value for value in (pair[0], pair[1]) if value]
        pair[0] = pair[1] = 0
        vars(but).update(kept)
        for value in reversed(old):
            ctypes.pythonapi.Py_DecRef(ctypes.c_void_p(value))
        return
    address = _dictionary()
    if address:
        state = ctypes.cast(address, ctypes.py_object).value
        own = f"{id(but):#x}"
        for key in list(state):
            if type(key) is str and key.startswith("thread.local.") and not key.endswith(own):
                state.pop(key, None)
