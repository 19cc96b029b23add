"""Doors: what a row of the boundary's table says, and how rows are put in place.

A door is one function (or method) of the standard library through which something enters or
leaves. A row says under which name its calls are recorded, what of a call is compared at replay, and
how its result is spelt. The world (``replay.runtime.worlds``) turns a row into the function that
takes the real one's place.

Doors are always leaves: C functions, which run no Python code that comes by another door. So a
traceback has the same frames in the recorded run and in its replay.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Final

from replay.recording.codec import pack, unpack

_HEAP_TYPE: Final = 1 << 9
_IMMUTABLE_TYPE: Final = 1 << 8
_FLAGS: Final = 21 * ctypes.sizeof(ctypes.c_void_p)
"""Offset of ``tp_flags`` in a type object of CPython 3.11 to 3.13, without tracing of references."""

Request = Callable[[tuple[Any, ...], dict[str, Any]], object]


def plain_request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """What is compared of a call by default: all its arguments, objects by the name of their type."""
    return [*map(plain_argument, args), *[(key, plain_argument(kwargs[key])) for key in sorted(kwargs)]]


def plain_argument(value: Any) -> object:
    """Return the part of an argument that must be the same at replay."""
    kind = type(value)
    if value is None or kind in (int, str, bytes, float, bool):
        return value
    if kind in (tuple, list):
        return [plain_argument(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, int):
        return int(value)
    return kind.__name__


def without_self(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """Compare the arguments after ``self``."""
    return plain_request(args[1:], kwargs)


def nothing(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """Compare nothing: the arguments say only where the result goes."""
    return None


@dataclass(frozen=True, slots=True)
class Door:
    """One row of the table.

    Attributes:
      name: what the recording and every message call it.
      request: what of the arguments is compared at replay, by checksum.
      fd: the descriptor that a call is about; part of what is compared.
      effect: something goes out: the event is with the kernel before it happens.
      blocking: the call may wait; other threads run meanwhile, and signals end the wait, or are delivered
        inside it if it is an effect.
      resume: the arguments to begin it again with, after so many seconds of it: ``resume(args, elapsed_s)``.
      encode: result to plain data.
      decode: plain data to result, at replay.
      captured: plain data of a result that also lies in the arguments (a filled buffer), for ``encode``.
      collects: garbage may be collected just before it. Not where calls come out of a buffer in C: a
        finalizer could not use that buffer.
      has_content: the result may be a part of a file, and the same part may come again: see
        ``replay.runtime.contents``. Such a door has an ``fd``.
      replayed: what else a replay does with the result: ``replayed(result, args, kwargs)``.
      quiet: what it returns says nothing, so it is recorded only where it is refused: by what it raised, and
        which of the thread's quiet calls it was. It costs no event; takes no keyword arguments.
    """

    name: str
    request: Request = plain_request
    fd: Callable[[tuple[Any, ...]], int] | None = None
    effect: bool = False
    blocking: bool | Callable[[tuple[Any, ...]], bool] = False
    resume: Callable[[tuple[Any, ...], float], tuple[Any, ...]] | None = None
    encode: Callable[[Any], Any] = pack
    decode: Callable[[Any], Any] = unpack
    captured: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any] | None = None
    collects: bool = True
    has_content: bool = False
    replayed: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any] | None = None
    quiet: bool = False


class _Module:
    """A module by its name, as a pickle of one of its functions has it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return import_module, (self._name,)


