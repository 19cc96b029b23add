"""Conditions that can be told where the program stands, without running any code of it, and without a copy.

That is so where they are made of names, attributes that lie in an object or in a slot of it, items of
containers, lengths, small numbers, comparisons, ``and``, ``or`` and ``not``, and all that is compared is of
exactly the types of the language. What could run code of the program (a property, ``__getattr__``, ``__eq__``
of a class, and the key of a dictionary that has one), and what raises, is not told: a copy of the process
decides.
"""

from __future__ import annotations

import ast
import gc
import operator
import types
from collections.abc import Callable
from functools import lru_cache
from types import FrameType
from typing import Any, Final

from replay.runtime.inspection.frames import Codes
from replay.runtime.inspection.values import is_a, mro_of, names_of_module, namespace_of

_MOST_PARTS: Final = 2000
"""Containers of more are left to a copy: to look through them would take as long."""
_MOST_DEEP: Final = 4
_SMALL: Final = 1 << 64

# By their ids: to look for a type in a set of types calls the `__hash__` of its metaclass.
_ATOMS: Final = frozenset(
    map(id, (bool, int, float, complex, str, bytes, types.NoneType, types.EllipsisType))
)
_SEQUENCES: Final = frozenset(map(id, (list, tuple, str, bytes)))
_CONTAINERS: Final = frozenset(map(id, (list, tuple, set, frozenset, dict)))

_COMPARED: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, other: one in other,
    ast.NotIn: lambda one, other: one not in other,
}
_COUNTED: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Div: operator.truediv,
}


class _CannotTellError(Exception):
    """It could run code of the program."""


class InPlace:
    """Tells conditions of frames."""

    def __init__(self) -> None:
        self._codes = Codes()

    def holds(self, condition: str, frame: FrameType) -> bool | None:
        """Return whether a condition is true in a frame; None if that cannot be told in place."""
        tree = _parsed(condition)
        if tree is None:
            return None
        try:
            return _truth(_Frame(frame, self._codes).value(tree))
        except Exception:  # what it raises is for a copy to find out
            return None


@lru_cache(maxsize=64)
def _parsed(condition: str) -> ast.expr | None:
    try:
        return ast.parse(condition, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Frame:
    """Values of expressions in a frame."""

    def __init__(self, frame: FrameType, codes: Codes) -> None:
        self._frame = frame
        self._codes = codes

    def value(self, node: ast.expr) -> Any:
        """Return the value of an expression.

        Raises:
          Exception: it cannot be told.
        """
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self._variable(name)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                values = [self.value(part) for part in parts]
                return values if isinstance(node, ast.List) else tuple(values)
            case ast.Attribute(value=inner, attr=name):
                return _attribute(self.value(inner), name)
            case ast.Subscript(value=inner, slice=index):
                return _item(self.value(inner), self.value(index))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not _truth(self.value(operand))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -_number(self.value(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _COUNTED:
                return _COUNTED[type(op)](_number(self.value(left)), _number(self.value(right)))
            case ast.BoolOp(op=op, values=values):
                return self._joined(values, isinstance(op, ast.Or))
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self._compared(left, ops, others)
            case ast.Call(func=ast.Name(id="len"), args=[argument], keywords=[]):
                return self._length(argument)
            case _:
                raise _CannotTellError

    def _variable(self, name: str) -> Any:
        for one, value in self._codes.variables(self._frame):
            if one == name:
                return value
        for names in (self._frame.f_globals, self._frame.f_builtins):
            _check_keys(names)
            if name in names:
                return names[name]
        raise _CannotTellError

    def _joined(self, values: list[ast.expr], is_or: bool) -> Any:
        for node in values[:-1]:
            value = self.value(node)
            if _truth(value) is is_or:
                return value
        return self.value(values[-1])

    def _compared(self, left: ast.expr, ops: list[ast.cmpop], others: list[ast.expr]) -> Any:
        one = self.value(left)
        is_so: Any = True
        for op, node in zip(ops, others, strict=True):
            other = self.value(node)
            if isinstance(op, (ast.Is, ast.IsNot)):
                is_so = (one is other) is isinstance(op, ast.Is)
            else:
                _check_plain(one)
                _check_plain(other)
                is_so = _COMPARED[type(op)](one, other)
            if not is_so:
                return is_so
            one = other
        return is_so

    def _length(self, argument: ast.expr) -> int:
        if self._variable("len") is not len:
            raise _CannotTellError
        value = self.value(argument)
        if id(type(value)) not in _CONTAINERS | _SEQUENCES:
            raise _CannotTellError
        size: int = len(value)
        return size


def _attribute(value: Any, name: str) -> Any:
    """Return what an object has under a name: in its dictionary, in a slot, or in its class."""
    if name.startswith("__"):
        raise _CannotTellError
    if type(value) is types.ModuleType:
        names = names_of_module(value)
        _check_keys(names)
        return names[name]
    spaces = [namespace_of(cls) for cls in mro_of(type(value))]
    asked = next(one["__getattribute__"] for one in spaces if "__getattribute__" in one)
    if is_a(value, type) or asked is not _OF_OBJECT:
        raise _CannotTellError
    found = next((one[name] for one in spaces if name in one), None)
    if type(found) is types.MemberDescriptorType:
        return types.MemberDescriptorType.__get__(found, value)
    if any("__get__" in namespace_of(cls) for cls in mro_of(type(found))):
        raise _CannotTellError  # a property, or a function
    for part in gc.get_referents(value):
        if type(part) is dict:  # it may be that of the object
            _check_keys(part)
    return object.__getattribute__(value, name)


_OF_OBJECT: Final = namespace_of(object)["__getattribute__"]


def _item(value: Any, key: Any) -> Any:
    if id(type(key)) not in _ATOMS:
        raise _CannotTellError
    if type(value) is dict:
        _check_keys(value)
    elif id(type(value)) not in _SEQUENCES:
        raise _CannotTellError
    return value[key]


def _number(value: Any) -> Any:
    if type(value) is float or ((type(value) is int or type(value) is bool) and -_SMALL < value < _SMALL):
        return value
    raise _CannotTellError


def _truth(value: Any) -> bool:
    if id(type(value)) in _ATOMS or id(type(value)) in _CONTAINERS:
        return bool(value)
    spaces = [namespace_of(cls) for cls in mro_of(type(value))]
    if any("__bool__" in one or "__len__" in one for one in spaces):
        raise _CannotTellError
    return True


def _check_keys(names: Any) -> None:
    """Make sure that to look for a key calls no ``__eq__`` of the program."""
    if type(names) is not dict or len(names) > _MOST_PARTS:
        raise _CannotTellError
    if not _ATOMS.issuperset(map(id, map(type, names))):
        raise _CannotTellError


def _check_plain(value: Any, depth: int = 0) -> None:
    """Make sure that a value can be compared, with whatever is plain too."""
    if id(type(value)) in _ATOMS:
        return
    if id(type(value)) not in _CONTAINERS or len(value) > _MOST_PARTS or depth > _MOST_DEEP:
        raise _CannotTellError
    parts = [*value, *value.values()] if type(value) is dict else value
    if _ATOMS.issuperset(map(id, map(type, parts))):
        return
    if depth == 0 and len(value) > _MOST_PARTS // 10:
        raise _CannotTellError
    for part in parts:
        _check_plain(part, depth + 1)
