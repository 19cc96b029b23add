"""Commands from a file or a pipe: no echo, no colour, no cursor."""

from __future__ import annotations

from collections.abc import Iterable

from replay.cli.repl.interpreter import Interpreter
from replay.cli.repl.progress import progress


def run_lines(interpreter: Interpreter, lines: Iterable[str]) -> bool:
    """Run lines until one quits; what fails does not keep the next from running. Whether all went well."""
    is_fine = True
    for line in lines:
        if interpreter.has_quit:
            break
        with progress(interpreter.state):
            is_fine = interpreter.run(line) and is_fine
    return interpreter.at_end() and is_fine


def run_script(interpreter: Interpreter, lines: Iterable[str]) -> bool:
    """Run the lines of a script up to the first that fails; return whether all went well."""
    with progress(interpreter.state):
        return interpreter.script(lines)
