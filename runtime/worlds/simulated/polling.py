"""``epoll``, ``poll`` and ``select`` on simulated descriptors."""

from __future__ import annotations

import errno
import math
import select
from collections.abc import Callable
from operator import index
from typing import Any, Final

from replay.runtime.worlds.simulated.agenda import Agenda
from replay.runtime.worlds.simulated.description import (
    FAILED,
    HUNG_UP,
    READABLE,
    WRITABLE,
    Description,
    fail,
)
from replay.runtime.worlds.simulated.descriptors import Descriptors, is_open
from replay.runtime.worlds.simulated.network import Network

_EDGE: Final = select.EPOLLET
_ONCE: Final = select.EPOLLONESHOT
_ALWAYS: Final = FAILED | HUNG_UP
_INTERESTS: Final = 0xFFFF


class _Registration:
    """What is waited for of one descriptor.

    Attributes:
      seen: when what was reported last had changed.
      is_over: it was to be reported once, and was.
    """

    __slots__ = ("description", "is_over", "mask", "seen")

    def __init__(self, description: Description, mask: int) -> None:
        self.description = description
        self.modify(mask)

    def modify(self, mask: int) -> None:
        """Wait for something else."""
        self.mask = mask
        self.seen = 0
        self.is_over = False


class Epoll(Description):
    """What is behind a descriptor of ``epoll``."""

    mode = 0o600

    def __init__(self, polling: Polling, network: Network) -> None:
        super().__init__(network)
        self._polling = polling
        self._registered: dict[int, _Registration] = {}

    def events(self) -> int:
        """Return whether something is ready."""
        return READABLE if self.ready(1) else 0

    def register(self, number: int, mask: int = READABLE | WRITABLE) -> None:
        """Wait for a descriptor too."""
        mask = index(mask)
        description = self._polling.find(number)
        known = self._registered.get(number)
        if known is not None and known.description is description:
            raise fail(errno.EEXIST)
        self._registered[number] = _Registration(description, mask)

    def modify(self, number: int, mask: int) -> None:
        """Wait for something else of it."""
        mask = index(mask)
        self._known(number).modify(mask)

    def unregister(self, number: int) -> None:
        """Wait for it no more."""
        self._known(number)
        del self._registered[number]

    def _known(self, number: int) -> _Registration:
        description = self._polling.find(number)
        known = self._registered.get(number)
        if known is None or known.description is not description:
            raise fail(errno.ENOENT)
        return known

    def ready(self, most: int) -> list[tuple[int, int]]:
        """Return what is ready, what became so first first."""
        found = []
        for number, known in list(self._registered.items()):
            description = known.description
            if not description.references:
                del self._registered[number]
                continue
            events = description.events() & ((known.mask & _INTERESTS) | _ALWAYS)
            if known.is_over or (known.mask & _EDGE and known.seen == description.changed):
                continue
            if events:
                found.append((description.changed, number, events, known))
        found.sort(key=_by_change)
        return [(number, events) for _, number, events, known in found[:most]]

    def reported(self, batch: list[tuple[int, int]]) -> None:
        """What is reported is not reported again, where that was asked for."""
        for number, _ in batch:
            known = self._registered[number]
            known.seen = known.description.changed
            if known.mask & _ONCE:
                known.is_over = True


def _by_change(entry: tuple[int, int, int, Any]) -> tuple[int, int]:
    return entry[0], entry[1]


class EpollObject:
    """``select.epoll``, as the doors use it."""

    def __init__(self, polling: Polling, number: int, epoll: Epoll) -> None:
        self._polling = polling
        self._number = number
        self._epoll = epoll
        self.register = epoll.register
        self.modify = epoll.modify
        self.unregister = epoll.unregister

    def fileno(self) -> int:
        """Return its descriptor."""
        return self._number

    def close(self) -> None:
        """Close it."""
        number, self._number = self._number, -1
        self._polling.close(number, self._epoll)

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        """Return what is ready within ``timeout`` seconds."""
        epoll = self._epoll
        most = maxevents if maxevents > 0 else 1 << 20
        self._polling.wait(lambda: bool(epoll.ready(1)), None if timeout is None or timeout < 0 else timeout)
        batch = epoll.ready(most)
        epoll.reported(batch)
        return batch


