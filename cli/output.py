"""What goes where: data to stdout, everything else to stderr."""

from __future__ import annotations

import codecs
import sys
from typing import Final

from replay.cli.style import style_for
from replay.cli.text import UNPRINTABLE, printable_lines
from replay.errors import ReplayError

PLAIN_GLYPHS: Final = "replay.plain_glyphs"
"""Names how to write what an encoding has not: glyphs of trees as others that look like them."""

_PLAIN: Final = {"├": "|", "└": "`", "│": "|", "─": "-", "µ": "u"}


def _plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError) and error.object[error.start] in _PLAIN:
        return _PLAIN[error.object[error.start]], error.start + 1
    return codecs.backslashreplace_errors(error)


codecs.register_error(PLAIN_GLYPHS, _plainly)


def write(text: str = "") -> None:
    """Write one line (or several) of data to stdout."""
    sys.stdout.write(text + "\n")


def write_json(value: object) -> None:
    """Write a value as JSON to stdout: indented, keys in the order given, one final newline.

    Args:
      value: dicts with string keys, lists, strings, finite numbers, booleans and None.
    """
    sys.stdout.write(json_text(value, indent=2) + "\n")


def json_text(value: object, *, indent: int | None = None) -> str:
    """Return a value as JSON in which nothing moves a cursor or turns the reading direction."""
    import json

    # What is below a space is escaped already, but for the line ends between the items.
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return UNPRINTABLE.sub(lambda found: "\n" if found[0] == "\n" else json.dumps(found[0])[1:-1], text)


def tell(text: str) -> None:
    """Say something to the person at the terminal: one line on stderr, after what stdout already has."""
    sys.stdout.flush()
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def tell_error(error: ReplayError) -> None:
    """Say what went wrong and what to do about it."""
    style = style_for(sys.stderr)
    tell(f"{style('error', 'replay:')} {printable_lines(error.message)}")
    if error.hint is not None:
        tell(f"\n{style('hint', 'hint:')} {printable_lines(error.hint)}")
