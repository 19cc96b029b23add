"""From a line to a command, what follows it, and what is to become of its output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from replay.cli.repl.command import Command
from replay.cli.repl.table import find
from replay.cli.text import UNPRINTABLE
from replay.errors import ReplayError, UsageError

_FILTER: Final = re.compile(r"(?:^|\s)\|\s*(grep|head)\b\s*([^|]*?)\s*$")
_REDIRECT: Final = re.compile(r"(?:^|\s)(>>?)\s*([^\s|>]+)\s*$")
_WORD: Final = re.compile(r"[A-Za-z_][\w-]*(?=\s|$)")
_SIGN: Final = re.compile(r"([+-])\s*(\d*)\s*$")
_PAINT: Final = re.compile("\x1b\\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Line:
    """A line, taken apart.

    Attributes:
      command: None: it is Python.
      word: the name as it was typed.
      text: what follows it; the whole, if it is Python.
      filters: ``grep`` and ``head``, each with what follows it, in order.
      target: a file for the output; None: it is shown.
      appends: to the end of that file.
    """

    command: Command | None
    word: str
    text: str
    filters: tuple[tuple[str, str], ...] = ()
    target: str | None = None
    appends: bool = False


def parse(line: str) -> Line:
    """Take a line apart."""
    line = line.strip()
    command, word, text = _command(line)
    target, appends = None, False
    is_python = command is None or command.takes == "expression"
    found = _REDIRECT.search(text)
    if found and (not is_python or _FILTER.search(text[: found.start()])):
        target, appends = found[2], found[1] == ">>"
        text = text[: found.start()]
    filters: list[tuple[str, str]] = []
    while found := _FILTER.search(text):
        filters.append((found[1], found[2]))
        text = text[: found.start()]
    return Line(command, word, text.strip(), tuple(reversed(filters)), target, appends)


def _command(line: str) -> tuple[Command | None, str, str]:
    if line[:1] in ("!", "?"):
        return find(line[0]), line[0], line[1:].strip()
    sign = _SIGN.match(line)
    if sign:
        return find(sign[1]), sign[1], sign[2]
    if re.match(r"[+-]\s*(\d+\s*)?[|>]", line):
        return find(line[0]), line[0], line[1:].strip()
    word = _WORD.match(line)
    if word is not None:
        command = find(word[0])
        if command is not None:
            return command, word[0], line[word.end() :].strip()
    return None, "", line


def filtered(lines: Sequence[str], line: Line) -> list[str]:
    """Return what the filters of a line leave.

    Raises:
      UsageError: a filter makes no sense.
    """
    found = list(lines)
    for name, text in line.filters:
        if name == "head":
            if not (text.isascii() and text.isdigit()):
                raise UsageError(f"`head` takes a number of lines: {text!r:.60}")
            found = found[: int(text[:9])]
            continue
        is_without = text.startswith("-v ")
        pattern = text.removeprefix("-v ").strip().strip("'\"")
        if not pattern:
            raise UsageError("`grep` takes a regular expression")
        try:
            wanted = re.compile(pattern)
        except re.error as problem:
            raise UsageError(f"not a regular expression: {pattern!r:.60}: {problem}") from None
        found = [one for one in found if bool(wanted.search(plain(one))) != is_without]
    return found


def write_to(lines: Sequence[str], line: Line) -> None:
    """Write output to the file that a line names.

    Raises:
      ReplayError: it cannot be written.
    """
    assert line.target is not None
    try:
        with open(line.target, "a" if line.appends else "w", encoding="utf-8") as file:
            file.writelines(f"{plain(one)}\n" for one in lines)
    except OSError as problem:
        raise ReplayError(f"{line.target} cannot be written: {problem.strerror}") from None


def plain(text: str) -> str:
    """Return a text of ours without its paint."""
    return UNPRINTABLE.sub("", _PAINT.sub("", text))
