"""What a request sends, as it is told to the client: how many bytes, the first of them, and where they go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from replay.recording.describe import show

MOST_BYTES: Final = 2_000


def sent(args: Iterable[Any]) -> tuple[int | None, bytes, str]:
    """Return how many bytes the arguments have (None if none), the first of them, and the address."""
    data: list[bytes] = []
    address = ""
    for one in args:
        pieces = one if isinstance(one, (list, tuple)) else (one,)
        found = [piece for piece in map(_bytes, pieces) if piece is not None]
        data += found
        if not found and isinstance(one, (tuple, str)):
            address = show(one)
    joined = b"".join(data)
    return len(joined) if data else None, joined[:MOST_BYTES], address


def _bytes(value: Any) -> bytes | None:
    """Return what is in a buffer; None if it is something else."""
    if type(value) is bytes:
        return value
    try:
        return bytes(memoryview(value))
    except TypeError:
        return None
