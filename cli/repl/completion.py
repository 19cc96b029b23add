"""What may come next on a line: commands, tasks, places, bookmarks, files, names of the frame."""

from __future__ import annotations

import ast
import builtins
import keyword
import os
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from replay.cli.repl.helping import TOPICS
from replay.cli.repl.looking import frame_index
from replay.cli.repl.settings import NAMES
from replay.cli.repl.state import State
from replay.cli.repl.table import COMMANDS, find
from replay.cli.text import printable

MOST: Final = 200
_TIMEOUT_S: Final = 0.5
_STOPS: Final = {
    "task:": "before each step of a task",
    "await:": "before an await that suspends",
    "event:": "where an event is answered",
    "exc:": "where an exception is raised",
    "cancel": "where a task is cancelled",
}
_ITEM: Final = r"""\[(?:'[^'\\]*'|"[^"\\]*"|\d+)\]"""
_PATH: Final = re.compile(rf"([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*|{_ITEM})*)\Z")
_PART: Final = re.compile(rf"\.([A-Za-z_]\w*)|({_ITEM})")
_NAME: Final = re.compile(r"[A-Za-z_]\w*\Z|\Z")
_KEY: Final = re.compile(r"""\[(["']?[^"'\]\[]*)\Z""")
_IN_TEXT: Final = re.compile(r"""["'][^"']*\Z""")

_LOOK: Final = '''
def _replay_look(start, path, wants_keys):
    """Names of an object, without running any code of it."""
    get, mro = object.__getattribute__, type.__dict__["__mro__"].__get__
    slot = type(type("S", (), {"__slots__": ("s",)}).s)
    def own(one):
        try:
            return get(one, "__dict__")
        except Exception:
            return {}
    now = start
    for is_item, key in path:
        if is_item:
            if type(now) not in (dict, list, tuple):
                return []
            now = now[key]
            continue
        found = own(now)
        if key in found:
            now = found[key]
            continue
        for base in mro(type(now)):
            if key in type.__dict__["__dict__"].__get__(base):
                value = type.__dict__["__dict__"].__get__(base)[key]
                if type(value) is slot:
                    value = value.__get__(now)
                elif any("__get__" in type.__dict__["__dict__"].__get__(one) for one in mro(type(value))):
                    return []
                now = value
                break
        else:
            return []
    if wants_keys:
        return [repr(key) for key in now if type(key) in (str, int)] if type(now) is dict else []
    names = set(own(now))
    for base in (*mro(type(now)), *(mro(now) if isinstance(now, type) else ())):
        names.update(type.__dict__["__dict__"].__get__(base))
    return sorted(name for name in names if type(name) is str)
'''


class Candidate(NamedTuple):
    """What may be put in.

    Attributes:
      text: replaces the last ``replaces`` characters.
      meta: a few words about it.
    """

    text: str
    replaces: int
    meta: str = ""


def candidates(state: State, line: str) -> list[Candidate]:
    """Return what may come next, the best first; nothing of the program is run."""
    try:
        return list(dict.fromkeys(_candidates(state, line)))[:MOST]
    except Exception:  # while somebody types: whatever it is, there is nothing to put in
        return []


def _candidates(state: State, line: str) -> Iterator[Candidate]:
    line = line.lstrip()
    word, space, rest = line.partition(" ")
    if line[:1] in ("!", "?"):
        word, space, rest = line[0], " ", line[1:].lstrip()
    if not space:
        if word.replace("-", "_").isidentifier() or not word:
            yield from _begins(word, ((one.name, one.summary) for one in COMMANDS if one.name[0].isalpha()))
            yield from _begins(word, ((name, state.aliases[name]) for name in sorted(state.aliases)))
        if word and find(word) is None and not re.search(r"\w-\w*\Z", word):
            yield from _expression(state, line)
        return
    command = find(word)
    if command is None:
        yield from _expression(state, line)
        return
    last = rest.rpartition(" ")[2]
    match command.takes:
        case "expression":
            yield from _expression(state, rest)
        case "task":
            yield from _tasks(state, last)
        case "position":
            places = [("failure", "where the run failed"), ("start", ""), ("end", "")]
            marks = [(name, str(place)) for name, place in sorted(state.bookmarks.items())]
            yield from _begins(last, marks + places)
        case "place":
            yield from _places(state, last)
        case "setting" if " " in rest:
            values = ("emacs", "vi") if rest.startswith("editing ") else ("on", "off")
            yield from _begins(last, ((one, "") for one in values))
        case "setting":
            yield from _begins(last, ((name, "") for name in NAMES))
        case "topic":
            yield from _begins(last, ((name, what) for name, (what, _) in TOPICS.items()))
            yield from _begins(last, ((one.name, one.summary) for one in COMMANDS))
        case "command":
            yield from _begins(last, ((one.name, one.summary) for one in COMMANDS if one.is_motion))
        case "file":
            yield from _files(last)
        case "range" if rest.endswith("--task " + last):
            yield from _tasks(state, last)
        case "range" if rest.endswith("--kind " + last):
            yield from _kinds(state, last)
        case "range":
            yield from _begins(last, ((one, "") for one in ("--task", "--kind", "--full", "--all")))
        case _:
            return


