"""Which installed modules a program imports first: these are loaded before a simulated run is copied.

Only what stands before the program's first other statement counts, in its script and in its own modules
that are imported there: so nothing is imported that the program would not have imported, or before it has
set something up that the import looks at.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator

_OWN_KINDS = (".py", "/__init__.py")


def imports_of(script: str, folder: str | None) -> list[str]:
    """Return the names of the modules, in the order in which they are imported.

    Args:
      script: the path of the program's first file.
      folder: where its own modules are; None if it has none.
    """
    found: dict[str, None] = {}
    _collect(script, folder, found, set())
    return list(found)


def _collect(path: str, folder: str | None, found: dict[str, None], seen: set[str]) -> bool:
    """Add what a file imports first; whether it does nothing else."""
    if path in seen:
        return True
    seen.add(path)
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return False
    for statement in tree.body:
        if not isinstance(statement, (ast.Import, ast.ImportFrom)):
            if _does_nothing(statement):
                continue
            return False
        for name in _names(statement):
            own = _own_file(name, folder)
            if own is None:
                found.setdefault(name)
            elif not _collect(own, folder, found, seen):
                return False
    return True


def _does_nothing(statement: ast.stmt) -> bool:
    """Whether a statement only says something: a docstring, the definition of a plain function."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return not statement.decorator_list
    return False


def _names(statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif statement.level == 0 and statement.module not in (None, "__future__"):
        yield str(statement.module)


def _own_file(name: str, folder: str | None) -> str | None:
    if folder is None:
        return None
    base = os.path.join(folder, *name.split("."))
    for kind in _OWN_KINDS:
        if os.path.isfile(base + kind):
            return base + kind
    top = os.path.join(folder, name.partition(".")[0])
    return top if os.path.exists(top) or os.path.exists(top + ".py") else None
