"""What `record -- COMMAND` names: a script installed for this Python, or this Python itself.

A recording is made inside one interpreter, the one that runs us. So a command must be Python code of
that interpreter, and the work must be done in the process that it starts: what would start others and
do the work there is refused by name, before anything runs, with a way that works.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from replay.errors import UsageError
from replay.options import Target

_PYTHON: Final = re.compile(r"python(\d+(\.\d+)?)?")
_FIRST_BYTES: Final = 4096
_INI_FILES: Final = (
    ("pytest.toml", "pytest"),
    (".pytest.toml", "pytest"),
    ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"),
    ("pyproject.toml", "tool.pytest"),
    ("tox.ini", "pytest"),
    ("setup.cfg", "tool:pytest"),
)
"""Where pytest looks for its settings, in its order, and the name of its part of each file."""


class Interpreter(NamedTuple):
    """The Python that programs are recorded with.

    Args:
      executable: its path, as it was started.
    """

    executable: str

    @property
    def folder(self) -> str:
        """The folder that also holds the scripts of its environment."""
        return os.path.dirname(self.executable)

    def is_same(self, path: str) -> bool:
        """Whether ``path`` is this Python in this environment.

        The interpreters of two environments may be links to one file, and find other packages: what
        makes them one is the folder.
        """
        try:
            return os.path.samefile(path, self.executable) and os.path.samefile(
                os.path.dirname(path), self.folder
            )
        except OSError:
            return False


def resolve(
    command: Sequence[str], interpreter: Interpreter, environment: Mapping[str, str]
) -> tuple[Target, tuple[str, ...]]:
    """Return what a command line after ``--`` runs: how it is named, and its argv.

    Raises:
      UsageError: it cannot be recorded.
    """
    name, *args = command
    if _PYTHON.fullmatch(os.path.basename(name)):
        return _python(name, args, interpreter, environment)
    _refuse_by_name(_plain(name), args, environment)
    path = _find(name, interpreter, environment)
    if path is None:
        raise UsageError(f"no such command: {name}", hint=_instead_of(name, interpreter))
    _check_script(name, path, interpreter, environment)
    return "command", (path, *args)


def check_module(name: str, args: Sequence[str], environment: Mapping[str, str]) -> None:
    """Refuse a module that does its work in other processes.

    Raises:
      UsageError: it does.
    """
    _refuse_by_name(name.removesuffix(".__main__"), args, environment)


def _plain(name: str) -> str:
    """Return what an installed command is known by."""
    base = os.path.basename(name)
    return "pytest" if base == "py.test" else base


# -- python itself --------------------------------------------------------------------------------------


def _python(
    name: str, args: Sequence[str], interpreter: Interpreter, environment: Mapping[str, str]
) -> tuple[Target, tuple[str, ...]]:
    path = _find(name, interpreter, environment)
    if path is None:
        raise UsageError(f"no such command: {name}", hint=f"this Python is {interpreter.executable}")
    rest = shlex.join(args) or "app.py"
    if not interpreter.is_same(path):
        raise UsageError(
            f"{name} is another Python ({path}) than the one that replay runs in ({interpreter.executable})",
            hint=f"`replay record {rest}` takes this one; to take the other, install replay there",
        )
    if not args:
        raise UsageError(f"no program after `-- {name}`", hint=f"`replay record -- {name} app.py`")
    first = args[0]
    if first == "-c" or first.startswith("-c"):
        raise UsageError(
            "a program given with `-c` cannot be recorded", hint="put it in a file: a replay needs its source"
        )
    if first.startswith("-m"):
        argv = list(args[1:]) if first == "-m" else [first[2:], *args[1:]]
        if not argv or not argv[0]:
            raise UsageError("no module after `-m`", hint="`replay record -m package.module`")
        check_module(argv[0], argv[1:], environment)
        return "module", tuple(argv)
    if first.startswith("-") and first != "-":
        raise UsageError(
            f"options of Python are not taken here: {first}",
            hint=f"give them to the Python that runs replay: `{name} {first} -m replay record ...`",
        )
    return "script", tuple(args)


# -- scripts --------------------------------------------------------------------------------------------


def _find(name: str, interpreter: Interpreter, environment: Mapping[str, str]) -> str | None:
    """Return the path of a command: beside this Python before the ``PATH``, which may know neither."""
    import shutil

    if os.sep in name:
        return name if os.path.isfile(name) else None
    for folder in _folders(interpreter):
        found = os.path.join(folder, name)
        if os.path.isfile(found) and os.access(found, os.X_OK):
            return found
    return shutil.which(name, path=environment.get("PATH"))


def _folders(interpreter: Interpreter) -> list[str]:
    import sysconfig

    found = [interpreter.folder, sysconfig.get_path("scripts")]
    if sysconfig.get_preferred_scheme("user") in sysconfig.get_scheme_names():
        found.append(sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user")))
    return list(dict.fromkeys(found))


def _instead_of(name: str, interpreter: Interpreter) -> str:
    """Return a hint for a command that is not there."""
    if os.path.isfile(name):
        return f"a script is recorded with `replay record {name}`"

    import difflib

    near = difflib.get_close_matches(name, sorted(_scripts(interpreter)), n=1, cutoff=0.6)
    if near:
        return f"did you mean `replay record -- {near[0]}`?"

    import importlib.util

    if name.isidentifier() and importlib.util.find_spec(name) is not None:
        return f"a module is recorded with `replay record -m {name}`"
    return f"it is neither beside this Python ({interpreter.executable}) nor on the PATH"


def _scripts(interpreter: Interpreter) -> Iterator[str]:
    """Yield the names of the scripts that are installed for this Python."""
    for folder in _folders(interpreter):
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            if entry.is_file() and not _PYTHON.fullmatch(entry.name):
                python = _interpreter_of(_start(entry.path), entry.path, {})
                if python is not None and interpreter.is_same(python):
                    yield entry.name


def _start(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_FIRST_BYTES)
    except OSError:
        return b""


def _check_script(name: str, path: str, interpreter: Interpreter, environment: Mapping[str, str]) -> None:
    """Refuse what is no Python script, and one that another Python would run."""
    start = _start(path)
    what = name if name == path else f"{name} ({path})"
    hint = "a Python program is recorded with `replay record app.py` or `replay record -m MODULE`"
    if not start:
        raise UsageError(f"{what} is empty, or cannot be read")
    if not start.startswith(b"#!"):
        is_script = b"\0" not in start
        said = "does not say what runs it (it has no `#!` line)" if is_script else "is a binary program"
        if is_script and name.endswith(".py"):
            hint = f"`replay record {name}`"
        raise UsageError(f"{what} {said}: only Python programs can be recorded", hint=hint)
    python = _interpreter_of(start, path, environment)
    if python is None:
        runs = os.fsdecode(start[2:].split(b"\n", 1)[0]).strip()
        raise UsageError(f"{what} is a script for {runs}: only Python programs can be recorded", hint=hint)
    if not interpreter.is_same(python):
        raise UsageError(
            f"{what} runs in another Python ({python}) than replay does ({interpreter.executable})",
            hint=f"install {_plain(name)} beside replay, or replay beside it: one interpreter runs both",
        )


def _interpreter_of(start: bytes, path: str, environment: Mapping[str, str]) -> str | None:
    """Return the Python that a script's first lines ask for; None if they ask for something else."""
    import shutil

    if not start.startswith(b"#!"):
        return None
    lines = os.fsdecode(start[2:]).split("\n", 2)
    try:
        words = shlex.split(lines[0])
        # Where the path of the interpreter is too long for a `#!` line, or has spaces in it, or is found by
        # the script's own place, installers write a shell script that is Python too.
        if words and os.path.basename(words[0]) == "sh" and len(lines) > 1 and lines[1].startswith("'''exec"):
            beside = re.search(r"""realpath --? ?"?\$0"?\)"?\)"?/'?([\w.]+)""", lines[1])
            if beside is not None:
                words = [os.path.join(os.path.dirname(os.path.realpath(path)), beside[1])]
            else:
                words = shlex.split(lines[1].removeprefix("'''exec'"))
    except ValueError:
        return None
    if words and os.path.basename(words[0]) == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        found = shutil.which(words[0], path=environment.get("PATH")) if words else None
        words = [found or words[0]] if words else []
    if not words or not _PYTHON.fullmatch(os.path.basename(words[0])):
        return None
    return words[0]


