"""The file of a recording: what is put is read back, and no bytes can make the reader lie or raise."""

from __future__ import annotations

import errno
import itertools
import os
import random
import signal
import stat
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from replay.errors import UnreadableRecording, UsageError
from replay.recording import container
from replay.recording.container import ChunkKind, Codec, Prefix
from replay.recording.events import FORMAT_VERSION
from replay.recording.reader import Frame, RecordingFile
from replay.recording.writer import HIGH_DESCRIPTOR, RecordingWriter

ROOT = Path(__file__).resolve().parent.parent.parent
HEADER: dict[str, object] = {"argv": ["app.py"], "doors": ["socket.recv", "time.time"], "seed": 7}

encode = msgspec.msgpack.encode

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=200)
)
values = st.recursive(
    scalars,
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=9), children, max_size=4)
    ),
    max_leaves=12,
)
blobs = st.builds(
    lambda size, seed: random.Random(seed).randbytes(size), st.integers(0, 600_000), st.integers(0, 9)
)
pairs = st.tuples(st.integers(-(2**40), 2**63 - 1), values)
item_lists = st.lists(pairs, max_size=10).map(lambda found: [item for pair in found for item in pair])
frame_lists = st.lists(st.tuples(st.integers(0, 2**32 - 1), item_lists), max_size=20)

relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(path: Path) -> tuple[list[Frame], str | None]:
    """Return what is in a file, and what is wrong with it."""
    with RecordingFile.open(path) as file:
        frames = list(file.frames())
        return frames, file.damage


def assert_runs_are_the_same(path: Path, frames: list[Frame], damage: str | None) -> None:
    """Assert that the quick way of reading finds the same as the careful one, or refuses it as well."""
    with RecordingFile.open(path) as file:
        runs = [run for part in file.runs() for run in part]
        assert file.damage == damage
    assert encode(joined(runs)) == encode(joined(frames))


def joined(frames: list[Frame]) -> list[Frame]:
    """Return the frames, neighbouring ones of a stream as one."""
    groups = itertools.groupby(frames, key=lambda frame: frame[0])
    return [(stream, [item for _, items in group for item in items]) for stream, group in groups]


def read_or_none(path: Path) -> tuple[list[Frame], str | None] | None:
    """Return what is in a file, or None if it is refused."""
    try:
        return read(path)
    except UnreadableRecording:
        return None


def is_prefix(found: list[Frame], written: list[Frame]) -> bool:
    """Say whether these are the first of those, exactly: True is not 1, and nan is nan."""
    return len(found) <= len(written) and encode(found) == encode(written[: len(found)])


def write(path: Path, frames: list[Frame], *, seal_after: tuple[int, ...] = ()) -> RecordingWriter:
    """Write these frames, sealing after some, and return the writer, open."""
    writer = RecordingWriter(path, HEADER)
    for index, (stream, items) in enumerate(frames):
        writer.put(stream, items)
        if index in seal_after:
            writer.seal()
    return writer


SMALL: list[Frame] = [
    (index % 3, [index, 1000 + index, -3, b"data" * index, -4, [[5, 1]]]) for index in range(9)
]


@pytest.fixture
def closed_image(tmp_path: Path) -> bytes:
    """The bytes of a closed recording of ``SMALL``, with four chunks of frames."""
    path = tmp_path / "image.rec"
    write(path, SMALL, seal_after=(1, 3, 6)).close()
    return path.read_bytes()


@pytest.fixture
def open_image(tmp_path: Path) -> bytes:
    """The bytes that a killed process leaves: ``SMALL`` in two chunks of frames and a window."""
    path = tmp_path / "image.rec"
    writer = write(path, SMALL, seal_after=(1, 4))
    image = path.read_bytes()
    writer.close()
    return image


def craft(*chunks: tuple[int, int, bytes, int]) -> bytes:
    """Return a closed recording of chunks ``(kind, codec, stored, raw length)``, with right checksums."""
    body, chain = b"", 0
    for seq, (kind, codec, stored, raw_bytes) in enumerate(chunks):
        fields = container.CHUNK_FIELDS.pack(
            container.CHUNK_MAGIC, kind, codec, 0, seq, len(stored), raw_bytes
        )
        chain = container.chunk_checksum(fields, stored, chain)
        body += fields + container.CHUNK_CHECKSUM.pack(chain) + stored
    start = container.WINDOW_OFFSET
    return Prefix(0, start, start + len(body)).pack().ljust(start, b"\0") + body


def raw_chunk(kind: int, raw: bytes) -> tuple[int, int, bytes, int]:
    """Return a chunk that is stored as it is."""
    return kind, Codec.RAW, raw, len(raw)


