"""The program's source as the recording has it; what is not in it, as it is here."""

from __future__ import annotations

import ast
import linecache
import os
from collections.abc import Iterator
from typing import Final

from replay.errors import UsageError
from replay.recording.reader import RecordingFile
from replay.recording.sources import Sources

_AWAITS: Final = (ast.Await, ast.AsyncFor, ast.AsyncWith)
_DEFS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class SourceBook:
    """Lines of source files."""

    def __init__(self, recording: str, cwd: object, script: object) -> None:
        self._recording = recording
        self._script = script
        self._cwd = cwd if isinstance(cwd, str) else ""
        self._texts: dict[str, str] | None = None

    @property
    def texts(self) -> dict[str, str]:
        """The text of each file of the program, by its path."""
        if self._texts is None:
            with RecordingFile.open(self._recording) as file:
                files = Sources.of_frames(file.frames()).files
            self._texts = {
                path: versions[-1].text.decode(errors="replace") for path, versions in files.items()
            }
        return self._texts

    @property
    def program(self) -> str:
        """The file that the program was started with; of what was started otherwise, the first that it ran.

        Raises:
          UsageError: the recording has no source.
        """
        texts = self.texts
        if isinstance(self._script, str) and self._script in texts:
            return self._script
        if not texts:
            raise UsageError("the recording has no source")
        return next(iter(texts))

    def lines(self, path: str) -> list[str]:
        """Return the lines of a file; none if it is not to be had."""
        text = self.texts.get(path)
        if text is not None:
            return text.splitlines()
        return [line.rstrip("\n") for line in linecache.getlines(path)]

    def line(self, path: str, number: int) -> str:
        """Return one line, empty if it is not to be had."""
        lines = self.lines(path)
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def is_recorded(self, path: str) -> bool:
        """Whether the text of a file is in the recording."""
        return path in self.texts

    def short(self, path: str) -> str:
        """Return a path as short as it can be."""
        folder = self._cwd.rstrip("/") + "/"
        return path[len(folder) :] if len(folder) > 1 and path.startswith(folder) else path

    def path_of(self, word: str) -> str:
        """Return the file of the program that a word names: its path, or how that ends.

        Raises:
          UsageError: there is none, or several.
        """
        texts = self.texts
        if word in texts:
            return word
        found = [path for path in texts if path.endswith("/" + word.lstrip("/"))]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(map(self.short, sorted(found)[:5]))
            raise UsageError(f"several files are called {word}: {names}")
        names = ", ".join(sorted(map(self.short, texts))[:8])
        raise UsageError(f"no such file in the recording: {word}", hint=f"it has {names}" if names else None)

    def function(self, path: str, number: int) -> tuple[int, int]:
        """Return the first and the last line of the function around a line; of the file, if there is none."""
        lines = self.lines(path)
        tree = _parsed("\n".join(lines))
        best = (1, len(lines))
        if tree is None:
            return best
        for node in ast.walk(tree):
            if isinstance(node, _DEFS):
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                last = node.end_lineno or first
                if first <= number <= last and last - first <= best[1] - best[0]:
                    best = (first, last)
        return best

    def definition(self, path: str, where: int | str) -> tuple[int, int] | None:
        """Return the lines of what is defined in a line of a file, or is called so; None if nothing is."""
        if isinstance(where, int):
            return self.function(path, where) if self.lines(path) else None
        node: ast.AST | None = None
        tree = _parsed("\n".join(self.lines(path)))
        body: list[ast.stmt] = [] if tree is None else tree.body
        for name in where.replace(".<locals>", "").split("."):
            node = next((one for one in body if isinstance(one, _DEFS) and one.name == name), None)
            if node is None:
                return None
            body = node.body
        assert isinstance(node, _DEFS)
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        return first, node.end_lineno or node.lineno

    def breakable(self, prefix: str = "") -> list[str]:
        """Return ``file:line`` of each line of the program that has code, of files whose name begins so."""
        return self._lines_of((ast.stmt,), prefix)

    def awaiting(self, prefix: str = "") -> list[str]:
        """Return ``file:line`` of each line that awaits, of files whose name begins so, and its functions."""
        nodes = (node for _, tree in self._trees() for node in ast.walk(tree))
        names = {node.name for node in nodes if isinstance(node, ast.AsyncFunctionDef)}
        return self._lines_of(_AWAITS, prefix) + sorted(names)

    def _lines_of(self, kinds: tuple[type[ast.AST], ...], prefix: str) -> list[str]:
        found: list[str] = []
        for path, tree in self._trees():
            name = self.short(path)
            if name.startswith(prefix) or os.path.basename(name).startswith(prefix):
                numbers = {getattr(node, "lineno", 0) for node in ast.walk(tree) if isinstance(node, kinds)}
                found += [f"{name}:{number}" for number in sorted(numbers)]
        return found

    def _trees(self) -> Iterator[tuple[str, ast.Module]]:
        """Yield path and tree of each file of the program that can be parsed."""
        for path, text in self.texts.items():
            tree = _parsed(text)
            if tree is not None:
                yield path, tree


def _parsed(text: str) -> ast.Module | None:
    """Return the tree of a file of the program; None if Python itself cannot read it."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
