"""A replay that becomes another run is stopped where it does, and says what, where and why.

The programs leak: they ask the C library about a file, behind the back of any recorder, and do something
else when it is there. What they print does not show it, so nothing but the check of each call can.
"""

from __future__ import annotations

import re

import pytest

from tests.programs.catalogue import LEAKS, Program
from tests.replays.conftest import RecordProgram
from tests.replays.harness import DIVERGENCE, Ran, Recorded, difference, replay, show
from tests.replays.peers import TOGGLE
from tests.replays.test_corpus import case

TOGGLED = [program for program in LEAKS if "toggle" in program.peers]


def must_be_caught(recorded: Recorded, replayed: Ran) -> None:
    """Fail unless a replay ended in a divergence, with a message that has all its parts."""
    assert replayed.exit_code == DIVERGENCE, show(replayed)
    assert recorded.ran.stdout.startswith(replayed.stdout), "nothing is printed that was not recorded"
    message = replayed.stderr.decode()
    start = re.search(r"(?m)^replay: divergence", message)
    assert start is not None, show(replayed)
    message = message[start.start() :]
    for what, pattern in (
        ("the event", r"#\d+"),
        ("the position", r"@\d+"),
        ("the source", rf"{re.escape(recorded.program.file)}\.py:\d+"),
        ("what was expected", r"(?m)^\s*expected\s+\S"),
        ("what was observed", r"(?m)^\s*observed\s+\S"),
        ("a hint", r"(?m)^\s*(replay: )?hint:? +\S"),
    ):
        assert re.search(pattern, message), f"{what} is missing:\n{message}"


@pytest.mark.parametrize("program", [case(program) for program in LEAKS])
def test_a_leak_is_caught(program: Program, record_program: RecordProgram) -> None:
    recorded = record_program(program)
    (recorded.folder / TOGGLE).touch()
    must_be_caught(recorded, replay(recorded))


@pytest.mark.slow
@pytest.mark.parametrize("program", [pytest.param(program, id=program.name) for program in TOGGLED])
def test_without_the_leak_it_is_the_same_run(program: Program, record_program: RecordProgram) -> None:
    """What is caught is the leak, and nothing else about the program."""
    recorded = record_program(program)
    found = difference(recorded, replay(recorded))
    if found is not None:
        pytest.fail(found, pytrace=False)