def _begins(begin: str, found: Iterable[tuple[str, str]]) -> Iterator[Candidate]:
    for text, meta in found:
        if text.startswith(begin):
            yield Candidate(text, len(begin), meta)


def _places(state: State, begin: str) -> Iterator[Candidate]:
    """Yield where one may stop: see ``stops.PLACES``."""
    kind, colon, rest = begin.partition(":")
    match kind if colon else "":
        case "await":
            yield from _begins(rest, ((one, "") for one in state.sources.awaiting(rest.partition(":")[0])))
        case "event":
            yield from (one for one in _kinds(state, rest) if one.text != "step")
        case "task" | "cancel":
            yield from _tasks(state, rest)
        case "exc":
            failed = (task.error[0].rpartition(".")[2] for task in state.session.tasks() if task.error)
            yield from _begins(rest, ((name, "") for name in sorted(set(failed))))
        case _:
            yield from _begins(begin, ((one, "") for one in state.sources.breakable(kind)))
            yield from _begins(begin, _STOPS.items())


def _kinds(state: State, begin: str) -> Iterator[Candidate]:
    kinds = state.session.recording.survey().kinds
    yield from _begins(begin, ((name, f"{count} of them") for name, count in sorted(kinds.items())))


def _tasks(state: State, begin: str) -> Iterator[Candidate]:
    tasks = state.session.tasks()[:10_000]
    named = [(task.name, f"T{task.id} {task.state}") for task in tasks if " " not in task.name]
    yield from _begins(begin, ((printable(name), meta) for name, meta in named if name))
    if begin[:1] == "T":
        yield from _begins(begin, ((f"T{task.id}", printable(task.name)) for task in tasks))


def _files(begin: str) -> Iterator[Candidate]:
    folder, name = os.path.split(os.path.expanduser(begin))
    try:
        entries = sorted(os.scandir(folder or "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(name) and (name or not entry.name.startswith(".")):
            yield Candidate(entry.name + ("/" if entry.is_dir() else ""), len(name))


# -- names of the frame --------------------------------------------------------------------------


def _expression(state: State, text: str) -> Iterator[Candidate]:
    key = _KEY.search(text)
    if key is not None:
        path = _path(text[: key.start()])
        if path is not None:
            begin = key[1]
            for one in _ask(state, *path, wants_keys=True):
                shown = one if begin[:1] != '"' else '"' + one[1:-1] + '"'
                if shown.startswith(begin):
                    yield Candidate(f"{shown}]", len(begin))
            return
    if _IN_TEXT.search(text) and text.count('"') % 2 + text.count("'") % 2:
        return
    before, dot, begin = text.rpartition(".")
    if dot and _NAME.match(begin):
        path = _path(before)
        if path is None:
            return
        names = [name for name in _ask(state, *path, wants_keys=False) if begin or not name.startswith("_")]
        yield from _begins(begin, ((name, "") for name in names))
        return
    if text.rstrip()[-1:] in (")", "]", "}", '"', "'"):
        return
    found = re.search(r"[A-Za-z_]\w*\Z", text)
    begin = found[0] if found else ""
    names = [str(name) for name in _evaluated(state, "sorted(dir())")]
    yield from _begins(begin, ((name, "") for name in names if begin or not name.startswith("_")))
    if begin:
        yield from _begins(begin, ((name, "") for name in (*dir(builtins), *keyword.kwlist)))


def _path(text: str) -> tuple[str, list[tuple[bool, object]]] | None:
    found = _PATH.search(text)
    if found is None:
        return None
    parts: list[tuple[bool, object]] = []
    for name, item in _PART.findall(found[2]):
        parts.append((True, ast.literal_eval(item[1:-1])) if item else (False, name))
    return found[1], parts


def _ask(state: State, name: str, path: list[tuple[bool, object]], *, wants_keys: bool) -> list[str]:
    if keyword.iskeyword(name):
        return []
    return _evaluated(state, f"{_LOOK}\n_replay_look({name}, {path!r}, {wants_keys})")


def _evaluated(state: State, text: str) -> list[str]:
    if not state.can_replay:
        return []
    found = state.session.evaluate(text, frame_index(state), task=state.task, timeout_s=_TIMEOUT_S)
    try:
        value = ast.literal_eval(found["text"] or "[]")
    except (ValueError, SyntaxError):
        return []
    return [str(one) for one in value] if isinstance(value, list) else []
