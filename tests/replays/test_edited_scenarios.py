"""Scenarios survive edits of their program that do not touch what their rules name."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from replay.scenario.scenario import Scenario
from tests.conftest import ROOT

SCENARIOS = sorted(path.stem for path in (ROOT / "scenarios").glob("*.yaml"))
MAIN = re.compile(r"^( *)async def main\(.*\).*:\n", re.MULTILINE)
UNRELATED = """

async def unrelated() -> None:
    for _ in range(3):
        await {pause}


"""


def pause(text: str) -> str:
    """Return an expression that gives way to others, in the program's library."""
    return "trio.lowlevel.checkpoint()" if "import trio" in text else "asyncio.sleep(0)"


def with_moved_lines(text: str) -> str:
    """Return the program with lines before everything else, and between functions."""
    moved = text.replace("\n\n\n", "\n\n\n# one line more\n# and another\n\n")
    return f"# a comment\n# of two lines\n{moved}"


def with_an_extra_await(text: str) -> str:
    """Return the program with an await before everything that it does."""
    return MAIN.sub(lambda found: f"{found[0]}{found[1]}    await {pause(text)}\n", text, count=1)


def with_an_extra_task(text: str) -> str:
    """Return the program with a task that has nothing to do with the others."""
    found = MAIN.search(text)
    assert found is not None
    if "import trio" in text:
        start = "trio.lowlevel.spawn_system_task(unrelated)"
    else:
        start = "another = asyncio.create_task(unrelated())"
    body = f"{found[0]}{found[1]}    {start}\n"
    return (
        text[: found.start()] + UNRELATED.format(pause=pause(text)).lstrip("\n") + body + text[found.end() :]
    )


EDITS = (with_moved_lines, with_an_extra_await, with_an_extra_task)


@pytest.mark.sampled
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
@pytest.mark.parametrize("name", SCENARIOS)
def test_it_does_what_it_did(name: str, edit: Callable[[str], str], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    scenario = Scenario.load(tmp_path / "scenarios" / f"{name}.yaml")
    program = tmp_path / "scenarios" / scenario.argv[0]
    before = program.read_text()
    after = edit(before)
    assert after != before
    program.write_text(after)
    result = scenario.run()
    assert result.passed, (result.misses, result.unmet)


def test_an_edit_of_what_a_rule_names_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    scenario = Scenario.load(tmp_path / "scenarios" / "lost_update.yaml")
    program = tmp_path / "scenarios" / scenario.argv[0]
    program.write_text(
        program.read_text().replace("def transfer", "def moves").replace("transfer(", "moves(")
    )
    result = scenario.run()
    assert not result.passed
    assert result.unmet
