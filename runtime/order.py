"""Hashes that do not come from addresses, so that sets are walked in the same order at replay.

The default hash of an object is its address, and sets of tasks, futures, coroutines and objects of
the program's own classes are walked in an order that follows from it: the order in which a failing
``TaskGroup`` cancels its children, for one. No trick makes addresses the same in two processes, so
the hash has to come from something else: the ordinal of the object's first hashing in its thread.

``object.__hash__`` itself is replaced, in the dictionary of the type ``object``. Classes made later
inherit it as they inherit any ``__hash__``, and nothing appears in any class's own dictionary:
``dataclass``, ``attrs`` and ``abc`` see what they would see without it, and ``cls.__hash__ is
object.__hash__`` stays true. Classes that exist already, and the C types whose instances asyncio
keeps in sets, carry a copy of the old function in their type slot; Python classes are made to
look again by setting and deleting the name, C types have the one pointer in their slot changed to
the one that every Python class with a ``__hash__`` has. Where that slot lies is checked first, and
an interpreter in which it lies elsewhere is refused by name.

Left alone, and so still ordered by address: types (as keys they must be fast), functions, objects of
C types not named here, and objects that cannot be weakly referenced.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import itertools
import types
import weakref
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from typing import Any, Final

from replay.errors import ReplayError
from replay.runtime.streams import current

_HASH_SLOT: Final = 15 * ctypes.sizeof(ctypes.c_void_p)
"""Offset of ``tp_hash`` in a type object of CPython 3.11 to 3.13, without tracing of references."""

SPREAD: Final = 0x278DDE6D
"""Ordinals in order would make sets look as if they kept order, and hide bugs: each is multiplied by
this odd number (2**30 divided by the golden ratio), which spreads neighbours over the low bits. It is one
digit of Python's integers: they multiply those fastest."""

_STREAM_SHIFT: Final = 40
_MODULUS: Final = (1 << 61) - 1

# By asyncio's names: `_asyncio` imported before `asyncio` leaves functions of asyncio in Python (3.12, 3.13).
C_TYPES: Final[tuple[type, ...]] = (
    asyncio.Task,
    asyncio.Future,
    types.CoroutineType,
    types.GeneratorType,
    types.AsyncGeneratorType,
)


def _task_step_type() -> type:
    """Return the type of the callable that a C task gives to ``call_soon``: it has no public name."""
    seen: list[Any] = []

    class Loop:
        def call_soon(self, callback: Any, *args: Any, **kwargs: Any) -> None:
            seen.append(callback)

        def get_debug(self) -> bool:
            return False

        def is_running(self) -> bool:
            return False

    async def nothing() -> None:
        pass

    coroutine = nothing()
    task = asyncio.Task(coroutine, loop=Loop(), name="")  # type: ignore[arg-type]
    kind = type(seen[0])
    asyncio.tasks._unregister_task(task)
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    coroutine.close()
    return kind


TASK_STEP: Final = _task_step_type()
TASK_WAKEUP: Final = "task_wakeup"
"""The name of the method that a C task gives to the future it waits for; other methods are callbacks."""

_by_address = object.__hash__


class Ordinals:
    """Ordinals of objects, from a counter for each recorded thread."""

    def __init__(self) -> None:
        self._hashes: dict[int, int] = {}
        self._references: dict[int, weakref.ref[Any]] = {}
        self._counters: dict[int, itertools.count[int]] = {}
        self._revived: list[int] = []
        self._is_collecting = False

    def next(self) -> int:
        """Return the next ordinal of the running thread: unique, and the same at replay."""
        stream = current.stream
        thread = 0 if stream is None else stream.number
        counter = self._counters.get(thread)
        if counter is None:
            counter = self._counters[thread] = itertools.count((thread << _STREAM_SHIFT) + 1)
        return next(counter)

    def hash_function(self) -> Callable[[Any], int]:
        """Return what is to be ``object.__hash__``."""
        known = self._hashes.get
        first_hash = self._first_hash

        def object_hash(self: Any) -> int:
            found = known(id(self))
            return first_hash(self) if found is None else found

        object_hash.__name__ = object_hash.__qualname__ = "__hash__"
        return object_hash

    def _first_hash(self, value: Any) -> int:
        address = id(value)
        if isinstance(value, type):
            return _by_address(value)
        try:
            reference = weakref.ref(value, self._forget(address))
        except TypeError:
            return _by_address(value)
        # Another thread may come here for the same object: the first one's word counts for both.
        self._references.setdefault(address, reference)
        return self._hashes.setdefault(address, self.next() * SPREAD % _MODULUS)

    def _forget(self, address: int) -> Callable[[Any], None]:
        hashes, references = self._hashes, self._references

        def forget(_: Any) -> None:
            if self._is_collecting and ctypes.c_ssize_t.from_address(address).value:
                # It is in a cycle, and its finalizer is still to run: only references to it are cleared.
                value = ctypes.cast(address, ctypes.py_object).value
                references[address] = weakref.ref(value, forget)
                self._revived.append(address)
                return
            del hashes[address]
            del references[address]

        return forget

    def collect(self, collect: Callable[[], Any]) -> Any:
        """Collect garbage, so that the objects in cycles have the same hash in their finalizers.

        Every collection comes by here: what warns of an object tells the line that collected it.
        """
        before, self._is_collecting = self._is_collecting, True
        try:
            return collect()
        finally:
            self._is_collecting = before
            while self._revived:
                address = self._revived.pop()
                reference = self._references.get(address)
                # Later releases of 3.13 clear what finalizers leave, without any call.
                if reference is not None and reference() is None:
                    del self._hashes[address]
                    del self._references[address]


