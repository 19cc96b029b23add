"""What goes where: data to stdout, everything else to stderr."""

from __future__ import annotations

import sys

from replay.cli.style import style_for
from replay.errors import ReplayError


def write(text: str = "") -> None:
    """Write one line (or several) of data to stdout."""
    sys.stdout.write(text + "\n")


def write_json(value: object) -> None:
    """Write a value as JSON to stdout: indented, keys in the order given, one final newline.

    Args:
      value: dicts with string keys, lists, strings, numbers, booleans and None.
    """
    import json

    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def tell(text: str) -> None:
    """Say something to the person at the terminal: one line on stderr, after what stdout already has."""
    sys.stdout.flush()
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def tell_error(error: ReplayError) -> None:
    """Say what went wrong and what to do about it."""
    style = style_for(sys.stderr)
    tell(f"{style('error', 'replay:')} {error.message}")
    if error.hint is not None:
        tell(f"\n{style('hint', 'hint:')} {error.hint}")
