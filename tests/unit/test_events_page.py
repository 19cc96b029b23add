"""`docs/events.md` names each kind of event and each door that there is, and nothing else."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from replay.recording.recording import Recording
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
VERSION = sys.version_info[:2]


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("events_page", ROOT / "tools" / "events_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(columns_count: int, page: str = PAGE) -> list[list[str]]:
    """Return the cells of all rows of this width, but for the heads of tables."""
    found = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" |")]
        if line.startswith("|") and len(cells) == columns_count and "---" not in line:
            found.append(cells)
    return [cells for cells in found if cells[0] not in ("tag", "door")]


def is_here(remark: str) -> bool:
    """Whether a door with this remark exists on this Python."""
    found = re.fullmatch(r"(?:(from|until) 3\.(\d+))?", remark)
    if found is None:
        pytest.fail(f"{remark!r} is no remark on a version")
    if found[1] is None:
        return True
    limit = (3, int(found[2]))
    return limit <= VERSION if found[1] == "from" else limit >= VERSION


def doors_of_page(page: str = PAGE) -> dict[str, str]:
    found = [(name.strip("`"), words) for name, words, remark in rows(3, page) if is_here(remark)]
    assert len(dict(found)) == len(found), "a door is in one table"
    return dict(found)


def test_the_page_has_each_kind_as_the_code_has_it() -> None:
    found = [(tag, kind.strip("`"), value.strip("`"), says) for tag, kind, value, says in rows(4)]
    assert found == tool().kinds()


def test_the_page_has_each_door_and_how_it_is_called() -> None:
    assert doors_of_page() == tool().doors(), "`tools/events_page.py doors` prints the rows of this Python"


def test_a_recording_has_the_doors_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("")
    subprocess.run(
        [sys.executable, "-m", "replay", "record", "app.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        timeout=30,
        check=True,
    )
    with Recording.open(str(tmp_path / "run.rec")) as recording:
        doors = recording.header["doors"]
    assert isinstance(doors, list)
    assert sorted(doors) == sorted(doors_of_page())


def test_a_door_that_is_missing_or_too_many_is_noticed() -> None:
    line = next(line for line in PAGE.splitlines() if line.startswith("| `os.read` "))
    assert "os.read" not in doors_of_page(PAGE.replace(line + "\n", ""))
    assert "os.reed" in doors_of_page(PAGE.replace(line, line.replace("read", "reed")))
