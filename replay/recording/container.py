"""The layout of a recording as bytes: what the writer and the reader have to agree on.

A file is a prefix, a window, and chunks::

    0         prefix      which format, and where the rest is
    64        window      frames that are in no chunk yet: memory shared with the kernel
    256 KiB   chunk 0     the header: a map
              chunk 1...  frames, compressed

**Chunks** are appended, each complete before anything refers to it. A chunk has a checksum over
its own fields and its bytes, which starts from the checksum of the chunk before (the *chain*). So a
chunk counts only at its own place in its own recording: bytes that an earlier, abandoned write left
there, or a piece of another recording that the program happened to read, are never taken for one.

**The window** is where frames go first. It is a shared mapping of the file, because a store into one
survives the death of the process by SIGKILL, as a ``write`` does, at a tenth of its price. It stands
at the front, and at one place for the whole life of the file, because it must be mapped only once:
``mmap`` keeps a duplicate of the descriptor, at the lowest free number, and the program would see the
numbers of its own descriptors shift. The window carries the sequence number of the chunk that it will
become. It counts only if exactly the chunks before that one are there. That single rule makes every
instant of sealing safe: before the chunk is complete the window counts, afterwards it does not.

**A frame** is one list of events of one stream. Its checksum starts from the window's seed, its
stream and its length, so that what an earlier content of the window left behind is never a frame. The
payload is stored first and the length last: a frame that is half written has the length 0, which ends
the window. The bytes of a window become a chunk as they are.

**Closing** seals the window, says in the prefix where the file ends, and, if the chunks fit into the
space that the window took, moves them there, so that a small run leaves a small file. The prefix changes
three times in the life of a file, by a single write inside one page, which no signal divides.

All numbers are little-endian. Every length is checked against a limit before it is believed.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from replay.recording.events import FORMAT_VERSION

MAGIC: Final = b"\x93RPL\r\n\x1a\n"
"""As that of PNG: not ASCII, with both kinds of line end, so that a transfer as text shows."""

MAX_CHUNK: Final = 64 << 20
"""Most bytes of a chunk, before and after compression: what a reader allocates because a file says so."""

WINDOW_END: Final = 256 << 10
"""Where the window ends and, while the file is open, the chunks begin; bytes.

The larger the window, the better it compresses and the rarer the pause for sealing; but sealing (1 ms at
this size) happens inside the program's own turn, and this much disk is taken from the start.
"""

CODEC_LEVEL: Final = 1
"""Level of zstd: higher ones save a tenth of the bytes, and take two to ten times as long."""

# magic, version, checksum, window_offset, chunks_offset, end_offset. The version never moves.
PREFIX: Final = Struct("<8sIIQQQ")
# magic, sequence number of the chunk it will become, checksum, zero
WINDOW: Final = Struct("<4sIII")
# magic, kind, codec, zero, sequence number, stored length, raw length; then the checksum
CHUNK_FIELDS: Final = Struct("<4sBBHIII")
CHUNK_CHECKSUM: Final = Struct("<I")
CHUNK_SIZE: Final = CHUNK_FIELDS.size + CHUNK_CHECKSUM.size
# checksum, stream, length: in the order in which they are stored
FRAME: Final = Struct("<III")
SEQUENCE: Final = Struct("<I")

WINDOW_MAGIC: Final = b"\xa7WIN"
CHUNK_MAGIC: Final = b"\xa7CHK"

WINDOW_OFFSET: Final = 64
"""Where the window begins while the file is open, and the chunks of a small file when it is closed."""

MAX_FRAME_PAYLOAD: Final = MAX_CHUNK - FRAME.size
"""Most bytes of one list of events, encoded."""


class ChunkKind(IntEnum):
    """What the bytes of a chunk are."""

    HEADER = 1
    FRAMES = 2


class Codec(IntEnum):
    """How the bytes of a chunk are stored."""

    RAW = 0
    ZSTD = 1


class Prefix(NamedTuple):
    """The first bytes of a file: where the rest is.

    Args:
      window_offset: where the window begins, 0 if there is none; bytes.
      chunks_offset: where chunk 0 begins, and the window ends if there is one; bytes.
      end_offset: where the last chunk ends, known once the file is closed, 0 before; bytes.
    """

    window_offset: int
    chunks_offset: int
    end_offset: int

    def pack(self) -> bytes:
        """Return the bytes of this prefix."""
        places = self.window_offset, self.chunks_offset, self.end_offset
        return PREFIX.pack(MAGIC, FORMAT_VERSION, self._checksum(), *places)

    @staticmethod
    def unpack(data: bytes) -> Prefix | None:
        """Return the prefix that these ``PREFIX.size`` bytes are, or None if they are damaged.

        The magic and the version are for the caller to look at first.
        """
        _, _, checksum, window_offset, chunks_offset, end_offset = PREFIX.unpack(data)
        prefix = Prefix(window_offset, chunks_offset, end_offset)
        if checksum != prefix._checksum() or not prefix._is_possible():
            return None
        return prefix

    def _checksum(self) -> int:
        places = self.window_offset, self.chunks_offset, self.end_offset
        return crc32(PREFIX.pack(MAGIC, FORMAT_VERSION, 0, *places))

    def _is_possible(self) -> bool:
        if not WINDOW_OFFSET <= self.chunks_offset <= MAX_CHUNK:
            return False
        if self.end_offset:
            return self.window_offset == 0 and self.end_offset > self.chunks_offset
        return WINDOW_OFFSET <= self.window_offset <= self.chunks_offset - WINDOW.size


def window_header(seq: int, chain: int) -> bytes:
    """Return the header of the window that will become chunk ``seq``, after a chunk of checksum ``chain``."""
    return WINDOW.pack(WINDOW_MAGIC, seq, crc32(WINDOW_MAGIC + SEQUENCE.pack(seq), chain), 0)


def chunk_checksum(fields: bytes, stored: bytes, chain: int) -> int:
    """Return the checksum of a chunk; ``chain`` is that of the chunk before, 0 for chunk 0."""
    return crc32(stored, crc32(fields, chain))


def frame_seed(seq: int, chain: int) -> int:
    """Return what the checksums of the frames of chunk ``seq``, or of the window in its place, start from."""
    # 30 bits are one digit of a Python int: the sum in the hot path allocates less.
    return crc32(SEQUENCE.pack(seq), chain) & 0x3FFF_FFFF


def frame_checksum(payload: bytes | memoryview, seed: int, stream: int) -> int:
    """Return the checksum of a frame. The writer's hot path has a copy of this expression."""
    return crc32(payload, seed ^ stream ^ len(payload) << 16)
