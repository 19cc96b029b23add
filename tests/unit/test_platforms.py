"""Where programs can be recorded: one sentence for each place where they cannot."""

from __future__ import annotations

from typing import Any

import pytest

from replay.platforms import platform_problem

GOOD: dict[str, Any] = {"system": "linux", "implementation": "cpython", "version": (3, 12), "abiflags": ""}


@pytest.mark.parametrize("minor", [11, 12, 13])
def test_supported(minor: int) -> None:
    assert platform_problem(**{**GOOD, "version": (3, minor, 1, "final", 0)}) is None


def test_this_machine_is_what_the_tests_run_on() -> None:
    assert platform_problem() is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"system": "darwin"}, "macOS"),
        ({"system": "win32"}, "Windows"),
        ({"system": "freebsd14"}, "freebsd14"),
        ({"implementation": "pypy"}, "PyPy"),
        ({"version": (3, 10, 13)}, "Python 3.10 is too old"),
        ({"version": (3, 14, 0)}, "Python 3.14 is too new"),
        ({"version": (3, 13), "abiflags": "t"}, "free-threaded"),
    ],
)
def test_unsupported(change: dict[str, Any], expected: str) -> None:
    problem = platform_problem(**{**GOOD, **change})
    assert problem is not None
    assert expected in problem
    assert "\n" not in problem
    assert not problem.endswith(".")
