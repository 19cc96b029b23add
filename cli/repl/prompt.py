"""The prompt on a terminal: completion, history, keys, the line at the bottom, by prompt_toolkit."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from typing import Any, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from replay.cli.repl.completion import candidates
from replay.cli.repl.interpreter import Interpreter
from replay.cli.repl.progress import progress
from replay.cli.repl.showing import prompt_text
from replay.cli.repl.state import State
from replay.cli.repl.toolbar import toolbar_text
from replay.cli.repl.welcome import history_path

KEYS: Final = {
    "f1": "help",
    "f2": "tasks",
    "f3": "tree",
    "f4": "timeline",
    "f5": "continue",
    "f6": "select",
    "f7": "step",
    "f8": "next",
    "f9": "break .",
    "f17": "reverse-continue",  # terminals say F17 for Shift-F5
    "f19": "reverse-step",
    "f20": "reverse-next",
}
ALT_KEYS: Final = {"left": "back", "right": "forward"}
EDITING: Final = {"emacs": EditingMode.EMACS, "vi": EditingMode.VI}
_STYLE: Final = Style.from_dict({"bottom-toolbar": "noreverse", "rprompt": "ansibrightblack"})


def run_prompt(interpreter: Interpreter) -> None:
    """Read and run lines until there are no more."""
    state = interpreter.state
    if os.environ.get("TERM") in ("dumb", None, ""):
        _run_plain(interpreter)
        return
    session = _session(state)
    while not interpreter.has_quit:
        state.columns = shutil.get_terminal_size().columns
        bottom = toolbar_text(state)
        session.editing_mode = EDITING[state.settings.editing]
        try:
            line = session.prompt(
                ANSI(state.style("marker", prompt_text(state))),
                bottom_toolbar=bottom,
                rprompt=state.reason,  # with None, the last one would stay
            )
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        _run(interpreter, line)


def _run_plain(interpreter: Interpreter) -> None:
    """Ask a terminal that can do nothing but print."""
    while not interpreter.has_quit:
        sys.stdout.write(prompt_text(interpreter.state))
        sys.stdout.flush()
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            continue
        if not line:
            sys.stdout.write("\n")
            return
        _run(interpreter, line)


def _run(interpreter: Interpreter, line: str) -> None:
    with progress(interpreter.state):
        if line.strip():
            interpreter.run(line)
        else:
            interpreter.again()


def _session(state: State) -> PromptSession[str]:
    return PromptSession(
        history=_history(),
        auto_suggest=AutoSuggestFromHistory(),
        completer=_Completer(state),
        complete_while_typing=False,
        key_bindings=_bindings(),
        style=_STYLE,
        color_depth=None if state.settings.color else ColorDepth.DEPTH_1_BIT,
        enable_open_in_editor=True,
    )


class _Completer(Completer):
    """Puts what `completion` finds into the menu."""

    def __init__(self, state: State) -> None:
        self._state = state

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002
        """Yield what may come next."""
        for one in candidates(self._state, document.text_before_cursor):
            yield Completion(one.text, -one.replaces, display_meta=one.meta)


def _bindings() -> KeyBindings:
    bindings = KeyBindings()
    for key, line in KEYS.items():
        bindings.add(key)(_typing(line))
    for key, line in ALT_KEYS.items():
        bindings.add("escape", key)(_typing(line))
    return bindings


def _typing(line: str) -> Any:
    def press(event: KeyPressEvent) -> None:
        event.current_buffer.text = line
        event.current_buffer.validate_and_handle()

    return press


def _history() -> History:
    """Return the lines of earlier sessions, readable by nobody else; none, if there is no place."""
    path = history_path()
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600))
        os.chmod(path, 0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)
