"""The house rules that a machine can hold: who may import whom, what is public, what is banned.

The arrows are drawn in the docstring of ``replay/__init__.py``. Each rule is also fed a snippet that breaks
it, at the end of this file: a rule that cannot fail holds nothing.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import replay

ROOT = Path(__file__).resolve().parent.parent

GROUND_FLOOR = (
    "replay._compiled",
    "replay._rewind",
    "replay.compiled",
    "replay.errors",
    "replay.labels",
    "replay.options",
    "replay.platforms",
    "replay.positions",
    "replay.protocol",
    "replay.quantities",
    "replay.recording",
)
GROUND_FLOOR_PACKAGES = {"msgspec", "outcome", "zstandard"}
RUNTIME_PACKAGES = GROUND_FLOOR_PACKAGES | {"greenlet", "sortedcontainers", "trio"}
IMPORT_NAMES = {"pyyaml": "yaml"}  # of distributions that are imported under another name
BANNED = {
    "dill": "reading a recording never executes anything",
    "marshal": "reading a recording never executes anything",
    "pickle": "reading a recording never executes anything",
    "shelve": "reading a recording never executes anything",
    "pkg_resources": "importlib.metadata does this",
    "imp": "it is gone from Python 3.12",
    "distutils": "it is gone from Python 3.12",
}
PUBLIC_NAMES = {"EventLoop", "Scenario", "explore", "install_trio", "open", "simulate"}


@dataclass(frozen=True)
class Import:
    """One imported name, and whether it is imported only when a function runs, or only by checkers."""

    name: str
    line: int
    in_function: bool
    for_checkers: bool


def below(name: str, *tops: str) -> bool:
    """Say whether a module is one of these, or inside one of these."""
    return any(name == top or name.startswith(top + ".") for top in tops)


def sources() -> dict[str, Path]:
    """Return each module of the package with its file, by the real folder that holds it."""
    found: dict[str, Path] = {}
    for folder, package in (("replay", "replay"), ("runtime", "replay.runtime"), ("cli", "replay.cli")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            if folder == "replay" and parts[0] in ("runtime", "cli"):
                continue  # reached through a link
            module = ".".join((package, *parts))
            found[module.removesuffix(".__init__")] = path
    return found


@functools.cache
def dependencies() -> frozenset[str]:
    """Return the import names of the declared dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [str(entry).split(">")[0].strip() for entry in project["dependencies"]]
    return frozenset(IMPORT_NAMES.get(name, name) for name in names)


