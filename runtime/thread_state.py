"""What the interpreter keeps for each thread, beside its stack: values of ``threading.local``, and settings.

Two parts of this project need it: a thread's values are dropped while what their finalizers do can still be
told to be the thread's; and threads that take turns on one kernel thread (``carriers``) each have their own.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
import threading
from types import FrameType
from typing import Any, Final

_dictionary: Final = ctypes.pythonapi.PyThreadState_GetDict
_dictionary.restype = ctypes.c_void_p
_here: Final = ctypes.pythonapi.PyThreadState_Get
_here.restype = ctypes.c_void_p

_STATE_BYTES: Final = 2048
"""So far a state is looked through; it lies in a page of the heap, or in a larger structure."""

_get_loop, _set_loop = asyncio._get_running_loop, asyncio._set_running_loop
_get_hooks, _set_hooks = sys.get_asyncgen_hooks, sys.set_asyncgen_hooks
_get_depth = sys.get_coroutine_origin_tracking_depth
_set_depth = sys.set_coroutine_origin_tracking_depth


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


def _find_recursion() -> int:
    """Return where in a thread's state it says how much deeper its stack may get; next, how deep at most."""
    limit = sys.getrecursionlimit()
    unusual = limit + 76_543
    sys.setrecursionlimit(unusual)
    try:
        words = (ctypes.c_int * (_STATE_BYTES // 4)).from_address(_here())
        for at in range(1, len(words)):
            if words[at] == unusual and 0 < unusual - words[at - 1] < limit:
                return 4 * (at - 1)
    finally:
        sys.setrecursionlimit(limit)
    return -1


_recursion_at: Final = _find_recursion()


def begin_stack() -> None:
    """Let the stack of the running thread get as deep as that of any, wherever it was begun from."""
    if _recursion_at >= 0:
        depth = 0
        frame: FrameType | None = sys._getframe(0)
        while frame is not None:
            depth += 1
            frame = frame.f_back
        remaining = (ctypes.c_int * 2).from_address(_here() + _recursion_at)
        remaining[0] = remaining[1] - depth


def stack_room() -> Any:
    """Return where it stands, at index 0, how many frames more the stack of this kernel thread may have."""
    if _recursion_at < 0:
        return [1 << 30]
    return (ctypes.c_int * 1).from_address(_here() + _recursion_at)


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


class ThreadState:
    """The state of a thread that does not run at the moment, while another one uses its kernel thread."""

    __slots__ = ("_depth", "_hooks", "_keys", "_loop", "_values")

    def __init__(self) -> None:
        """Take the state of the running thread away from it: it has that of a new one then."""
        self._loop = _get_loop()
        self._hooks = _get_hooks()
        self._depth = _get_depth()
        _set_loop(None)
        _set_hooks(None, None)
        _set_depth(0)
        self._keys = (0, 0)
        if _keys_at >= 0:
            pair = _keys()
            self._keys = pair[0], pair[1]
            pair[0] = pair[1] = 0
        self._values: dict[Any, Any] = {}
        address = _dictionary()
        if address:
            values = ctypes.cast(address, ctypes.py_object).value
            self._values.update(values)
            values.clear()

    def restore(self) -> None:
        """Put it back."""
        address = _dictionary()
        values = ctypes.cast(address, ctypes.py_object).value
        values.clear()
        values.update(self._values)
        if _keys_at >= 0:
            pair = _keys()
            pair[0], pair[1] = self._keys
        _set_depth(self._depth)
        _set_hooks(*self._hooks)
        _set_loop(self._loop)
