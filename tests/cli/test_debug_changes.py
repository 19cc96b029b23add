"""`last` and `watch`: which line changed a value, whoever ran it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.answers import recorded, said

PROGRAM = """\
import asyncio

class Held:
    def __init__(self, number):
        self.number = number
    def __del__(self):
        a = 1
        b = 2

def doubled(number):
    return 2 * number

balance = {}

async def main():
    count = 0
    for number in range(3):
        held = Held(number)
        count = number * 10
    total = doubled(
        count
    )
    balance["sum"] = 0
    asyncio.get_running_loop().call_soon(balance.__setitem__, "sum", 7)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    print(total)

asyncio.run(main())
"""
PRINT = 27


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("changes"), PROGRAM)


def test_finalizers_do_not_shift_the_line(recording: Path) -> None:
    """They run where they do in the program, though the watch looks at what is finalized."""
    *_, count, _, _, number = said(
        recording, f"c app.py:{PRINT}", "last count", "goto start", f"c app.py:{PRINT}", "last number"
    )
    assert (count["data"]["lineno"], count["data"]["before"], count["data"]["after"]) == (19, "10", "20")
    assert (number["data"]["lineno"], number["data"]["before"], number["data"]["after"]) == (17, "1", "2")


def test_both_directions_stop_at_the_same_lines(recording: Path) -> None:
    _, _, *there = said(recording, "c app.py:17", "watch count", "c", "c", "rc", "rc")
    places = [one["pos"] for one in there]
    assert places[2] == places[0]  # and back from there, to where it got its first value
    changes = [(one["data"]["before"], one["data"]["after"], one["data"]["lineno"]) for one in there[:3]]
    assert changes == [("0", "10", 19), ("10", "20", 19), ("0", "10", 19)]
    assert there[3]["data"]["before"] == "(nothing yet)"


def test_what_a_call_returned_is_changed_by_the_line_that_called(recording: Path) -> None:
    _, changed, shown, again = said(
        recording, f"c app.py:{PRINT}", "last total", "list", "last total", returncode=1
    )
    assert changed["data"]["function"] == "doubled"
    assert changed["data"]["caller"]["function"] == "main"
    assert changed["data"]["caller"]["lineno"] == 20
    assert shown["data"]["current"] == 20
    assert not again["ok"]
    assert "total has no value at" in again["error"]


def test_a_name_that_is_not_there(recording: Path) -> None:
    _, found = said(recording, f"c app.py:{PRINT}", "last nothing", returncode=1)
    assert not found["ok"]
    assert "nothing has no value" in found["error"]
    assert "NameError" in found["error"]


def test_from_a_callback_names_of_the_program_can_be_watched(recording: Path) -> None:
    _, printed, changed = said(recording, "c app.py:26", 'p balance["sum"]', 'last balance["sum"]')
    assert (printed["data"]["value"], changed["data"]["before"], changed["data"]["after"]) == ("7", "0", "7")
    assert changed["data"]["owner"].startswith("callback@")
    _, at_callback, before = said(recording, f"goto {changed['pos']}", "p balance", 'last balance["sum"]')
    assert at_callback["data"]["value"] == "{'sum': 0}"
    assert before["data"]["after"] == "0"
