"""Placeholders, and what becomes one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.recording.redaction import Redactor, can_be_kept, is_placeholder, placeholder


@pytest.mark.parametrize(
    ("number", "secret", "expected"),
    [
        (1, "correct horse", "redacted1xxxx"),
        (12, "correct horse", "redacted12xxx"),
        (1, "hunter2", "xxxxxx1"),
        (3, "a", "3"),
        (1, "4111111111111111", "9000000000000001"),
        (2, "12ab34cd", "ad000002"),
        (2, "12AB34CD", "AD000002"),
        (1, "Zm9vYmFyYmF6cXU=", "redacted1xxxxxx="),
        (1, "pässwörter", "xxxxxxx1éé"),
        (1, "one\ntwo three four\r\nfive", "red\nacted1xxxxxxxx\r\nxxxx"),
    ],
)
def test_placeholders(number: int, secret: str, expected: str) -> None:
    assert placeholder(number, secret.encode()).decode() == expected


@given(st.integers(1, 9999), st.binary(min_size=1))
def test_a_placeholder_is_as_long_as_its_secret(number: int, secret: bytes) -> None:
    found = placeholder(number, secret)
    assert len(found) == len(secret)
    assert [at for at, byte in enumerate(found) if byte in b"\r\n"] == [
        at for at, byte in enumerate(secret) if byte in b"\r\n"
    ]


@given(st.integers(1, 9999), st.text(min_size=1))
def test_a_placeholder_of_text_is_text_of_the_same_length(number: int, secret: str) -> None:
    assert len(placeholder(number, secret.encode()).decode()) == len(secret)


@given(st.integers(1, 9999), st.text("abc1 =ß", min_size=14))
def test_placeholders_are_known_as_such(number: int, secret: str) -> None:
    assert is_placeholder(placeholder(number, secret.encode()))


@pytest.mark.parametrize("text", [b"hunter2", b"secret", b"9123456789", b"", b"redacted", b"12ab34cd"])
def test_others_are_not(text: bytes) -> None:
    assert not is_placeholder(text)


def test_a_whole_match_and_groups() -> None:
    assert Redactor(["tok_[a-z]+"]).text("a tok_abcdefgh b") == "a redacted1xxx b"
    assert (
        Redactor(["key=([a-z]+),([a-z]+)"]).text("key=abcdefghij,klmnopqrst") == "key=redacted1x,redacted2x"
    )


def test_the_same_secret_has_the_same_placeholder_everywhere() -> None:
    redactor = Redactor(["password=([a-z]+)"])
    assert redactor.text("password=correcthorse") == "password=redacted1xxx"
    assert redactor.data(b"AUTH correcthorse, correcthorse") == b"AUTH redacted1xxx, redacted1xxx"
    assert redactor.plain(["l", {"correcthorse": (b"correcthorse", 1, None, 1.5)}]) == [
        "l",
        {"redacted1xxx": [b"redacted1xxx", 1, None, 1.5]},
    ]
    assert redactor.secrets_count == 1
    assert redactor.placeholders() == [b"redacted1xxx"]


def test_redacting_twice_changes_nothing() -> None:
    redactor = Redactor(["password=([a-z0-9]+)", r"[0-9]{16}"])
    once = redactor.text("password=correcthorse 4111111111111111")
    assert redactor.text(once) == once
    assert Redactor(["password=([a-z0-9]+)", r"[0-9]{16}"]).text(once) == once


def test_spans() -> None:
    redactor = Redactor(["[a-z]{6,}"])
    assert redactor.with_spans(b"12 abcdef 34 ghijkl") == (b"12 xxxxx1 34 xxxxx2", [[3, 9], [13, 19]])


@pytest.mark.parametrize(
    "pattern", [r"tok_\w+", r"Bearer ([\w.-]+)", r"(?i)password\s*=\s*(\S+)", r"\d{16}", "sk-[0-9a-f]+"]
)
def test_patterns_that_may_be_kept(pattern: str) -> None:
    assert can_be_kept(pattern)


@pytest.mark.parametrize(
    "pattern", ["hunter2", r"hunter2\.x", r"tok_\w+|hunter2", "password=(hunter2)", "(?:a|hunter2)+"]
)
def test_patterns_that_spell_a_secret_out(pattern: str) -> None:
    assert not can_be_kept(pattern)
