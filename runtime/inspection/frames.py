"""Frames: their variables, the ``with`` blocks that they are in, and chains of awaits.

``frame.f_locals`` is no way to look at variables of a running program: up to 3.12 it makes a dictionary,
which the frame keeps, and every object in it lives longer. So variables are read where the interpreter keeps
them; the objects that a ``with`` block will leave are there too, found by the table of exception handlers.
"""

from __future__ import annotations

import ctypes
import dis
import gc
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any, Final, Self

from replay.errors import ReplayError
from replay.runtime.divergence import is_installed
from replay.runtime.inspection import values
from replay.runtime.inspection.data import Place
from replay.runtime.inspection.values import text

_POINTER: Final = ctypes.sizeof(ctypes.c_void_p)
_INNER: Final = object.__basicsize__ + _POINTER
"""Offset in a frame object of the pointer to the interpreter's own frame."""
_NAMESPACE: Final = (3 if sys.version_info < (3, 12) else 5) * _POINTER
"""Offset of the namespace in it: of a module or the body of a class."""
_VARIABLES: Final = 9 * _POINTER
"""Offset of the variables and the stack in it."""

_OWNER: Final = 69 if sys.version_info < (3, 12) else 70
"""Offset of what the variables belong to in it: when the frame has ended, it is the frame object."""
_FRAME_OBJECT: Final = 2

_WITH_EXCEPT_START: Final = dis.opmap["WITH_EXCEPT_START"]
_BOUND: Final = (types.MethodType, types.BuiltinMethodType, type([].__str__))
_WRAPPERS: Final = (
    "FutureIter",
    "anext_awaitable",
    "async_generator_asend",
    "async_generator_athrow",
    "coroutine_wrapper",
)
"""C types between two links of a chain, by name; each refers to the next link before anything else."""

_STEPPED: Final = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)


@dataclass(slots=True)
class Link:
    """One link of a chain of awaits; without a frame it is an iterator of another kind, or has ended."""

    kind: str
    frame: FrameType | None
    value: Any


@dataclass(slots=True)
class Block:
    """A ``with`` block that a frame is in."""

    manager: Any
    frame: FrameType
    line: int


@dataclass(slots=True)
class _Handler:
    """What happens to an exception in a part of a function."""

    start: int
    end: int
    target: int
    depth: int
    line: int | None  # of the `with`, if it is one


@dataclass(slots=True)
class CodeFacts:
    """What is to be known of a code object, made out once for each inspection."""

    code: CodeType  # keeps its address its own
    names: tuple[str, ...]
    cells: frozenset[str]
    handlers: list[_Handler]
    is_users: bool


class Codes:
    """Facts of code objects; by address, as their hash goes through all their constants."""

    def __init__(self) -> None:
        self._facts: dict[int, CodeFacts] = {}

    def of(self, code: CodeType) -> CodeFacts:
        """Return the facts of a code object."""
        facts = self._facts.get(id(code))
        if facts is None:
            facts = self._facts[id(code)] = _facts(code)
        return facts

    def clear(self) -> None:
        """Let all code objects go."""
        self._facts.clear()

    # -- variables --------------------------------------------------------------------------------

    def variables(self, frame: FrameType) -> Iterator[tuple[str, Any]]:
        """Yield names and values of the variables of a frame."""
        inner = ctypes.c_void_p.from_address(id(frame) + _INNER).value
        assert inner is not None
        code = frame.f_code
        if not code.co_flags & inspect.CO_OPTIMIZED:
            try:
                namespace = _object_at(inner + _NAMESPACE)
            except ValueError:
                return
            if type(namespace) is dict:
                yield from ((key, value) for key, value in list(dict.items(namespace)) if type(key) is str)
            return
        facts = self.of(code)
        for at, name in enumerate(facts.names):
            try:
                value = _object_at(inner + _VARIABLES + at * _POINTER)
                if name in facts.cells and type(value) is types.CellType:
                    value = value.cell_contents
            except ValueError:
                continue  # not bound
            yield name, value

    def variable(self, frame: FrameType | None, name: str) -> Any:
        """Return the value of one variable of a frame, ``None`` if it has none."""
        if frame is None:
            return None
        return next((value for one, value in self.variables(frame) if one == name), None)

    # -- blocks -----------------------------------------------------------------------------------

    def blocks(self, frame: FrameType) -> Iterator[Block]:
        """Yield the ``with`` blocks that a frame is inside of, innermost first."""
        facts = self.of(frame.f_code)
        at, passed = frame.f_lasti, set[int]()
        while facts.handlers:
            handler = next((one for one in facts.handlers if one.start <= at < one.end), None)
            if handler is None or handler.target in passed:
                return
            at = handler.target
            passed.add(at)
            if handler.line is None:
                continue
            inner = ctypes.c_void_p.from_address(id(frame) + _INNER).value
            assert inner is not None
            slot = len(facts.names) + handler.depth - 1
            try:
                leave = _object_at(inner + _VARIABLES + slot * _POINTER)
            except ValueError:
                continue
            if values.is_a(leave, *_BOUND):
                yield Block(leave.__self__, frame, handler.line)

    # -- places -----------------------------------------------------------------------------------

    def is_users(self, frame: FrameType) -> bool:
        """Whether the frame is of the program itself: not of Python, of an installed library, or of ours."""
        return self.of(frame.f_code).is_users and not is_ours(frame)

    def place(self, frame: FrameType) -> Place:
        """Return where a frame is."""
        code = frame.f_code
        return Place(text(code.co_filename), frame.f_lineno or code.co_firstlineno, text(code.co_qualname))


