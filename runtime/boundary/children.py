"""Doors of child processes: starting one, and what it writes to a stdout or stderr that it inherits.

A child is not recorded, and at replay there is none. What it writes to a pipe of the program comes
in by the program's own reads. What it writes to the program's own stdout is part of the program's
output, though no call of the program brings it: while recording, such a child gets a pipe (or a
terminal) of ours instead, and what comes out of it is passed on and written down, in one order with
what the program itself writes.
"""

from __future__ import annotations

import _posixsubprocess
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import tty
from collections.abc import Callable, Mapping
from typing import Any, Final

from replay.recording.events import TAG_BITS, Kind
from replay.runtime import real, unrecorded
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.system import Outputs
from replay.runtime.boundary.table import Door, Request, plain_argument
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip

_ENVIRONMENT_ARGUMENT: Final = 5
_STDOUT_ARGUMENT: Final = 9
_STDERR_ARGUMENT: Final = 11
_READ_BYTES: Final = 65536
_LAST_WAIT_S: Final = 0.5
"""How long the end of the program waits for the last output of children that have ended."""

_CHILD_KEY: Final = -(Kind.THREAD | 1 << TAG_BITS)

# Held before the boundary replaces them.
_pipe, _openpty, _close, _isatty = os.pipe, pty.openpty, os.close, os.isatty
_set_blocking, _ioctl = os.set_blocking, fcntl.ioctl
_tcgetattr, _setraw = termios.tcgetattr, tty.setraw


class Pump:
    """Passes on what children write to one of our standard streams."""

    def __init__(self, world: Any, number: int, target: int, source: int) -> None:
        self._world = world
        self._number = number
        self._target = target
        self._source = source
        self._is_over = False
        self._ended = real.allocate_lock()
        self._ended.acquire()
        _set_blocking(source, False)

    def run(self) -> None:
        """Pass on until the last child has closed its end."""
        poller = real.poll()
        poller.register(self._source)
        while True:
            poller.poll()
            if not self.drain():
                break
        # Here and nowhere else: its number may be another's at once, which nobody must wait for.
        _close(self._source)
        self._ended.release()

    def drain(self) -> bool:
        """Pass on what there is; whether there may be more later."""
        with self._world.output_lock:
            while not self._is_over:
                try:
                    data = real.read(self._source, _READ_BYTES)
                except BlockingIOError:
                    return True
                except OSError:  # the other end of a terminal is gone
                    data = b""
                if not data:
                    self._is_over = True
                    break
                self._world.child_output(self._number, self._target, data)
        return False

    def wait(self) -> bool:
        """Wait a little for the end; whether it came."""
        return self._ended.acquire(True, _LAST_WAIT_S)


def install(boundary: Installer, outputs: Outputs, header: Mapping[str, Any]) -> None:
    """Put the door of starting processes in place."""
    world = boundary.world
    # One way to start a child; the other takes no descriptors of ours.
    subprocess._USE_POSIX_SPAWN = False  # type: ignore[misc]
    start = boundary.bind(
        Door(
            "os.fork_exec",
            request=_request(header["environment"], header["environment_lengths"]),
            effect=True,
        ),
        _posixsubprocess.fork_exec,
    )
    replaced = _recorded(world, start, outputs) if boundary.is_replay else _live(world, start, outputs)
    boundary.replace(_posixsubprocess, "fork_exec", replaced)


def _request(kept: Mapping[str, str], known: Mapping[str, int]) -> Request:
    """Return what of a start is compared: argv, executables, folder, environment.

    A variable that the program was started with and whose value is not in the recording is a
    placeholder at replay; of those the length is compared.
    """

    def variable(entry: bytes) -> object:
        name, _, value = os.fsdecode(entry).partition("=")
        return [name, value if name in kept or name not in known else len(value)]

    def request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        variables = args[_ENVIRONMENT_ARGUMENT]
        return [
            plain_argument(args[0]),
            plain_argument(list(args[1])),
            plain_argument(args[4]),
            None if variables is None else [variable(entry) for entry in variables],
        ]

    return request


def _inherited(args: tuple[Any, ...], outputs: Outputs) -> list[tuple[int, int]]:
    """Return which arguments of a start let the child write to our streams: ``(index, target)``."""
    found = []
    for index, own in ((_STDOUT_ARGUMENT, 1), (_STDERR_ARGUMENT, 2)):
        target = outputs.target(own if args[index] == -1 else args[index])
        if target:
            found.append((index, target))
    return found


def _live(world: Any, start: Callable[..., int], outputs: Outputs) -> Callable[..., int]:
    def fork_exec(*args: Any) -> int:
        stream = current.stream
        if stream is None:
            return start(*args)
        if sys._getframe(1).f_globals.get("__name__") == "multiprocessing.util":
            unrecorded.say(unrecorded.MULTIPROCESSING)
        given = list(args)
        opened: list[int] = []
        try:
            for index, target in _inherited(args, outputs):
                source, sink = _channel(target)
                opened.append(sink)
                given[index] = sink
                number = world.next_stream()
                world.event(stream, _CHILD_KEY, number)
                pump = Pump(world, number, target, source)
                world.add_pump(pump)
                real.start_apart(pump.run, ())
            return start(*given)
        except BaseException as error:
            strip(error)
            raise
        finally:
            for fd in opened:
                _close(fd)

    return fork_exec


def _channel(target: int) -> tuple[int, int]:
    """Return both ends of what a child writes to in place of our stream."""
    if not _isatty(target):
        return _pipe()
    source, sink = _openpty()
    _setraw(sink)
    try:
        size = _ioctl(target, termios.TIOCGWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
        _ioctl(sink, termios.TIOCSWINSZ, size)
    except OSError:  # a terminal without a size
        pass
    return source, sink


def _recorded(world: Any, start: Callable[..., int], outputs: Outputs) -> Callable[..., int]:
    def fork_exec(*args: Any) -> int:
        stream = current.stream
        try:
            if stream is not None:
                for _ in _inherited(args, outputs):
                    world.show_child(stream.take(_CHILD_KEY))
            return start(*args)
        except BaseException as error:
            strip(error)
            raise

    return fork_exec
