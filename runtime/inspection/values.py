"""Names, attributes and descriptions of objects of the program, without running any code of it.

``x.name``, ``isinstance``, ``repr`` and the hash of a key may all run code of a class. What is called here
instead are functions of C types, with objects for which they are known to call nothing else.
"""

from __future__ import annotations

import builtins
import collections
import functools
import gc
import math
import types
from collections.abc import Iterable, Iterator
from typing import Any, Final

from replay.runtime.boundary.table import StandIn, real_of
from replay.runtime.inspection.data import Error

_TYPE: Final[dict[str, Any]] = dict(vars(type))
mro_of: Final = _TYPE["__mro__"].__get__
namespace_of: Final = _TYPE["__dict__"].__get__
_name_of_type: Final = _TYPE["__name__"].__get__
_args_of: Final = vars(BaseException)["args"].__get__
_errno_of: Final = vars(OSError)["errno"].__get__
_strerror_of: Final = vars(OSError)["strerror"].__get__
_filename_of: Final = vars(OSError)["filename"].__get__
_group_message_of: Final = vars(BaseExceptionGroup)["message"].__get__
group_exceptions_of: Final = vars(BaseExceptionGroup)["exceptions"].__get__
names_of_module: Final = vars(types.ModuleType)["__dict__"].__get__

DEPTH: Final = 2
"""Containers inside containers are described this deep."""
ITEMS: Final = 8
"""So many items of a container are described."""
LENGTH: Final = 120
"""So many characters of a string are shown."""
DIGITS: Final = 100
"""Longer integers are shown by their length: to convert one takes time that grows with its square."""

_BUILTIN_ERRORS: Final = tuple(
    value for value in vars(builtins).values() if type(value) is type and issubclass(value, BaseException)
)


def text(value: Any, default: str = "?") -> str:
    """Return a string of the program as one of type ``str``."""
    if type(value) is str:
        return value
    return str.__str__(value) if issubclass(type(value), str) else default


def whole(value: Any) -> int | None:
    """Return a number that should be an ``int``, ``None`` if it is none."""
    return value if type(value) is int else None


def type_name(value: Any) -> str:
    """Return the name of the type of an object."""
    return class_name(type(value))


def class_name(cls: type) -> str:
    """Return the name of a class, whatever its metaclass has to say."""
    return text(_name_of_type(cls))


def is_a(value: Any, *classes: type) -> bool:
    """Whether an object is an instance of a class, by its type alone: it may lie with ``__class__``."""
    return any(one is cls for one in mro_of(type(value)) for cls in classes)


def field(value: Any, name: str, default: Any = None) -> Any:
    """Return an attribute that an object keeps in its dictionary or in a slot."""
    for cls in mro_of(type(value)):
        namespace = namespace_of(cls)
        if name not in namespace:
            continue
        found = namespace[name]
        if type(found) is types.MemberDescriptorType:
            try:
                return types.MemberDescriptorType.__get__(found, value)
            except AttributeError:
                return default
        if any("__get__" in namespace_of(one) for one in mro_of(type(found))):
            return default  # a property, or what the object may have in front of a function is not asked for
        break
    try:
        return object.__getattribute__(value, name)
    except AttributeError:
        return default


def parts_of(value: Any) -> Iterator[Any]:
    """Yield what an object holds directly: attributes, items, arguments."""
    for part in gc.get_referents(value):
        if type(part) is dict and type(value) is not dict and is_plain_instance(value):
            yield from dict.values(part)
        else:
            yield part


def is_plain_instance(value: Any) -> bool:
    """Whether an object is an instance of a class that was written in Python."""
    return bool(_TYPE["__flags__"].__get__(type(value)) & (1 << 9)) and not is_a(value, type)


# -- functions ----------------------------------------------------------------------------------------------


def function_of(call: Any) -> types.FunctionType | None:
    """Return the Python function that a callable comes to, through methods and partials."""
    for _ in range(8):
        kind = type(call)
        if kind is types.FunctionType:
            return call  # type: ignore[no-any-return]
        if kind is types.MethodType:
            call = call.__func__
        elif kind is functools.partial:
            call = call.func
        else:
            return None
    return None


def callable_name(call: Any) -> str:
    """Return the qualified name of what can be called, or a description."""
    function = function_of(call)
    if function is not None:
        return text(function.__qualname__)
    while type(call) is functools.partial:
        call = call.func
    if type(call) is StandIn:
        return callable_name(real_of(call))
    if is_a(call, types.BuiltinFunctionType):
        owner = call.__self__
        name = text(call.__name__)
        return name if owner is None or type(owner) is types.ModuleType else f"{type_name(owner)}.{name}"
    if is_a(call, type):
        return class_name(call)
    return f"<{type_name(call)} object>"


