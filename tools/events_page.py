"""Prints the tables of `docs/events.md`: the kinds of events, and the doors that this Python has.

    python tools/events_page.py kinds
    python tools/events_page.py doors

The page joins the doors of all supported Pythons; a test compares both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_LOOK = """
import json, os
write, leave = os.write, os._exit
from replay.runtime import launcher
launcher._load_modules()
from replay.recording.events import FIRST_DOOR
from replay.runtime import environment, unrecorded
from replay.runtime.boundary import output, signals
from replay.runtime.boundary.table import nothing
from replay.runtime.install import install
from replay.runtime.worlds.live import LiveWorld

rows = {}

class World(LiveWorld):
    def bind(self, door, tag, function):
        waits = bool(door.blocking)
        rows[door.name] = [door.effect, waits, door.request is not nothing, door.quiet]
        return super().bind(door, tag, function)

header = {"streams": output.describe_streams(), "signals": signals.initial_dispositions()}
boundary = install(World(), None, {**environment.describe(frozenset()), **header})
unrecorded.install(boundary)
environment.record(boundary, frozenset(), frozenset(), lambda *given: None)
for name in boundary.names.tags:
    rows.setdefault(name, None)
write(1, json.dumps(rows).encode())
leave(0)
"""


def doors() -> dict[str, str]:
    """Return each door of this Python, with what kind of call it is in words."""
    ran = subprocess.run(
        [sys.executable, "-c", _LOOK],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, list[bool] | None] = json.loads(ran.stdout)
    return {name: _in_words(row) for name, row in found.items()}


def _in_words(row: list[bool] | None) -> str:
    if row is None:
        return "of its own kind"
    effect, waits, is_compared, quiet = row
    words = ["refusal" if quiet else "effect" if effect else "answer"]
    if waits:
        words.append("may wait")
    if not is_compared:
        words.append("arguments not compared")
    return ", ".join(words)


def kinds() -> list[tuple[str, str, str, str]]:
    """Return the rows of the table of kinds: tag, name, value, meaning."""
    from replay.recording.events import TABLE

    return [(str(int(row.kind)), row.kind.name, row.value, row.meaning) for row in TABLE]


def main() -> int:
    """Print one of the tables."""
    if sys.argv[1:] == ["kinds"]:
        for tag, name, value, meaning in kinds():
            print(f"| {tag} | `{name}` | `{value}` | {meaning} |")
    elif sys.argv[1:] == ["doors"]:
        for name, words in sorted(doors().items()):
            print(f"| `{name}` | {words} |")
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
