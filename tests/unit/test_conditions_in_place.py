"""Conditions that are told in place: no code of the program runs, and what is told is what Python says."""

from __future__ import annotations

import dis
import gc
import sys
import types
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, ClassVar

import pytest

from replay.runtime.debuggee import inplace
from replay.runtime.debuggee.inplace import InPlace

ran: list[str] = []


def ran_by(name: str, answer: Any = True) -> Callable[..., Any]:
    """Return a function of the program, which says that it ran."""

    def run(*_: object) -> Any:
        ran.append(name)
        return answer

    return run


class Descriptor:
    __get__ = ran_by("descriptor")


class Meta(type):
    __getattribute__ = ran_by("metaclass")  # type: ignore[assignment]


class HashedMeta(type):
    __eq__ = ran_by("equality of a class")
    __hash__ = ran_by("hash of a class", 1)  # type: ignore[assignment]


class Plain:
    """Nothing of it runs."""

    count = 7
    __slots__ = ("__dict__", "slot")

    def __init__(self, **names: Any) -> None:
        for name, value in {**names, "slot": 5}.items():
            object.__setattr__(self, name, value)


class Hostile(Plain):
    __slots__ = ()
    described = Descriptor()
    computed = property(ran_by("property"))
    method = ran_by("method")
    __eq__ = ran_by("eq")
    __lt__ = __gt__ = ran_by("order")
    __hash__ = ran_by("hash", hash("key"))  # type: ignore[assignment]
    __bool__ = ran_by("bool")
    __len__ = ran_by("len", 3)
    __contains__ = ran_by("contains")
    __getitem__ = ran_by("getitem")
    __getattr__ = ran_by("getattr")
    __neg__ = __add__ = __mod__ = ran_by("number", 1)
    __index__ = ran_by("index", 1)


class Guarded(Plain):
    __slots__ = ()
    __getattribute__ = ran_by("getattribute")


class Sized:
    __len__ = ran_by("len", 0)


class OfHashed(metaclass=HashedMeta):
    """Its class runs code where it is looked for."""


class Text(str):
    __slots__ = ()
    __eq__ = ran_by("eq")
    __hash__ = str.__hash__
    __len__ = ran_by("len", 3)


class Mapping(dict):  # type: ignore[type-arg]
    __missing__ = ran_by("missing")
    __getitem__ = ran_by("getitem")


def frame_of_program() -> FrameType:
    """Return a frame, not at its end, of a function that is full of traps."""

    def program(argument: int) -> Iterator[FrameType]:
        class ClassOfIts(metaclass=Meta):
            attribute: ClassVar[int] = 1

        hostile, guarded, sized, cls = Hostile(inner=1), Guarded(inner=1), Sized(), ClassOfIts
        plain = Plain(number=3, text="abc", hostile=hostile, nothing=None)
        plain.inner = Plain(rows={"acct": 130, 1: [1, 2, (3, 4)]})  # type: ignore[attr-defined]
        keyed = {hostile: 1}
        mixed = [1, hostile]
        deep = [[[[[[[1]]]]]]]
        text, mapping = Text("key"), Mapping(key=1)
        words = ["a", "b"]
        cell = 11
        many = list(range(5000))
        typed = OfHashed()
        odd = Plain()
        odd.__dict__[hostile] = 1  # type: ignore[index]
        unbound = 1
        del unbound

        def closure() -> int:
            return cell

        yield sys._getframe()
        print(
            argument, guarded, sized, cls, keyed, mixed, deep, text, mapping, words, closure, many, plain, odd
        )
        print(typed)

    stepped = program(42)
    frame = next(stepped)
    kept.append(stepped)
    ran.clear()
    return frame


