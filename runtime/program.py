"""Runs the program as ``python app.py`` would, from ``sys.argv`` to the last line it prints."""

from __future__ import annotations

import atexit
import gc
import importlib
import runpy
import sys
import threading
import types
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.machinery import SourceFileLoader, SourcelessFileLoader
from typing import Any, Final
from zipimport import zipimporter

from replay.options import Target
from replay.runtime.divergence import is_installed
from replay.runtime.tracebacks import strip, strip_all

_NOT_THE_PROGRAM: Final = ("replay.runtime.", "runpy", "importlib.", "zipimport")
"""What has looked for the program when it cannot be started."""


class _Loaded:
    """How many modules there were before the program began: none of them is its own."""

    count = 0


_loaded: Final = _Loaded()


def prepare(target: Target, argv: list[str], first_path: str | None) -> None:
    """Set ``sys.argv`` and ``sys.path`` as the interpreter sets them for this program."""
    _loaded.count = len(sys.modules)
    sys.argv[:] = argv
    if first_path is not None:
        sys.path.insert(0, first_path)
    sys.orig_argv[:] = [sys.executable, *(["-m"] if target == "module" else []), *argv]


def warm(names: Iterable[str]) -> None:
    """Load modules before the program does; a simulated run begins so, and so does its replay."""
    for name in names:
        with suppress(Exception):  # the program will see it, where it imports the module
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    _loaded.count = len(sys.modules)


def run(
    target: Target,
    name: str,
    script: str | None,
    source: Callable[[str], bytes],
    deliver_signals: Callable[[], None],
    start: Callable[[], None] | None,
    is_alone: Callable[[], bool],
) -> tuple[str, object]:
    """Run the program to its end; return how it ended.

    Args:
      target: how the program is named.
      name: its module, if it is a module.
      script: the absolute path of its script; None if the import system finds what to run.
      source: reads the text of a script.
      deliver_signals: runs the handlers of signals that came in and found no door to be delivered at.
      start: is called when there is code of the program to run; None if nobody wants to know.
      is_alone: whether no other thread goes on, once the program is over.

    Returns:
      ``("exit", code)``, or ``("signal", number)`` if it ends as by a signal.
    """
    try:
        if start is not None and script is None:
            _watch_for_code(name if target == "module" else "__main__", start)
        if target == "module":
            sys.modules["__main__"] = _main_module()
            runpy._run_module_as_main(name)  # type: ignore[attr-defined]
        elif script is None:
            sys.modules["__main__"] = _main_module()
            runpy._run_module_as_main("__main__", alter_argv=False)  # type: ignore[attr-defined]
        else:
            _run_script(script, source, start)
        deliver_signals()
        ended: tuple[str, object] = ("exit", 0)
    except SystemExit as error:
        _start_if_run(error, start)
        ended = ("exit", _exit_code(error))
    except KeyboardInterrupt as error:
        _report(error)
        ended = ("signal", 2)
    except BaseException as error:
        _start_if_run(error, start)
        _report(error)
        ended = ("exit", 1)
    for told in on_end:
        told()
    return _finish(ended, is_alone)


def _main_module() -> types.ModuleType:
    module = types.ModuleType("__main__")
    module.__dict__.update(
        __builtins__=sys.modules["builtins"], __annotations__={}, __loader__=None, __spec__=None
    )
    return module


