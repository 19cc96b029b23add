"""Doors of readiness: ``select.select``, ``select.poll`` and ``select.epoll`` as programs use them by hand.

Who waits for what follows from the program's own calls. Recorded are the answer of a wait, and what ``epoll``
refused.
"""

from __future__ import annotations

import select
from functools import partial
from typing import Any, Final

from replay.runtime import real
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, nothing, without_self
from replay.runtime.tracebacks import strip, unseen


class EpollDoors:
    """The doors of ``epoll``, for whoever makes one: programs, and the loop.

    The first argument of all but ``make`` and ``adopt`` is what these return: while recording an ``epoll``,
    at replay the number that it had.
    """

    adopt: Any
    close: Any
    make: Any
    modify: Any
    poll: Any
    register: Any
    unregister: Any


epoll_doors: Final = EpollDoors()


def install(boundary: Installer) -> None:
    """Put the doors of readiness in place."""
    _select(boundary)
    poll = boundary.bind(Door("poll.poll", request=nothing, blocking=True, resume=_rest(1, 1e3)), _poll)
    make = boundary.world.performer("select.poll", real.poll)
    boundary.replace(select, "poll", _poll_class(make, poll))
    if real.epoll is not None:
        _epoll(boundary)


def _epoll(boundary: Installer) -> None:
    kind: Any = real.epoll
    doors = epoll_doors

    def number(made: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        fd: int = made.fileno()
        return fd

    def fd(args: tuple[Any, ...]) -> int:
        return args[1] if type(args[1]) is int else 0

    doors.make = boundary.bind(Door("select.epoll", captured=number), kind)
    doors.adopt = boundary.bind(Door("epoll.fromfd", captured=number), kind.fromfd)
    doors.poll = boundary.bind(
        Door("epoll.poll", request=nothing, blocking=True, resume=_rest(1, 1.0)), _poll
    )
    for name in ("register", "modify", "unregister"):
        door = Door(f"epoll.{name}", request=without_self, fd=fd, quiet=True)
        setattr(doors, name, boundary.bind(door, getattr(kind, name)))
    doors.close = boundary.bind(Door("epoll.close", request=nothing, quiet=True), kind.close)
    boundary.replace(select, "epoll", epoll)


def _fileno(item: Any) -> int:
    """Return the descriptor of a number or an object; the refusals are those of ``select``."""
    if isinstance(item, int):
        fd = int(item)
    else:
        try:
            ask = item.fileno
        except AttributeError:
            raise TypeError("argument must be an int, or have a fileno() method.") from None
        fd = ask()
        if not isinstance(fd, int):
            raise TypeError("fileno() returned a non-integer")
    if fd < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({fd})")
    return fd


def _rest(position: int, unit_per_s: float) -> Any:
    def rest(args: tuple[Any, ...], elapsed_s: float) -> tuple[Any, ...]:
        timeout = args[position] if len(args) > position else None
        if timeout is None or timeout < 0:
            return args
        left = max(0.0, timeout - elapsed_s * unit_per_s)
        return (*args[:position], left, *args[position + 1 :])

    return rest


def _poll(poller: Any, *args: Any) -> Any:
    return poller.poll(*args)


def _select(boundary: Installer) -> None:
    function = select.select

    def ready(rlist: list[int], wlist: list[int], xlist: list[int], *timeout: Any) -> Any:
        return function(rlist, wlist, xlist, *timeout)

    door = boundary.bind(Door("select.select", blocking=True, resume=_rest(3, 1.0)), ready)

    def select_(rlist: Any, wlist: Any, xlist: Any, timeout: Any = None, /) -> Any:
        try:
            lists = [list(one) for one in (rlist, wlist, xlist)]
            numbers = [[_fileno(item) for item in one] for one in lists]
            found = door(*numbers, *(() if timeout is None else (timeout,)))
            return tuple(
                [item for item, fd in zip(items, fds, strict=True) if fd in answer]
                for items, fds, answer in zip(lists, numbers, found, strict=True)
            )
        except BaseException as error:
            strip(error)
            raise

    boundary.replace(select, "select", select_)


def _poll_class(make: Any, wait: Any) -> Any:
    class poll:  # noqa: N801 - the name it has in select
        """A polling object; as ``select.poll``."""

        def __init__(self) -> None:
            poller = make()
            # A table of the object alone: the system is asked for nothing before somebody waits.
            self.register, self.modify, self.unregister = poller.register, poller.modify, poller.unregister
            self._poller = poller

        def poll(self, timeout: float | None = None, /) -> Any:
            """Return what is ready within ``timeout`` milliseconds."""
            try:
                return wait(self._poller, timeout)
            except BaseException as error:
                strip(error)
                raise

    return poll


class epoll:  # noqa: N801 - the name it has in select
    """An edge and level triggered polling object; as ``select.epoll``.

    Who waits for what is the system's to know: it forgets a descriptor that is closed, and refuses what it
    cannot wait for. So what it refuses is recorded, and nothing else.
    """

    @unseen
    def __init__(self, sizehint: int = -1, flags: int = 0) -> None:
        self._keep(epoll_doors.make(sizehint, flags))

    def _keep(self, made: Any) -> None:
        self._made = made
        self._fd: int = made if isinstance(made, int) else made.fileno()

    @classmethod
    @unseen
    def fromfd(cls, fd: int, /) -> Any:
        """Return an epoll object around a descriptor."""
        self = cls.__new__(cls)
        self._keep(epoll_doors.adopt(fd))
        return self

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._fd < 0

    @unseen
    def fileno(self) -> int:
        """Return its descriptor."""
        self._check()
        return self._fd

    @unseen
    def close(self) -> None:
        """Close it."""
        self._fd = -1
        epoll_doors.close(self._made)

    def _check(self) -> None:
        if self._fd < 0:
            raise ValueError("I/O operation on closed epoll object")

    @unseen
    def register(self, fd: Any, eventmask: int = select.EPOLLIN | select.EPOLLPRI | select.EPOLLOUT) -> None:
        """Wait for ``fd`` too."""
        number = _fileno(fd)
        self._check()
        epoll_doors.register(self._made, number, eventmask)

    @unseen
    def modify(self, fd: Any, eventmask: int) -> None:
        """Wait for something else of ``fd``."""
        number = _fileno(fd)
        self._check()
        epoll_doors.modify(self._made, number, eventmask)

    @unseen
    def unregister(self, fd: Any) -> None:
        """Wait for ``fd`` no more."""
        number = _fileno(fd)
        self._check()
        epoll_doors.unregister(self._made, number)

    @unseen
    def poll(self, timeout: float | None = None, maxevents: int = -1) -> Any:
        """Return what is ready within ``timeout`` seconds."""
        self._check()
        return epoll_doors.poll(self._made, timeout, maxevents)

    @unseen
    def __enter__(self) -> Any:
        self._check()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


epoll.__module__ = "select"


class LoopEpoll:
    """The ``epoll`` of a loop: the program's doors, with nothing in their way; it is asked by numbers.

    Args:
      made: what another one holds, which it takes the place of.

    Attributes:
      made: the real one, for what the loop waits for by itself, while recording; at replay its number.
      wait: its ``poll``, of which the loop writes down by itself what came of it; nothing at replay.
    """

    def __init__(self, made: Any = None) -> None:
        self.made: Any = epoll_doors.make(-1, 0) if made is None else made
        self._fd: int = self.made if isinstance(self.made, int) else self.made.fileno()
        self.register = partial(epoll_doors.register, self.made)
        self.modify = partial(epoll_doors.modify, self.made)
        self.unregister = partial(epoll_doors.unregister, self.made)
        self.poll = partial(epoll_doors.poll, self.made)
        self.wait: Any = getattr(self.made, "poll", None)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._fd = -1
        epoll_doors.close(self.made)

    def fileno(self) -> int:
        """Return its descriptor."""
        if self._fd < 0:
            raise ValueError("I/O operation on closed epoll object")
        return self._fd
