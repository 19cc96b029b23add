"""The debugger's commands as a table, and lines taken apart."""

from __future__ import annotations

import pytest

from replay.cli.repl.helping import TOPICS
from replay.cli.repl.parsing import filtered, parse, plain
from replay.cli.repl.prompt import ALT_KEYS, KEYS
from replay.cli.repl.table import COMMANDS, find, names
from replay.errors import UsageError


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_has_its_help(command) -> None:
    assert command.synopsis.startswith(command.name)
    assert command.summary
    assert command.summary[0].isupper()
    assert not command.summary.endswith(".")
    assert len(command.examples) == 2
    for example in command.examples:
        assert parse(example).command is not None, example
    assert command.examples[0] != command.examples[1]
    assert command.see
    for other in command.see:
        found = find(other)
        assert found is not None, other
        assert found.name == other
        assert found is not command


def test_no_name_is_taken_twice() -> None:
    every = [name for command in COMMANDS for name in (command.name, *command.short)]
    assert len(every) == len(set(every)) == len(names())
    assert not set(every) & set(TOPICS) - {"async"}


def test_each_key_has_a_command() -> None:
    for line in (*KEYS.values(), *ALT_KEYS.values()):
        assert parse(line).command is not None


def test_pages_fit_a_terminal() -> None:
    for name, (what, page) in TOPICS.items():
        assert what[0].islower()
        assert all(len(line) <= 110 for line in page.split("\n")), name


@pytest.mark.parametrize(
    ("line", "name", "text"),
    [
        ("next", "next", ""),
        ("n 3", "next", "3"),
        ("  n  3  ", "next", "3"),
        ("+", "+", ""),
        ("+5", "+", "5"),
        ("- 12", "-", "12"),
        ("-1 + 2", None, "-1 + 2"),
        ("?", "help", ""),
        ("? goto", "help", "goto"),
        ("!x = 3", "!", "x = 3"),
        ("n-1", None, "n-1"),
        ("p.x", None, "p.x"),
        ("s[0]", None, "s[0]"),
        ("total", None, "total"),
        ("reverse-step 2", "reverse-step", "2"),
        ("p a > b.c", "p", "a > b.c"),
        ("p a | b", "p", "a | b"),
        ("x > y", None, "x > y"),
    ],
)
def test_lines(line: str, name: str | None, text: str) -> None:
    found = parse(line)
    assert (found.command.name if found.command else None, found.text) == (name, text)
    assert (found.filters, found.target) == ((), None)


@pytest.mark.parametrize(
    ("line", "text", "filters", "target", "appends"),
    [
        ("events | grep a b", "", (("grep", "a b"),), None, False),
        ("events @1.. | grep x | head 3", "@1..", (("grep", "x"), ("head", "3")), None, False),
        ("events > out.txt", "", (), "out.txt", False),
        ("events >> out.txt", "", (), "out.txt", True),
        ("events | head 2 > out.txt", "", (("head", "2"),), "out.txt", False),
        ("p a | b | head 2 > out.txt", "a | b", (("head", "2"),), "out.txt", False),
        ("p a > b | head 2", "a > b", (("head", "2"),), None, False),
    ],
)
def test_suffixes(
    line: str, text: str, filters: tuple[tuple[str, str], ...], target: str | None, appends: bool
) -> None:
    found = parse(line)
    assert (found.text, found.filters, found.target, found.appends) == (text, filters, target, appends)


def test_filters() -> None:
    lines = ["one", "two", "three", "\x1b[1mfour\x1b[0m"]
    assert filtered(lines, parse("out | grep ^t")) == ["two", "three"]
    assert filtered(lines, parse("out | grep -v ^t")) == ["one", "\x1b[1mfour\x1b[0m"]
    assert filtered(lines, parse("out | grep '^four$'")) == ["\x1b[1mfour\x1b[0m"]
    assert filtered(lines, parse("out | grep o | head 1")) == ["one"]
    with pytest.raises(UsageError, match="not a regular expression"):
        filtered(lines, parse("out | grep ["))
    with pytest.raises(UsageError, match="`grep` takes a regular expression"):
        filtered(lines, parse("out | grep"))


def test_plain() -> None:
    assert plain("\x1b[1;31mred\x1b[0m and \x1b]0;bad\x07") == "red and ]0;bad"