def _object_at(address: int) -> Any:
    """Return the object that a pointer points to; `ValueError` if it is null."""
    return ctypes.py_object.from_address(address).value


def has_ended(frame: FrameType) -> bool:
    """Whether a frame has returned, or was left by an exception."""
    inner = ctypes.c_void_p.from_address(id(frame) + _INNER).value
    assert inner is not None
    return ctypes.c_byte.from_address(inner + _OWNER).value == _FRAME_OBJECT


def is_ours(frame: FrameType) -> bool:
    """Whether a frame is of this package's runtime."""
    name = dict.get(frame.f_globals, "__name__")
    return type(name) is str and name.startswith("replay.runtime.")


def _facts(code: CodeType) -> CodeFacts:
    variables, cells = code.co_varnames, code.co_cellvars
    names = (*variables, *(name for name in cells if name not in variables), *code.co_freevars)
    handlers: list[_Handler] = []
    if code.co_exceptiontable:
        operations = code.co_code
        lines = list(code.co_lines())
        for entry in dis._parse_exception_table(code):  # type: ignore[attr-defined]
            line = None
            at = entry.target + 2  # behind PUSH_EXC_INFO
            if at < len(operations) and operations[at] == _WITH_EXCEPT_START:
                line = next((line for start, end, line in lines if start <= at < end), None) or 0
            handlers.append(_Handler(entry.start, entry.end, entry.target, entry.depth, line))
    is_users = not is_installed(text(code.co_filename))
    return CodeFacts(code, names, frozenset((*cells, *code.co_freevars)), handlers, is_users)


# -- chains -------------------------------------------------------------------------------------------------


def chain_of(first: Any, is_end: Callable[[Any], bool]) -> tuple[list[Link], Any]:
    """Return the chain of awaits that begins with an object, and what its end awaits, if that shows."""
    links: list[Link] = []
    passed: set[int] = set()
    value = first
    while value is not None and not is_end(value) and id(value) not in passed:
        passed.add(id(value))
        kind = type(value)
        if kind is types.CoroutineType:
            links.append(Link("coroutine", value.cr_frame, value))
            value = value.cr_await
        elif kind is types.GeneratorType:
            links.append(Link("generator", value.gi_frame, value))
            value = value.gi_yieldfrom
        elif kind is types.AsyncGeneratorType:
            links.append(Link("async generator", value.ag_frame, value))
            value = value.ag_await
        else:
            name = values.type_name(value)
            if name in _WRAPPERS and not values.is_plain_instance(value):
                value = next(iter(gc.get_referents(value)), None)
                continue
            if name in _WRAPPERS:  # of a library's own C module, made at run time as Python's classes are
                following = [part for part in gc.get_referents(value) if is_end(part)]
            else:
                following = []
            if not following:
                following = [part for part in values.parts_of(value) if _is_link(part) or is_end(part)]
                links.append(Link("object", None, value))
            value = following[0] if len({id(one) for one in following}) == 1 else None
    return links, value


def code_of(value: Any) -> CodeType | None:
    """Return what a coroutine or a generator runs."""
    kind = type(value)
    if kind is types.CoroutineType:
        return value.cr_code  # type: ignore[no-any-return]
    if kind is types.GeneratorType:
        return value.gi_code  # type: ignore[no-any-return]
    return value.ag_code if kind is types.AsyncGeneratorType else None


def _is_link(value: Any) -> bool:
    kind = type(value)
    return any(kind is one for one in _STEPPED) or values.type_name(value) in _WRAPPERS


def stack_of(frame: FrameType | None, top: FrameType) -> list[Link] | None:
    """Return the frames from ``top`` to ``frame``, outermost first; ``None`` if it does not lie below it."""
    links: list[Link] = []
    while frame is not None:
        if not is_ours(frame):
            flags = frame.f_code.co_flags
            kind = "function"
            if flags & inspect.CO_COROUTINE:
                kind = "coroutine"
            elif flags & inspect.CO_ASYNC_GENERATOR:
                kind = "async generator"
            elif flags & inspect.CO_GENERATOR:
                kind = "generator"
            links.append(Link(kind, frame, None))
        if frame is top:
            links.reverse()
            return links
        frame = frame.f_back
    return None


# -- the layout ---------------------------------------------------------------------------------------------


class _Manager:
    """Left by the check of the layout."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def check() -> None:
    """Look whether this interpreter keeps variables where they are looked for.

    Raises:
      ReplayError: it does not.
    """
    codes = Codes()
    marks = object(), _Manager()

    def suspended(one: object, other: Any) -> Iterator[Any]:
        with other:
            yield lambda: one

    stepped = suspended(*marks)
    next(stepped)
    frame = stepped.gi_frame  # type: ignore[attr-defined]
    found = list(codes.variables(frame))
    blocks = list(codes.blocks(frame))
    ended = [has_ended(frame)]
    stepped.close()  # type: ignore[attr-defined]
    ended.append(has_ended(frame))
    if (
        [name for name, _ in found] != ["one", "other"]
        or any(value is not mark for (_, value), mark in zip(found, marks, strict=True))
        or [block.manager for block in blocks] != [marks[1]]
        or ended != [False, True]
    ):
        raise ReplayError(
            "this build of Python keeps the variables of a frame in a way that is not known",
            hint="a plain build of CPython 3.11, 3.12 or 3.13 is needed",
        )
