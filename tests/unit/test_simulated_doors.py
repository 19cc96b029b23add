"""Each door is answered in the simulated world, let through, or refused; and the page says which are
refused."""

from __future__ import annotations

import re
from pathlib import Path

from replay.runtime.decisions.fifo import Fifo
from replay.runtime.worlds.simulated.table import PASSED, REAL, REFUSED, is_passed
from replay.runtime.worlds.simulated.world import Setting, SimulatedWorld
from tests.conftest import ROOT
from tests.unit.test_events_page import rows

PAGE = (ROOT / "docs" / "simulation.md").read_text(encoding="utf-8")
DOORS = frozenset(cells[0].strip("`") for cells in rows(3))
"""Of all Pythons; another test holds this page against what there is."""

REFUSALS = frozenset(name for names in REFUSED.values() for name in names.split())


def answered(tmp_path: Path) -> frozenset[str]:
    return SimulatedWorld(Setting(), Fifo(), str(tmp_path / "overlay")).answered()


def undecided(doors: frozenset[str], answers: frozenset[str]) -> list[str]:
    """Return the doors that are not in exactly one of the three."""
    return sorted(
        door for door in doors if [door in answers, is_passed(door), door in REFUSALS].count(True) != 1
    )


def test_each_door_is_answered_or_passed_or_refused(tmp_path: Path) -> None:
    answers = answered(tmp_path)
    # What answers a door of TLS does so beside the others of that name, which are let through.
    assert (
        undecided(frozenset(one for one in DOORS if not (one.startswith("ssl.") and one in answers)), answers)
        == []
    )


def test_a_door_that_nobody_decided_about_is_noticed(tmp_path: Path) -> None:
    answers = answered(tmp_path)
    assert undecided(frozenset(("os.new", "os.read")), answers) == ["os.new"]
    assert undecided(frozenset(("os.fork", "os.read")), answers | {"os.fork"}) == ["os.fork"]


def test_no_row_is_about_a_door_that_is_not_there(tmp_path: Path) -> None:
    known = DOORS | {"input"}
    assert sorted((PASSED | REAL | REFUSALS) - known) == []
    assert sorted(answered(tmp_path) - DOORS) == ["select.poll", "socket.pair"]  # parts of others


def test_the_page_lists_what_is_refused() -> None:
    table = PAGE.partition("<!-- refused -->")[2].partition("\n\nSo do")[0]
    found = {
        cells[0].strip(): " ".join(re.findall("`([^`]+)`", cells[1]))
        for cells in (line.strip("|").split("|") for line in table.splitlines() if line.startswith("|"))
        if cells[0].strip() not in ("about", "---")
    }
    assert found == {about: " ".join(names.split()) for about, names in REFUSED.items()}
