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
from functools import partial
from typing import Any, Final

from replay.recording.events import TAG_BITS, Kind
from replay.runtime import real, unrecorded
from replay.runtime.boundary import forks
from replay.runtime.boundary.descriptors import Outputs
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, Request, plain_argument, plain_request
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip, unseen

_ENVIRONMENT_ARGUMENT: Final = 5
_STDOUT_ARGUMENT: Final = 9
_STDERR_ARGUMENT: Final = 11
_PREEXEC_ARGUMENT: Final = 21
_READ_BYTES: Final = 65536
_LAST_WAIT_S: Final = 0.5
"""How long the end of the program waits for the last output of children that have ended."""

_CHILD_KEY: Final = -(Kind.THREAD | 1 << TAG_BITS)

Inherited = Callable[[tuple[Any, ...]], dict[int, int]]
Redirect = Callable[[dict[int, int], tuple[Any, ...], dict[str, Any]], Any]

# Held before the boundary replaces them.
_pipe, _openpty, _dup, _close, _isatty = os.pipe, pty.openpty, os.dup, os.close, os.isatty
_set_blocking, _ioctl = os.set_blocking, fcntl.ioctl


class Pump:
    """Passes on what children write to one of our standard streams."""

    def __init__(self, world: Any, number: int, target: int, own: int, source: int) -> None:
        self._world = world
        self._number = number
        self._target = target
        self._source = source
        self._own = _dup(own)  # the program may make its own lead elsewhere
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
        _close(self._own)
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
                self._world.child_output(self._number, self._target, self._own, data)
        return False

    def wait(self) -> bool:
        """Wait a little for the end; whether it came."""
        return self._ended.acquire(True, _LAST_WAIT_S)


def install(boundary: Installer, outputs: Outputs, header: Mapping[str, Any]) -> None:
    """Put the doors of starting processes in place."""
    # One way for subprocess to start a child; the other takes no descriptors of ours.
    subprocess._USE_POSIX_SPAWN = False  # type: ignore[misc]
    children = Children(boundary.world, outputs)
    compared = _request(header["environment"], header["environment_lengths"])
    for owner, name, request, redirect in (
        (_posixsubprocess, "fork_exec", compared, _in_arguments),
        (os, "posix_spawn", _plain, _in_file_actions),
        (os, "posix_spawnp", _plain, _in_file_actions),
        (os, "system", _plain, _in_command),
    ):
        start = getattr(owner, name)
        door = Door(f"os.{name}", request=request, effect=True, blocking=name == "system")
        started = boundary.bind(door, _started(start, redirect))
        inherited = _inherited_arguments if owner is _posixsubprocess else _inherited
        replaced = children.door(started, inherited)
        if owner is _posixsubprocess:
            replaced = _with_hooks(replaced)
        boundary.replace(owner, name, replaced)


class Children:
    """Starts children; those that write to our streams write to a pump."""

    def __init__(self, world: Any, outputs: Outputs) -> None:
        self._world = world
        self._outputs = outputs

    def door(self, started: Callable[..., Any], inherited: Inherited) -> Callable[..., Any]:
        """Return what takes the place of a function that starts a child."""
        world = self._world

        def start(*args: Any, **kwargs: Any) -> Any:
            stream = current.stream
            sinks: dict[int, int] = {}
            try:
                if stream is not None:
                    unrecorded.say_child(sys._getframe(1), unrecorded.CHILD)
                    for stands_for, own in inherited(args).items():
                        target = self._outputs.target(own)
                        if target and world.is_replay:
                            world.show_child(stream.take(_CHILD_KEY))
                        elif target:
                            sinks[stands_for] = self._pump(stream, target, own)
                return started(sinks, *args, **kwargs)
            except BaseException as error:
                strip(error)
                raise
            finally:
                for fd in sinks.values():
                    _close(fd)

        return start

    def _pump(self, stream: Any, target: int, own: int) -> int:
        """Begin to pass on what comes, to ``own``; return where a child shall write."""
        world = self._world
        source, sink = _channel(own)
        number = world.next_stream()
        world.event(stream, _CHILD_KEY, number)
        pump = Pump(world, number, target, own, source)
        world.add_pump(pump)
        real.start_apart(pump.run, ())
        return sink


