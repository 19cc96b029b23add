"""What the commands that look at a recording share: opening it, saying in what state it is, common values."""

from __future__ import annotations

import math
import os
from base64 import b64encode
from typing import Final

from replay.cli.arguments import Parser
from replay.cli.output import tell
from replay.cli.text import printable
from replay.errors import UnreadableRecording
from replay.recording.describe import show
from replay.recording.recording import Recording, Site, Task

JSON_VERSION: Final = 1
"""Goes up when a key of the JSON output changes its meaning or goes away; new keys may come at any time."""

_MAX_DEPTH: Final = 32


def add_recording(parser: Parser) -> None:
    """Add the arguments that each reading command has."""
    parser.add_argument("recording", metavar="FILE", help="the recording, as `replay record` left it")
    parser.add_argument("--json", action="store_true", help='one JSON object on stdout, with `"v": 1`')


def open_recording(path: str) -> Recording:
    """Open the recording that was named on the command line.

    Raises:
      UnreadableRecording: it cannot be opened.
    """
    try:
        return Recording.open(path)
    except UnreadableRecording as error:
        part = f"{path}.part"
        if os.path.exists(path) or not os.path.isfile(part):
            raise
        raise UnreadableRecording(error.message, hint=f"a run that was cut left `{part}`") from None


def tell_condition(recording: Recording) -> None:
    """Say on stderr if the file is damaged or cut: what was read of it is then not the whole run."""
    name, last = printable(recording.path), recording.events_count - 1
    upto = f"read up to #{last}" if last >= 0 else "nothing of it can be read"
    if recording.damage is not None:
        tell(f"replay: {name} is damaged: {printable(recording.damage)} ({upto})")
    elif recording.outcome.is_cut:
        if recording.is_being_written:
            tell(f"replay: {name} is still being written: the program is running ({upto})")
            return
        if recording.outcome.how == "unwritable":
            why = f"the recorder could not write on ({printable(str(recording.outcome.detail))})"
        elif recording.is_closed:
            why = "the recorder finished it, but not with the end of the program"
        else:
            why = "the program was killed, or this copy was made while it ran"
        tell(f"replay: {name} was cut: {why} ({upto})")


def json_head(recording: Recording) -> dict[str, object]:
    """Return the keys that each JSON output begins with."""
    return {"v": JSON_VERSION, "recording": recording.path}


def json_condition(recording: Recording) -> dict[str, object]:
    """Return the keys that say whether the whole run is there."""
    is_cut = recording.outcome.is_cut
    return {"damage": recording.damage, "cut": is_cut, "running": is_cut and recording.is_being_written}


def json_value(value: object, depth: int = 0) -> object:
    """Return a recorded value as JSON can have it: bytes as an object with ``base64``."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (bytes, bytearray)):
        return {"base64": b64encode(value).decode()}
    if depth > _MAX_DEPTH:
        return "..."
    if isinstance(value, (list, tuple)):
        return [json_value(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {str(key): json_value(item, depth + 1) for key, item in value.items()}
    return show(value)


def text_of(value: object) -> str:
    """Return a value of the header as harmless text: itself if it is text."""
    return printable(value if isinstance(value, str) else show(value))


def task_label(task: int, name: str) -> str:
    """Return how a task is called in every listing."""
    return f"T{task} {printable(name)}"


def place_of(site: Site, cwd: object) -> str:
    """Return a place in the source, with a path as short as it can be."""
    path = site.path
    if isinstance(cwd, str) and os.path.isabs(cwd) and path.startswith(cwd.rstrip("/") + "/"):
        path = path[len(cwd.rstrip("/")) + 1 :]
    return printable(f"{path}:{site.line}")


def failure_text(task: Task) -> str:
    """Return what a failed task failed with, and where."""
    return f"{task_label(task.id, task.name)}: {printable(task.error_text)} at {task.ended_at}"
