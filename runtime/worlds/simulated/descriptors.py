"""The simulated descriptors: numbers that lead to sockets and pipes in memory.

Each holds a place in the real table, on ``/dev/null``: so it can be no file's, and the lowest free one is
given out, as the system does.
"""

from __future__ import annotations

import errno
import os
from typing import Any, TypeVar

from replay.runtime.worlds.simulated.network import Description, Socket, fail

_Kind = TypeVar("_Kind", bound=Description)

_open, _close, _dup = os.open, os.close, os.dup


class Descriptors:
    """Which descriptor leads where.

    Attributes:
      files: the descriptors of files, which are real ones, and what they have open (``files.Opened``).
    """

    def __init__(self) -> None:
        self._by_number: dict[int, Description] = {}
        self.files: dict[int, Any] = {}

    def open(self, description: Description) -> int:
        """Return a new descriptor for it."""
        number = _open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._by_number[number] = description
        description.references += 1
        return number

    def find(self, number: Any) -> Description | None:
        """Return where it leads; None if that is nothing simulated."""
        return self._by_number.get(number) if type(number) is int else None

    def socket(self, number: int, kind: type[_Kind] = Socket) -> _Kind:  # type: ignore[assignment]
        """Return the socket that it leads to.

        Raises:
          OSError: it leads to none of this kind.
        """
        found = self._by_number.get(number)
        if found is None:
            raise fail(errno.EBADF if number < 0 else errno.ENOTSOCK)
        if not isinstance(found, kind):
            raise fail(errno.EOPNOTSUPP if isinstance(found, Socket) else errno.ENOTSOCK)
        return found

    def doubled(self, number: int) -> int:
        """Return a second descriptor for the same."""
        return self.open(self._by_number[number])

    def doubled_to(self, number: int, other: int) -> None:
        """Make another descriptor lead to the same."""
        if other == number:
            return
        self.forget(other)
        self.files.pop(other, None)
        placeholder = _open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        os.dup2(placeholder, other)
        _close(placeholder)
        self._by_number[other] = self._by_number[number]
        self._by_number[number].references += 1

    def close(self, number: int) -> None:
        """Close it; what it leads to is closed with its last descriptor."""
        description = self._by_number.pop(number)
        _close(number)
        description.references -= 1
        if not description.references:
            description.close()

    def all(self) -> list[Description]:
        """Return what open descriptors lead to, in the order of their numbers."""
        return [self._by_number[number] for number in sorted(self._by_number)]

    def forget(self, number: int) -> None:
        """Close it, if it is open: it is about to lead to something else."""
        if number in self._by_number:
            self.close(number)

    def close_range(self, first: int, end: int) -> None:
        """Close all that are open, from the first to before the end."""
        for number in [one for one in self._by_number if first <= one < end]:
            self.close(number)

    def numbers(self) -> list[int]:
        """Return which are open."""
        return list(self._by_number)
