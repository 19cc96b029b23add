"""Commands about the session itself: settings, other names, scripts, the end."""

from __future__ import annotations

import os
import re
import shlex
from typing import Final

from replay.cli.repl.command import Group, Result, no_more
from replay.cli.repl.looking import source_of
from replay.cli.repl.state import State
from replay.errors import ReplayError, UsageError

_SESSION: Final = "session"
_row: Final = Group(_SESSION).row
_ON: Final = {
    "on": True,
    "yes": True,
    "true": True,
    "1": True,
    "off": False,
    "no": False,
    "false": False,
    "0": False,
}
_SWITCHES: Final = {
    "pager": "long output is shown by the page",
    "color": "output is painted",
    "internals": "frames of libraries and of Python are shown, and stepped into",
    "json": "each command prints one JSON object",
}
_NAMED: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*|\[[^\]]*\])*")
_EDITING: Final = ("emacs", "vi")
NAMES: Final = ("width", *_SWITCHES, "editing")


def _set(state: State, text: str) -> Result:
    if not text:
        return _show(state, text)
    name, _, value = text.replace("=", " ", 1).partition(" ")
    value = value.strip()
    if name not in NAMES:
        raise UsageError(f"no such setting: {name!r:.60}", hint=f"there are {', '.join(NAMES)}")
    if name == "width":
        if value != "auto" and not (value.isascii() and value.isdigit() and 20 <= int(value[:6]) <= 10_000):
            raise UsageError(f"width is a number of columns from 20, or auto: {value!r:.60}")
        state.settings.width = None if value == "auto" else int(value)
    elif name == "editing":
        if value not in _EDITING:
            raise UsageError(f"editing is emacs or vi: {value!r:.60}")
        state.settings.editing = value
    elif value.lower() not in _ON:
        raise UsageError(f"{name} is on or off: {value!r:.60}")
    else:
        setattr(state.settings, name, _ON[value.lower()])
    return Result([], {name: _value(state, name)})


def _value(state: State, name: str) -> object:
    return (state.settings.width or "auto") if name == "width" else getattr(state.settings, name)


def _show(state: State, text: str) -> Result:
    if text and text not in NAMES:
        raise UsageError(f"no such setting: {text!r:.60}", hint=f"there are {', '.join(NAMES)}")
    lines = []
    for name in (text,) if text else NAMES:
        value = _value(state, name)
        told = (
            value
            if isinstance(value, (int, str)) and not isinstance(value, bool)
            else "on"
            if value
            else "off"
        )
        meaning = {**_SWITCHES, "editing": "keys of the line: emacs or vi"}.get(name, "columns of text")
        lines.append(f"{name:<10} {told!s:<6} {state.style('dim', meaning)}")
    return Result(lines, {name: _value(state, name) for name in ((text,) if text else NAMES)})


def _alias(state: State, text: str) -> Result:
    from replay.cli.repl.table import find

    name, _, meaning = text.partition(" ")
    meaning = meaning.strip()
    if not name:
        lines = [f"{one} = {what}" for one, what in sorted(state.aliases.items())]
        return Result(lines or ["no aliases"], dict(state.aliases))
    if not meaning:
        if name not in state.aliases:
            raise UsageError(f"no such alias: {name!r:.60}", hint="`alias NAME COMMAND` makes one")
        return Result([f"{name} = {state.aliases[name]}"], {name: state.aliases[name]})
    if find(name) is not None:
        raise UsageError(f"`{name}` is a command")
    if not name.replace("_", "a").replace("-", "a").isalnum():
        raise UsageError(f"not a name for a command: {name!r:.60}")
    state.aliases[name] = meaning
    return Result([], {name: meaning})


def _unalias(state: State, text: str) -> Result:
    if text not in state.aliases:
        raise UsageError(f"no such alias: {text!r:.60}", hint="`alias` lists them")
    del state.aliases[text]
    return Result()


def _save(state: State, text: str) -> Result:
    words = _one_word(text, "save")
    lines = [f"bookmark {name} {position}" for name, position in state.bookmarks.items()]
    lines += [f"note {position} {said}" for position, said in state.notes]
    made = {"bookmark", "bm", "checkpoint", "note", "save", "quit", "q", "exit"}
    is_inside = False  # of the commands of a stop
    for line in state.lines:
        words_of = line.split()
        if is_inside or words_of[0] not in made:
            lines.append(line)
        is_inside = line != "end" if is_inside else words_of[0] == "commands" and len(words_of) == 2
    body = "\n".join([f"# commands of `replay debug {os.path.basename(state.session.path)}`", *lines]) + "\n"
    try:
        with open(os.path.expanduser(words), "w", encoding="utf-8") as file:
            file.write(body)
    except OSError as problem:
        raise ReplayError(f"{words} cannot be written: {problem.strerror}") from None
    return Result(
        [f"saved {words}: `replay debug FILE -x {words}` runs it"], {"file": words, "lines": len(lines)}
    )


def _one_word(text: str, what: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    if len(words) != 1:
        raise UsageError(f"`{what}` takes the name of a file: {text!r:.60}")
    return words[0]


def script_lines(path: str) -> list[str]:
    """Return the lines of a script.

    Raises:
      ReplayError: it cannot be read.
    """
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            return file.read().splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        why = getattr(problem, "strerror", None) or "it is no text"
        raise ReplayError(f"{path} cannot be read: {why}") from None


def source_path(text: str) -> str:
    """Return the file that `source` is to run."""
    return _one_word(text, "source")


def is_script(text: str) -> bool:
    """Whether `source` is to run a file: whatever cannot be the name of something, or is there."""
    return _NAMED.fullmatch(text) is None or os.path.exists(os.path.expanduser(text))


def _source(state: State, text: str) -> Result:
    return source_of(state, text)  # the interpreter runs scripts, line by line


def _quit(_state: State, text: str) -> Result:
    no_more(text, "quit")
    return Result(quits=True)


COMMANDS: Final = (
    _row(
        "alias",
        "alias [NAME [COMMAND]]",
        "Give a command another name; %* stands for what follows it, %1 for the first word",
        ("alias gf goto failure", "alias pl p len(%*)"),
        ("unalias",),
        _alias,
        (),
        "command",
    ),
    _row(
        "unalias", "unalias NAME", "Forget another name", ("unalias gf", "unalias pl"), ("alias",), _unalias
    ),
    _row(
        "source",
        "source FILE | EXPR",
        "Run the commands in a file, up to the first that fails; or show the source of a function or a class",
        ("source ~/check.txt", "source asyncio.sleep"),
        ("save", "assert", "list", "whatis"),
        _source,
        (),
        "file",
    ),
    _row(
        "save",
        "save FILE",
        "Write the commands, bookmarks and notes of this session to a file",
        ("save check.txt", "save ~/commands"),
        ("source",),
        _save,
        (),
        "file",
    ),
    _row(
        "set",
        "set NAME VALUE",
        f"Change a setting: {', '.join(NAMES)}",
        ("set internals on", "set width 120"),
        ("show",),
        _set,
        (),
        "setting",
    ),
    _row("show", "show [NAME]", "Show the settings", ("show", "show width"), ("set",), _show, (), "setting"),
    _row("quit", "quit", "End the session; so does Ctrl-D", ("quit", "q"), ("save",), _quit, ("q", "exit")),
)
