"""The JSON Schema of scenarios and their loader take the same documents, and refuse the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft7Validator

from replay.scenario import documents
from replay.scenario.documents import Node, ScenarioError
from replay.scenario.json_schema import json_schema
from replay.scenario.scenario import Scenario
from tests.conftest import ROOT
from tests.unit.test_scenario_loading import EVERYTHING, HEAD, MISTAKES, UNWRITABLE

PAGE = ROOT / "docs" / "scenario.schema.json"
SCHEMA = json_schema()

ONLY_THE_LOADER_SEES = (
    "already, in line",  # a key that is there twice is there once for an editor
    "is no time of day",
    "shorter than a nanosecond",
    "longer than",
    "the first is more than the second",
    "no YAML",
    "the file is empty",
    "name of a key",
    "not taken",
    "second one begins",
    "with tabs",
    "too many levels",
    "does not have",
)
"""A schema cannot say these things; an editor tells some by itself."""


def value_of(node: Node) -> Any:
    """Return the value of a node as an editor has it."""
    if isinstance(node, documents.Mapping):
        return {value_of(key): value_of(value) for key, value in node.value}
    if isinstance(node, documents.Sequence):
        return [value_of(one) for one in node.value]
    match node.tag:
        case documents.NOTHING:
            return None
        case documents.FLAG:
            return node.value.lower() == "true"
        case documents.WHOLE if len(node.value) < 20:
            return int(node.value, 0) if node.value[:2] in ("0x", "0o") else int(node.value)
        case documents.WHOLE:
            return 10**20
        case documents.DECIMAL:
            return float(node.value)
        case _:
            return node.value


def is_taken_by_editors(text: str) -> bool:
    return Draft7Validator(SCHEMA).is_valid(value_of(documents.compose(text, "")))


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_the_published_one_is_this_one() -> None:
    assert json.loads(PAGE.read_text(encoding="utf-8")) == SCHEMA


GOOD = [
    EVERYTHING,
    HEAD,
    HEAD + "policy: random",
    HEAD + "policy: {random: {seed: abc}}",
    HEAD + "name: 2024\nabout: true",
    HEAD + "expect: {deadlock: true, output: x}",
    HEAD + "expect: {failure: {message: 5}}",
    HEAD + "world: {start: 2024-01-01 10:00, limits: {each: 1h}}",
    HEAD + "world: {real_subprocess: true}",
    HEAD + "decisions: [[a b, 1, later], [a c, 0x10, now]]",
    "replay: 1\nprogram: {module: m}\nrules:\n- {cancel: {task: a}}",
    *(
        f"{HEAD}world: {{faults: [{fault}]}}"
        for fault in (
            "reset: {connection: '*'}",
            "refuse: {connection: 'db:5432', times: 2}",
            "stall: {connection: x, for: 2s}",
            "stall: {connection: x, at: 2s}",
            "partition: {between: [a, b]}",
            "drop: {to: x}",
            "drop: {to: x, nth: 1}",
            "partition: {between: [a, b], from: 0s, until: 1s}",
            "short_reads: {connection: x, bytes: 1}",
            "short_writes: {connection: x, bytes: 1}",
            "slow: {connection: x, bytes_per_s: 100}",
            "crash: {host: db, at: 1s}",
            "disk_full: {path: '*.log', after_bytes: 0}",
            "io_error: {path: data, errno: EIO}",
            "clock_jump: {at: 1s, by: -1s}",
            "stalled_loop: {at: 1s, for: 1s}",
            "late_thread: {thread: t, for: 1s}",
        )
    ),
]


@pytest.mark.parametrize("text", GOOD, ids=range(len(GOOD)))
def test_what_is_good_is_good_for_both(text: str) -> None:
    assert Scenario.parse(text).argv
    assert is_taken_by_editors(text)


BAD = [
    text
    for text, expected in MISTAKES + UNWRITABLE
    if not any(one in expected for one in ONLY_THE_LOADER_SEES)
]


def test_most_mistakes_are_for_both() -> None:
    assert len(BAD) > 40


@pytest.mark.parametrize("text", BAD)
def test_what_is_bad_is_bad_for_both(text: str) -> None:
    with pytest.raises(ScenarioError):
        Scenario.parse(text)
    assert not is_taken_by_editors(text)


def keys_of(schema: object) -> set[str]:
    """Return all keys that a schema knows."""
    if isinstance(schema, list):
        return {key for one in schema for key in keys_of(one)}
    if not isinstance(schema, dict):
        return set()
    own = set(schema.get("properties", ()))
    return own | {key for one in schema.values() for key in keys_of(one)}


def test_the_page_names_each_key() -> None:
    page = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    known = keys_of(SCHEMA)
    assert len(known) > 60
    assert [key for key in sorted(known) if f"{key}:" not in page and f"`{key}`" not in page] == []