class Poller:
    """``select.poll``, as the doors use it."""

    def __init__(self, polling: Polling) -> None:
        self._polling = polling
        self._table: dict[int, int] = {}

    def register(self, fd: Any, eventmask: int = READABLE | WRITABLE | select.POLLPRI) -> None:
        """Wait for a descriptor too."""
        self._table[_number(fd)] = eventmask

    def modify(self, fd: Any, eventmask: int) -> None:
        """Wait for something else of it."""
        number = _number(fd)
        if number not in self._table:
            raise fail(errno.ENOENT)
        self._table[number] = eventmask

    def unregister(self, fd: Any) -> None:
        """Wait for it no more."""
        del self._table[_number(fd)]

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """Return what is ready within ``timeout`` milliseconds."""
        seconds = None if timeout is None or timeout < 0 else timeout / 1000
        self._polling.wait(lambda: bool(self._polling.ready(self._table)), seconds)
        return self._polling.ready(self._table)


def _number(fd: Any) -> int:
    if not isinstance(fd, int) and not hasattr(fd, "fileno"):
        raise TypeError("argument must be an int, or have a fileno() method.")
    number = int(fd) if isinstance(fd, int) else fd.fileno()
    if not isinstance(number, int):
        raise TypeError("fileno() returned a non-integer")
    if number < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({number})")
    return number


class Polling:
    """Waiting for descriptors."""

    def __init__(self, agenda: Agenda, network: Network, descriptors: Descriptors) -> None:
        self._agenda = agenda
        self._network = network
        self._descriptors = descriptors

    def table(self) -> dict[str, Callable[..., Any]]:
        """Return what answers each door."""
        return {
            "select.epoll": self.make,
            "epoll.fromfd": self.adopt,
            "epoll.poll": lambda made, *args: made.poll(*args),
            "epoll.register": lambda made, *args: made.register(*args),
            "epoll.modify": lambda made, *args: made.modify(*args),
            "epoll.unregister": lambda made, *args: made.unregister(*args),
            "epoll.close": lambda made: made.close(),
            "loop.open_wake": lambda made: -1,
            "loop.open_signals": lambda made: None,
            "select.poll": lambda: Poller(self),
            "select.select": self.select,
        }

    def make(self, sizehint: int = -1, flags: int = 0) -> EpollObject:
        """Make an ``epoll``."""
        epoll = Epoll(self, self._network)
        return EpollObject(self, self._descriptors.open(epoll), epoll)

    def adopt(self, number: int) -> EpollObject:
        """Return an ``epoll`` around a descriptor."""
        found = self._descriptors.find(number)
        if not isinstance(found, Epoll):
            raise fail(errno.EBADF)
        return EpollObject(self, number, found)

    def find(self, number: int) -> Description:
        """Return what a descriptor leads to.

        Raises:
          OSError: it is closed, or cannot be waited for.
        """
        found = self._descriptors.find(number)
        if found is None:
            raise fail(errno.EPERM if is_open(number) else errno.EBADF)
        return found

    def _events(self, number: int) -> int:
        """Return what a descriptor is ready for; a file always is for all."""
        found = self._descriptors.find(number)
        if found is not None:
            return found.events()
        return READABLE | WRITABLE if is_open(number) else select.POLLNVAL

    def close(self, number: int, epoll: Epoll) -> None:
        """Close a descriptor, if that is still where it leads."""
        if self._descriptors.find(number) is epoll:
            self._descriptors.close(number)

    def wait(self, is_ready: Callable[[], bool], timeout_s: float | None) -> None:
        """Let others go on until something is ready, or the time is over; at least once."""
        if timeout_s == 0:
            self._agenda.wait(_always)
        else:
            # Rounded up to milliseconds, as the system does.
            deadline_ns = (
                None if timeout_s is None else self._agenda.now_ns + math.ceil(timeout_s * 1e3) * 1_000_000
            )
            self._agenda.wait(is_ready, deadline_ns)

    def ready(self, table: dict[int, int]) -> list[tuple[int, int]]:
        """Return what is ready of what ``table`` says that is waited for, by descriptor."""
        found = []
        for number, mask in table.items():
            events = self._events(number) & (mask | _ALWAYS | select.POLLNVAL)
            if events:
                found.append((number, events))
        return found

    def select(
        self, reads: list[int], writes: list[int], others: list[int], timeout_s: float | None = None
    ) -> tuple[list[int], list[int], list[int]]:
        """Answer ``select.select``."""

        def ready() -> tuple[list[int], list[int], list[int]]:
            if any(self._events(one) == select.POLLNVAL for one in (*reads, *writes, *others)):
                raise fail(errno.EBADF)
            return (
                [one for one in reads if self._events(one) & (READABLE | _ALWAYS)],
                [one for one in writes if self._events(one) & (WRITABLE | FAILED)],
                [],
            )

        self.wait(lambda: any(ready()), timeout_s)
        return ready()


def _always() -> bool:
    return True
