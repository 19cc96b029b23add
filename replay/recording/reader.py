"""Reading a recording: whole, cut, damaged, or still being written.

A file may come from anybody, and from a process that was killed at any instant. Whatever is in it,
`RecordingFile.open` either refuses it or gives back the frames up to the first place that is not
right, and says where that is. Nothing in a file is executed, or believed before it is checked.

See ``container`` for the layout.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fcntl import LOCK_NB, LOCK_SH, LOCK_UN, flock
from os import O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDONLY, fspath, fstat, pread, strerror
from os import close as close_descriptor
from os import open as open_descriptor
from os import stat as stat_path
from typing import TYPE_CHECKING, Final, Self, TypeAlias, cast, final

from msgspec.msgpack import Decoder
from zstandard import ZstdDecompressor, ZstdError, get_frame_parameters

from replay.errors import UnreadableRecording
from replay.recording.container import (
    CHUNK_CHECKSUM,
    CHUNK_FIELDS,
    CHUNK_MAGIC,
    CHUNK_SIZE,
    FRAME,
    MAGIC,
    MAX_CHUNK,
    PREFIX,
    WINDOW,
    WINDOW_MAGIC,
    ChunkKind,
    Codec,
    Prefix,
    chunk_checksum,
    frame_checksum,
    frame_seed,
    window_header,
)
from replay.recording.events import FORMAT_VERSION

if TYPE_CHECKING:
    from os import PathLike

Frame: TypeAlias = tuple[int, list[object]]
"""A stream and its events: ``key, value, key, value, ...``."""

_VERSION_END: Final = 12
_ATTEMPTS_COUNT: Final = 3
"""How often a place is read before it is called damaged: the writer may be changing it just then."""

_decode: Final = Decoder().decode
_PLAIN_TYPES: Final = frozenset({type(None), bool, int, float, str, bytes})


class _DamageError(Exception):
    """A piece of the file is not right; the text continues a sentence about that piece."""


@dataclass(frozen=True, slots=True)
class _Place:
    """How far reading has got: the next chunk, and what it must follow.

    Args:
      seq: number of the chunk.
      chain: checksum of the chunk before.
      chain_before: and of the one before that.
      offset_in_chunks: where it begins, in bytes from chunk 0: closing a file may move all chunks.
    """

    seq: int
    chain: int
    chain_before: int
    offset_in_chunks: int


@dataclass(frozen=True, slots=True)
class _Part:
    """What was read at one place; ``next_place`` is None at the end, which ``damage`` may have caused."""

    frames: list[Frame]
    next_place: _Place | None
    damage: str | None = None
    raw_bytes: int = 0


_START: Final = _Place(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the frames are that a pass has read.

    Args:
      raw_bytes: as events, before compression.
      stored_bytes: as chunks in the file; what is in no chunk yet is counted as it is.
    """

    raw_bytes: int = 0
    stored_bytes: int = 0