HEADER_CHUNK = raw_chunk(ChunkKind.HEADER, encode(HEADER))
# What a window for chunk 1 of such a file starts from.
(HEADER_CHAIN,) = container.CHUNK_CHECKSUM.unpack_from(
    craft(HEADER_CHUNK), container.WINDOW_OFFSET + container.CHUNK_FIELDS.size
)


def frame(payload: bytes, stream: int = 0) -> bytes:
    """Return the bytes of a frame of chunk 1, whose checksum is right."""
    seed = container.frame_seed(1, HEADER_CHAIN)
    return (
        container.FRAME.pack(container.frame_checksum(payload, seed, stream), stream, len(payload)) + payload
    )


# ---- what is put is read back


@settings(relaxed, max_examples=60)
@given(frames=frame_lists, seals=st.sets(st.integers(0, 20)), closes=st.booleans())
def test_what_is_put_is_read_back(tmp_path: Path, frames: list[Frame], seals: set[int], closes: bool) -> None:
    path = tmp_path / "run.rec"
    writer = write(path, frames, seal_after=tuple(seals))
    if closes:
        writer.close()
    with RecordingFile.open(path) as file:
        assert file.header == HEADER
        assert file.format_version == FORMAT_VERSION
        assert file.closed is closes
        found = list(file.frames())
        assert encode(found) == encode(frames)
        assert file.damage is None
        assert file.verify() is None
        assert [frame for chunk in file.chunks() for frame in chunk] == found or "nan" in repr(found)
    assert_runs_are_the_same(path, found, None)
    assert writer.events_count == sum(len(items) for _, items in frames) / 2
    writer.close()


