"""Runs test-suites of others plainly, on our loop, and under the recorder, and compares test by test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import pytest

from tests.replays.harness import ROOT, Ran, run

DRIVER = Path(__file__).with_name("driver.py")
MODULE_LIMIT_S = 400.0
"""A module of tests takes a few seconds, the longest half a minute."""

Way = Literal["plain", "ours", "recorded"]
Words = dict[str, str]
"""How each test ended, in one word of the driver's, by its name."""


def run_suite(
    way: Way, folder: Path, names: Sequence[str], *, path: Sequence[Path] = (), cwd: Path | None = None
) -> tuple[Words, Ran]:
    """Run tests of one module in one way, in a process of its own.

    Args:
      way: `plain`, `ours` (our loop in the place of asyncio's, no recorder) or `recorded`.
      folder: for the results.
      names: as for the driver.
      path: where the tests are, if they are not installed.
      cwd: where to run them; None for `folder`.
    """
    results = folder / f"{way}.txt"
    prefix = ["-m", "replay", "record", "-o", str(folder / "run.rec")] if way == "recorded" else []
    loop = "ours" if way == "ours" else "as-is"
    ran = run(
        [sys.executable, *prefix, str(DRIVER), loop, str(results), *names],
        cwd=cwd or folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*path, ROOT]))},
        limit_s=MODULE_LIMIT_S,
    )
    words: Words = {}
    for line in results.read_text().splitlines() if results.exists() else []:
        word, _, name = line.partition(" ")
        if word == "started":
            words[name] = "unfinished"
        elif word != "finished":
            words[name] = word
    return words, ran


def words_in(report: Path) -> Words:
    """Return how each test of a report in JUnit's form ended."""
    words: Words = {}
    for case in ET.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        word = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "ok"
        words[f"{case.get('classname')}.{case.get('name')}"] = word
    return words


def worse(plain: Words, other: Words) -> dict[str, str]:
    """Return the tests that passed plainly and did not in another way, and what became of them."""
    return {
        name: other.get(name, "not run")
        for name, word in plain.items()
        if word != "failed" and other.get(name) != word
    }


def compare(
    ways: Sequence[Way],
    run_in: Callable[[Way], tuple[Words, Ran]],
    impossible: Mapping[str, str],
) -> None:
    """Fail if a test that passes plainly does not in one of the ways.

    Args:
      ways: other than `plain`.
      run_in: runs the tests in a way.
      impossible: tests that cannot pass under the recorder, and why. One that does pass is an error here.
    """
    plain, ran = run_in("plain")
    if not plain and ran.exit_code == 0:
        pytest.skip("has no tests for this platform")
    assert plain, f"no test ran: {ran.stderr[-3000:].decode(errors='replace')}"
    for way in ways:
        words, ran = run_in(way)
        found = worse(plain, words)
        if way == "recorded":
            expected = {name for name in impossible if name in plain}
            passed = expected - set(found)
            assert not passed, f"passes under the recorder, so it is not impossible: {sorted(passed)}"
            found = {name: word for name, word in found.items() if name not in expected}
        said = ran.stderr[-6000:].decode(errors="replace")
        assert found == {}, f"{way}: {found}\n{said}"
