"""The simulated descriptors: numbers that lead to sockets and pipes in memory.

Each holds a place in the real table, on ``/dev/null``: so it can be no file's, and the lowest free one is
given out, as the system does.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from replay.runtime.worlds.simulated.description import Description, Socket, fail

_open, _close, _dup2 = os.open, os.close, os.dup2


class Descriptors:
    """Which descriptor leads where.

    Attributes:
      files: the descriptors of files, which are real ones, and what they have open (``files.Opened``).
    """

    def __init__(self) -> None:
        self._by_number: dict[int, Description] = {}
        self._inheritable: set[int] = set()
        self.files: dict[int, Any] = {}

    def open(self, description: Description) -> int:
        """Return a new descriptor for it."""
        number = _vacant()
        self._by_number[number] = description
        description.references += 1
        return number

    def find(self, number: Any) -> Description | None:
        """Return where it leads; None if that is nothing simulated."""
        return self._by_number.get(number) if type(number) is int else None

    def socket(self, number: int) -> Socket:
        """Return the socket that it leads to.

        Raises:
          OSError: it leads to none.
        """
        found = self._by_number.get(number)
        if found is None:
            raise fail(errno.EBADF if number < 0 or not is_open(number) else errno.ENOTSOCK)
        if not isinstance(found, Socket):
            raise fail(errno.ENOTSOCK)
        return found

    def doubled(self, number: int) -> int:
        """Return a second descriptor for the same."""
        return self.open(self._by_number[number])

    def doubled_socket(self, number: int) -> int:
        """Return a second descriptor for the same socket.

        Raises:
          OSError: it leads to none.
        """
        self.socket(number)
        return self.doubled(number)

    def doubled_to(self, number: int, other: int, inheritable: bool = True) -> int:
        """Make another descriptor lead to the same."""
        if other != number:
            self.forget(other)
            self.files.pop(other, None)
            placeholder = _vacant()
            if placeholder != other:
                _dup2(placeholder, other, False)
                _close(placeholder)
            self._by_number[other] = self._by_number[number]
            self._by_number[number].references += 1
        self.set_inheritable(other, inheritable)
        return other

    def set_inheritable(self, number: int, inheritable: bool) -> None:
        """Note whether a child would have it."""
        (self._inheritable.add if inheritable else self._inheritable.discard)(number)

    def is_inheritable(self, number: int) -> bool:
        """Whether a child would have it."""
        return number in self._inheritable

    def close(self, number: int) -> None:
        """Close it; what it leads to is closed with its last descriptor."""
        description = self._by_number.pop(number)
        self._inheritable.discard(number)
        _close(number)
        description.let_go()

    def close_socket(self, number: int) -> None:
        """Close what may be nobody's any more.

        Raises:
          OSError: it is closed, or a file's.
        """
        if number not in self._by_number:
            raise fail(errno.EBADF if not is_open(number) else errno.ENOTSOCK)
        self.close(number)

    def forget(self, number: int) -> None:
        """Close it, if it is open: it is about to lead to something else."""
        if number in self._by_number:
            self.close(number)

    def close_range(self, first: int, end: int) -> None:
        """Close all that are open, from the first to before the end."""
        for number in [one for one in self.numbers() if first <= one < end]:
            self.close(number)

    def all(self) -> list[Description]:
        """Return what open descriptors lead to, in the order of their numbers."""
        return [self._by_number[number] for number in self.numbers()]

    def numbers(self) -> list[int]:
        """Return which are open, in order."""
        return sorted(self._by_number)


def _vacant() -> int:
    try:
        return _open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise fail(error.errno or errno.EMFILE) from None


_fstat = os.fstat


def is_open(number: int) -> bool:
    """Whether a descriptor leads anywhere, be it simulated or not."""
    try:
        _fstat(number)
    except OSError:
        return False
    return True