# -- what does its work in other processes ----------------------------------------------------------------


def _refuse_by_name(name: str, args: Sequence[str], environment: Mapping[str, str]) -> None:
    """Refuse what is known to do its work in processes that it starts."""
    if name == "pytest":
        _check_pytest(args, environment)
    elif name == "uvicorn":
        _check_uvicorn(args, environment)
    elif name == "hypercorn":
        _check_hypercorn(args)
    elif name == "fastapi":
        _check_fastapi(args)
    elif name in ("gunicorn", "gunicorn.app.wsgiapp"):
        raise UsageError(
            "gunicorn runs the application in worker processes, which are not recorded",
            hint="one process can be recorded, as with `replay record -- uvicorn app:app`",
        )


def _values(args: Sequence[str], *names: str) -> list[str]:
    """Return the values of an option that takes one, in the order given; ``-n4`` and ``--workers=4`` too."""
    found: list[str] = []
    for at, word in enumerate(args):
        if word == "--":
            break
        if word in names:
            found += args[at + 1 : at + 2]
            continue
        for name in names:
            if name.startswith("--"):
                if word.startswith(name + "="):
                    found.append(word[len(name) + 1 :])
            elif word.startswith(name) and not word.startswith("--"):
                found.append(word[len(name) :].removeprefix("="))
    return found