# -- exceptions ---------------------------------------------------------------------------------------------


def describe_error(error: BaseException) -> Error:
    """Return type and message of an exception."""
    return Error(type_name(error), _message(error))


def _message(error: BaseException) -> str | None:
    source = next(cls for cls in mro_of(type(error)) if "__str__" in namespace_of(cls))
    args = _args_of(error)
    if all(source is not one for one in _BUILTIN_ERRORS):
        return None  # it makes its message itself
    if source is BaseExceptionGroup:
        count = len(group_exceptions_of(error))
        return f"{text(_group_message_of(error))} ({count} sub-exception{'s' if count != 1 else ''})"
    if source is OSError:
        number, reason = _errno_of(error), _strerror_of(error)
        if type(number) is int and type(reason) is str:
            path = _filename_of(error)
            return f"[Errno {number}] {reason}" + (f": {path!r}" if type(path) is str else "")
    elif source is KeyError and len(args) == 1:
        return describe(args[0])
    elif source not in (BaseException, KeyError, ImportError):
        return None
    if len(args) == 1:
        return text(args[0]) if is_a(args[0], str) else describe(args[0])
    return describe(args) if args else ""


# -- descriptions -------------------------------------------------------------------------------------------


def describe(value: Any, depth: int = DEPTH) -> str:
    """Return the ``repr`` of what is a scalar or a container of Python's own; the type of anything else."""
    kind = type(value)
    if value is None or kind is bool or value is Ellipsis or value is NotImplemented:
        return repr(value)
    if kind is int:
        if value.bit_length() * math.log10(2) < DIGITS:
            return repr(value)
        return f"<int of {value.bit_length()} bits>"
    if kind is float or kind is complex:
        return repr(value)
    if kind is str or kind is bytes or kind is bytearray:
        if len(value) <= LENGTH:
            return repr(value)
        return f"{value[:LENGTH]!r}... ({len(value)} {'characters' if kind is str else 'bytes'})"
    if kind is list:
        return _sequence(value, "[", "]", depth)
    if kind is tuple:
        return _sequence(value, "(", ",)" if len(value) == 1 else ")", depth)
    if kind is set:
        return _sequence(value, "{", "}", depth) if value else "set()"
    if kind is frozenset:
        return _sequence(value, "frozenset({", "})", depth) if value else "frozenset()"
    if kind is collections.deque:
        return _sequence(value, "deque([", "])", depth)
    if kind is dict:
        return _dictionary(value, depth)
    return _other(value)


def _sequence(values: Any, before: str, after: str, depth: int) -> str:
    if depth == 0 and values:
        return f"{before}... {len(values)} items{after.replace(',)', ')')}"
    return before + ", ".join(_some(values, len(values), lambda item: describe(item, depth - 1))) + after


def _dictionary(value: dict[Any, Any], depth: int) -> str:
    if depth == 0 and value:
        return f"{{... {len(value)} items}}"
    items = _some(
        dict.items(value),
        len(value),
        lambda item: f"{describe(item[0], depth - 1)}: {describe(item[1], depth - 1)}",
    )
    return "{" + ", ".join(items) + "}"


def _some(values: Iterable[Any], count: int, show: Any) -> list[str]:
    shown: list[str] = []
    for value in values:
        if len(shown) == ITEMS:
            shown.append(f"... {count - ITEMS} more")
            break
        shown.append(show(value))
    return shown


def _other(value: Any) -> str:
    kind = type(value)
    if is_a(value, type):
        return f"<class {class_name(value)}>"
    if is_a(value, types.FunctionType, types.BuiltinFunctionType, StandIn):
        return f"<function {callable_name(value)}>"
    if kind is types.MethodType:
        return f"<method {callable_name(value)}>"
    if kind is types.ModuleType:
        return f"<module {text(names_of_module(value).get('__name__'))}>"
    if kind is types.CoroutineType or kind is types.GeneratorType or kind is types.AsyncGeneratorType:
        return f"<{class_name(kind)} {text(value.__qualname__)}>"
    if any(kind is one for one in _BUILTIN_ERRORS):
        message = _message(value)
        return f"<{class_name(kind)}: {message}>" if message else f"<{class_name(kind)}>"
    return f"<{class_name(kind)} object>"
