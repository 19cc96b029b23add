"""What becomes of a mistake of replay's own in a command: a line, not the end of the session."""

from __future__ import annotations

import traceback

from replay.cli.text import printable
from replay.errors import ReplayError


def mistake(problem: Exception) -> ReplayError:
    """Return what is said of an exception that nobody expected: where it came from is what a report needs."""
    frames = traceback.extract_tb(problem.__traceback__)
    at = frames[-1] if frames else None
    where = "" if at is None else f" at {'/'.join(at.filename.split('/')[-3:])}:{at.lineno} in {at.name}"
    told = " ".join(f"{type(problem).__name__}: {problem}".split())
    return ReplayError(
        f"this is a mistake of replay's, not of the program: {printable(told)[:300]}{where}",
        hint="please report this line, the command, and what `replay --version` says",
    )
