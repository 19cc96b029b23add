"""Writing a recording from inside the recorded program: cheap to append to, safe to be killed at any point.

What is put is in the file, for every other process to see, when ``put`` returns: SIGKILL loses nothing.
Only a crash of the whole machine does, since nothing is ever synced to the disk.

See ``container`` for the layout and for why it is safe.
"""

from __future__ import annotations

import errno
import stat
import sys
from contextlib import suppress
from fcntl import F_DUPFD_CLOEXEC, LOCK_EX, LOCK_NB, LOCK_UN, fcntl, flock
from mmap import mmap

# The functions themselves: what is called `os.pwrite` when the program runs is a door of the boundary.
from os import (
    O_CLOEXEC,
    O_CREAT,
    O_EXCL,
    O_NOFOLLOW,
    O_RDWR,
    fchmod,
    fspath,
    fstat,
    ftruncate,
    lstat,
    posix_fallocate,
    pread,
    pwrite,
    strerror,
    unlink,
)
from os import close as close_descriptor
from os import open as open_descriptor
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
from time import thread_time_ns
from typing import TYPE_CHECKING, Final, final

from zstandard import ZstdCompressor

from replay.errors import UsageError
from replay.recording.container import (
    CHUNK_CHECKSUM,
    CHUNK_FIELDS,
    CHUNK_MAGIC,
    CHUNK_SIZE,
    CODEC_LEVEL,
    FRAME,
    MAX_CHUNK,
    MAX_FRAME_PAYLOAD,
    WINDOW,
    WINDOW_END,
    WINDOW_OFFSET,
    ChunkKind,
    Codec,
    Prefix,
    chunk_checksum,
    frame_checksum,
    frame_seed,
    window_header,
)
from replay.recording.frames import FRAME_SIZE, Frames, encode

if TYPE_CHECKING:
    from os import PathLike

HIGH_DESCRIPTOR: Final = 900
"""Ours start here: above what programs use, below the usual limit of 1024 (and select's)."""

