"""File content in a recording: once in each stream, however often it is read, and up to a limit.

A result of ``os.read`` that is long enough to be worth it is spelt ``["content", bytes]``; when the same
bytes are read again soon, ``["content", n]`` stands for them: the n-th content of this stream. A server of
files, or a program that looks at its settings again and again, would otherwise fill its recording.
"""

from __future__ import annotations

import stat
from collections import OrderedDict
from hashlib import blake2b
from typing import Any, Final

from replay.recording.codec import Malformed, Unrecordable, unrecorded
from replay.runtime import real

MIN_BYTES: Final = 1024
MAX_BYTES: Final = 1 << 20
"""Longer ones are not looked for again, so that a replay need not keep them."""
WINDOW: Final = 256
"""How many contents of a stream can be referred to: the newest."""
LIMIT_BYTES: Final = 1 << 30
"""What a recording holds of regular files, for each thread of the program."""


class Read:
    """What one thread has read, while recording."""

    def __init__(self) -> None:
        self._numbers: OrderedDict[bytes, int] = OrderedDict()
        self._count = 0
        self._bytes = 0

    def encode(self, fd: int, data: bytes) -> Any:
        """Return the form of what was read from a descriptor."""
        size = len(data)
        if size < MIN_BYTES:
            return data
        digest = blake2b(data, digest_size=16).digest() if size <= MAX_BYTES else b""
        number = self._numbers.get(digest)
        if number is not None:
            return ["content", number]
        if self._bytes + size > LIMIT_BYTES and _is_regular(fd):
            return unrecorded(Unrecordable(f"more than {LIMIT_BYTES >> 20} MB were read from files"))
        self._bytes += size
        if not digest:
            return data
        self._numbers[digest] = self._count
        self._count += 1
        if len(self._numbers) > WINDOW:
            self._numbers.popitem(last=False)
        return ["content", data]


class Reread:
    """What one thread has read, at replay."""

    def __init__(self) -> None:
        self._contents: OrderedDict[int, bytes] = OrderedDict()
        self._count = 0

    def decode(self, form: Any) -> Any:
        """Return what a form of ``Read`` stands for, and any other form as it is.

        Raises:
          Malformed: it refers to nothing.
        """
        if type(form) is not list or form[:1] != ["content"] or len(form) != 2:
            return form
        content = form[1]
        if type(content) is bytes:
            self._contents[self._count] = content
            self._count += 1
            if len(self._contents) > WINDOW:
                self._contents.popitem(last=False)
            return content
        try:
            return self._contents[content]
        except (KeyError, TypeError):
            raise Malformed(f"content {content!r:.20}, which it does not have") from None


def _is_regular(fd: int) -> bool:
    try:
        return stat.S_ISREG(real.fstat(fd).st_mode)
    except OSError:
        return False
