"""Whatever a scenario says, it is written so that it is loaded as the same; any text is one or is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from replay.scenario import documents, shapes
from replay.scenario.documents import Problems, ScenarioError
from replay.scenario.format import SCENARIO
from replay.scenario.json_schema import json_schema
from replay.scenario.scenario import Scenario

TEXTS = st.one_of(
    st.text(min_size=1, max_size=8),
    st.sampled_from(
        [
            "no",
            "1:30",
            "0o17",
            "~",
            "1e3",
            "=",
            "<<",
            "- a",
            "a: b",
            "a #b",
            "'",
            "\n",
            " a\n\nb ",
            "\x85",
            "[x]",
        ]
    ),
)
VALIDATOR = Draft7Validator(json_schema())


def plains(shape: shapes.Shape) -> st.SearchStrategy[Any]:
    """Return what a shape can read, as plain values."""
    match shape:
        case shapes.Named():
            return plains(shape.shape)
        case shapes.Text():
            return TEXTS
        case shapes.Whole():
            return st.integers(shape.least, shape.most)
        case shapes.Seed():
            return st.one_of(st.integers(0, 2**53 - 1), TEXTS)
        case shapes.Flag():
            return st.booleans()
        case shapes.Only():
            return st.just(shape.value)
        case shapes.Length():
            lengths = st.integers(-(2**53) + 1 if shape.is_signed else 0, 2**53 - 1)
            return lengths if shape.unit == "ns" else lengths.map(lambda length: length / 10**9)
        case shapes.Moment():
            return st.integers(0, 4 * 10**15).map(lambda moment: moment / 10**6)
        case shapes.Word():
            return st.sampled_from(shape.words)
        case shapes.Items():
            return st.lists(plains(shape.item), min_size=shape.least, max_size=max(3, shape.least))
        case shapes.Row():
            row = st.tuples(*map(plains, shape.items)).map(list)
            return row if shape.check is None else row.map(sorted)
        case shapes.Either():
            parts = (shape.scalar, shape.sequence, shape.mapping)
            return st.one_of([plains(one) for one in parts if one is not None])
        case shapes.Tagged():
            return st.one_of([plains(kind) for kind in shape.kinds.values()])
        case shapes.Keys():
            return mappings(shape)
        case _:
            raise AssertionError(shape)


@st.composite
def mappings(draw: st.DrawFn, shape: shapes.Keys) -> dict[str, Any]:
    """Return a mapping with some of its keys, of which none excludes another."""
    names = [name for name, key in shape.keys.items() if key.is_required or draw(st.booleans())]
    if shape.any_of and not set(names) & set(shape.any_of):
        names.append(draw(st.sampled_from(shape.any_of)))
    for one, other in shape.apart:
        if one in names and other in names:
            names.remove(draw(st.sampled_from((one, other))))
    return {shape.keys[name].plain or name: draw(plains(shape.keys[name].shape)) for name in names}


@given(mappings(SCENARIO))
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=30, deadline=None)
def test_what_is_written_is_loaded(plain: dict[str, Any]) -> None:
    written = SCENARIO.write(plain)
    assert VALIDATOR.is_valid(written)
    problems = Problems()
    text = documents.dump(written)
    assert SCENARIO.read(documents.compose(text, ""), problems) == plain, problems.found
    scenario = Scenario.parse(text)
    again = scenario.text()
    assert Scenario.parse(again) == scenario
    assert Scenario.parse(again).text() == again


@given(st.text(alphabet="replay:1 program[]{}-\n\t'\"#&*!|>?%@,~a0.", max_size=60))
def test_any_text_is_a_scenario_or_refused(text: str) -> None:
    try:
        Scenario.parse(text)
    except ScenarioError as error:
        problems = error.problems
    else:
        return
    assert problems
    assert all(one.line >= 1 and one.column >= 1 for one in problems)


@given(st.binary(max_size=40))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    try:
        text = documents.decode(data, "x")
    except ScenarioError:
        with pytest.raises(UnicodeDecodeError):
            data.decode()
    else:
        assert text.encode() in (data, data[3:])
