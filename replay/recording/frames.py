"""Putting frames into the window: what a recorder does most often (``container`` has the layout)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from msgspec.msgpack import Encoder

from replay.compiled import compiled
from replay.recording.container import FRAME

FRAME_SIZE: Final = FRAME.size
encode: Final = Encoder().encode
_pack_frame = FRAME.pack_into


class PureFrames:
    """The window, and where the next frame goes in it.

    ``_compiled.Frames`` is this in C. What does not fit is left to ``_put_slowly``.
    """

    __slots__ = ("_encode", "_events_count", "_frame_offset", "_full_offset", "_seed", "_window")

    _encode: Any
    _events_count: int
    _frame_offset: int
    _full_offset: int
    _seed: int
    _window: Any

    def put(self, stream: int, items: list[object]) -> None:
        """Append the events of one stream; they are in the file when this returns.

        Args:
          stream: ordinal of the stream, 0 to 2**32 - 1.
          items: ``key, value, key, value, ...``; not changed and not kept.

        Raises:
          OSError: the window was full and could not be written out. These events are lost, all before them
            are in the file, and the writer has failed: it takes only `last_words`.
          RuntimeError: the writer has failed, or is closed.
          ValueError: a single event exceeds ``MAX_FRAME_PAYLOAD`` bytes. Nothing was written.
          TypeError, ValueError, OverflowError, RecursionError: a value is not one a recording can hold: of
            another type, text with surrogates, an integer beyond 64 bits. Nothing was written.
        """
        payload = encode(items)
        length = len(payload)
        offset = self._frame_offset
        start = offset + FRAME_SIZE
        end = start + length
        if end > self._full_offset:
            self._put_slowly(stream, items, payload)
            return
        window = self._window
        window[start:end] = payload
        _pack_frame(window, offset, crc32(payload, self._seed ^ stream ^ length << 16), stream, length)
        self._frame_offset = end
        self._events_count += len(items) >> 1

    def _put_slowly(self, stream: int, items: list[object], payload: bytes) -> None:
        """Put what does not fit into the rest of the window."""
        raise NotImplementedError


if TYPE_CHECKING or compiled is None:
    Frames = PureFrames
else:
    Frames = compiled.Frames
