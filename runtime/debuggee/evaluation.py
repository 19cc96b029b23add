"""Runs code of the program while it is stopped, without the program noticing: in a copy of the process.

The copy is thrown away. It has a time limit, what it prints is returned, and whoever tries to reach the
outside in it is refused: nothing was recorded of that.
"""

from __future__ import annotations

import ast
import io
import math
import os
import resource
import select
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pprint import pformat
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from replay.protocol import ClosedError, pack_message, read_message
from replay.runtime import real
from replay.runtime.debuggee.copies import fork
from replay.runtime.debuggee.refusing import Refusing
from replay.runtime.streams import current

if TYPE_CHECKING:
    from replay.runtime.debuggee.control import Control

TIMEOUT_S: Final = 2.0
_VALUE_LIMIT_S: Final = 0.3
"""Of several values that are shown, each may take so long; all together, half the time that there is."""
MAX_TEXT: Final = 100_000
MAX_VALUE: Final = 2000
"""Characters of one value that are shown among others."""
INTERRUPTED: Final = "was interrupted"
_MORE_MEMORY_BYTES: Final = 1 << 30

# Held before the boundary replaces them.
_waitpid, _pipe, _set_timer = os.waitpid, os.pipe, signal.setitimer


def in_copy(
    control: Control, function: Callable[[], dict[str, Any]], timeout_s: float = TIMEOUT_S
) -> dict[str, Any]:
    """Return what ``function`` returns in a copy of this process, as plain data.

    Returns:
      its result; or ``{"error": text}`` if the copy took too long, or died.
    """
    source, sink = _pipe()
    try:
        pid = fork()
    except OSError as problem:
        real.close(source)
        real.close(sink)
        return {"error": f"needs a copy of the process: {problem}"}
    if pid == 0:
        try:
            real.close(source)
            control.leave()
            _limit(timeout_s)
            current.stream = Refusing()
            try:
                found = function()
            except BaseException as problem:
                found = {"error": f"raised {type(problem).__name__}"}
            data = pack_message(found)
            while data:
                data = data[real.write(sink, data) :]
        finally:
            real.exit_now(0)
    real.close(sink)
    try:
        return _answer(source, timeout_s, control.fd)
    finally:
        with suppress(ProcessLookupError):
            real.kill(pid, signal.SIGKILL)
        real.close(source)


def _limit(timeout_s: float) -> None:
    """Make sure that the copy ends, whatever it runs, and does not eat the machine."""
    _set_timer(signal.ITIMER_REAL, timeout_s + 1)
    real.set_handler(signal.SIGALRM, signal.SIG_DFL)
    _, hard = real.getrlimit(resource.RLIMIT_CPU)
    real.setrlimit(resource.RLIMIT_CPU, (math.ceil(timeout_s) + 1, hard))
    with open("/proc/self/statm", "rb") as file:
        pages = int(file.read().split()[0])
    _, hard = real.getrlimit(resource.RLIMIT_AS)
    real.setrlimit(resource.RLIMIT_AS, (pages * 4096 + _MORE_MEMORY_BYTES, hard))


class _TooLongError(BaseException):
    """Thrown into code of the program, in a copy of the process."""


def _too_long(number: int, frame: FrameType | None) -> NoReturn:
    raise _TooLongError


def texts(values: Iterable[Any]) -> Iterator[str]:
    """Yield the ``repr`` of each value, or why there is none; for a copy of the process."""
    real.set_handler(signal.SIGALRM, _too_long)
    left_s = TIMEOUT_S / 2
    for value in values:
        began = real.monotonic()
        try:
            if left_s <= 0:
                raise _TooLongError
            _set_timer(signal.ITIMER_REAL, min(_VALUE_LIMIT_S, left_s))
            text = text_of(value)
        except _TooLongError:
            text = f"<{type(value).__name__} object, whose repr takes too long>"
        finally:
            _set_timer(signal.ITIMER_REAL, 0)
        left_s -= real.monotonic() - began
        yield text


def text_of(value: object) -> str:
    """Return the ``repr`` of a value, or that it has none; for a copy of the process."""
    try:
        return repr(value)[:MAX_VALUE]
    except _TooLongError:
        raise
    except BaseException as error:
        return f"<{type(value).__name__} object, whose repr raises {type(error).__name__}>"


def _answer(source: int, timeout_s: float, client: int) -> dict[str, Any]:
    """Return what the copy writes; a client that says something in the meantime does not want it any more."""
    end = real.monotonic() + timeout_s
    poller = real.poll()
    poller.register(source, select.POLLIN)
    poller.register(client, select.POLLIN)

    def read(size: int) -> bytes:
        left = end - real.monotonic()
        ready = [fd for fd, _ in poller.poll(left * 1000)] if left > 0 else []
        if not ready:
            raise TimeoutError
        if source not in ready:
            raise InterruptedError
        return real.read(source, size)

    try:
        return read_message(read)
    except InterruptedError:
        return {"error": INTERRUPTED}
    except TimeoutError:
        return {"error": f"took longer than {timeout_s:g} s, and was ended"}
    except ClosedError:
        return {"error": "ended the copy of the process that it was run in"}


def error_text(error: BaseException) -> str:
    """Return type and message of an exception; for a copy of the process.

    ``traceback`` would look up the source of all that it comes from, in files that are not to be had here.
    """
    if isinstance(error, SyntaxError):
        error.__cause__ = error.__context__ = None
        return "".join(traceback.format_exception_only(error)).rstrip()
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__", Refusing.__module__):
        name = f"{kind.__module__}.{name}"
    try:
        message = str(error)
    except BaseException as problem:
        message = f"(its message could not be made: {type(problem).__name__})"
    return f"{name}: {message}" if message else name


def _scope(names: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return global and local names as one: what is nested in an expression sees its globals alone."""

    def local_names() -> dict[str, Any]:
        return {name: scope[name] for name in scope if name in own or name not in theirs}

    scope = {"locals": local_names, "globals": lambda: names, **names, **own}
    theirs = {*scope, "__builtins__"} - own.keys()
    return scope


def evaluate(
    text: str, frame: FrameType | None, namespace: dict[str, Any], width: int | None = None
) -> dict[str, Any]:
    """Run an expression or statements as in ``frame``; for a copy of the process.

    Returns:
      ``text`` (the repr of the value, if there is one), ``type``, ``output``; ``error`` if it raised.
    """
    output = io.StringIO()
    names = namespace if frame is None else frame.f_globals
    own = namespace if frame is None else dict(frame.f_locals)
    result: dict[str, Any] = {"text": None, "type": None, "error": None}
    with redirect_stdout(output), redirect_stderr(output):
        try:
            tree = ast.parse(text, "<debugger>")
            last = None
            if tree.body and isinstance(tree.body[-1], ast.Expr):
                last = tree.body[-1].value
                del tree.body[-1]
            scope = _scope(names, own)
            if tree.body:
                exec(compile(tree, "<debugger>", "exec"), scope)
            if last is not None:
                value = eval(compile(ast.Expression(last), "<debugger>", "eval"), scope)  # noqa: S307 - asked for
                result["type"] = type(value).__name__
                shown = repr(value) if width is None else pformat(value, width=width, sort_dicts=False)
                result["text"] = shown[:MAX_TEXT]
        except BaseException as error:
            result["error"] = error_text(error)[:MAX_TEXT]
    result["output"] = output.getvalue()[:MAX_TEXT]
    return result
