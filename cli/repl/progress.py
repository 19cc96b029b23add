"""Shows where a motion is that takes long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from replay.cli.repl.state import State
from replay.positions import Position

_SHOWN_AFTER_S = 0.3
_BETWEEN_S = 0.1


@contextmanager
def progress(state: State) -> Iterator[None]:
    """Show where a motion is that takes long, on a terminal."""
    if not state.can_replay or not sys.stderr.isatty():
        yield
        return
    began = last = time.monotonic()
    is_shown = False

    def passed(position: Position) -> None:
        nonlocal last, is_shown
        now = time.monotonic()
        if now - began > _SHOWN_AFTER_S and now - last > _BETWEEN_S:
            last = now
            is_shown = True
            sys.stderr.write(f"\r... @{position.step} of {len(state.session.steps)}\x1b[K")
            sys.stderr.flush()

    timeline = state.session.timeline
    before, timeline.on_progress = timeline.on_progress, passed
    try:
        yield
    finally:
        timeline.on_progress = before
        if is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