ordinals: Final = Ordinals()


def _slot(cls: type) -> ctypes.c_void_p:
    return ctypes.c_void_p.from_address(id(cls) + _HASH_SLOT)


def _namespace(cls: type) -> dict[str, Any]:
    namespace: dict[str, Any] = gc.get_referents(cls.__dict__)[0]
    return namespace


def _changed(cls: type) -> None:
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(cls))


def install(task_hash: Callable[[Any], int]) -> None:
    """Replace the default hash in this process; ``task_hash`` is that of tasks.

    Raises:
      ReplayError: this interpreter lays out its types in an unknown way.
    """

    class WithHash:
        def __hash__(self) -> int:
            return 1

    class AlsoWithHash:
        def __hash__(self) -> int:
            return 2

    unhashable = ctypes.cast(ctypes.pythonapi.PyObject_HashNotImplemented, ctypes.c_void_p).value
    general = _slot(WithHash).value
    if (
        _slot(list).value != unhashable
        or _slot(dict).value != unhashable
        or general != _slot(AlsoWithHash).value
        or general in (None, unhashable, _slot(object).value)
    ):
        raise ReplayError(
            "this build of Python lays out its types in a way that is not known",
            hint="a plain build of CPython 3.11, 3.12 or 3.13 is needed",
        )

    object_hash = ordinals.hash_function()
    _namespace(object)["__hash__"] = object_hash
    _changed(object)

    _namespace(asyncio.Task)["_replay_id"] = 0  # before its first hashing
    for cls in C_TYPES:
        _namespace(cls)["__hash__"] = task_hash if cls is asyncio.Task else object_hash
        _changed(cls)
        _slot(cls).value = general
    address_slot = _slot(type).value
    for cls in _subclasses(object):
        if (
            cls.__flags__ & (1 << 9)
            and not cls.__flags__ & (1 << 8)
            and not issubclass(cls, type)
            and _slot(cls).value == address_slot
        ):
            type.__setattr__(cls, "__hash__", object_hash)
            type.__delattr__(cls, "__hash__")


def keep_address_hash(cls: type) -> None:
    """Give a class of ours the fast default hash back.

    asyncio looks up the running loop in a dictionary twice in every step of a task.
    """
    _slot(cls).value = _slot(type).value


def _subclasses(cls: type) -> list[type]:
    found: dict[type, None] = {}
    stack = [cls]
    sub: type
    while stack:
        for sub in type.__subclasses__(stack.pop()):
            if sub not in found:
                found[sub] = None
                stack.append(sub)
    return list(found)


def _template(self):  # type: ignore[no-untyped-def]
    return object.__hash__(self)


_IDENTITY_NAMES: Final = frozenset((("hash", "id"), ("id",)))


def without_addresses(code: types.CodeType) -> types.CodeType:
    """Return a module's code with ``__hash__`` methods that say ``hash(id(self))`` saying what they mean.

    Only methods of classes at the top of a module, and only if they do nothing else: then identity is
    what they compute with, and ``object.__hash__`` is the hash of identity.
    """
    changed = False
    consts = list(code.co_consts)
    for at, body in enumerate(consts):
        if type(body) is not types.CodeType or "__hash__" not in body.co_names:
            continue
        members = list(body.co_consts)
        for position, method in enumerate(members):
            if (
                type(method) is types.CodeType
                and method.co_name == "__hash__"
                and method.co_names in _IDENTITY_NAMES
                and method.co_varnames == ("self",)
                and all(const is None or type(const) is str for const in method.co_consts)
            ):
                members[position] = _template.__code__.replace(
                    co_filename=method.co_filename,
                    co_firstlineno=method.co_firstlineno,
                    co_name=method.co_name,
                    co_qualname=method.co_qualname,
                )
                consts[at] = body.replace(co_consts=tuple(members))
                changed = True
    return code.replace(co_consts=tuple(consts)) if changed else code


def install_imports() -> None:
    """Look for hashes of addresses in what the program imports from now on."""
    load = SourceFileLoader.get_code

    def get_code(self: Any, fullname: str) -> Any:
        code = load(self, fullname)
        return code if code is None else without_addresses(code)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
