"""Commands from a file or a pipe: no echo, no colour, no cursor."""

from __future__ import annotations

from collections.abc import Iterable

from replay.cli.repl.interpreter import Interpreter
from replay.cli.repl.interrupts import interruptible, progress


def run_line(interpreter: Interpreter, line: str) -> bool:
    """Run one line, which Ctrl-C may end; return whether all went well."""
    with interruptible(interpreter.state), progress(interpreter.state):
        return interpreter.run(line)


def run_lines(interpreter: Interpreter, lines: Iterable[str]) -> None:
    """Run lines until one quits; what fails does not keep the next from running."""
    for line in lines:
        if interpreter.has_quit:
            return
        run_line(interpreter, line)


def run_script(interpreter: Interpreter, lines: Iterable[str]) -> bool:
    """Run the lines of a script up to the first that fails; return whether all went well."""
    return all(interpreter.has_quit or run_line(interpreter, line) for line in lines)
