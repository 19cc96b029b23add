"""Where a program can be recorded and replayed: CPython 3.11 to 3.13 on Linux, with the GIL.

Recordings can be read anywhere; only running a program needs the right machine under it.
"""

from __future__ import annotations

import sys
from typing import Final

OLDEST: Final = (3, 11)
NEWEST: Final = (3, 13)

_READING: Final = "reading a recording works here"
_SYSTEMS: Final = {
    "darwin": "macOS has no epoll, and its loop and signals are not covered",
    "win32": "Windows has neither epoll nor fork, and its loop is another one",
    "cygwin": "Cygwin has no epoll",
}


def platform_problem(
    *,
    system: str | None = None,
    implementation: str | None = None,
    version: tuple[int, ...] | None = None,
    abiflags: str | None = None,
) -> str | None:
    """Say in one sentence why no program can be recorded or replayed here, or return None.

    Args:
      system: as ``sys.platform``; each argument stands for this interpreter's own when left out.
      implementation: as ``sys.implementation.name``.
      version: as ``sys.version_info``, at least two numbers.
      abiflags: as ``sys.abiflags``; a ``t`` in it is a free-threaded build.
    """
    system = sys.platform if system is None else system
    implementation = sys.implementation.name if implementation is None else implementation
    major_minor = tuple(sys.version_info if version is None else version)[:2]
    flags: str = getattr(sys, "abiflags", "") if abiflags is None else abiflags
    if system != "linux":
        because = _SYSTEMS.get(system, f"{system} is not covered")
        return f"programs can be recorded and replayed on Linux only: {because}; {_READING}"
    if implementation != "cpython":
        known = {"pypy": "PyPy", "graalpy": "GraalPy"}.get(implementation, implementation)
        return (
            f"programs can be recorded and replayed on CPython only: {known} collects garbage at other "
            f"moments and lacks the hooks we need; {_READING}"
        )
    named = ".".join(map(str, major_minor))
    if major_minor < OLDEST:
        return f"Python {named} is too old: asyncio before 3.11 has no Runner and no TaskGroup to build on"
    if major_minor > NEWEST:
        return (
            f"Python {named} is too new: programs can be recorded and replayed on 3.11 to 3.13, whose event "
            f"loops we know; {_READING}"
        )
    if "t" in flags:
        return (
            "free-threaded builds of Python cannot be recorded or replayed: without the GIL the order of "
            f"threads is nobody's decision; {_READING}"
        )
    return None