def _has(args: Sequence[str], *names: str) -> bool:
    ours = args[: list(args).index("--")] if "--" in args else args
    return any(name in ours for name in names)


def _is_more_than_one(count: str) -> bool:
    try:
        return int(count) > 1
    except ValueError:
        return False  # the program itself refuses it, in its own words


def _check_uvicorn(args: Sequence[str], environment: Mapping[str, str]) -> None:
    if _has(args, "--reload") or environment.get("UVICORN_RELOAD", "").lower() in ("1", "true", "yes", "on"):
        raise UsageError(
            "uvicorn --reload runs the application in a child process, which is not recorded",
            hint="leave `--reload` out",
        )
    given = _values(args, "--workers")
    source = "--workers"
    if not given:
        for source in ("UVICORN_WORKERS", "WEB_CONCURRENCY"):
            if environment.get(source):
                given = [environment[source]]
                break
    if given and _is_more_than_one(given[-1]):
        said = f"--workers {given[-1]}" if source == "--workers" else f"with {source}={given[-1]}"
        raise UsageError(
            f"uvicorn {said} runs the application in worker processes, which are not recorded",
            hint="`--workers 1` runs it in one process",
        )


def _check_hypercorn(args: Sequence[str]) -> None:
    if _has(args, "--reload"):
        raise UsageError(
            "hypercorn --reload runs the application in a child process, which is not recorded",
            hint="`--workers 0`, without `--reload`, runs it in one process",
        )
    given = _values(args, "-w", "--workers")
    if not given and _values(args, "-c", "--config"):
        return  # it may say so there; what is started is named while recording
    if not given or given[-1] != "0":
        said = f"--workers {given[-1]}" if given else "without `--workers 0`"
        raise UsageError(
            f"hypercorn {said} runs the application in worker processes, which are not recorded",
            hint="`--workers 0` runs it in one process",
        )


