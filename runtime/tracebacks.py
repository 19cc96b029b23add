"""Tracebacks without frames of ours.

A frame enters a traceback when an exception first reaches it, and not again when the exception is
raised further with a bare ``raise`` (``ceval.c``: re-raising goes past the place that adds an entry).
So a door that takes its own entries off and raises again leaves no trace of itself.
"""

from __future__ import annotations

import functools
import inspect
import linecache
import logging
import sys
import threading
import traceback as traceback_module
import warnings
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, ParamSpec, TypeVar

from replay.runtime.boundary.table import replace

_P = ParamSpec("_P")
_R = TypeVar("_R")

OUR_FOLDER = __file__.rpartition("/")[0] + "/"


def is_our_frame(frame: FrameType) -> bool:
    """Whether the frame is of this package's machinery."""
    name = frame.f_globals.get("__name__")
    return type(name) is str and (name.startswith("replay.runtime.") or name == "_pyio")


def is_ours(traceback: TracebackType) -> bool:
    """Whether the entry is of a frame of this package's machinery."""
    return is_our_frame(traceback.tb_frame)


def install() -> None:
    """Make ``traceback`` and ``inspect`` pass over our frames, in stacks and where any are left."""
    walk_stack, walk_tb = traceback_module.walk_stack, traceback_module.walk_tb

    def walk_visible_stack(f: FrameType | None) -> Iterator[tuple[FrameType, int]]:
        return (one for one in walk_stack(f) if not is_our_frame(one[0]))

    def walk_visible_tb(tb: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
        return (one for one in walk_tb(tb) if not is_our_frame(one[0]))

    def getouterframes(frame: Any, context: int = 1) -> list[inspect.FrameInfo]:
        found = []
        for one, _ in walk_visible_stack(frame):
            info = inspect.getframeinfo(one, context)
            found.append(inspect.FrameInfo(one, *info, positions=info.positions))
        return found

    inspect.getouterframes = getouterframes
    # The interpreter tells where a coroutine was created as bare file names, and looks up their lines.
    warnings._warn_unawaited_coroutine = _warn_unawaited_coroutine  # type: ignore[attr-defined]
    # The interpreter's own read source files through real descriptors.
    sys.__unraisablehook__ = replace(sys, "unraisablehook", _unraisablehook)
    if sys.version_info < (3, 13):
        sys.__excepthook__ = replace(sys, "excepthook", _excepthook)
        threading.__excepthook__ = replace(threading, "excepthook", _thread_excepthook)
    walk_visible_stack.__name__, walk_visible_tb.__name__ = "walk_stack", "walk_tb"
    traceback_module.walk_stack, traceback_module.walk_tb = walk_visible_stack, walk_visible_tb


def guard_caches() -> None:
    """Make looking into caches of the standard library a hand-off; for when a second thread is started.

    ``linecache`` keeps lines in a dictionary of the whole process and asks the system only for what is not in
    there; a logger remembers its level, and takes a lock only to find it out. Which thread comes first is the
    outside's decision.
    """
    lock = threading.RLock()

    def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with lock:
                return function(*args, **kwargs)

        return call

    for name in ("checkcache", "clearcache", "getlines", "lazycache", "updatecache"):
        setattr(linecache, name, guarded(getattr(linecache, name)))
    logging.Logger.isEnabledFor = guarded(logging.Logger.isEnabledFor)  # type: ignore[method-assign]


def _excepthook(kind: type[BaseException], value: BaseException, traceback: TracebackType | None, /) -> None:
    """Report what nobody caught; as the interpreter does."""
    if sys.stderr is not None:
        traceback_module.print_exception(kind, value, traceback)
        sys.stderr.flush()


def _thread_excepthook(args: Any, /) -> None:
    """Report what nobody caught in a thread; as the interpreter does."""
    stream = sys.stderr
    if args.exc_type is SystemExit or stream is None:
        return
    name = threading.get_ident() if args.thread is None else args.thread.name
    stream.write(f"Exception in thread {name}:\n")
    traceback_module.print_exception(args.exc_type, args.exc_value, args.exc_traceback, file=stream)
    stream.flush()


def _unraisablehook(unraisable: Any, /) -> None:
    """Report what was raised where nobody can catch it; as the interpreter does."""
    stream = sys.stderr
    if stream is None:
        return
    if unraisable.object is not None:
        try:
            shown = repr(unraisable.object)
        except Exception:
            shown = "<object repr() failed>"
        stream.write(f"{unraisable.err_msg or 'Exception ignored in'}: {shown}\n")
    elif unraisable.err_msg:
        stream.write(f"{unraisable.err_msg}:\n")
    if unraisable.exc_traceback is not None:
        stream.write("Traceback (most recent call last):\n")
        traceback_module.print_tb(unraisable.exc_traceback, file=stream)
    for line in traceback_module.format_exception_only(unraisable.exc_type, unraisable.exc_value):
        stream.write(line)
    stream.flush()


def _warn_unawaited_coroutine(coro: Any) -> None:
    text = f"coroutine '{coro.__qualname__}' was never awaited\n"
    if coro.cr_origin is not None:
        places = [
            (filename, lineno, name, linecache.getline(filename, lineno))
            for filename, lineno, name in reversed(coro.cr_origin)
            if not filename.startswith(OUR_FOLDER)
        ]
        text += "Coroutine created at (most recent call last)\n" + "".join(
            traceback_module.format_list(places)
        )
    warnings.warn(text.rstrip("\n"), category=RuntimeWarning, stacklevel=2, source=coro)


def strip(error: BaseException) -> None:
    """Take our entries off the head of the traceback of ``error``."""
    traceback = error.__traceback__
    while traceback is not None and is_ours(traceback):
        traceback = traceback.tb_next
    error.__traceback__ = traceback


def unseen(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return the function such that what it raises shows none of our frames at the head of its traceback."""

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            strip(error)
            raise

    return call


def strip_all(error: BaseException) -> None:
    """Take our entries out of the tracebacks of ``error`` and of all it was caused by."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        strip(one)
        entry = one.__traceback__
        while entry is not None:
            while entry.tb_next is not None and is_ours(entry.tb_next):
                entry.tb_next = entry.tb_next.tb_next
            entry = entry.tb_next
        todo += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            todo += one.exceptions