def test_neighbouring_frames_of_a_stream_are_one_run(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    write(path, [(0, [-7, 1]), (0, [-7, 2, -8, 3]), (1, [5, 6]), (0, [-7, 4])]).close()
    with RecordingFile.open(path) as file:
        assert [*file.runs()] == [[(0, [-7, 1, -7, 2, -8, 3]), (1, [5, 6]), (0, [-7, 4])]]


@settings(relaxed, max_examples=12)
@given(contents=st.lists(blobs | st.binary(max_size=50), max_size=8))
@example(contents=[bytes(container.WINDOW_END - size) for size in range(1040, 1140, 3)])
def test_frames_larger_than_the_window_are_read_back(tmp_path: Path, contents: list[bytes]) -> None:
    frames: list[Frame] = [(index, [-7, content, index, None]) for index, content in enumerate(contents)]
    path = tmp_path / "run.rec"
    writer = write(path, frames)
    assert read(path) == (frames, None)
    writer.close()
    assert read(path) == (frames, None)


def test_small_runs_leave_small_files_and_the_counters_are_right(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    writer = write(path, SMALL)
    assert writer.events_count == sum(len(items) for _, items in SMALL) / 2
    assert writer.chunks_count == 1
    payloads_bytes = sum(len(encode(items)) for _, items in SMALL)
    raw_bytes = len(encode(HEADER)) + payloads_bytes + len(SMALL) * container.FRAME.size
    assert writer.raw_bytes == raw_bytes
    writer.close()
    assert writer.raw_bytes == raw_bytes
    assert writer.chunks_count == 2
    assert path.stat().st_size == container.WINDOW_OFFSET + writer.bytes_written < 600


def test_a_list_of_many_kinds_keeps_its_types(tmp_path: Path) -> None:
    items: list[object] = [
        1,
        True,
        -1,
        1,
        2,
        1.0,
        3,
        "1",
        4,
        b"1",
        5,
        None,
        6,
        [[[[[1]]]]],
        7,
        {"a": {"b": [{}]}},
    ]
    write(tmp_path / "run.rec", [(5, items)]).close()
    [(stream, found)], _ = read(tmp_path / "run.rec")
    assert stream == 5
    assert repr(found) == repr(items)


def test_a_list_that_is_not_recordable_leaves_the_writer_usable(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    writer = write(path, SMALL)
    endless: list[object] = []
    endless.append(endless)
    bad: tuple[object, ...] = (object(), 2**64, "\ud800", endless)
    for value in bad:
        with pytest.raises((TypeError, ValueError, OverflowError, RecursionError)):
            writer.put(0, [1, value])
    with pytest.raises(ValueError, match="one event takes"):
        writer.put(0, [1, 2, -7, bytes(container.MAX_CHUNK)])
    writer.put(1, [1, 2])
    writer.close()
    assert read(path) == ([*SMALL, (1, [1, 2])], None)


@pytest.mark.slow
def test_a_list_too_large_for_a_chunk_is_split_between_pairs(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    items: list[object] = []
    for index in range(5):
        items += [index, bytes([index]) * (container.MAX_CHUNK // 2)]
    write(path, [(3, items)]).close()
    frames, damage = read(path)
    assert damage is None
    assert len(frames) > 1
    assert {stream for stream, _ in frames} == {3}
    assert [item for _, part in frames for item in part] == items


def test_a_closed_writer_refuses(tmp_path: Path) -> None:
    writer = write(tmp_path / "run.rec", SMALL)
    writer.close()
    writer.close()
    with pytest.raises(RuntimeError, match="closed"):
        writer.put(0, [1, 2])
    with pytest.raises(RuntimeError, match="closed"):
        writer.seal()
    assert not writer.last_words(0, [1, 2])


# ---- while it is being written


def test_a_recording_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    writer = RecordingWriter(path, HEADER)
    with RecordingFile.open(path) as file:
        assert list(file.frames()) == []
        for index, (stream, items) in enumerate(SMALL):
            writer.put(stream, items)
            if index % 3 == 1:
                writer.seal()
            assert list(file.frames()) == SMALL[: index + 1]
            assert file.damage is None
        assert not file.closed
        writer.close()
        assert list(file.frames()) == SMALL
        assert file.closed


@pytest.mark.parametrize("frames_before", range(1, 9))
def test_a_pass_goes_on_when_the_writer_closes_under_it(tmp_path: Path, frames_before: int) -> None:
    path = tmp_path / "run.rec"
    writer = write(path, SMALL, seal_after=(0, 2, 3, 6))
    with RecordingFile.open(path) as file:
        passing = file.frames()
        found = [next(passing) for _ in range(frames_before)]
        writer.close()
        found += passing
        # What was given out as the window's is not given again.
        assert is_prefix(found, SMALL)
        assert len(found) == len(SMALL)
        assert file.damage is None


def test_a_reader_in_another_process_never_sees_damage(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    code = f"""
import sys
from replay.recording.writer import RecordingWriter
writer = RecordingWriter({str(path)!r}, {{}})
print("made", flush=True)
for index in range(60_000):
    writer.put(1, [index, index, -3, b"some bytes to fill the window"])
writer.close()
"""
    with start(code) as child:
        assert child.stdout is not None
        child.stdout.readline()
        count = 0
        while True:
            is_over = child.poll() is not None
            frames, damage = read(path)
            assert damage is None
            assert [items[0] for _, items in frames] == list(range(len(frames)))
            assert len(frames) >= count
            count = len(frames)
            if is_over:
                break
    assert count == 60_000


# ---- cut and damaged files


def check_damaged(path: Path, *, is_closed: bool) -> None:
    """Assert that a damaged file of ``SMALL`` gives a prefix of it and, if it had been closed, says so."""
    result = read_or_none(path)
    if result is None:
        return
    frames, damage = result
    assert is_prefix(frames, SMALL)
    assert_runs_are_the_same(path, frames, damage)
    if is_closed and len(frames) < len(SMALL):
        assert damage is not None


def test_a_closed_file_cut_at_any_byte_gives_a_prefix_and_says_so(
    tmp_path: Path, closed_image: bytes
) -> None:
    path = tmp_path / "cut.rec"
    path.write_bytes(closed_image)
    counts: set[int] = set()
    for size in reversed(range(len(closed_image))):
        os.truncate(path, size)
        result = read_or_none(path)
        if result is not None:
            frames, damage = result
            assert is_prefix(frames, SMALL)
            assert damage is not None
            counts.add(len(frames))
    assert counts == {0, 2, 4, 7}


def test_an_open_file_cut_at_any_byte_gives_a_prefix(tmp_path: Path, open_image: bytes) -> None:
    path = tmp_path / "cut.rec"
    path.write_bytes(open_image)
    sizes = sorted(
        {*range(container.WINDOW_END - 3, len(open_image)), *range(0, container.WINDOW_END, 4001), *range(99)}
    )
    for size in reversed(sizes):
        os.truncate(path, size)
        result = read_or_none(path)
        if size < container.WINDOW_END:
            assert result is None
        elif result is not None:
            assert is_prefix(result[0], SMALL)
            assert result[1] is not None


def test_a_closed_file_with_any_bit_flipped_gives_a_prefix_and_says_so(
    tmp_path: Path, closed_image: bytes
) -> None:
    path = tmp_path / "flipped.rec"
    path.write_bytes(closed_image)
    for _ in flips(path, range(len(closed_image)), range(8)):
        check_damaged(path, is_closed=True)


def open_offsets(image: bytes) -> list[int]:
    """Return the places of an open file that mean something, and some in the slack."""
    used = len(image[: container.WINDOW_END].rstrip(b"\0"))
    slack = [used + 1, used + 11, used + 13, container.WINDOW_END // 2, container.WINDOW_END - 1]
    return [*range(used + 1), *slack, *range(container.WINDOW_END, len(image))]


def test_an_open_file_with_a_bit_flipped_gives_a_prefix(tmp_path: Path, open_image: bytes) -> None:
    path = tmp_path / "flipped.rec"
    path.write_bytes(open_image)
    for offset in open_offsets(open_image):
        for _ in flips(path, [offset], [offset * 5 % 8]):
            check_damaged(path, is_closed=False)


@pytest.mark.slow
def test_an_open_file_with_any_bit_flipped_gives_a_prefix(tmp_path: Path, open_image: bytes) -> None:
    path = tmp_path / "flipped.rec"
    path.write_bytes(open_image)
    for _ in flips(path, open_offsets(open_image), range(8)):
        check_damaged(path, is_closed=False)


def test_damage_to_an_open_file_names_the_place(tmp_path: Path, open_image: bytes) -> None:
    path = tmp_path / "damaged.rec"
    chunk_start = open_image.rindex(container.CHUNK_MAGIC)
    frame_start = open_image.index(b"data" * 6)
    for offset, frames_count, damage in (
        (
            chunk_start + 40,
            2,
            f"chunk 2 at byte {chunk_start} has a wrong checksum; what follows is not used",
        ),
        (frame_start, 6, "frame 1 of the window at byte 64 has a wrong checksum; what follows is not used"),
        (container.WINDOW_OFFSET, 5, "the window at byte 64 is damaged; the last events are lost"),
    ):
        path.write_bytes(open_image)
        for _ in flips(path, [offset], [0]):
            assert read(path) == (SMALL[:frames_count], damage)
            assert_runs_are_the_same(path, SMALL[:frames_count], damage)


@settings(relaxed, max_examples=150)
@given(data=st.data())
def test_any_overwritten_stretch_gives_a_prefix(
    tmp_path: Path, closed_image: bytes, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(closed_image) - 1))
    stretch = data.draw(st.binary(min_size=1, max_size=60))
    path = tmp_path / "overwritten.rec"
    path.write_bytes(
        (closed_image[:start] + stretch + closed_image[start + len(stretch) :])[: len(closed_image)]
    )
    check_damaged(path, is_closed=True)


def flips(path: Path, offsets: range | list[int], bits: range | list[int]) -> Iterator[None]:
    """Flip each bit in turn, and flip it back."""
    with path.open("r+b", buffering=0) as file:
        for offset in offsets:
            file.seek(offset)
            byte = file.read(1)[0]
            for bit in bits:
                file.seek(offset)
                file.write(bytes([byte ^ 1 << bit]))
                yield
            file.seek(offset)
            file.write(bytes([byte]))


def test_pieces_of_other_recordings_are_not_taken_for_ours(tmp_path: Path) -> None:
    """The same chunk, at the right place with the right number, but of a recording with another header."""
    images: list[bytes] = []
    for seed in (1, 2):
        path = tmp_path / f"{seed}.rec"
        writer = RecordingWriter(path, {"seed": seed})
        writer.put(0, [seed, seed])
        writer.close()
        images.append(path.read_bytes())
    assert len(images[0]) == len(images[1])
    frames_start = images[0].index(container.CHUNK_MAGIC, container.WINDOW_OFFSET + 1)
    spliced = tmp_path / "spliced.rec"
    spliced.write_bytes(images[0][:frames_start] + images[1][frames_start:])
    frames, damage = read(spliced)
    assert frames == []
    assert damage == f"chunk 1 at byte {frames_start} has a wrong checksum; what follows is not used"


# ---- hostile files


@settings(relaxed, max_examples=300)
@given(payload=st.binary(max_size=60) | values.map(encode) | st.binary(max_size=9).map(b"\x92".__add__))
@example(payload=b"\x91" * 100_000)
@example(payload=b"\x81\xa1a" * 100_000)
@example(payload=encode([1, 2, 3]))
@example(payload=encode([True, 2]))
@example(payload=encode([1, {1: 2}]))
@example(payload=encode([1, [[[{1: 2}]]]]))
@example(payload=encode([1, [[[[msgspec.msgpack.Ext(5, b"")]]]]]))
@example(payload=encode(["1", 2]))
@example(payload=b"\x92\x01\x81\x91\x01\x01")  # a map with a list for a key
@example(payload=b"\x92\x01\xa1\xff")  # text that is not UTF-8
@example(payload=b"\x92\x01\xd6\xff\0\0\0\0")  # a timestamp
@example(payload=b"\xdd\xff\xff\xff\xff")  # a list of four billion
def test_any_payload_is_pairs_or_damage(tmp_path: Path, payload: bytes) -> None:
    path = tmp_path / "run.rec"
    good = frame(encode([1, 2]))
    path.write_bytes(craft(HEADER_CHUNK, raw_chunk(ChunkKind.FRAMES, good + frame(payload))))
    frames, damage = read(path)
    assert frames[0] == (0, [1, 2])
    if payload and damage is None:
        [(_, items)] = frames[1:]
        assert all(type(key) is int for key in items[::2])
        assert len(items) % 2 == 0
        assert encode(items) == encode(msgspec.msgpack.decode(payload))
    else:
        assert len(frames) == 1


@settings(relaxed, max_examples=100)
@given(payload=st.binary(max_size=60) | values.map(encode))
@example(payload=b"\x91" * 100_000)
@example(payload=encode({1: 2}))
def test_any_header_is_a_map_or_refused(tmp_path: Path, payload: bytes) -> None:
    path = tmp_path / "run.rec"
    path.write_bytes(craft(raw_chunk(ChunkKind.HEADER, payload)))
    try:
        file = RecordingFile.open(path)
    except UnreadableRecording:
        return
    with file:
        assert encode(file.header) == encode(msgspec.msgpack.decode(payload, type=dict[str, object]))


@settings(relaxed, max_examples=200)
@given(
    places=st.tuples(*[st.integers(0, 600) | st.integers(0, 2**64 - 1)] * 3),
    rest=st.binary(max_size=300),
    keeps=st.integers(0, 600),
)
def test_any_prefix_is_read_or_refused(
    tmp_path: Path, closed_image: bytes, places: tuple[int, int, int], rest: bytes, keeps: int
) -> None:
    path = tmp_path / "run.rec"
    path.write_bytes(Prefix(*places).pack() + closed_image[container.PREFIX.size :][:keeps] + rest)
    result = read_or_none(path)
    assert result is None or is_prefix(result[0], SMALL)


def damage_of(tmp_path: Path, *chunks: tuple[int, int, bytes, int]) -> str | None:
    """Return what is wrong with a file of these chunks, which gives no frames."""
    path = tmp_path / "run.rec"
    path.write_bytes(craft(HEADER_CHUNK, *chunks))
    frames, damage = read(path)
    assert frames == []
    return damage


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    at = f"chunk 1 at byte {container.WINDOW_OFFSET + container.CHUNK_SIZE + len(HEADER_CHUNK[2])}"
    for raw_bytes, problem in (
        (1000, "does not decompress to the size it claims"),
        (1 << 28, "claims an impossible size"),
        (0, "claims an impossible size"),
    ):
        damage = damage_of(tmp_path, (ChunkKind.FRAMES, Codec.ZSTD, bomb, raw_bytes))
        assert damage == f"{at} {problem}; what follows is not used"
    # One that says that it is small: a single segment of 1000 bytes, then five blocks of 1000 times one byte.
    blocks = [(1000 << 3 | 1 << 1 | is_last).to_bytes(3, "little") + b"x" for is_last in (0, 0, 0, 0, 1)]
    lying = b"\x28\xb5\x2f\xfd" + b"\x60" + (1000 - 256).to_bytes(2, "little") + b"".join(blocks)
    assert zstandard.get_frame_parameters(lying).content_size == 1000
    damage = damage_of(tmp_path, (ChunkKind.FRAMES, Codec.ZSTD, lying, 1000))
    assert damage is not None
    assert "cannot be decompressed" in damage


@pytest.mark.parametrize(
    ("chunk", "problem"),
    [
        (raw_chunk(ChunkKind.HEADER, encode(HEADER)), "is of another kind"),
        (raw_chunk(9, b"x"), "is of an unknown kind"),
        ((ChunkKind.FRAMES, 9, b"x", 1), "is of an unknown kind"),
        ((ChunkKind.FRAMES, Codec.RAW, b"x", 2), "is not as long as it says"),
        ((ChunkKind.FRAMES, Codec.ZSTD, b"x", 2), "cannot be decompressed"),
        (raw_chunk(ChunkKind.FRAMES, bytes(30)), "is empty"),
        (raw_chunk(ChunkKind.FRAMES, b"xyz"), "is cut short"),
        (raw_chunk(ChunkKind.FRAMES, frame(b"\xc0")), "is not a list"),
        (raw_chunk(ChunkKind.FRAMES, frame(b"\x91\xc0")), "is not made of keys and values"),
        (raw_chunk(ChunkKind.FRAMES, frame(b"\x90")[:-1] + b"\x92"), "has a wrong checksum"),
        (raw_chunk(ChunkKind.FRAMES, frame(b"\x90", stream=1)[:-1]), "claims an impossible size"),
    ],
)
def test_damage_says_what_is_wrong(tmp_path: Path, chunk: tuple[int, int, bytes, int], problem: str) -> None:
    damage = damage_of(tmp_path, chunk)
    assert damage is not None
    assert problem in damage
    assert "chunk 1 at byte" in damage


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "`{}` is empty"),
        (b"\x7fELF and more", "`{}` is not a recording"),
        (b"\0" * 300, "`{}` is not a recording"),
        (b"\x93RP", "`{}` is cut short: it ends after 3 bytes"),
        (b"\x93RPL\n\x1a\n" + bytes(60), "`{}` is a recording that was damaged on its way, as text"),
        (b"\xc2\x93RPL\r\n\x1a\n" + bytes(60), "`{}` is a recording that was damaged on its way, as text"),
        (
            container.MAGIC + (99).to_bytes(4, "little"),
            f"`{{}}` has format version 99; this replay reads version {FORMAT_VERSION}",
        ),
        (Prefix(1, 2, 3).pack(), "`{}` is damaged in its first 40 bytes"),
        (
            Prefix(0, 64, 99).pack(),
            "`{}` cannot be opened: its header, chunk 0, is missing: the file ends before it",
        ),
    ],
)
def test_what_is_no_recording_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "other.rec"
    path.write_bytes(content)
    with pytest.raises(UnreadableRecording) as caught:
        RecordingFile.open(path)
    assert caught.value.message == message.format(path)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path / "none", f"there is no file `{tmp_path}/none`"),
        (tmp_path, f"`{tmp_path}` is a folder, so it is no recording"),
        (tmp_path / "pipe", f"`{tmp_path}/pipe` is not a regular file, so it is no recording"),
        (Path("/dev/zero"), "`/dev/zero` is not a regular file, so it is no recording"),
    ):
        with pytest.raises(UnreadableRecording) as caught:
            RecordingFile.open(path)
        assert caught.value.message == message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_refused(tmp_path: Path, closed_image: bytes) -> None:
    path = tmp_path / "mine.rec"
    path.write_bytes(closed_image)
    path.chmod(0)
    with pytest.raises(UnreadableRecording, match="cannot be read: Permission denied"):
        RecordingFile.open(path)


def test_a_recording_that_was_closed_cannot_be_read(tmp_path: Path, closed_image: bytes) -> None:
    path = tmp_path / "run.rec"
    path.write_bytes(closed_image)
    file = RecordingFile.open(path)
    passing = file.frames()
    next(passing)
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        list(passing)


# ---- processes that die, and disks that are full


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a program that can import ours."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def run(code: str, *arguments: str) -> str:
    """Run such a program, which must succeed, and return what it printed."""
    with start(code, *arguments) as child:
        output, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    return output


@pytest.mark.parametrize(
    ("puts_count", "blob_bytes"), [(1, 0), (40, 30), (3000, 100), (900, 3000), (12, 400_000)]
)
def test_whatever_was_put_before_sigkill_is_there(tmp_path: Path, puts_count: int, blob_bytes: int) -> None:
    path = tmp_path / "run.rec"
    code = """
import random, sys
from replay.recording.writer import RecordingWriter
writer = RecordingWriter(sys.argv[1], {})
index = 0
while True:
    writer.put(index % 5, [index, random.Random(index).randbytes(int(sys.argv[2]))])
    index += 1
    print(index, flush=True)
"""
    with start(code, str(path), str(blob_bytes)) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) == puts_count:
                child.kill()
                break
        printed_count = max([puts_count, *map(int, child.stdout.read().split())])
        assert child.wait() == -signal.SIGKILL
    frames, damage = read(path)
    assert damage is None
    assert len(frames) >= printed_count
    written = [
        (index % 5, [index, random.Random(index).randbytes(blob_bytes)]) for index in range(len(frames))
    ]
    assert frames == written


DYING = """
import os, random, resource, sys
folder, mode, large = sys.argv[1], sys.argv[2], int(sys.argv[3])
if mode == "line":
    os.environ["REPLAY_PURE"] = "1"  # what is compiled has no lines
from replay.recording import frames as putting, writer as module
sources = module.__file__, putting.__file__
# Few descriptors, so that few lines go into looking for a high one.
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))

def frames():
    blob = random.Random(0).randbytes
    lists = [[1, 2], [3, blob(1000)], [4, None], [5, blob(large - 9)], [6, 7]]
    return lists + [[8, blob(large)], [9, 9], [9, 10]]

def program(path, acknowledge):
    writer = module.RecordingWriter(path, {})
    for index, items in enumerate(frames()):
        writer.put(index, items)
        acknowledge()
        if index == 1:
            writer.seal()
    writer.close()

def dies_at_line(k):
    count = 0
    def trace(frame, event, argument):
        nonlocal count
        if frame.f_code.co_filename not in sources:
            return None
        if event == "line":
            count += 1
            if count == k:
                os._exit(1)
        return trace
    sys.settrace(trace)

def dies_in_write(k):
    real, count = module.pwrite, 0
    def half(descriptor, data, offset):
        nonlocal count
        count += 1
        if count == k:
            # The prefix lies within one page, which the kernel copies in one go.
            real(descriptor, bytes(data)[:len(data) // 2 if offset else 0], offset)
            os._exit(1)
        return real(descriptor, data, offset)
    module.pwrite = half

k = 0
while True:
    k += 1
    acknowledged = os.open(f"{folder}/{k}.count", os.O_WRONLY | os.O_CREAT)
    if os.fork() == 0:
        (dies_at_line if mode == "line" else dies_in_write)(k)
        program(f"{folder}/{k}.rec", lambda: os.write(acknowledged, b"x"))
        os._exit(0)
    os.close(acknowledged)
    if os.wait()[1] == 0:
        break
"""
"""For k from 1: a program that dies at its k-th line inside the writer, or within its k-th write."""


@pytest.mark.parametrize("large_bytes", [1000, pytest.param(262_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("mode", "least_count"), [("line", 250), ("write", 7)])
def test_a_death_at_any_point_leaves_what_was_put(
    tmp_path: Path, mode: str, least_count: int, large_bytes: int
) -> None:
    """With small frames the closed file is moved together; a large one becomes a chunk of its own."""
    run(DYING, str(tmp_path), mode, str(large_bytes))
    blob = random.Random(0).randbytes
    items: list[list[object]] = [[1, 2], [3, blob(1000)], [4, None], [5, blob(large_bytes - 9)], [6, 7]]
    items += [[8, blob(large_bytes)], [9, 9], [9, 10]]
    written: list[Frame] = list(enumerate(items))
    deaths = sorted(tmp_path.glob("*.count"))
    assert len(deaths) >= least_count
    for death in deaths:
        acknowledged_count = death.stat().st_size
        path = death.with_suffix(".rec")
        result = read_or_none(path) if path.exists() else None
        if result is None:
            assert acknowledged_count == 0
            continue
        frames, damage = result
        assert damage is None, (death, damage)
        assert frames == written[: len(frames)]
        assert acknowledged_count <= len(frames) <= acknowledged_count + 1


FILLING = """
import os, resource, sys
from replay.recording.writer import RecordingWriter
if int(sys.argv[2]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    writer = RecordingWriter(sys.argv[1], {})
except OSError as error:
    print(error.errno, os.path.exists(sys.argv[1]))
    sys.exit()
index = 0
try:
    while True:
        writer.put(0, [index, os.urandom(700)])
        index += 1
except OSError as error:
    print(error.errno, index)
for refused in (lambda: writer.put(0, [1, 2]), writer.seal):
    try:
        refused()
    except RuntimeError as error:
        print(error)
print(writer.last_words(1, [-14, "disk full"]), writer.last_words(1, [-14, "x" * 2000]))
writer.close()
print(writer.bytes_written)
"""


def check_filled(output: str, path: Path, error_number: int) -> None:
    """Assert that a disk that became full lost nothing that had been put."""
    first, *others, bytes_written = output.splitlines()
    number, count = map(int, first.split())
    assert number == error_number
    assert count > 300
    assert others == ["the recording has failed; nothing more can be put into it"] * 2 + ["True False"]
    with RecordingFile.open(path) as file:
        frames = list(file.frames())
        assert file.damage is None
        assert not file.closed
    assert [items[0] for _, items in frames[:-1]] == list(range(count))
    assert frames[-1] == (1, [-14, "disk full"])
    # Of the chunk that did not fit, nothing is left.
    assert path.stat().st_size == container.WINDOW_END + int(bytes_written)


@pytest.mark.parametrize("limit_bytes", [300_000, 600_000, 900_001])
def test_a_file_that_may_not_grow_is_a_clean_error(tmp_path: Path, limit_bytes: int) -> None:
    path = tmp_path / "run.rec"
    check_filled(run(FILLING, str(path), str(limit_bytes)), path, errno.EFBIG)


def test_a_file_that_cannot_be_made_is_not_left_behind(tmp_path: Path) -> None:
    for limit_bytes in (100_000, container.WINDOW_END + 10):
        path = tmp_path / "run.rec"
        assert run(FILLING, str(path), str(limit_bytes)) == f"{errno.EFBIG} False\n"


@pytest.mark.parametrize("size", ["700k", "128k"])
def test_a_full_disk_is_a_clean_error(tmp_path: Path, size: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(disk)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small disk")
    try:
        output = run(FILLING, str(disk / "run.rec"), "0")
        if size == "128k":
            # Too small for the window: an error, not a SIGBUS at the first store.
            assert output == f"{errno.ENOSPC} False\n"
        else:
            check_filled(output, disk / "run.rec", errno.ENOSPC)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# ---- what the recorded program notices


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    for mask in (0, 0o777):
        before = os.umask(mask)
        try:
            write(path, SMALL).close()
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_older_file_is_replaced_and_not_written_over(tmp_path: Path) -> None:
    path, other = tmp_path / "run.rec", tmp_path / "other"
    other.write_text("keep me")
    os.link(other, path)
    write(path, SMALL).close()
    assert other.read_text() == "keep me"
    assert read(path) == (SMALL, None)


def test_what_is_not_a_regular_file_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name, reason in (
        ("", "it is a folder"),
        ("pipe", "it is not a regular file"),
        ("link", "it is not a regular file"),
        ("none/run.rec", "No such file or directory"),
        ("pipe/run.rec", "Not a directory"),
    ):
        path = tmp_path / name
        with pytest.raises(UsageError) as caught:
            RecordingWriter(path, HEADER)
        assert caught.value.message == f"cannot record to `{path}`: {reason}"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link", "pipe"]


@pytest.mark.parametrize("limit", [1024, 64])
def test_the_descriptors_of_the_program_do_not_shift(tmp_path: Path, limit: int) -> None:
    code = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]),) * 2)
