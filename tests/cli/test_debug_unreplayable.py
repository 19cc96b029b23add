"""What the debugger tells of a recording that cannot be replayed here: all that the file itself knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.answers import recorded
from tests.conftest import run_replay

PROGRAM = """\
import asyncio

class Store:
    def get(self):
        return 1

async def work(n):
    await asyncio.sleep(0.001 * n)
    if n == 2:
        raise ValueError("two")
    print("one")
    return n

async def main():
    return await asyncio.gather(work(1), work(2))

asyncio.run(main())
"""
EDITED = PROGRAM.replace("n == 2", "n == 1")

FOLLOWS = ["list", "list", "list 5,6", "list app.py:2,3", "list ."]
"""One after another: `list` goes on where the last one ended."""
TOLD: dict[str, Any] = {
    "source Store.get": {"first": 4, "lines": ["    def get(self):", "        return 1"]},
    "source work": {"first": 7, "last": 12},
    "bookmark b @3": {"b": "@3"},
    "note @2 begins": {"pos": "@2", "note": "begins"},
    "exceptions": None,
    "tasks": None,
    "task T2": None,
    "tree --by spawn": None,
    "timeline": None,
    "schedule": None,
    "events": None,
    "find work": None,
    "out": None,
    "stats": None,
    "info": None,
    "break app.py:9": None,
}
REFUSED = {
    "tree": ("who awaits whom needs a replay, and there is none", "`tree --by spawn`"),
    "note begins": ("without a replay one is nowhere: say which place", "`note @7 TEXT`"),
    "bookmark b": ("without a replay one is nowhere: say which place", "`bookmark b @7`"),
    "source nothing": (
        "the program defines no nothing, and without a replay nothing else is known",
        "`source FILE` runs the commands in a file",
    ),
    "list other.py:3": ("no such file in the recording: other.py", "it has app.py"),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Run all commands on the recording of a program that was edited since."""
    folder = tmp_path_factory.mktemp("unreplayable")
    recording = recorded(folder, PROGRAM, returncode=1)
    (folder / "app.py").write_text(EDITED)
    commands = [*TOLD, *REFUSED, "p 1", "goto @2", "task T2 where", "io --sent"]
    words = [word for command in commands for word in ("-ex", command)]
    done = run_replay("debug", recording, "--json", "--batch", "--keep-going", *words, cwd=folder)
    assert done.returncode == 1
    return {one["cmd"]: one for one in map(json.loads, done.stdout.splitlines())}


def test_it_tells_what_the_file_knows(found: dict[str, dict[str, Any]]) -> None:
    for command, expected in TOLD.items():
        one = found[command]
        assert one["ok"], one
        assert one["data"], command
        if expected is not None:
            assert expected.items() <= one["data"].items()


def test_it_says_what_needs_a_replay_and_why_there_is_none(found: dict[str, dict[str, Any]]) -> None:
    for command, (message, hint) in REFUSED.items():
        assert (found[command]["error"], found[command]["hint"]) == (message, hint)
    for command in ("p 1", "goto @2", "task T2 where", "io --sent"):
        name = command if command == "io --sent" else command.removesuffix(" where").removesuffix(" 1")
        name = name.removesuffix(" @2")
        start = f"`{name}` needs a replay, and there is none: source files were edited"
        assert found[command]["error"].startswith(start)
        assert "--source recorded" in found[command]["hint"]


def test_the_source_is_listed_as_it_was_recorded(tmp_path: Path) -> None:
    recording = recorded(tmp_path, PROGRAM, returncode=1)
    (tmp_path / "app.py").write_text(EDITED)
    words = [word for command in FOLLOWS for word in ("-ex", command)]
    done = run_replay("debug", recording, "--batch", *words, cwd=tmp_path)
    lines = PROGRAM.splitlines()
    numbers = [*range(1, 12), *range(12, 18), 5, 6, 2, 3, *range(1, 12)]
    texts = [line[2:].strip().partition("  ")[::2] for line in done.stdout.splitlines()]
    assert texts == [(str(number), lines[number - 1]) for number in numbers]
    assert done.returncode == 0
