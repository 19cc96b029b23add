"""Runs lines: finds the command, adds aliases, scripts, displays and filters, says how it all ended."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Final

from replay.cli.repl.command import Result
from replay.cli.repl.looking import displays, run_python
from replay.cli.repl.mistakes import mistake
from replay.cli.repl.parsing import Line, filtered, parse, write_to
from replay.cli.repl.settings import is_script, script_lines, source_path
from replay.cli.repl.state import State
from replay.cli.repl.stops import collected, uncollected
from replay.cli.repl.table import names
from replay.cli.repl.tasking import ENDS, rows, task_named
from replay.cli.repl.waits import label
from replay.cli.text import printable
from replay.errors import ReplayError, UsageError
from replay.options import ExitCode

MAX_DEPTH: Final = 20
"""Scripts and aliases that run others: more is a circle."""

Emit = Callable[[str, Result], None]


class Interpreter:
    """Runs the lines of a session.

    Attributes:
      state: what it remembers.
      exit_code: the worst that has happened.
      has_quit: the session is to end.
    """

    def __init__(self, state: State, emit: Emit) -> None:
        """Hand the line and the result of each command to ``emit``."""
        self.state = state
        self.exit_code: ExitCode = ExitCode.FINE
        self.has_quit = False
        self._emit = emit
        self._depth = 0
        self._then: tuple[str, ...] = ()
        self._runs_commands = False

    def run(self, line: str) -> bool:
        """Run one line; return whether all went well. An empty line, or a comment, does nothing."""
        line = line.strip()
        if not line or (line.startswith("#") and not line[1:2].isdigit()):
            return True
        if self._depth == 0:
            self.state.lines.append(line)
        if self.state.collecting is not None:
            result = collected(self.state, line)
            if result is not None:
                self._done(line, result)
            return True
        if self._depth >= MAX_DEPTH:
            self._done(line, Result(error=UsageError("scripts and aliases run each other in a circle")))
            return False
        self._depth += 1
        try:
            is_fine = self._run(line)
            if not is_fine and self._depth == 1:
                self.state.lines.pop()  # a script of what was typed is to run through
            return self._run_commands() and is_fine
        finally:
            self._depth -= 1

    def _run_commands(self) -> bool:
        """Run the commands of the stop that was met; if they go on to another, its commands instead."""
        if self._runs_commands:
            return True
        self._runs_commands = True
        try:
            while self._then:
                lines, self._then = self._then, ()
                for line in lines:
                    if self.has_quit or not self.run(line):
                        return not self._then and self.has_quit
                    if self._then:
                        break
            return True
        finally:
            self._runs_commands = False
            self._then = ()

    def again(self) -> bool:
        """Do the last motion again: what an empty line means to somebody at a terminal."""
        return self.run(self.state.last_motion)

    def script(self, lines: Iterable[str]) -> bool:
        """Run lines up to the first that fails; they are a whole."""
        return all(self.has_quit or self.run(line) for line in lines) and self.at_end()

    def at_end(self) -> bool:
        """There are no more lines, of a script or a pipe; return whether nothing is left open."""
        result = uncollected(self.state)
        if result is None:
            return True
        self._done("commands", result)
        return False

    def _run(self, line: str) -> bool:
        word, _, rest = line.partition(" ")
        meaning = self.state.aliases.get(word)
        if meaning is not None:
            return self._run_alias(meaning, rest.strip())
        parsed = parse(line)
        if parsed.command is not None and parsed.command.name == "source" and is_script(parsed.text):
            try:
                lines = script_lines(source_path(parsed.text))
            except ReplayError as problem:
                self._done(line, Result(error=problem))
                return False
            return self.script(lines)
        if parsed.command is not None and parsed.command.name == "task" and " " in parsed.text:
            return self._for_tasks(line, *parsed.text.split(" ", 1))
        result = self._result(parsed)
        if parsed.command is not None and parsed.command.is_motion and result.ok:
            self.state.last_motion = line
        self._done(line, result)
        return result.ok

    def _for_tasks(self, line: str, word: str, rest: str) -> bool:
        """Run a command that looks, with the eyes on a task, or on each."""
        state = self.state
        before = state.task, state.frame
        numbers: list[int] = []
        parsed = parse(rest)

        def find() -> Result:
            state.need_replay(f"task {word}")
            if parsed.command is None or parsed.command.group != "look" or parsed.command.is_motion:
                raise UsageError(
                    f"not a command that looks: {printable(rest)[:60]}", hint="where, locals, p, list"
                )
            if word == "all":
                every = (row for row in rows(state) if row["state"] not in ENDS)
                numbers.extend(row["id"] for row in every)
            else:
                numbers.append(task_named(state, word).id)
            return Result()

        found = self._guarded(find)
        if not found.ok:
            self._done(line, found)
            return False
        is_fine = True
        try:
            for number in numbers:
                state.task, state.frame = number, None
                result = self._result(parsed)
                if word == "all":
                    result.lines.insert(0, state.style("name", label(state, number)))
                is_fine = is_fine and result.ok
                self._done(line, result)
        finally:
            state.task, state.frame = before
        return is_fine

    def _run_alias(self, meaning: str, rest: str) -> bool:
        words = rest.split()
        text = meaning
        if "%" in meaning:
            for at, word in enumerate(words[:9], start=1):
                text = text.replace(f"%{at}", word)
            text = text.replace("%*", rest)
        else:
            text = f"{meaning} {rest}"
        return self.run(text)

    def _result(self, line: Line) -> Result:
        """Return what comes of a line, whatever happens."""
        return self._guarded(lambda: self._done_by(line))

    def _guarded(self, work: Callable[[], Result]) -> Result:
        """Return what comes of some work, or why nothing does."""
        try:
            return work()
        except ReplayError as problem:
            return Result(error=problem)
        except Exception as problem:
            return Result(error=mistake(problem))
        except KeyboardInterrupt:
            where = "" if self.state.position is None else f" at {self.state.position}"
            return Result(error=ReplayError(f"interrupted{where}"))

    def _done_by(self, line: Line) -> Result:
        command = line.command
        if command is None:
            result = self._python(line.text)
        else:
            if command.needs_replay:
                self.state.need_replay(command.name)
            before = self.state.position
            result = command.run(self.state, line.text)
            if command.is_motion and self.state.displays and self.state.position != before:
                result.lines += displays(self.state)
        if line.filters:
            result.lines = filtered(result.lines, line)
        if line.target is not None:
            write_to(result.lines, line)
            result.lines = []
        return result

    def _python(self, text: str) -> Result:
        word = _first_word(text)
        near = get_close_matches(word, [name for name in names() if len(name) > 2], n=1) if word else []
        hint = f"did you mean `{near[0]}`?" if near else "`help` lists the commands"
        if not self.state.can_replay or not _is_python(text):
            raise UsageError(f"no such command: {printable(word or text)[:60]}", hint=hint)
        try:
            return run_python(self.state, text)
        except ReplayError as problem:
            if near and problem.message.startswith(f"NameError: name '{word}'"):
                raise UsageError(f"no command, and no variable, is called {word}", hint=hint) from None
            raise

    def _done(self, line: str, result: Result) -> None:
        if result.diverged:
            self.exit_code = ExitCode.DIVERGENCE
        elif not result.ok and self.exit_code == ExitCode.FINE:
            self.exit_code = ExitCode.FAILED
        self.has_quit = self.has_quit or result.quits
        if result.ok:
            self._then = result.then or self._then
        self._emit(line, result)


def _first_word(text: str) -> str:
    word = text.split(maxsplit=1)[0] if text.split() else ""
    return word if word.replace("-", "_").isidentifier() else ""


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