from replay.recording.writer import RecordingWriter
def taken():
    found = []
    for number in range(int(sys.argv[2])):
        try:
            os.fstat(number)
            found.append(number)
        except OSError:
            pass
    return found
before = taken()
writer = RecordingWriter(sys.argv[1], {})
for index in range(3):
    writer.put(0, [1, os.urandom(200_000)])
    ours = sorted(set(taken()) - set(before))
    print(min(ours), len(ours) <= 2, all(not os.get_inheritable(number) for number in ours))
writer.close()
print(taken() == before)
"""
    lowest = min(HIGH_DESCRIPTOR, limit - 16)
    output = run(code, str(tmp_path / "run.rec"), str(limit))
    assert output == f"{lowest} True True\n" * 3 + "True\n"


def test_a_program_that_closes_every_descriptor_does_not_get_our_bytes(tmp_path: Path) -> None:
    code = """
import os, sys
from replay.recording.writer import RecordingWriter
writer = RecordingWriter(sys.argv[1], {})
writer.put(0, [1, 2])
os.closerange(3, 1024)
theirs = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
os.dup2(theirs, writer._descriptor)
try:
    writer.seal()
except OSError as error:
    print(error)
writer.detach()
os.write(theirs, b"theirs")
"""
    path, other = tmp_path / "run.rec", tmp_path / "other"
    assert (
        run(code, str(path), str(other)) == "[Errno 9] the program closed the descriptor of the recording\n"
    )
    assert other.read_bytes() == b"theirs"
    assert read(path) == ([(0, [1, 2])], None)


def test_a_forked_child_that_detaches_changes_nothing(tmp_path: Path) -> None:
    code = """
import os, sys
from replay.recording.writer import RecordingWriter
writer = RecordingWriter(sys.argv[1], {})
writer.put(0, [1, 2])
if os.fork() == 0:
    writer.detach()
    writer.close()
    try:
        writer.put(0, [9, 9])
    except RuntimeError:
        os._exit(7)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
writer.put(0, [3, 4])
writer.close()
"""
    run(code, str(tmp_path / "run.rec"))
    assert read(tmp_path / "run.rec") == ([(0, [1, 2]), (0, [3, 4])], None)


def test_a_checksum_has_one_definition() -> None:
    """The hot path has a copy of the expression; the values here keep both, and old files, as they are."""
    assert container.frame_seed(1, 0) == zlib.crc32(b"\x01\0\0\0") & 0x3FFF_FFFF
    assert container.frame_checksum(b"abc", 5, 2) == zlib.crc32(b"abc", 5 ^ 2 ^ 3 << 16)