LAST_WORDS_ROOM: Final = 1024
"""Bytes at the end of the window kept for the note that recording failed; a path and a reason fit."""

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What keeps a file from being made though nothing is wrong with where it is wanted."""

_FRAMES_START: Final = WINDOW_OFFSET + WINDOW.size
_FULL: Final = WINDOW_END - LAST_WORDS_ROOM


@final
class RecordingWriter(Frames):
    """A recording that is being written.

    Not thread safe and not reentrant: the caller holds a lock, and runs no signal handler inside.

    A forked child shares the window with its parent, and what it put would overwrite what the parent puts:
    it must call `detach` before anything else.

    Args:
      path: where; an older file of that name is removed.
      header: what chunk 0 says, of the same types as the values of events.

    Raises:
      UsageError: there can be no such file: its folder is missing or forbidden, or the name is taken by
        something that is not a regular file.
      OSError: the file could not be made, for instance because the disk is full. None is left behind.
      TypeError, ValueError, OverflowError: the header cannot be encoded.
    """

    __slots__ = (
        "_chain",
        "_chunks_end",
        "_chunks_raw_bytes",
        "_compressor",
        "_descriptor",
        "_has_failed",
        "_identity",
        "_is_open",
        "_seq",
        "sealing_cpu_ns",
    )

    def __init__(self, path: str | PathLike[str], header: dict[str, object]) -> None:
        encoded = encode(header)
        if len(encoded) > MAX_CHUNK:
            raise ValueError(f"the header takes {len(encoded)} bytes; at most {MAX_CHUNK} fit")
        name = fspath(path)
        self._descriptor = _create(name)
        self._compressor = ZstdCompressor(level=CODEC_LEVEL)
        self._encode = encode
        self._chain = 0
        self._seq = 0
        self._chunks_end = WINDOW_END
        self._chunks_raw_bytes = 0
        self._events_count = 0
        self._frame_offset = _FRAMES_START
        self._full_offset = _FULL
        self._has_failed = False
        self._is_open = True
        self.sealing_cpu_ns = 0
        """Time of the processor that it took to compress chunks and to write them."""
        try:
            status = fstat(self._descriptor)
            self._identity = status.st_dev, status.st_ino
            # Tells readers that somebody is at work; the kernel takes it back, however the process ends. Some
            # file systems have no locks.
            with suppress(OSError):
                flock(self._descriptor, LOCK_EX | LOCK_NB)
            # A store into a page that the disk has no room for would be a SIGBUS.
            posix_fallocate(self._descriptor, 0, WINDOW_END)
            self._window = _map(self._descriptor)
            try:
                self._append_chunk(ChunkKind.HEADER, encoded)
                # Last, so that a file without a header is no recording.
                self._write(Prefix(WINDOW_OFFSET, WINDOW_END, 0).pack(), 0)
            except BaseException:
                self._window.close()
                raise
        except BaseException:
            self._is_open = False
            close_descriptor(self._descriptor)
            with suppress(OSError):
                unlink(name)
            raise

    def last_words(self, stream: int, items: list[object]) -> bool:
        """Append one more short frame, the last one, in the room that is kept for it: also if writing failed.

        Returns:
          Whether it is in the file: not if it is too long, or if the writer is closed.
        """
        payload = encode(items)
        if not self._is_open or self._frame_offset + FRAME_SIZE + len(payload) > WINDOW_END:
            return False
        self._store(stream, payload)
        self._events_count += len(items) >> 1
        return True

    def seal(self) -> None:
        """Make what is in the window a chunk, if there is anything.

        Raises:
          OSError: the chunk could not be written; the window still holds what it held. The writer has failed.
          RuntimeError: the writer has failed, or is closed.
        """
        self._check_alive()
        if self._frame_offset > _FRAMES_START:
            self._append_chunk(ChunkKind.FRAMES, self._window[_FRAMES_START : self._frame_offset])

    def take_back(self) -> None:
        """Take back the one small frame, of one event, that was put since `seal`."""
        if self._is_open and not self._has_failed and self._frame_offset > _FRAMES_START:
            self._events_count -= 1
            self._window[_FRAMES_START : self._frame_offset] = bytes(self._frame_offset - _FRAMES_START)
            self._frame_offset = _FRAMES_START

    def close(self) -> None:
        """Seal, give the file its final form, and let go of it. Does nothing if it is closed already.

        A writer that has failed leaves the file as it is, which is readable.

        Raises:
          OSError: something could not be written. The file is readable, and the writer closed all the same.
        """
        if not self._is_open:
            return
        try:
            if not self._has_failed:
                self.seal()
                self._finish()
        finally:
            self.detach()

    def give_up(self) -> None:
        """Let readers know that nobody writes here any more, though the file stays open for `last_words`."""
        if self._is_open and self._is_ours():
            with suppress(OSError):
                flock(self._descriptor, LOCK_UN)

    def detach(self) -> None:
        """Let go of the file without writing anything: for a forked child, whose parent goes on writing."""
        if self._is_open:
            self._is_open = False
            self._full_offset = 0
            self._window.close()
            if self._is_ours():
                close_descriptor(self._descriptor)

    @property
    def bytes_written(self) -> int:
        """Size of all chunks in the file, without the window; bytes."""
        return self._chunks_end - WINDOW_END

    @property
    def raw_bytes(self) -> int:
        """Size of all frames put so far and of the header, before compression; bytes."""
        return self._chunks_raw_bytes + self._frame_offset - _FRAMES_START

    @property
    def events_count(self) -> int:
        """Events put so far, and not taken back."""
        return self._events_count

    @property
    def chunks_count(self) -> int:
        """Chunks in the file, the header included."""
        return self._seq

    def _put_slowly(self, stream: int, items: list[object], payload: bytes) -> None:
        """Put what does not fit into the rest of the window."""
        self._check_alive()
        room = _FULL - _FRAMES_START - FRAME_SIZE
        # Split first: what is too large must be refused before anything is written.
        payloads = [payload] if len(payload) <= MAX_FRAME_PAYLOAD else list(_split(items))
        self.seal()
        for piece in payloads:
            if len(piece) <= room:
                self._store(stream, piece)
                continue
            checksum = frame_checksum(piece, self._seed, stream)
            self._append_chunk(ChunkKind.FRAMES, FRAME.pack(checksum, stream, len(piece)) + piece)
        self._events_count += len(items) >> 1

    def _store(self, stream: int, payload: bytes) -> None:
        """Put into the window what is known to fit."""
        offset = self._frame_offset
        start = offset + FRAME_SIZE
        end = start + len(payload)
        self._window[start:end] = payload
        FRAME.pack_into(
            self._window, offset, frame_checksum(payload, self._seed, stream), stream, len(payload)
        )
        self._frame_offset = end

    def _append_chunk(self, kind: ChunkKind, raw: bytes) -> None:
        """Write one chunk behind the others, and make the window that of the next one, empty."""
        began_ns = thread_time_ns()
        try:
            self._write_chunk(kind, raw)
        finally:
            self.sealing_cpu_ns += thread_time_ns() - began_ns

    def _write_chunk(self, kind: ChunkKind, raw: bytes) -> None:
        codec, stored = Codec.ZSTD, self._compressor.compress(raw)
        if len(stored) >= len(raw):
            codec, stored = Codec.RAW, raw
        fields = CHUNK_FIELDS.pack(CHUNK_MAGIC, kind, codec, 0, self._seq, len(stored), len(raw))
        checksum = chunk_checksum(fields, stored, self._chain)
        chunk = b"".join((fields, CHUNK_CHECKSUM.pack(checksum), stored))
        # Allocated beforehand: once the chunk is there, nothing may fail.
        zeros = bytes(self._frame_offset - _FRAMES_START)
        try:
            self._write(chunk, self._chunks_end)
        except OSError:
            self._has_failed = True
            self._full_offset = 0
            if self._is_ours():
                with suppress(OSError):
                    ftruncate(self._descriptor, self._chunks_end)
            raise
        self._chunks_end += CHUNK_SIZE + len(stored)
        self._chunks_raw_bytes += len(raw)
        self._chain = checksum
        self._seq += 1
        # From here on the window does not count: a chunk of its number is there. Empty it first, then open
        # it under the next number: behind its frames there must be a length of 0.
        self._window[_FRAMES_START : self._frame_offset] = zeros
        self._frame_offset = _FRAMES_START
        self._window[WINDOW_OFFSET:_FRAMES_START] = window_header(self._seq, self._chain)
        self._seed = frame_seed(self._seq, self._chain)

    def _finish(self) -> None:
        """Bring the file, all sealed, into its final form, in steps each of which leaves it readable."""
        size = self.bytes_written
        self._write(Prefix(0, WINDOW_END, self._chunks_end).pack(), 0)
        if WINDOW_OFFSET + size > WINDOW_END:
            return
        chunks = pread(self._descriptor, size, WINDOW_END)
        if len(chunks) == size:
            self._write(chunks, WINDOW_OFFSET)
            self._write(Prefix(0, WINDOW_OFFSET, WINDOW_OFFSET + size).pack(), 0)
            ftruncate(self._descriptor, WINDOW_OFFSET + size)

    def _write(self, data: bytes, offset: int) -> None:
        """Write all of it: a disk that is nearly full first takes a part."""
        # The program may have closed every descriptor there is; ours is then perhaps a file of its own.
        if not self._is_ours():
            raise OSError(errno.EBADF, "the program closed the descriptor of the recording")
        written = pwrite(self._descriptor, data, offset)
        while written < len(data):
            written += pwrite(self._descriptor, memoryview(data)[written:], offset + written)

    def _check_alive(self) -> None:
        if not self._is_open:
            raise RuntimeError("the recording is closed")
        if self._has_failed:
            raise RuntimeError("the recording has failed; nothing more can be put into it")

    def _is_ours(self) -> bool:
        """Return whether the descriptor still is what it was."""
        try:
            status = fstat(self._descriptor)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity


def _create(name: str) -> int:
    """Create the file, readable for its owner alone, and return a high descriptor of it."""
    try:
        with suppress(FileNotFoundError):
            mode = lstat(name).st_mode
            if not stat.S_ISREG(mode):
                what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
                raise UsageError(
                    f"cannot record to `{name}`: it is {what}", hint="give the name of a new file"
                )
            # Never write over it: it may be another name of a file that somebody keeps, or being read.
            unlink(name)
        low = open_descriptor(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        reason = strerror(error.errno) if error.errno else str(error)
        raise UsageError(f"cannot record to `{name}`: {reason}") from error
    try:
        # Exact, whatever the umask.
        fchmod(low, 0o600)
        high = fcntl(low, F_DUPFD_CLOEXEC, _lowest_descriptor())
    except BaseException:
        close_descriptor(low)
        with suppress(OSError):
            unlink(name)
        raise
    close_descriptor(low)
    return high


def _lowest_descriptor() -> int:
    """Return the number that our descriptors start from: high, so that the program's own do not shift."""
    soft, _ = getrlimit(RLIMIT_NOFILE)
    if soft == RLIM_INFINITY:
        return HIGH_DESCRIPTOR
    # Two are ours; the rest is room for others that had the same idea.
    return max(3, min(HIGH_DESCRIPTOR, soft - 16))


def _map(descriptor: int) -> mmap:
    """Map the front of the file without taking a low descriptor."""
    if sys.version_info >= (3, 13):
        return mmap(descriptor, WINDOW_END, trackfd=False)
    # Before 3.13 `mmap` keeps a duplicate, at the lowest free number. Take all low ones for a moment; the
    # program has not started yet.
    fillers: list[int] = []
    try:
        while not fillers or fillers[-1] < _lowest_descriptor():
            fillers.append(fcntl(descriptor, F_DUPFD_CLOEXEC, 0))
        return mmap(descriptor, WINDOW_END)
    finally:
        for filler in fillers:
            close_descriptor(filler)


def _split(items: list[object]) -> list[bytes]:
    """Encode a list that is too large for a chunk as several, each of whole pairs."""
    payload = encode(items)
    if len(payload) <= MAX_FRAME_PAYLOAD:
        return [payload]
    if len(items) <= 2:
        raise ValueError(f"one event takes {len(payload)} bytes; at most {MAX_FRAME_PAYLOAD} fit")
    middle = len(items) // 4 * 2
    return _split(items[:middle]) + _split(items[middle:])