def imports_of(tree: ast.Module, known: frozenset[str]) -> Iterator[Import]:
    """Yield what a module imports; ``from a import b`` is ``a.b`` where that is a module, else ``a``."""

    def walk(node: ast.AST, in_function: bool, for_checkers: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            inside = in_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            names: list[str] = []
            if isinstance(child, ast.Import):
                names = [alias.name for alias in child.names]
            elif isinstance(child, ast.ImportFrom):
                top = "." * child.level + (child.module or "")
                both = {alias.name: f"{top}.{alias.name}" for alias in child.names}
                names = [full if full in known else top for full in both.values()]
            elif isinstance(child, ast.Call) and called(child) in ("import_module", "__import__"):
                names = [
                    argument.value
                    for argument in child.args[:1]
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                ]
            for name in names:
                yield Import(name, getattr(child, "lineno", 0), inside, for_checkers)
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                for part in child.body:
                    yield from walk(ast.Module([part], []), inside, True)
                for part in child.orelse:
                    yield from walk(ast.Module([part], []), inside, for_checkers)
            else:
                yield from walk(child, inside, for_checkers)

    return walk(tree, False, False)


def called(call: ast.Call) -> str:
    """Return the last name of what is called."""
    return ast.unparse(call.func).rpartition(".")[2]


def objection(module: str, found: Import) -> str | None:
    """Say which rule an import breaks, or return None."""
    name = found.name
    top = name.partition(".")[0]
    in_cli = below(module, "replay.cli")
    in_runtime = below(module, "replay.runtime")
    is_ground = below(module, *GROUND_FLOOR)

    if name.startswith("."):
        return "relative import: a linked file has two paths, and would be two modules"
    if top in BANNED:
        return f"{top} is banned: {BANNED[top]}"
    if top in ("runtime", "cli"):
        return f"the package is replay.{top}"

    if top == "replay":
        if is_ground and not below(name, *GROUND_FLOOR):
            return "the ground floor imports nothing above itself"
        if in_runtime and not below(name, *GROUND_FLOOR, "replay.runtime"):
            return "runtime imports the ground floor and nothing above it"
        if below(module, "replay.runtime.aio") and below(name, "replay.runtime.trio_"):
            return "aio does not know trio_"
        if below(module, "replay.runtime.trio_") and below(name, "replay.runtime.aio"):
            return "trio_ does not know aio"
        if not in_cli and not in_runtime and module not in ("replay", "replay.__main__"):
            if below(name, "replay.runtime"):
                return "only replay/__init__.py of replay names replay.runtime"
            if below(name, "replay.cli"):
                return "only the command line imports replay.cli"
        return None

    if top == "trio":
        if not below(module, "replay.runtime.trio_"):
            return "trio is imported only below replay.runtime.trio_"
        if not found.in_function and not found.for_checkers:
            return "trio is imported only when the program does: inside a function"
        return None
    if top == "prompt_toolkit" and not below(module, "replay.cli.repl"):
        return "prompt_toolkit is imported only below replay.cli.repl"
    if top == "asyncio":
        if below(module, "replay.runtime.trio_"):
            return "a trio program does not load asyncio"
        if not in_runtime and not in_cli:
            return "replay imports no event loop"
        return None
    if top in sys.stdlib_module_names:
        return None
    if top not in dependencies():
        return f"{top} is no declared dependency"
    if is_ground and top not in GROUND_FLOOR_PACKAGES:
        return f"the ground floor does not use {top}"
    if in_runtime and top not in RUNTIME_PACKAGES:
        return f"what runs beside the user's program does not use {top}"
    return None


def objections(module: str, source: str, known: frozenset[str] = frozenset()) -> list[str]:
    """Return everything that is wrong with a module, each with its line."""
    tree = ast.parse(source)
    found = [
        f"line {one.line}: {one.name}: {why}"
        for one in imports_of(tree, known)
        if (why := objection(module, one)) is not None
    ]
    if not (ast.get_docstring(tree) or "").strip():
        found.append("line 1: a module says in its docstring what it is for")
    return found


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a statement loads in a fresh interpreter."""
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); before = set(sys.modules)\n"
        f"{statement}\nprint(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def public_names(names: list[str]) -> set[str]:
    """Return the names that users may use, of those a module lists."""
    return {name for name in names if not name.startswith("_")}


SOURCES = sources()
KNOWN = frozenset(SOURCES)


def test_the_modules_are_found() -> None:
    assert {
        "replay",
        "replay.errors",
        "replay.runtime",
        "replay.cli.main",
        "replay.recording.events",
    } <= KNOWN


@pytest.mark.parametrize("module", SOURCES)
def test_module(module: str) -> None:
    assert objections(module, SOURCES[module].read_text(encoding="utf-8"), KNOWN) == []


def test_each_folder_of_modules_is_a_package() -> None:
    missing = {path.parent for path in SOURCES.values()} - {
        path.parent for path in SOURCES.values() if path.name == "__init__.py"
    }
    assert missing == set()


def test_importing_replay_loads_nothing_else() -> None:
    assert loaded_by("import replay") == {"replay"}


def test_public_names() -> None:
    assert public_names(dir(replay)) - {"annotations"} - KNOWN_SUBMODULES == PUBLIC_NAMES
    assert set(replay.__all__) == PUBLIC_NAMES


@pytest.mark.parametrize("name", sorted(PUBLIC_NAMES))
def test_each_public_name_is_there(name: str) -> None:
    assert callable(getattr(replay, name))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'replay' has no attribute 'no_such_name'"):
        _ = replay.no_such_name  # pyright: ignore[reportAttributeAccessIssue]


KNOWN_SUBMODULES = {name.split(".")[1] for name in KNOWN if "." in name}
"""Modules that other tests have loaded show as attributes of their package."""


@pytest.mark.parametrize("folder", ["runtime", "cli"])
def test_the_folders_at_the_root_are_no_packages_of_their_own(folder: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert f"ImportError: import replay.{folder}, not {folder}" in done.stderr


DOC = '"""Doc."""\n'


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("replay.errors", "from __future__ import annotations", "docstring"),
        ("replay.errors", DOC + "import replay.timeline", "ground floor imports nothing above"),
        ("replay.errors", DOC + "import replay", "ground floor imports nothing above"),
        ("replay.recording.reader", DOC + "from replay import runtime", "ground floor imports nothing above"),
        ("replay.recording.reader", DOC + "import yaml", "ground floor does not use yaml"),
        ("replay.recording.reader", DOC + "import requests", "no declared dependency"),
        ("replay.recording.reader", DOC + "import pickle", "pickle is banned"),
        ("replay.recording.reader", DOC + "import asyncio", "no event loop"),
        ("replay.recording.reader", DOC + "from . import events", "relative import"),
        ("replay.recording.reader", DOC + "from .events import Kind", "relative import"),
        ("replay.runtime.order", DOC + "import replay.cli.main", "runtime imports the ground floor"),
        (
            "replay.runtime.order",
            DOC + "from replay.analysis import index",
            "runtime imports the ground floor",
        ),
        ("replay.runtime.order", DOC + "def f():\n import prompt_toolkit", "only below replay.cli.repl"),
        ("replay.runtime.order", DOC + "import yaml", "beside the user's program does not use yaml"),
        ("replay.runtime.order", DOC + "import runtime.real", "the package is replay.runtime"),
        ("replay.runtime.order", DOC + "def f():\n import trio", "only below replay.runtime.trio_"),
        ("replay.runtime.trio_.seams", DOC + "import trio", "inside a function"),
        ("replay.runtime.trio_.seams", DOC + "class A:\n import trio", "inside a function"),
        ("replay.runtime.trio_.seams", DOC + "from trio._core import _run", "inside a function"),
        ("replay.runtime.trio_.seams", DOC + "import asyncio", "does not load asyncio"),
        ("replay.runtime.trio_.seams", DOC + "from replay.runtime.aio import loop", "does not know aio"),
        ("replay.runtime.aio.loop", DOC + "from replay.runtime import trio_", "does not know trio_"),
        ("replay.runtime.aio.loop", DOC + "import_module('replay.runtime.trio_')", "does not know trio_"),
        ("replay.timeline.session", DOC + "import replay.runtime.launcher", "only replay/__init__.py"),
        ("replay.timeline.session", DOC + "def f():\n from replay import runtime", "only replay/__init__.py"),
        ("replay.timeline.session", DOC + "from replay.cli import output", "only the command line"),
        ("replay.analysis.waits", DOC + "import asyncio.tasks", "no event loop"),
        ("replay.cli.main", DOC + "import prompt_toolkit.shortcuts", "only below replay.cli.repl"),
    ],
)
def test_each_rule_can_fail(module: str, source: str, expected: str) -> None:
    found = objections(module, source, KNOWN | {"replay.analysis.index", "replay.runtime.trio_"})
    assert len(found) == 1
    assert expected in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "replay",
            "TYPE_CHECKING = False\nif TYPE_CHECKING:\n from replay.runtime.aio.loop import EventLoop",
        ),
        ("replay.recording.codec", "import os, msgspec, outcome\nfrom replay.recording import events"),
        ("replay.runtime.order", "from replay.runtime import real\nfrom replay.errors import ReplayError"),
        ("replay.runtime.trio_.seams", "def f():\n import trio\n from trio._core import _run"),
        ("replay.runtime.trio_.seams", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n import trio"),
        ("replay.cli.repl.screen", "import prompt_toolkit"),
        ("replay.cli.commands.record", "import replay.runtime.launcher"),
        ("replay.scenario.loading", "import yaml"),
    ],
)
def test_what_is_allowed_is_allowed(module: str, source: str) -> None:
    assert objections(module, DOC + source, KNOWN) == []


def test_the_checks_of_a_running_interpreter_can_fail() -> None:
    assert "replay.errors" in loaded_by("import replay.errors")
    assert public_names(["EventLoop", "install_trio", "open", "helper", "_private"]) != PUBLIC_NAMES