def _check_fastapi(args: Sequence[str]) -> None:
    what = args[0] if args else ""
    if (what == "dev" and not _has(args, "--no-reload")) or _has(args, "--reload"):
        raise UsageError(
            f"fastapi {what} reloads: it runs the application in a child process, which is not recorded",
            hint="`fastapi run`, or `fastapi dev --no-reload`",
        )
    given = _values(args, "--workers")
    if given and _is_more_than_one(given[-1]):
        raise UsageError(
            f"fastapi --workers {given[-1]} runs the application in worker processes, which are not recorded",
            hint="`--workers 1` runs it in one process",
        )


def _check_pytest(args: Sequence[str], environment: Mapping[str, str]) -> None:
    """Refuse tests that are run in other processes, wherever that is asked for.

    The order is pytest's: settings, environment, arguments; the last one counts.
    """
    sources: list[tuple[str, list[str]]] = []
    overridden = any(value.startswith("addopts=") for value in _values(args, "-o", "--override-ini"))
    if not overridden and not _has(args, "-c", "--config-file"):
        settings = _pytest_settings(args)
        if settings is not None:
            sources.append(settings)
    sources.append(("PYTEST_ADDOPTS", _split(environment.get("PYTEST_ADDOPTS", ""))))
    sources.append(("", list(args)))
    asked: tuple[str, str] | None = None
    for source, words in sources:
        for value in _values(words, "-n", "--numprocesses"):
            asked = None if value == "0" else (f"-n {value}", source)
        if _values(words, "--tx"):
            asked = ("--tx", source)
        if _has(words, "--forked", "--boxed"):
            raise UsageError(
                f"pytest --forked{_from(source)} runs each test in a child process, which is not recorded",
                hint=f"take `--forked` out{_from(source)}",
            )
    if asked is not None:
        option, source = asked
        raise UsageError(
            f"pytest {option}{_from(source)} (pytest-xdist) runs the tests in worker processes,"
            " which are not recorded",
            hint="`-n 0` runs them in one process",
        )


def _from(source: str) -> str:
    return f" from {source}" if source else ""


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []  # pytest says so


def _pytest_settings(args: Sequence[str]) -> tuple[str, list[str]] | None:
    """Return the options that pytest will find in its settings, and in which file.

    It looks upwards from what the arguments have in common, and takes the first file that has its part.
    """
    named = [os.path.abspath(word.split("::")[0]) for word in args if not word.startswith("-")]
    there = [path for path in named if os.path.exists(path)]
    folder = os.path.commonpath(there) if there else os.getcwd()
    if not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    while True:
        for file, section in _INI_FILES:
            path = os.path.join(folder, file)
            if os.path.isfile(path):
                options = _options_in(path, section)
                if options is not None:
                    return os.path.relpath(path), options
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _options_in(path: str, section: str) -> list[str] | None:
    """Return ``addopts`` of a file; None if it has no part for pytest, or cannot be read."""
    import configparser
    import tomllib

    try:
        if path.endswith(".toml"):
            with open(path, "rb") as binary:
                part: object = tomllib.load(binary)
            for name in section.split("."):
                part = part.get(name) if isinstance(part, dict) else None
            if isinstance(part, dict) and isinstance(part.get("ini_options"), dict):
                part = part["ini_options"]
            if not isinstance(part, dict):
                return None
            given = part.get("addopts", "")
        else:
            settings = configparser.RawConfigParser()
            with open(path, encoding="utf-8") as text:
                settings.read_file(text)
            if not settings.has_section(section):
                # A pytest.ini counts even if it is empty.
                return [] if os.path.basename(path).endswith("pytest.ini") else None
            given = settings.get(section, "addopts", fallback="")
    except (OSError, ValueError, configparser.Error):
        return None  # pytest says so
    if isinstance(given, list):
        return [str(word) for word in given]
    return _split(str(given))


def this_interpreter() -> Interpreter:
    """Return the Python that runs us."""
    return Interpreter(sys.executable)
