"""What is read again is recorded once, within a window; what is too much is marked, not left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from replay.recording.codec import Malformed, unpack
from replay.runtime import contents
from replay.runtime.contents import MAX_BYTES, MIN_BYTES, WINDOW, Read, Reread

NO_FD = -1


def test_what_comes_again_is_referred_to() -> None:
    read, reread = Read(), Reread()
    data = os.urandom(MIN_BYTES)
    forms = [read.encode(NO_FD, data) for _ in range(3)]
    assert forms == [["content", data], ["content", 0], ["content", 0]]
    assert [reread.decode(form) for form in forms] == [data] * 3


@pytest.mark.parametrize("size", [0, 1, MIN_BYTES - 1, MAX_BYTES + 1])
def test_what_is_short_or_long_is_itself(size: int) -> None:
    read, data = Read(), os.urandom(size)
    assert [read.encode(NO_FD, data) for _ in range(2)] == [data, data]


def test_the_window_moves_in_both_runs_alike() -> None:
    read, reread = Read(), Reread()
    pieces = [number.to_bytes(2) * MIN_BYTES for number in range(WINDOW + 10)]
    asked = [*pieces, pieces[0], pieces[-1], pieces[20], pieces[0]]
    forms = [read.encode(NO_FD, data) for data in asked]
    assert [reread.decode(form) for form in forms] == asked
    again = [type(form[1]) is int for form in forms[len(pieces) :]]
    assert again == [False, True, True, True]


def test_more_than_the_limit_is_marked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(contents, "LIMIT_BYTES", 3 * MIN_BYTES)
    read, path = Read(), tmp_path / "file"
    path.write_bytes(b"")
    one, other = os.urandom(2 * MIN_BYTES), os.urandom(2 * MIN_BYTES)
    with path.open() as file:
        assert read.encode(file.fileno(), one) == ["content", one]
        marked = read.encode(file.fileno(), other)
        assert read.encode(file.fileno(), one) == ["content", 0]
    with pytest.raises(Malformed, match="more than 0 MB were read from files"):
        unpack(Reread().decode(marked))
    reader, writer = os.pipe()
    try:
        assert read.encode(reader, other) == ["content", other], "a pipe is no file"
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("number", [0, 7, -1, "0", None, [1], 1.5])
def test_what_refers_to_nothing_is_refused(number: object) -> None:
    with pytest.raises(Malformed, match="which it does not have"):
        Reread().decode(["content", number])
