"""Values as they are shown, and what is said about them: also of objects that are of no help."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import run_replay

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


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("values")
    (folder / "app.py").write_text(PROGRAM)
    done = run_replay("record", "-o", "run.rec", "app.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run.rec"


def said(recording: Path, *commands: str) -> list[dict[str, Any]]:
    """Return what comes of commands, before the last line."""
    words = [word for one in ("c app.py:23", *commands) for word in ("-ex", one)]
    done = run_replay(
        "debug", recording, "--at", "start", "--json", "--batch", "--keep-going", *words, cwd=recording.parent
    )
    assert done.returncode in (0, 1), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()][1:]


def test_one_value_that_takes_for_ever_does_not_hide_the_others(recording: Path) -> None:
    (found,) = said(recording, "locals")
    assert found["data"]["first"] == "1"
    assert found["data"]["endless"] == "<Endless object, whose repr takes too long>"
    assert found["data"]["half"] == "a\\udcffb"
    assert found["data"]["jobs"].startswith("[<job number 0>,")


def test_half_of_a_surrogate_pair(recording: Path) -> None:
    printed, run = said(recording, "p half", '!print("\\udcff")')
    assert printed["data"]["value"] == "a\\udcffb"
    assert run["data"]["output"] == "\\udcff\n"


def test_local_and_global_names_are_told_apart(recording: Path) -> None:
    names, globals_, locals_ = said(
        recording, "p sorted(locals())", "p 'first' in globals(), 'Job' in globals()", "p 'Job' in locals()"
    )
    assert names["data"]["value"] == "['endless', 'first', 'half', 'jobs']"
    assert (globals_["data"]["value"], locals_["data"]["value"]) == ("(False, True)", "False")


def test_objects_of_the_program_are_broken_into_lines(recording: Path) -> None:
    (found,) = said(recording, "pp jobs")
    assert len(found["text"].splitlines()) == 20


def test_an_assertion_may_have_a_message(recording: Path) -> None:
    fine, wrong = said(recording, 'assert first == 1, "one"', 'assert first == 2, "two" + "!"')
    assert fine["ok"]
    assert not wrong["ok"]
    assert wrong["error"].startswith("assertion failed at @1.")
    assert wrong["error"].endswith(": first == 2  ('two!')")
