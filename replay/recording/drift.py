"""What has changed since a program was recorded, found before its replay starts, and named.

A replay runs the recorded source with the interpreter and the installed distributions of this machine.
Another Python, another version of a distribution that the program imported, or a source file that was
edited since make another program of it.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from replay.errors import ReplayError
from replay.options import Source as Choice
from replay.recording.distributions import installed
from replay.recording.sources import Sources

_NAMED_COUNT: Final = 5
"""So many changes of a kind are named; of more, only how many."""


def check_interpreter(header: Mapping[str, Any]) -> None:
    """Refuse a recording made by another Python.

    Raises:
      ReplayError: the versions or implementations differ; says which.
    """
    recorded = f"{_named(header['implementation'])} {header['python']}"
    here = f"{_named(platform.python_implementation())} {platform.python_version()}"
    if recorded != here:
        raise ReplayError(
            f"recorded with {recorded}, this is {here}; another Python runs another program",
            hint=f"run this with {recorded}; `replay info` and `replay events` work with any",
        )


def _named(implementation: object) -> str:
    return "Python" if implementation == "CPython" else str(implementation)


def check(header: Mapping[str, Any], sources: Sources, choice: Choice) -> None:
    """Refuse to replay on a machine where the program would be another one.

    Args:
      sources: what the recording holds of the program's source.
      choice: whether files that were edited matter.

    Raises:
      ReplayError: says what has changed, and what can be done.
    """
    check_interpreter(header)
    _check_distributions(sources)
    _check_extensions(sources)
    if choice == "check":
        _check_sources(sources)


def _check_distributions(sources: Sources) -> None:
    if not sources.distributions:
        return
    here = installed(sys.path)
    changed = [
        (name, version, here.get(name))
        for name, version in sorted(sources.distributions.items())
        if here.get(name) != version
    ]
    if not changed:
        return
    lines = [
        f"{name} {version} was imported, {f'{other} is installed' if other else 'it is not installed'} here"
        for name, version, other in changed
    ]
    wanted = " ".join(f"{name}=={version}" for name, version, _ in changed)
    raise ReplayError(
        _sentence("other distributions than when it was recorded", lines), hint=f"`pip install {wanted}`"
    )


def _check_extensions(sources: Sources) -> None:
    lines = []
    for path, sha256 in sorted(sources.extensions.items()):
        data = _read(path)
        if data is None:
            lines.append(f"{path} is not here")
        elif hashlib.sha256(data).hexdigest() != sha256:
            lines.append(f"{path} is another file")
    if lines:
        raise ReplayError(
            _sentence("compiled modules of the program are not in the recording", lines),
            hint="replay where they are as they were, or record again",
        )


def edited(sources: Sources) -> list[str]:
    """Return the paths of the source files that are here, but with another text than the recorded ones."""
    found = []
    for path in sorted(sources.files):
        version = sources.files[path][-1]
        data = _read(path)
        if data is not None and not version.is_text(data):
            found.append(path)
    return found


def suspects(header: Mapping[str, Any], sources: Sources, choice: Choice) -> Callable[[], list[str]]:
    """Return what tells, where a replay has diverged, what of this machine may be the cause, each in words.

    What is there in addition changes nothing for most programs, so it is no reason to refuse a replay.
    """
    path = list(sys.path)  # that of the recording takes its place
    changed = edited(sources) if choice == "current" else []

    def told() -> list[str]:
        found = []
        if changed:
            found.append(f"the program's files are not those that were recorded: {_listed(changed)}")
        before = header.get("distributions")
        new = sorted(installed(path).keys() - before.keys()) if isinstance(before, dict) else []
        if new:
            found.append(f"installed since then, where the program may look for it: {_listed(new)}")
        return found

    return told


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED_COUNT} more" if len(names) > _NAMED_COUNT else ""
    return ", ".join(names[:_NAMED_COUNT]) + more


def _check_sources(sources: Sources) -> None:
    changed = edited(sources)
    if changed:
        raise ReplayError(
            _sentence("source files were edited since they were recorded", changed),
            hint="`--source recorded` runs the recorded text, "
            "`--source current` the files as they are, as far as they agree with the recording",
        )


def _sentence(what: str, lines: list[str]) -> str:
    named = [f"  {line}" for line in lines[:_NAMED_COUNT]]
    if len(lines) > _NAMED_COUNT:
        named.append(f"  and {len(lines) - _NAMED_COUNT} more")
    return "\n".join((f"{what}:", *named))


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None