def _inherited(args: tuple[Any, ...]) -> dict[int, int]:
    """Return which of our descriptors a child gets as its stdout and stderr, and by what number."""
    return {1: 1, 2: 2}


def _inherited_arguments(args: tuple[Any, ...]) -> dict[int, int]:
    return {
        own: own if args[index] == -1 else args[index]
        for own, index in ((1, _STDOUT_ARGUMENT), (2, _STDERR_ARGUMENT))
    }


def _started(start: Callable[..., Any], redirect: Redirect) -> Callable[..., Any]:
    """Return ``start`` after ``redirect`` has made the child write to the sinks."""

    def started(sinks: dict[int, int], *args: Any, **kwargs: Any) -> Any:
        if sinks:
            args, kwargs = redirect(sinks, args, kwargs)
        return start(*args, **kwargs)

    return started


def _in_arguments(sinks: dict[int, int], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given = list(args)
    for own, sink in sinks.items():
        given[_STDOUT_ARGUMENT if own == 1 else _STDERR_ARGUMENT] = sink
    return given, kwargs


def _in_file_actions(sinks: dict[int, int], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    actions = [(os.POSIX_SPAWN_DUP2, sink, own) for own, sink in sinks.items()]
    return args, {**kwargs, "file_actions": [*actions, *(kwargs.get("file_actions") or ())]}


def _in_command(sinks: dict[int, int], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The shell itself is told to write elsewhere; it knows no descriptors above 9, so by their names."""
    command = os.fsencode(kwargs["command"] if "command" in kwargs else args[0])
    pid = real.getpid()
    elsewhere = " ".join(f"{own}>/proc/{pid}/fd/{sink}" for own, sink in sinks.items())
    return (f"exec {elsewhere}\n".encode() + command,), {}


def _plain(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    return plain_request(args[1:], kwargs)


def _with_hooks(start: Callable[..., int]) -> Callable[..., int]:
    """Return a start with the program's hooks of a fork, where the interpreter has them: for `preexec_fn`."""

    @unseen
    def fork_exec(*args: Any) -> int:
        first = args[_PREEXEC_ARGUMENT]
        if first is None:
            return start(*args)

        def in_child() -> None:
            forks.call_hooks("after_in_child")
            first()

        given = list(args)
        given[_PREEXEC_ARGUMENT] = in_child
        pid: int = forks.around(partial(start, *given), lambda pid: False)
        return pid

    return fork_exec


def _request(kept: Mapping[str, str], known: Mapping[str, int]) -> Request:
    """Return what of a start is compared: argv, executables, folder, environment.

    A variable that the program was started with and whose value is not in the recording is a
    placeholder at replay; of those the length is compared.
    """

    def variable(entry: bytes) -> object:
        name, _, value = os.fsdecode(entry).partition("=")
        return [name, value if name in kept or name not in known else len(value)]

    def request(started: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        args = started[1:]
        variables = args[_ENVIRONMENT_ARGUMENT]
        return [
            plain_argument(args[0]),
            plain_argument(list(args[1])),
            plain_argument(args[4]),
            None if variables is None else [variable(entry) for entry in variables],
        ]

    return request


def _channel(own: int) -> tuple[int, int]:
    """Return both ends of what a child writes to in place of ``own``."""
    if not _isatty(own):
        return _pipe()
    source, sink = _openpty()
    stream, current.stream = current.stream, None  # the terminal is ours; what sets it goes by doors
    try:
        tty.setraw(sink)
    finally:
        current.stream = stream
    try:
        size = _ioctl(own, termios.TIOCGWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
        _ioctl(sink, termios.TIOCSWINSZ, size)
    except OSError:  # a terminal without a size
        pass
    return source, sink
