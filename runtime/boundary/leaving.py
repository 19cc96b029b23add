"""Doors by which a program leaves at once: ``os._exit``, ``os.abort``, and becoming another program.

Nothing of the interpreter's own end happens then, so the recording is ended here: everything that any
thread has in its list is brought into the file, and a last event that says how.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from signal import SIGABRT
from typing import Any, NoReturn

from replay.recording.codec import checksum, pack
from replay.recording.events import Kind
from replay.runtime import ending, real
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import plain_argument
from replay.runtime.report import tell
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip

_EFFECT_KEY = -Kind.EFFECT


def install(boundary: Installer) -> None:
    """Put the doors in place."""
    for name, make in (("_exit", _exit), ("abort", _abort)):
        key = -boundary.names.add(f"os.{name}")
        boundary.replace(os, name, make(_Leaving(boundary, key)))
    for name in ("execv", "execve"):
        key = -boundary.names.add(f"os.{name}")
        boundary.replace(os, name, _exec(boundary, key, getattr(os, name)))


class _Leaving:
    """Ends the run, from whatever thread."""

    def __init__(self, boundary: Installer, key: int) -> None:
        self._world = boundary.world
        self._key = key
        self._is_replay = boundary.is_replay

    def leave(self, how: str, detail: int) -> None:
        """Write down, or compare, that the program leaves now, and how."""
        stream = current.stream
        world = self._world
        if stream is None or (not self._is_replay and world.is_abandoned):
            return
        asked = checksum(pack([detail]))
        if not self._is_replay:
            world.turn(stream)
            stream.append(_EFFECT_KEY)
            stream.append([self._key, asked])
            world.drain_pumps()
            if world.stop(how, detail) and world.on_stop is not None:
                world.on_stop((how, detail) != ("exit", 0))
            return
        compare(world, stream, self._key, asked, f"os._exit({detail})" if how == "exit" else "os.abort()")
        world.leave(stream, how, detail)


def compare(world: Any, stream: Any, key: int, asked: int, observed: str) -> None:
    """Compare an effect that is about to go out with the recorded one."""

    def describe() -> str:
        return observed

    recorded_key, recorded = stream.take(_EFFECT_KEY, describe)
    if (recorded_key, recorded) != (key, asked):
        stream.pos -= 2
        world.differ(stream, _EFFECT_KEY, describe)


def _exit(leaving: _Leaving) -> Callable[[int], NoReturn]:
    def _exit(status: int) -> NoReturn:
        try:
            code = status.__index__() & 0xFF
        except AttributeError:
            code = None
        if code is not None:
            leaving.leave("exit", code)
        try:
            real.exit_now(status)
        except BaseException as error:  # what is no number
            strip(error)
            raise

    return _exit


def _abort(leaving: _Leaving) -> Callable[[], NoReturn]:
    def abort() -> NoReturn:
        leaving.leave("signal", int(SIGABRT))
        if leaving._is_replay:
            ending.die(SIGABRT)
        real.abort()

    return abort


def _exec(boundary: Installer, key: int, execute: Callable[..., NoReturn]) -> Callable[..., NoReturn]:
    world = boundary.world

    def live(path: Any, argv: Any, *env: Any) -> NoReturn:
        stream = current.stream
        if stream is None or world.is_abandoned:
            try:
                execute(path, argv, *env)
            except BaseException as error:
                strip(error)
                raise
        asked = checksum(pack([plain_argument(path), plain_argument(argv)]))
        world.turn(stream)
        stream.append(_EFFECT_KEY)
        stream.append([key, asked])
        is_likely = _is_executable(path)
        is_stopped = False
        if is_likely:
            world.drain_pumps()
            is_stopped = world.stop_for_exec([_text(one) for one in argv])
            if is_stopped and world.on_stop is not None:
                world.on_stop(None)
        else:
            world.flush(stream)
        try:
            execute(path, argv, *env)
        except BaseException as error:
            if is_stopped:
                world.resume()
            world.failed(stream.append, key, error)
            raise

    def recorded(path: Any, argv: Any, *env: Any) -> NoReturn:
        stream = current.stream
        if stream is None:
            raise OSError(38, "not at replay")
        asked = checksum(pack([plain_argument(path), plain_argument(argv)]))
        try:
            compare(world, stream, key, asked, f"exec of {plain_argument(argv)!r:.300}")
            if world.ending.how == "exec" and world.is_at_end(stream):
                world.leave(stream, "exec", [_text(one) for one in argv])
                tell(f"the recording ends here: {world.ending.describe()}")
                world.ending.end_process()
            stream.take(key)
        except BaseException as error:
            strip(error)
            raise
        raise AssertionError("what was recorded of an exec that fails is its exception")

    return recorded if boundary.is_replay else live


def _is_executable(path: Any) -> bool:
    try:
        return real.access(path, os.X_OK)
    except (TypeError, ValueError):  # a descriptor, or what will be refused
        return isinstance(path, int)


def _text(argument: Any) -> str:
    return os.fsdecode(argument).encode(errors="backslashreplace").decode()