def _watch_for_code(name: str, start: Callable[[], None]) -> None:
    """Call ``start`` as soon as there is code of a module to run, or of a package that it is in.

    By what returns code, for that has left the stack when the code runs.
    """
    loaders: tuple[Any, ...] = (SourceFileLoader, SourcelessFileLoader, zipimporter)
    real_ones = [loader.get_code for loader in loaders]

    def watched(get_code: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
        def get_code_(self: Any, fullname: str) -> Any:
            try:
                code = get_code(self, fullname)
            except BaseException as error:
                strip(error)
                raise
            if f"{name}.".startswith(f"{fullname}."):
                for loader, one in zip(loaders, real_ones, strict=True):
                    loader.get_code = one
                start()
            return code

        return get_code_

    for loader, one in zip(loaders, real_ones, strict=True):
        loader.get_code = watched(one)


def _start_if_run(error: BaseException, start: Callable[[], None] | None) -> None:
    """Call ``start`` if the exception shows that code was run that nobody saw coming."""
    trace = error.__traceback__
    while start is not None and trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if not module.startswith(_NOT_THE_PROGRAM):
            start()
        trace = trace.tb_next


_scripts: Final[dict[str, types.CodeType]] = {}
"""Scripts that are compiled before they run, by their paths."""


def compile_script(path: str, source: Callable[[str], bytes]) -> None:
    """Compile a script that is to be run in copies of this process; each of them would do it again."""
    with suppress(Exception):  # the run will see it
        _scripts[path] = _compile(path, source)


def _compile(path: str, source: Callable[[str], bytes]) -> types.CodeType:
    return compile(source(path), path, "exec", dont_inherit=True)


def _run_script(path: str, source: Callable[[str], bytes], start: Callable[[], None] | None) -> None:
    module = _main_module()
    module.__dict__.update(
        __file__=path, __cached__=None, __package__=None, __loader__=SourceFileLoader("__main__", path)
    )
    sys.modules["__main__"] = module
    code = _scripts.get(path) or _compile(path, source)
    if start is not None:
        start()
    exec(code, module.__dict__)


def _exit_code(error: SystemExit) -> int:
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    return 1


on_uncaught: Final[list[Callable[[BaseException], None]]] = []
"""Are told of an exception that nobody caught, before it is printed."""


on_end: Final[list[Callable[[], None]]] = []
"""Are called when the program's last line has run, while all that it has is still there."""


def _report(error: BaseException) -> None:
    """Print an exception that nobody caught, as the interpreter does."""
    strip_all(error)
    for told in on_uncaught:
        told(error)
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as second:
        strip_all(second)
        print("Error in sys.excepthook:", file=sys.stderr)  # noqa: T201
        sys.__excepthook__(type(second), second, second.__traceback__)
        print("\nOriginal exception was:", file=sys.stderr)  # noqa: T201
        sys.__excepthook__(type(error), error, error.__traceback__)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    error.__traceback__ = None


def _finish(ended: tuple[str, object], is_alone: Callable[[], bool]) -> tuple[str, object]:
    """Do what the interpreter does after the program's last line."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
    except KeyboardInterrupt as error:
        _report(error)
    atexit._run_exitfuncs()
    flushed = _flush()
    gc.collect()  # while there still are the globals that finalizers look at
    if is_alone():  # or another thread would find its globals gone
        _clear_main()
        _clear_modules()
        gc.collect()
    if not (_flush() and flushed) and ended == ("exit", 0):
        return ("exit", 120)
    return ended


def _flush() -> bool:
    good = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except (OSError, ValueError):
            good = False
    return good


def _clear_main() -> None:
    """Let go of the program's globals, so that finalizers of what they hold run while recorded."""
    for attribute in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, attribute):
            setattr(sys, attribute, None)
    module = sys.modules.get("__main__")
    if module is not None:
        _clear(module)


def _clear_modules() -> None:
    """Let go of the globals of the program's own modules likewise, the last imported first."""
    for module in reversed([*sys.modules.values()][_loaded.count :]):
        path = getattr(module, "__file__", None)
        if type(module) is types.ModuleType and type(path) is str and not is_installed(path):
            _clear(module)


def _clear(module: types.ModuleType) -> None:
    namespace: dict[str, Any] = vars(module)
    for name in list(namespace):
        if name.startswith("_") and not name.startswith("__"):
            namespace[name] = None
    for name in list(namespace):
        if not name.startswith("__"):
            namespace[name] = None
