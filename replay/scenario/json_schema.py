"""The format of scenarios as JSON Schema, for editors.

Draft 7: what `yaml-language-server` knows best.
"""

from __future__ import annotations

from typing import Any

from replay.scenario.format import SCENARIO, VERSION


def json_schema() -> dict[str, Any]:
    """Return the schema of a file."""
    definitions: dict[str, Any] = {}
    schema = SCENARIO.schema(definitions)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"A scenario of replay, version {VERSION}",
        **schema,
        "definitions": dict(sorted(definitions.items())),
    }
