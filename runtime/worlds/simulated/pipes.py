"""What descriptors lead to beside sockets: the ends of pipes, and counters (``eventfd``)."""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from typing import Final

from replay.runtime.worlds.simulated.description import (
    FAILED,
    HUNG_UP,
    READABLE,
    WRITABLE,
    Description,
    fail,
    would_block,
)
from replay.runtime.worlds.simulated.network import Network

_PAGES: Final = 16
_PAGE_BYTES: Final = 4096
_MOST_COUNTED: Final = 2**64 - 2


class _Held:
    """The bytes in a pipe, in pages as Linux keeps them: how much fits depends on how it was written."""

    def __init__(self) -> None:
        self._pages: deque[bytearray] = deque()
        self._last_end = 0  # how far the last page was filled, read or not

    def __len__(self) -> int:
        return sum(map(len, self._pages))

    @property
    def is_full(self) -> bool:
        """Whether nothing goes in that wants a page of its own."""
        return len(self._pages) >= _PAGES

    def put(self, data: bytes) -> int:
        """Put bytes in; return how many."""
        count = 0
        beginning = len(data) % _PAGE_BYTES
        if beginning and self._pages and self._last_end + beginning <= _PAGE_BYTES:
            self._pages[-1] += data[:beginning]
            self._last_end += beginning
            count = beginning
        while count < len(data) and not self.is_full:
            part = data[count : count + _PAGE_BYTES]
            self._pages.append(bytearray(part))
            self._last_end = len(part)
            count += len(part)
        return count

    def take(self, size: int) -> bytes:
        """Take bytes out."""
        taken = bytearray()
        while self._pages and len(taken) < size:
            page = self._pages[0]
            part = page[: size - len(taken)]
            taken += part
            del page[: len(part)]
            if not page:
                self._pages.popleft()
        return bytes(taken)


class PipeEnd(Description):
    """One end of a pipe.

    Args:
      network: counts what becomes ready.
      held: the bytes in the pipe, for both ends.
      writes: whether this end is written to.
    """

    mode = stat.S_IFIFO | 0o600

    def __init__(self, network: Network, held: _Held, *, writes: bool) -> None:
        super().__init__(network)
        self._held = held
        self._writes = writes
        self.access = os.O_WRONLY if writes else os.O_RDONLY
        self.other: PipeEnd | None = None
        self.is_open = True

    @property
    def _is_other_open(self) -> bool:
        return self.other is not None and self.other.is_open

    def unread_bytes(self) -> int:
        """Return how many bytes are in the pipe."""
        return len(self._held)

    def events(self) -> int:
        """Return what it is ready for."""
        if self._writes:
            return (0 if self._held.is_full else WRITABLE) | (0 if self._is_other_open else FAILED)
        return (READABLE if self._held else 0) | (0 if self._is_other_open else HUNG_UP)

    def write(self, data: bytes) -> int:
        """Put bytes in; return how many."""
        if not self._writes:
            raise fail(errno.EBADF)
        if not self._is_other_open:
            raise fail(errno.EPIPE)
        count = self._held.put(data)
        if data and not count:
            raise would_block()
        assert self.other is not None
        self.other.touch()
        return count

    def read(self, size: int) -> bytes:
        """Take bytes out; nothing at the end."""
        if self._writes:
            raise fail(errno.EBADF)
        if not self._held:
            if not self._is_other_open:
                return b""
            raise would_block()
        data = self._held.take(size)
        if self.other is not None:
            self.other.touch()
        return data

    def close(self) -> None:
        """Close it: the other end sees that."""
        self.is_open = False
        if self.other is not None:
            self.other.touch()


def pipe(network: Network) -> tuple[PipeEnd, PipeEnd]:
    """Return the end of a new pipe that is read from, and the one that is written to."""
    held = _Held()
    reader, writer = PipeEnd(network, held, writes=False), PipeEnd(network, held, writes=True)
    reader.other, writer.other = writer, reader
    return reader, writer


class Counter(Description):
    """What is behind an ``eventfd``."""

    mode = 0o600

    def __init__(self, network: Network, value: int, *, is_semaphore: bool) -> None:
        super().__init__(network)
        self._value = value
        self._is_semaphore = is_semaphore

    def events(self) -> int:
        """Return what it is ready for."""
        return (READABLE if self._value else 0) | (WRITABLE if self._value < _MOST_COUNTED else 0)

    def take(self) -> int:
        """Take the count out, or one of it."""
        if not self._value:
            raise would_block()
        taken = 1 if self._is_semaphore else self._value
        self._value -= taken
        self.touch()
        return taken

    def add(self, count: int) -> None:
        """Add to the count."""
        if count > _MOST_COUNTED:
            raise fail(errno.EINVAL)
        if self._value + count > _MOST_COUNTED:
            raise would_block()
        self._value += count
        self.touch()

    def read(self, size: int) -> bytes:
        """Take the count out, as bytes."""
        if size < 8:
            raise fail(errno.EINVAL)
        return self.take().to_bytes(8, "little")

    def write(self, data: bytes) -> int:
        """Add a count of bytes."""
        if len(data) < 8:
            raise fail(errno.EINVAL)
        self.add(int.from_bytes(data[:8], "little"))
        return 8
