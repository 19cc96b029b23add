"""What a request sends, as it is told to the client: how many bytes, the first of them, and where they go."""

from __future__ import annotations

from typing import Any, Final

from replay.recording.describe import show

_LAST: Final = -1
_DATA: Final = {
    "socket.send": 1,
    "socket.sendall": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "os.write": 1,
    "os.writev": 1,
    "ssl.write": 1,
}
"""Which argument is what goes out."""
_ADDRESS: Final = {"socket.connect": 1, "socket.connect_ex": 1, "socket.sendto": _LAST, "socket.sendmsg": 4}
"""Which one says where to."""
_BUFFERS: Final = (bytes, bytearray, memoryview)


def sent(door: str, args: tuple[Any, ...], most: int) -> tuple[int | None, bytes, str] | None:
    """Return how many bytes a request has (None if it has none), the first of them, and the address.

    Nothing of the program runs for that. None: it is a request of another kind.
    """
    data = _argument(args, _DATA.get(door))
    address = _argument(args, _ADDRESS.get(door))
    if data is None and address is None:
        return None
    found = [bytes(piece) for piece in _pieces(data) if type(piece) in _BUFFERS]
    joined = b"".join(found)
    return len(joined) if found else None, joined[:most], "" if address is None else show(_plain(address))


def _pieces(data: Any) -> list[Any]:
    """Return the buffers of a request that takes several; in no type that the program has written."""
    return list(data) if type(data) in (list, tuple) else [data]


def _argument(args: tuple[Any, ...], at: int | None) -> Any:
    return args[at] if at is not None and at < len(args) else None


def _plain(value: Any) -> Any:
    """Return an address in types of Python's own: others have a `repr` that the program wrote."""
    if type(value) is tuple:
        return tuple(map(_plain, value))
    if value is None or type(value) in (str, bytes, int):
        return value
    return str.__str__(value) if isinstance(value, str) else type(value).__name__
