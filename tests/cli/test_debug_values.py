"""Values as they are shown, and what is said about them: also of objects that are of no help."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.answers import recorded, said

PROGRAM = """\
import asyncio

class Endless:
    def __repr__(self):
        while True:
            pass

class Half:
    def __repr__(self):
        return "a\\udcffb"

class Job:
    def __init__(self, number):
        self.number = number
    def __repr__(self):
        return f"<job number {self.number}>"

async def main():
    first = 1
    endless = Endless()
    half = Half()
    jobs = [Job(number) for number in range(20)]
    await asyncio.sleep(0)

asyncio.run(main())
"""
LAST = "c app.py:23"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("values"), PROGRAM)


def test_one_value_that_takes_for_ever_does_not_hide_the_others(recording: Path) -> None:
    _, found = said(recording, LAST, "locals")
    assert found["data"]["first"] == "1"
    assert found["data"]["endless"] == "<Endless object, whose repr takes too long>"
    assert found["data"]["half"] == "a\\udcffb"
    assert found["data"]["jobs"].startswith("[<job number 0>,")


def test_half_of_a_surrogate_pair(recording: Path) -> None:
    _, printed, run = said(recording, LAST, "p half", '!print("\\udcff")')
    assert printed["data"]["value"] == "a\\udcffb"
    assert run["data"]["output"] == "\\udcff\n"


def test_local_and_global_names_are_told_apart(recording: Path) -> None:
    _, names, globals_, locals_ = said(
        recording,
        LAST,
        "p sorted(locals())",
        "p 'first' in globals(), 'Job' in globals()",
        "p 'Job' in locals()",
    )
    assert names["data"]["value"] == "['endless', 'first', 'half', 'jobs']"
    assert (globals_["data"]["value"], locals_["data"]["value"]) == ("(False, True)", "False")


def test_objects_of_the_program_are_broken_into_lines(recording: Path) -> None:
    _, found = said(recording, LAST, "pp jobs")
    assert len(found["text"].splitlines()) == 20


def test_an_assertion_may_have_a_message(recording: Path) -> None:
    _, fine, wrong = said(
        recording, LAST, 'assert first == 1, "one"', 'assert first == 2, "two" + "!"', returncode=1
    )
    assert fine["ok"]
    assert not wrong["ok"]
    assert wrong["error"].startswith("assertion failed at @1.")
    assert wrong["error"].endswith(": first == 2  ('two!')")