kept: list[Any] = []
FRAME = frame_of_program()
TOLD = [
    "argument == 42",
    "argument != 42 or plain.number > 5",
    "1 < argument <= 42 < 43",
    "42 < argument < guarded.nobody",
    "plain.text == 'abc' and plain.nothing is None",
    "plain.inner.rows['acct'] == 130",
    "plain.inner.rows[1][2][-1] == 4",
    "plain.inner.rows == {'acct': 130, 1: [1, 2, (3, 4)]}.x or True",
    "plain.slot == 5 and plain.count == 7",
    "plain.hostile is hostile",
    "plain.hostile is not plain",
    "cell == 11",
    "cell % 2 == 1 and cell * 2 - 1 == 21 and cell / 2 > 5 and cell // 2 == 5",
    "'a' in words and 'c' not in words",
    "'b' == words[1] or hostile",
    "words",
    "not words",
    "not plain",
    "plain",
    "len(words) == 2",
    "len(many) == 5000",
    "typed",
    "typed is typed",
    "-argument == -42",
    "deep[0] is deep",
    "__name__ == 'nothing'",
    "argument in (1, 42) and words == ['a', 'b']",
    "ran == []",
    "unbound == 1 or True",
]
UNTOLD = [
    "hostile",
    "not hostile",
    "hostile == 1",
    "1 == hostile",
    "1 < hostile",
    "hostile.inner == 1 and hostile.computed",
    "hostile.described",
    "hostile.method",
    "hostile.nobody",
    "hostile['a']",
    "hostile in mixed",
    "'key' in keyed",
    "keyed['key']",
    "keyed == {}",
    "1 in mixed",
    "2 in mixed",
    "mixed == [1, 2]",
    "mixed[hostile]",
    "1 in [hostile]",
    "kept == [1]",
    "-hostile",
    "hostile + 1",
    "hostile % 2",
    "len(hostile) == 3",
    "len(text)",
    "text == 'key'",
    "text in words",
    "mapping['nobody']",
    "mapping",
    "guarded.inner",
    "sized",
    "cls.attribute",
    "odd.slot and odd.inner",
    "plain.nobody",
    "plain.__class__",
    "words[5]",
    "words['a']",
    "deep == [1]",
    "3 in many",
    "argument / 0",
    "nothing_of_that_name",
    "plain.text.upper() == 'ABC'",
    "print('no')",
    "typed == 1",
    "typed in words",
    "words[typed]",
    "typed[0]",
    "typed + 1",
    "len(typed)",
    "[one for one in words]",
    "(lambda: 1)()",
    "argument := 3",
    "argument == ",
    "f'{hostile}'",
]


def python_says(condition: str) -> bool:
    return bool(eval(condition, FRAME.f_globals, FRAME.f_locals))


@pytest.mark.parametrize("condition", [one for one in TOLD if "rows ==" not in one and "unbound" not in one])
def test_what_is_told_is_what_python_says(condition: str) -> None:
    before = FRAME.f_lasti
    found = InPlace().holds(condition, FRAME)
    assert ran == []
    assert found is python_says(condition)
    assert FRAME.f_lasti == before


@pytest.mark.parametrize("condition", [*UNTOLD, "10 ** 10 ** 10", "'a' * 10 ** 10"])
def test_what_could_run_code_of_the_program_is_not_told(condition: str) -> None:
    ran.clear()
    assert InPlace().holds(condition, FRAME) is None
    assert ran == []


def test_the_traps_are_set() -> None:
    """What is not told does run code of the program where Python evaluates it."""
    sprung = set()
    for condition in UNTOLD:
        ran.clear()
        try:
            python_says(condition)
        except Exception:
            continue
        finally:
            sprung.update(ran)
    names = "descriptor metaclass property eq order bool len getitem getattr getattribute number missing"
    assert sprung >= set(names.split()) - {"missing"}
    ran.clear()


def test_nothing_but_this_module_runs() -> None:
    """Of Python code, while all conditions are told or not."""
    here = {
        inplace.__file__,
        *(sys.modules[name].__file__ for name in sys.modules if name.startswith("replay.")),
    }
    allowed = here | {dis.__file__, types.__file__, "<string>", sys.modules["ast"].__file__, "<frozen abc>"}
    called: set[str | None] = set()

    def see(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called.add(frame.f_code.co_filename)

    teller = InPlace()
    gc.disable()  # libraries may have functions that are called when garbage is collected
    sys.setprofile(see)
    try:
        for condition in (*TOLD, *UNTOLD):
            teller.holds(condition, FRAME)
    finally:
        sys.setprofile(None)
        gc.enable()
    assert inplace.__file__ in called
    assert __file__ not in called
    assert not [name for name in called if name not in allowed and "enum" not in str(name)]


def test_what_is_not_bound_is_looked_for_outside() -> None:
    assert InPlace().holds("unbound == 1", FRAME) is None
    assert InPlace().holds("pytest is not None", FRAME) is True
    assert InPlace().holds("pytest.__name__", FRAME) is None
    assert InPlace().holds("sys.maxsize > 5", FRAME) is True
    assert InPlace().holds("len is not None", FRAME) is True
