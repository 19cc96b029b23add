"""Doors of the standard streams: what the program prints, and what it reads from stdin.

``sys.stdout`` and ``sys.stderr`` stay what they are, text over a buffer, on a raw layer of ours. What
is written there is in the recording before it is on the screen.
"""

from __future__ import annotations

import builtins
import io
import os
import sys
import threading
from contextlib import suppress
from typing import Any

from replay.runtime import real
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, nothing
from replay.runtime.report import wrote
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip


class RawOutput(io.RawIOBase):
    """The raw layer of stdout or stderr."""

    def __init__(self, write: Any, fd: int, name: str, is_tty: bool) -> None:
        self._write = write
        self._fd = fd
        self._is_tty = is_tty
        self.name = name
        self.mode = "wb"

    def writable(self) -> bool:
        """Whether one can write here: yes."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the stream."""
        return self._fd

    def isatty(self) -> bool:
        """Whether the recorded stream was a terminal."""
        return self._is_tty

    def write(self, data: Any, /) -> int:
        """Write bytes to where the descriptor leads now; how many were taken."""
        try:
            return self._write(self._fd, data)  # type: ignore[no-any-return]
        except BaseException as error:
            strip(error)
            raise


class RawInput(io.RawIOBase):
    """The raw layer of stdin."""

    def __init__(self, read: Any, is_tty: bool) -> None:
        self._read = read
        self._is_tty = is_tty
        self.name = "<stdin>"
        self.mode = "rb"

    def readable(self) -> bool:
        """Whether one can read here: yes."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the stream."""
        return 0

    def isatty(self) -> bool:
        """Whether the recorded stream was a terminal."""
        return self._is_tty

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer`` through the door; how many bytes came."""
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def describe_streams() -> dict[str, Any]:
    """Return how the standard streams are set up, for the recording's header."""
    return {name: _describe(getattr(sys, name)) for name in ("stdin", "stdout", "stderr")}


def _describe(stream: Any) -> Any:
    if stream is None:
        return None
    return {
        "encoding": stream.encoding,
        "errors": stream.errors,
        "line_buffering": stream.line_buffering,
        "write_through": stream.write_through,
        "is_raw": isinstance(stream.buffer, io.RawIOBase),
        "is_tty": stream.isatty(),
    }


def install(boundary: Installer, streams: dict[str, Any]) -> None:
    """Put the raw layers in place, set up as ``streams`` says."""
    for fd, name in ((1, "stdout"), (2, "stderr")):
        setup = streams.get(name)
        if setup is None:
            stream = None
        else:
            raw = RawOutput(os.write, fd, f"<{name}>", bool(setup["is_tty"]))
            stream = _text(raw if setup["is_raw"] else io.BufferedWriter(raw), setup)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    outputs = tuple(stream for stream in (sys.stdout, sys.stderr) if stream is not None)
    boundary.world.at_first_thread.append(lambda: _guard(outputs))
    setup = streams.get("stdin")
    read = boundary.bind(Door("stdin.read", request=nothing, blocking=True), lambda size: real.read(0, size))
    stdin = None if setup is None else _text(io.BufferedReader(RawInput(read, bool(setup["is_tty"]))), setup)
    sys.stdin = sys.__stdin__ = stdin  # type: ignore[misc]
    if setup is not None and setup["is_tty"] and streams.get("stdout") and streams["stdout"]["is_tty"]:
        _install_input(boundary)
    for name in ("get_terminal_size", "isatty", "ttyname"):
        boundary.door(Door(f"os.{name}"), os, name)


def _guard(streams: tuple[Any, ...]) -> None:
    """Make writing to the text layer a hand-off; for when a second thread is started.

    Which thread writes next to a buffer that threads share is the outside's decision.
    """
    lock = threading.RLock()

    def guarded(method: Any) -> Any:
        def call(*args: Any) -> Any:
            try:
                with lock:
                    return method(*args)
            except BaseException as error:
                strip(error)
                raise

        call.__name__ = method.__name__
        call.__qualname__ = f"TextIOWrapper.{method.__name__}"
        return call

    for stream in streams:
        for name in ("write", "writelines", "flush"):
            setattr(stream, name, guarded(getattr(stream, name)))


def _install_input(boundary: Installer) -> None:
    """Put the door of ``input`` in place: on a terminal it goes past ``sys.stdin`` and ``sys.stdout``, in C.

    There C writes the prompt, and the terminal shows what is typed. At replay both are shown by us.
    """
    world = boundary.world
    real_input = builtins.input

    def typed(result: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        world.show(1, f"{result}\n".encode(errors="backslashreplace"))
        return result

    line = boundary.bind(Door("input", blocking=True, replayed=typed), real_input)

    def input(prompt: object = "", /) -> str:  # noqa: A001 - it stands in for it
        try:
            if current.stream is None or not (_leads_to(sys.stdin, 0) and _leads_to(sys.stdout, 1)):
                return real_input(prompt)
            for stream in (sys.stderr, sys.stdout):
                with suppress(Exception):
                    stream.flush()
            text = str(prompt)
            if "\0" not in text:  # that is refused
                data = text.encode(sys.stdout.encoding, sys.stdout.errors or "strict")
                if data:
                    world.shown(1 if "readline" in sys.modules else 2, data)
            answer: str = line(text)
        except BaseException as error:
            strip(error)
            raise
        wrote(1, b"\n")
        return answer

    boundary.replace(builtins, "input", input)


def _leads_to(stream: Any, fd: int) -> bool:
    try:
        return bool(stream.fileno() == fd)
    except Exception:
        return False


def _text(buffer: Any, setup: dict[str, Any]) -> io.TextIOWrapper:
    stream = io.TextIOWrapper(
        buffer,
        encoding=setup["encoding"],
        errors=setup["errors"],
        newline=None if isinstance(buffer, io.BufferedReader) else "\n",
        line_buffering=setup["line_buffering"],
        write_through=setup["write_through"],
    )
    stream.mode = "r" if isinstance(buffer, io.BufferedReader) else "w"  # type: ignore[misc]
    return stream
