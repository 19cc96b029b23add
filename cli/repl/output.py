"""What becomes of results: lines on stdout and errors on stderr, or one JSON object for each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from replay.cli.output import json_text, tell, tell_error, write
from replay.cli.reading import json_value
from replay.cli.repl.command import Result
from replay.cli.repl.parsing import plain
from replay.cli.repl.state import State
from replay.cli.style import style_for
from replay.cli.text import printable_lines

JSON_VERSION: Final = 1
"""Goes up when a key changes its meaning or goes away; new keys may come at any time."""


class Printer:
    """Shows results."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __call__(self, line: str, result: Result) -> None:
        """Show what came of a line."""
        if self._state.settings.json:
            write(json_text(as_json(self._state, line, result)))
            sys.stdout.flush()
            return
        if result.lines:
            self._show(result.lines)
        if result.error is None:
            return
        if not self._state.is_interactive:
            tell_error(result.error)
            return
        style = style_for(sys.stderr)
        tell(f"{style('error', 'replay:')} {printable_lines(result.error.message)}")
        if result.error.hint is not None:
            tell(f"{style('hint', 'hint:')} {printable_lines(result.error.hint)}")

    def _show(self, lines: Sequence[str]) -> None:
        rows = shutil.get_terminal_size().lines
        is_paged = self._state.is_interactive and self._state.settings.pager and len(lines) >= rows
        if is_paged and _page("\n".join(lines) + "\n"):
            return
        write("\n".join(lines))
        sys.stdout.flush()


def as_json(state: State, line: str, result: Result) -> dict[str, object]:
    """Return a result as programs get it."""
    found: dict[str, object] = {
        "v": JSON_VERSION,
        "cmd": line,
        "ok": result.ok,
        "pos": None if state.position is None else str(state.position),
        "data": json_value(result.data),
        "text": "\n".join(map(plain, result.lines)),
    }
    if result.error is not None:
        found |= {"error": result.error.message, "hint": result.error.hint, "diverged": result.diverged}
    return found


def _page(text: str) -> bool:
    """Show a text by the page; return whether there was something to do so."""
    pager = os.environ.get("PAGER") or shutil.which("less") or shutil.which("more")
    if not pager or pager == "cat":
        return False
    try:
        # R: colours; F: what fits is not held up; X: it stays on the screen.
        subprocess.run(
            pager, shell=True, input=text.encode(), env={"LESS": "-RFX", **os.environ}, check=False
        )
    except OSError:
        return False
    return True
