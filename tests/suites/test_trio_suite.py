"""trio's own tests, which are in its wheel: plainly, and with our seams in place."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from tests.replays.harness import ROOT, Ran, run
from tests.suites.suites import Way, Words, compare, words_in

SUITE_LIMIT_S = 900.0
"""All of it takes about a minute."""

TOOLS = "test_static_tool_sees_all_symbols"
"""Runs type checkers and linters over trio's sources, each of which may be missing."""


@pytest.mark.slow
def test_what_passes_plainly_passes_with_the_seams(tmp_path: Path) -> None:
    trio = importlib.util.find_spec("trio")
    assert trio is not None
    assert trio.submodule_search_locations is not None
    folder = Path(trio.submodule_search_locations[0])
    own_tests = next(path for path in (folder / "_tests", folder / "tests") if path.is_dir())

    def run_in(way: Way) -> tuple[Words, Ran]:
        report = tmp_path / f"{way}.xml"
        seams = ["-p", "tests.suites.seamed"] if way == "ours" else []
        plugin = ["-p", "trio._tests.pytest_plugin"] if (own_tests / "pytest_plugin.py").exists() else []
        ran = run(
            [
                *[sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *seams, *plugin],
                *["-o", "addopts=", f"--junitxml={report}", "--pyargs", "trio"],
                *[f"--ignore={own_tests / 'tools'}", "-k", f"not {TOOLS}"],
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            limit_s=SUITE_LIMIT_S,
        )
        return (words_in(report) if report.exists() else {}), ran

    compare(("ours",), run_in, {})