@final
class RecordingFile:
    """A recording, opened for reading; a context manager that closes it. Made by `RecordingFile.open`.

    The writer may still be at work: each pass over the frames gives what is there by then.
    """

    __slots__ = (
        "_damage",
        "_descriptor",
        "_first",
        "_header",
        "_is_joined",
        "_prefix",
        "_sizes",
        "is_being_written",
    )

    def __init__(self, descriptor: int, prefix: Prefix) -> None:
        self._descriptor = descriptor
        self._prefix = prefix
        self._damage: str | None = None
        self._sizes = Sizes()
        self._is_joined = False
        self._first = _START
        self._header: dict[str, object] = {}
        self.is_being_written = self._has_writer()
        """Whether a process was at work on it when it was opened; of a recording that is not closed."""

    @classmethod
    def open(cls, path: str | PathLike[str]) -> RecordingFile:
        """Open a recording.

        Raises:
          UnreadableRecording: there is no such file, it is no recording, it is one of another format
            version, or its header is damaged.
        """
        name = fspath(path)
        descriptor = _open(name)
        try:
            recording = cls(descriptor, _first_prefix(name, descriptor))
        except BaseException:
            close_descriptor(descriptor)
            raise
        try:
            recording._load_header()
        except _DamageError as error:
            recording.close()
            raise UnreadableRecording(
                f"`{name}` cannot be opened: its header, chunk 0, {error}",
                hint="nothing can be read without the header; record again",
            ) from None
        return recording

    @property
    def header(self) -> dict[str, object]:
        """What the writer said about the run."""
        return self._header

    @property
    def format_version(self) -> int:
        """The version of the format: always that of this reader, as files of others are refused."""
        return FORMAT_VERSION

    @property
    def damage(self) -> str | None:
        """What is wrong, and where, in one sentence; None if nothing is, as far as the last pass got."""
        return self._damage

    @property
    def sizes(self) -> Sizes:
        """How large the frames are, as far as the last pass got."""
        return self._sizes

    @property
    def closed(self) -> bool:
        """Whether the writer closed the file. If not, it is at work, or was killed, or has failed."""
        return self._prefix.end_offset > 0

    @property
    def size_bytes(self) -> int:
        """Size of the file now; bytes.

        Raises:
          OSError: the file was closed with `close`, or its file system is gone.
        """
        return fstat(self._descriptor).st_size

    def close(self) -> None:
        """Let go of the file; its frames cannot be read any more."""
        if self._descriptor >= 0:
            close_descriptor(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def frames(self) -> Iterator[Frame]:
        """Yield ``(stream, items)`` in the order of the file, reading chunk by chunk.

        Raises:
          ValueError: the file was closed with `close`.
        """
        for frames in self.chunks():
            yield from frames

    def chunks(self) -> Iterator[list[Frame]]:
        """Yield the frames of each chunk, and of the window, as a list. Sets `damage` and `sizes` as it goes.

        Nothing in the file makes it raise.

        Raises:
          ValueError: the file was closed with `close`.
        """
        return self._parts(is_joined=False)

    def runs(self) -> Iterator[list[Frame]]:
        """Yield the same, quickly: neighbouring frames of a stream are one list, values are not looked into.

        For a replay, which compares each value with what it should be, or decodes it by a closed register.

        Raises:
          ValueError: the file was closed with `close`.
        """
        return self._parts(is_joined=True)

    def _parts(self, *, is_joined: bool) -> Iterator[list[Frame]]:
        self._damage = None
        self._is_joined = is_joined
        sizes = self._sizes = Sizes()
        place: _Place | None = self._first
        while place is not None:
            if self._descriptor < 0:
                raise ValueError("the recording was closed")
            part = self._read_part(place)
            stored_bytes = part.raw_bytes
            if part.next_place is not None:
                stored_bytes = part.next_place.offset_in_chunks - place.offset_in_chunks
            sizes = Sizes(sizes.raw_bytes + part.raw_bytes, sizes.stored_bytes + stored_bytes)
            if part.frames:
                yield part.frames
            place = part.next_place
            self._damage = part.damage
            self._sizes = sizes

    def verify(self) -> str | None:
        """Read everything once, and return what `damage` is after that."""
        for _ in self.chunks():
            pass
        return self._damage

    def _has_writer(self) -> bool:
        if self.closed:
            return False
        try:
            flock(self._descriptor, LOCK_SH | LOCK_NB)
            flock(self._descriptor, LOCK_UN)
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            pass
        return False

    def _load_header(self) -> None:
        """Read chunk 0."""
        for attempt in range(_ATTEMPTS_COUNT):
            try:
                kind, payload, self._first = self._read_chunk(_START)
                if kind is not ChunkKind.HEADER:
                    raise _DamageError("is of another kind")
                header = _decode_values(payload)
                if not isinstance(header, dict):
                    raise _DamageError("is not a map")
            except _DamageError:
                if attempt == _ATTEMPTS_COUNT - 1:
                    raise
                self._reload_prefix()
            else:
                self._header = header
                return

    def _read_part(self, place: _Place) -> _Part:
        """Read the chunk at this place or, where the chunks end, the window."""
        part = _Part([], None)
        for _ in range(_ATTEMPTS_COUNT):
            part = self._read_part_once(place)
            if part.damage is None:
                break
            # If the writer sealed or closed in between, this looks different now.
            self._reload_prefix()
        return part

    def _read_part_once(self, place: _Place) -> _Part:
        if self._prefix.end_offset == self._prefix.chunks_offset + place.offset_in_chunks:
            return _Part([], None)
        where = f"chunk {place.seq} at byte {self._prefix.chunks_offset + place.offset_in_chunks}"
        try:
            kind, payload, next_place = self._read_chunk(place)
            if kind is not ChunkKind.FRAMES:
                raise _DamageError("is of another kind")
        except _DamageError as error:
            damage = f"{where} {error}; what follows is not used"
            return _Part([], None, damage) if self.closed else self._read_window(place, damage)
        frames: list[Frame] = []
        try:
            seed = frame_seed(place.seq, place.chain)
            if self._read_frames(payload, seed, frames, is_whole=True) < len(payload):
                raise _DamageError("is empty")
        except _DamageError as error:
            damage = f"frame {len(frames)} of {where} {error}; what follows is not used"
            return _Part(frames, None, damage)
        return _Part(frames, next_place, raw_bytes=len(payload))

    def _read_window(self, place: _Place, chunk_damage: str) -> _Part:
        """Read the window, if it is the one that stands where the chunks end.

        Args:
          place: where the chunks end.
          chunk_damage: what to say if more chunks should be there.
        """
        offset = self._prefix.window_offset
        try:
            data = self._read_bytes(offset, self._prefix.chunks_offset - offset)
        except _DamageError as error:
            return _Part([], None, f"the window {error}")
        header = data[: WINDOW.size]
        if header == window_header(place.seq, place.chain):
            frames: list[Frame] = []
            try:
                seed = frame_seed(place.seq, place.chain)
                size = self._read_frames(data[WINDOW.size :], seed, frames, is_whole=False)
            except _DamageError as error:
                where = f"frame {len(frames)} of the window at byte {offset}"
                return _Part(frames, None, f"{where} {error}; what follows is not used")
            return _Part(frames, None, raw_bytes=size)
        # The writer completed a chunk and had no time to open the next window: all is there.
        if place.seq > 0 and header == window_header(place.seq - 1, place.chain_before):
            return _Part([], None)
        magic, seq, _, _ = WINDOW.unpack(header)
        if magic == WINDOW_MAGIC and seq > place.seq:
            return _Part([], None, chunk_damage)
        return _Part([], None, f"the window at byte {offset} is damaged; the last events are lost")

    def _read_frames(self, data: bytes, seed: int, frames: list[Frame], *, is_whole: bool) -> int:
        """Append the frames in these bytes to ``frames``, and return where they end.

        They end where the bytes end, or at a length of 0.

        Args:
          data: the frames.
          seed: what their checksums start from.
          frames: where to put them.
          is_whole: a checksum of all these bytes was right, so theirs are.

        Raises:
          _DamageError: the next frame is not right; those before it have been appended.
        """
        if self._is_joined and is_whole:
            # What a decoder in C can raise on hostile bytes is not a documented set.
            with suppress(Exception):  # the way below says what is wrong, and where
                frames += _joined(data)
                return len(data)
        end = 0
        for stream, payload, end in _payloads(data, seed):  # noqa: B007 - the last one is returned
            frames.append((stream, _items(_decode_values(payload))))
        return end

    def _read_chunk(self, place: _Place) -> tuple[ChunkKind, bytes, _Place]:
        """Read the chunk at this place: its kind, its payload, and the place after it.

        Raises:
          _DamageError: there is none, or it is not right.
        """
        offset = self._prefix.chunks_offset + place.offset_in_chunks
        fields = self._read_bytes(offset, CHUNK_FIELDS.size)
        magic, kind, codec, zero, seq, stored_bytes, raw_bytes = CHUNK_FIELDS.unpack(fields)
        if magic != CHUNK_MAGIC or zero != 0 or seq != place.seq:
            raise _DamageError("is not there: these bytes are something else")
        if not 0 < stored_bytes <= MAX_CHUNK or not 0 < raw_bytes <= MAX_CHUNK:
            raise _DamageError("claims an impossible size")
        (checksum,) = CHUNK_CHECKSUM.unpack(self._read_bytes(offset + CHUNK_FIELDS.size, CHUNK_CHECKSUM.size))
        stored = self._read_bytes(offset + CHUNK_SIZE, stored_bytes)
        if checksum != chunk_checksum(fields, stored, place.chain):
            raise _DamageError("has a wrong checksum")
        try:
            known_kind, known_codec = ChunkKind(kind), Codec(codec)
        except ValueError:
            raise _DamageError("is of an unknown kind") from None
        payload = stored if known_codec is Codec.RAW else _decompress(stored, raw_bytes)
        if len(payload) != raw_bytes:
            raise _DamageError("is not as long as it says")
        after = place.offset_in_chunks + CHUNK_SIZE + stored_bytes
        return known_kind, payload, _Place(place.seq + 1, checksum, place.chain, after)

    def _read_bytes(self, offset: int, size: int) -> bytes:
        """Read exactly so many bytes.

        Raises:
          _DamageError: they are not there. Nothing of that size was allocated.
        """
        try:
            end = self._prefix.end_offset or self.size_bytes
            if offset >= min(end, self.size_bytes):
                raise _DamageError("is missing: the file ends before it")
            if offset + size > end:
                raise _DamageError("is cut short")
            data = pread(self._descriptor, size, offset) if offset + size <= self.size_bytes else b""
        except OSError as error:
            raise _DamageError(f"cannot be read: {_reason(error)}") from None
        if len(data) < size:
            raise _DamageError("is cut short")
        return data

    def _reload_prefix(self) -> None:
        """Look again at what the writer may have changed. What is damaged now is not believed."""
        try:
            data = pread(self._descriptor, PREFIX.size, 0)
        except OSError:
            return
        if len(data) == PREFIX.size:
            self._prefix = Prefix.unpack(data) or self._prefix


def _open(name: str) -> int:
    """Open a regular file, without waiting for what is none."""
    try:
        # Looked at before it is opened: opening a device can have effects.
        mode = stat_path(name).st_mode
        if stat.S_ISREG(mode):
            return open_descriptor(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    except FileNotFoundError:
        raise UnreadableRecording(f"there is no file `{name}`") from None
    except OSError as error:
        raise UnreadableRecording(f"`{name}` cannot be read: {_reason(error)}") from None
    what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
    raise UnreadableRecording(f"`{name}` is {what}, so it is no recording")


def _first_prefix(name: str, descriptor: int) -> Prefix:
    """Read and check the first bytes, which tell whether this is a recording that we can read."""
    data = b""
    try:
        for _ in range(_ATTEMPTS_COUNT):
            data = pread(descriptor, PREFIX.size, 0)
            if len(data) == PREFIX.size and Prefix.unpack(data) is not None:
                break
    except OSError as error:
        raise UnreadableRecording(f"`{name}` cannot be read: {_reason(error)}") from None
    if not data:
        raise UnreadableRecording(f"`{name}` is empty")
    begin = data[: len(MAGIC)]
    if begin != MAGIC[: len(begin)]:
        if MAGIC[1:4] in begin:
            raise UnreadableRecording(
                f"`{name}` is a recording that was damaged on its way, as text",
                hint="transfer it again in binary mode",
            )
        raise UnreadableRecording(f"`{name}` is not a recording")
    if len(data) >= _VERSION_END:
        version = int.from_bytes(data[len(MAGIC) : _VERSION_END], "little")
        if version != FORMAT_VERSION:
            raise UnreadableRecording(
                f"`{name}` has format version {version}; this replay reads version {FORMAT_VERSION}",
                hint="open it with the version of replay that made it, or record again",
            )
    if len(data) < PREFIX.size:
        raise UnreadableRecording(f"`{name}` is cut short: it ends after {len(data)} bytes")
    prefix = Prefix.unpack(data)
    if prefix is not None:
        return prefix
    raise UnreadableRecording(f"`{name}` is damaged in its first {PREFIX.size} bytes")


def _decompress(stored: bytes, raw_bytes: int) -> bytes:
    try:
        # zstandard allocates what the frame itself declares, whatever the limit it is given.
        if get_frame_parameters(stored).content_size != raw_bytes:
            raise _DamageError("does not decompress to the size it claims")
        return ZstdDecompressor().decompress(stored, max_output_size=raw_bytes, allow_extra_data=False)
    except (ZstdError, MemoryError) as error:
        raise _DamageError(f"cannot be decompressed: {error}") from None


def _joined(data: bytes) -> list[Frame]:
    """Return all frames in these bytes, neighbouring ones of a stream as one; no value is looked into.

    Raises:
      Exception: something is not right.
    """
    view = memoryview(data)
    frame_at, frame_bytes = FRAME.unpack_from, FRAME.size
    runs: list[Frame] = []
    last, joined, offset = -1, list[object](), 0
    while offset < len(data):
        _, stream, length = frame_at(data, offset)
        start = offset + frame_bytes
        offset = start + length
        items = _decode(view[start:offset])
        if type(items) is not list or len(items) % 2:
            raise _DamageError("is not made of keys and values")
        if stream == last:
            joined += items
        else:
            last, joined = stream, items
            runs.append((stream, joined))
    if offset > len(data):
        raise _DamageError("claims an impossible size")
    for _, items in runs:
        _items(items)
    return runs


def _payloads(data: bytes, seed: int) -> Iterator[tuple[int, memoryview, int]]:
    """Yield each frame's stream, its bytes, and where it ends.

    Raises:
      _DamageError: the next frame is not right.
    """
    offset = 0
    view = memoryview(data)
    while offset < len(data):
        if len(data) - offset < FRAME.size:
            if any(view[offset:]):
                raise _DamageError("is cut short")
            return
        checksum, stream, length = FRAME.unpack_from(data, offset)
        if length == 0:
            return
        start = offset + FRAME.size
        if length > len(data) - start:
            raise _DamageError("claims an impossible size")
        offset = start + length
        payload = view[start:offset]
        if checksum != frame_checksum(payload, seed, stream):
            raise _DamageError("has a wrong checksum")
        yield stream, payload, offset


def _items(decoded: object) -> list[object]:
    """Return the events of a frame, which must be pairs of an integer and a value."""
    if not isinstance(decoded, list):
        raise _DamageError("is not a list")
    items = cast("list[object]", decoded)
    # A bool is an int to isinstance, but not a key.
    if len(items) % 2 or not set(map(type, items[::2])) <= {int}:
        raise _DamageError("is not made of keys and values")
    return items


def _decode_values(payload: bytes | memoryview) -> object:
    """Decode a value of any depth, and check that it holds nothing but what a recording can hold."""
    try:
        decoded: object = _decode(payload)
    # What a decoder in C can raise on hostile bytes is not a documented set.
    except Exception as error:
        raise _DamageError(f"cannot be decoded: {error}") from None
    # Not a typed decoder: msgspec allows no union of text and bytes. Not recursion: a file may nest deeply.
    pending = [decoded]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            mapping = cast("dict[object, object]", value)
            if not set(map(type, mapping)) <= {str}:
                raise _DamageError("has a map whose keys are not all text")
            children = list(mapping.values())
        elif isinstance(value, list):
            children = cast("list[object]", value)
        elif type(value) in _PLAIN_TYPES:
            continue
        else:
            raise _DamageError(f"holds a {type(value).__name__}")
        if not _PLAIN_TYPES.issuperset(map(type, children)):
            pending.extend(child for child in children if type(child) not in _PLAIN_TYPES)
    return decoded


def _reason(error: OSError) -> str:
    return strerror(error.errno) if error.errno else str(error)