class StandIn:
    """A function of ours in the place of one that is never bound: a C function, or a bound method.

    A Python function would be bound to the objects of a class in which a program keeps it
    (``class Clock: read = time.monotonic``), and would show its own source and signature. This is not
    bound, calls without a frame of its own (the slot is what the interpreter finds as the type's
    ``__call__``), and whatever else it is asked, the real one answers.
    """

    __slots__ = ("__call__", "__weakref__", "_place", "_real")

    def __init__(self, owner: types.ModuleType, name: str, real: Any, function: Callable[..., Any]) -> None:
        function.__qualname__ = real.__qualname__  # what a wrong call says
        for slot, value in (
            ("__call__", function),
            ("_place", (owner.__name__, name)),
            ("_real", real_of(real)),
        ):
            object.__setattr__(self, slot, value)

    def __getattribute__(self, name: str) -> Any:
        if name in ("__reduce__", "__reduce_ex__"):
            return partial(_reduced, self)
        return getattr(real_of(self), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(real_of(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(real_of(self), name)

    def __repr__(self) -> str:
        return repr(real_of(self))

    def __dir__(self) -> list[str]:
        return dir(real_of(self))

    def __copy__(self) -> StandIn:
        return self

    def __deepcopy__(self, memo: Any) -> StandIn:
        return self


def real_of(function: Any) -> Any:
    """Return the function that ``function`` stands for, or itself."""
    return object.__getattribute__(function, "_real") if type(function) is StandIn else function


def _reduced(function: StandIn, protocol: int = 0) -> Any:
    """Return what a pickle has of it: its name, as of the real one, where it is found by that."""
    real = real_of(function)
    if getattr(sys.modules.get(str(real.__module__)), real.__name__, None) is function:
        return real.__name__
    module, name = object.__getattribute__(function, "_place")
    return getattr, (_Module(module), name)


def replace(owner: Any, name: str, value: Any) -> Any:
    """Put ``value`` in the place of ``owner.name``, and return what is there now.

    A function becomes a ``StandIn`` where the real one is none of Python's.

    The owner may be a C type: its dictionary is reached through the garbage collector's view of its
    proxy, and the type's method cache told; the type keeps its identity, so ``isinstance`` and pickles
    are the same.
    """
    if isinstance(owner, type) and (not owner.__flags__ & _HEAP_TYPE or owner.__flags__ & _IMMUTABLE_TYPE):
        namespace = gc.get_referents(owner.__dict__)[0]
        namespace[name] = value
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))
        return value
    if isinstance(owner, types.ModuleType) and type(value) is not StandIn and not isinstance(value, type):
        real = getattr(owner, name)
        if isinstance(real, (types.BuiltinFunctionType, types.MethodType)):
            value = StandIn(owner, name, real, value)
    setattr(owner, name, value)
    return value


def replace_slot(owner: type, name: str, value: Any) -> None:
    """Put ``value`` in the place of a special method of a C type that may not be changed.

    It is the type's slot that is called then, also for classes derived from it: only setting an attribute
    changes that, and sets it in all of them.
    """
    flags = ctypes.c_ulong.from_address(id(owner) + _FLAGS)
    assert flags.value == owner.__flags__
    flags.value &= ~_IMMUTABLE_TYPE
    try:
        setattr(owner, name, value)
    finally:
        flags.value |= _IMMUTABLE_TYPE


class Replacements:
    """Real functions and what took their place, to find those that were copied by value."""

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[Any, Any]] = {}
        self._kinds: dict[type, Callable[[], Any]] = {}

    def add(self, real: Any, replacement: Any) -> None:
        """Remember that ``replacement`` stands for ``real``."""
        self._by_id[id(real)] = (real, replacement)

    def put(self, owner: Any, name: str, value: Any) -> Any:
        """Put ``value`` in place of ``owner.name``, remembered for ``sweep``; return what is there now."""
        real = getattr(owner, name)
        value = replace(owner, name, value)
        self.add(real, value)
        return value

    def add_kind(self, kind: type, make: Callable[[], Any]) -> None:
        """Remember that each object of ``kind`` is to be replaced by a new one."""
        self._kinds[kind] = make

    def sweep(self, keep: Callable[[str], bool]) -> None:
        """Replace copies held by modules already imported (``from time import monotonic``).

        Looks at the globals of each module, at the attributes of its classes, and at the defaults of
        their functions. ``keep(name)`` says which modules go on with the real ones.
        """
        for name, module in list(sys.modules.items()):
            if module is None or keep(name):
                continue
            namespace = vars(module)
            for key, value in list(namespace.items()):
                found = self._by_id.get(id(value))
                if found is not None and found[0] is value:
                    namespace[key] = found[1]
                elif type(value) in self._kinds:
                    namespace[key] = self._kinds[type(value)]()
                elif isinstance(value, type) and value.__module__ == name:
                    for attribute, member in list(vars(value).items()):
                        self._in_class(value, attribute, member)
                elif isinstance(value, types.FunctionType):
                    self._in_defaults(value)

    def _in_class(self, cls: type, attribute: str, member: Any) -> None:
        inner = member.__func__ if isinstance(member, staticmethod) else member
        found = self._by_id.get(id(inner))
        if found is not None and found[0] is inner:
            setattr(cls, attribute, found[1] if inner is member else staticmethod(found[1]))
        elif isinstance(member, types.FunctionType):
            self._in_defaults(member)

    def _in_defaults(self, function: types.FunctionType) -> None:
        defaults = function.__defaults__ or ()
        changed = tuple(self._by_id.get(id(item), (item, item))[1] for item in defaults)
        if any(new is not old for new, old in zip(changed, defaults, strict=True)):
            function.__defaults__ = changed
