"""Doors of readiness: ``select.select``, ``select.poll`` and ``select.epoll`` as programs use them by hand.

Who waits for what is kept by the program's own calls; only the answer of a wait is recorded.
"""

from __future__ import annotations

import select
from typing import Any

from replay.runtime import real
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip

_real_epoll: Any = real.epoll


def _fileno(item: Any) -> int:
    return item if isinstance(item, int) else int(item.fileno())


def install(boundary: Installer) -> None:
    """Put the doors of readiness in place."""
    _select(boundary)
    poll = boundary.bind(
        Door("poll.poll", request=_without_object, blocking=True, resume=_rest(1, 1e3)), _poll
    )
    boundary.replace(select, "poll", _poll_class(poll, boundary.is_replay))
    if real.epoll is not None:
        wait = boundary.bind(
            Door("epoll.poll", request=_without_object, blocking=True, resume=_rest(1, 1.0)), _poll
        )
        make = boundary.bind(
            Door("select.epoll", captured=lambda result, args, kwargs: result.fileno()), real.epoll
        )
        boundary.replace(select, "epoll", _epoll_class(wait, make, boundary.is_replay))


def _without_object(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    return None


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

    select_.__name__ = select_.__qualname__ = "select"
    boundary.replace(select, "select", select_)


def _poll_class(wait: Any, is_replay: bool) -> type:
    class poll:  # noqa: N801 - the name it has in select
        """A polling object; as ``select.poll``."""

        def __init__(self) -> None:
            self._poller = real.poll()
            self._fds: dict[int, int] = {}

        def register(
            self, fd: Any, eventmask: int = select.POLLIN | select.POLLPRI | select.POLLOUT, /
        ) -> None:
            """Wait for ``fd`` too."""
            number = _fileno(fd)
            self._fds[number] = eventmask
            if not _virtual(is_replay):
                self._poller.register(number, eventmask)

        def modify(self, fd: Any, eventmask: int, /) -> None:
            """Wait for something else of ``fd``."""
            number = _fileno(fd)
            if number not in self._fds:
                raise FileNotFoundError(2, "No such file or directory")
            self._fds[number] = eventmask
            if not _virtual(is_replay):
                self._poller.modify(number, eventmask)

        def unregister(self, fd: Any, /) -> None:
            """Wait for ``fd`` no more."""
            number = _fileno(fd)
            del self._fds[number]
            if not _virtual(is_replay):
                self._poller.unregister(number)

        def poll(self, timeout: float | None = None, /) -> Any:
            """Return what is ready within ``timeout`` milliseconds."""
            try:
                return wait(self._poller, timeout)
            except BaseException as error:
                strip(error)
                raise

    return poll


def _virtual(is_replay: bool) -> bool:
    return is_replay and current.stream is not None


def _epoll_class(wait: Any, make: Any, is_replay: bool) -> type:
    class epoll:  # noqa: N801 - the name it has in select
        """An edge and level triggered polling object; as ``select.epoll``."""

        def __init__(self, sizehint: int = -1, flags: int = 0) -> None:
            try:
                made = make(sizehint, flags)
            except BaseException as error:
                strip(error)
                raise
            self._epoll: Any = None if isinstance(made, int) else made
            self._fd = made if isinstance(made, int) else made.fileno()
            self._fds: dict[int, int] = {}

        @classmethod
        def fromfd(cls, fd: int, /) -> Any:
            """Return an epoll object around a descriptor."""
            self = cls.__new__(cls)
            self._epoll = None if _virtual(is_replay) else _real_epoll.fromfd(fd)
            self._fd = fd
            self._fds = {}
            return self

        @property
        def closed(self) -> bool:
            """Whether it is closed."""
            return self._fd < 0

        def fileno(self) -> int:
            """Return its descriptor."""
            self._check()
            return self._fd

        def close(self) -> None:
            """Close it."""
            self._fd = -1
            if self._epoll is not None:
                self._epoll.close()

        def _check(self) -> None:
            if self._fd < 0:
                raise ValueError("I/O operation on closed epoll object")

        def register(
            self, fd: Any, eventmask: int = select.EPOLLIN | select.EPOLLPRI | select.EPOLLOUT
        ) -> None:
            """Wait for ``fd`` too."""
            self._check()
            number = _fileno(fd)
            if number in self._fds:
                raise FileExistsError(17, "File exists")
            if self._epoll is not None:
                self._epoll.register(number, eventmask)
            self._fds[number] = eventmask

        def modify(self, fd: Any, eventmask: int) -> None:
            """Wait for something else of ``fd``."""
            self._check()
            number = _fileno(fd)
            if self._epoll is not None:
                self._epoll.modify(number, eventmask)
            self._fds[number] = eventmask

        def unregister(self, fd: Any) -> None:
            """Wait for ``fd`` no more."""
            self._check()
            number = _fileno(fd)
            self._fds.pop(number, None)
            if self._epoll is not None:
                self._epoll.unregister(number)

        def poll(self, timeout: float | None = None, maxevents: int = -1) -> Any:
            """Return what is ready within ``timeout`` seconds."""
            self._check()
            try:
                return wait(self._epoll, timeout, maxevents)
            except BaseException as error:
                strip(error)
                raise

        def __enter__(self) -> Any:
            self._check()
            return self

        def __exit__(self, *exc: object) -> None:
            self.close()

    return epoll
