"""What somebody is told who uses the debugger for the first time."""

from __future__ import annotations

import os

from replay.cli.repl.state import State


def history_path() -> str:
    """Return the file that keeps what was typed in earlier sessions at a terminal."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(base, "replay", "debug_history")


def is_first_start() -> bool:
    """Whether there has been no session at a terminal before."""
    return not os.path.exists(history_path())


def welcome(state: State) -> list[str]:
    """Return the four lines of a first start."""
    stop = state.stop
    failure = None if stop is None else state.failure()
    first = "`timeline` shows who ran when, `goto @7` goes there"
    if failure is not None:
        first = f"failure at {failure.position}; try `why`"
    elif stop is not None and stop.reason == "over":
        first = "this is where the recording ends; try `deadlocks`"
    lines = (
        "this is the run as it was recorded; go through it both ways, as often as you like",
        "step, next, continue go forward; reverse-step, reverse-next, reverse-continue go back",
        "tasks, where, p EXPR look around; last EXPR goes to where a value changed; F1 is help",
    )
    return [*(state.style("dim", line) for line in lines), state.style("hint", first)]
