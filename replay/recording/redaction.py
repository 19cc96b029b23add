"""Secrets, kept out of a recording: each becomes a placeholder of the same length.

A secret is what a pattern of the user's matches (its groups, if it has any), or a value that was
named. Once it is known, each further occurrence of the same bytes is replaced too, wherever it is.
Placeholders are numbered in the order in which distinct secrets were met; nothing in a recording is
computed from a secret but its length, and whether it is a number or made of hexadecimal digits.

Everything that is written goes through one place, and checksums are those of redacted bytes, so a
replay, which sees placeholders, computes the same ones. What cannot be caught: a secret that comes in
two pieces (each is written as it came), or in another spelling (base64, escapes, compressed); and a
replay goes wrong where the program looks at the secret itself (a checksum of it, its first letter).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any, Final

MIN_SECRET_BYTES: Final = 4
"""Shorter values are replaced where they were named, but not looked for elsewhere: too much would match."""

SECRETS_COUNT: Final = "secrets_count"
"""Under this name the last event says how many distinct secrets there were, if any were looked for."""

_HEX: Final = re.compile(rb"(?=.*[0-9])(?=.*[a-f])[0-9a-f]{8,}|(?=.*[0-9])(?=.*[A-F])[0-9A-F]{8,}")
_WIDE: Final = {2: "é", 3: "€", 4: "🔒"}


def placeholder(number: int, secret: bytes) -> bytes:
    """Return what stands for a secret: as long, with the same line ends, of the same kind of letters."""
    if b"\n" in secret or b"\r" in secret:
        return _with_line_ends(number, secret)
    size = len(secret)
    digits = str(number).encode()
    if secret.isdigit():
        return b"9" + digits.rjust(size - 1, b"0") if size > len(digits) else b"9" * size
    if _HEX.fullmatch(secret):
        return (b"AD" if secret.upper() == secret else b"ad") + digits.rjust(size - 2, b"0")
    if not secret.isascii():
        return _with_wide_letters(number, secret)
    padding = size - len(secret.rstrip(b"="))
    return _letters(digits, size - padding) + b"=" * padding


def _letters(digits: bytes, size: int) -> bytes:
    text = b"redacted" + digits
    if len(text) > size:
        text = (b"x" * size + digits)[-size:] if size else b""
    return text.ljust(size, b"x")


def _with_line_ends(number: int, secret: bytes) -> bytes:
    inner = placeholder(number, secret.replace(b"\n", b"").replace(b"\r", b""))
    try:
        text, letters = secret.decode(), iter(inner.decode())
    except UnicodeDecodeError:
        rest = iter(inner)
        return bytes(byte if byte in b"\r\n" else next(rest) for byte in secret)
    return "".join(letter if letter in "\r\n" else next(letters) for letter in text).encode()


def _with_wide_letters(number: int, secret: bytes) -> bytes:
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return _letters(str(number).encode(), len(secret))
    wide = "".join(_WIDE[len(letter.encode())] for letter in text if not letter.isascii())
    return _letters(str(number).encode(), len(secret) - len(wide.encode())) + wide.encode()


def is_placeholder(data: bytes) -> bool:
    """Whether this is what ``placeholder`` makes for some number."""
    if data.isdigit():
        digits = data[1:].lstrip(b"0")
        return data.startswith(b"9") and (0 < len(digits) <= 4 or len(data) == 1)
    found = re.search(rb"([0-9]{1,4})(?:x*=*)(?:[^\x00-\x7f]*)$", data)
    if found is None:
        return False
    tail = found.group(1)
    return any(
        placeholder(int(tail[at:]), data) == data for at in range(len(tail)) if not tail[at:].startswith(b"0")
    )


def can_be_kept(pattern: str) -> bool:
    """Whether a pattern may stand in the recording: not if it spells a secret out."""
    return not _spells_out(_parser.parse(pattern)) and re.search(pattern, pattern) is None


def _spells_out(sequence: Any) -> bool:
    """Whether a sequence of a parsed pattern, or one inside it, is nothing but letters."""
    parts = list(sequence)
    if parts and all(kind is _constants.LITERAL for kind, _ in parts):
        return True
    for kind, value in parts:
        if kind is _constants.BRANCH and any(_spells_out(one) for one in value[1]):
            return True
        if kind is _constants.SUBPATTERN and _spells_out(value[-1]):
            return True
    return False


def was_redacted(header: Mapping[str, Any], extra: Mapping[str, Any]) -> bool:
    """Whether a recording holds placeholders, or may hold some.

    Args:
      header: of the recording.
      extra: what the recorder said about itself in its last event; empty if there is none.
    """
    count = extra.get(SECRETS_COUNT)
    if type(count) is int:
        return count > 0
    return extra == {} and any(header["redaction"].get(name) for name in ("patterns_count", "names"))


class Redactor:
    """Replaces secrets by placeholders.

    Args:
      patterns: regular expressions; they are matched with the UTF-8 form of text.

    Attributes:
      number: what gives the placeholder of a new secret at replay, if it knows.
      is_done: whether something stands for a secret already. While recording, what was put in the place of
        one; at replay, what looks as if it was: a secret of few letters may look so, too.
      context: what is being redacted.
      places_count: how many placeholders were put in place.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns = [re.compile(pattern.encode()) for pattern in patterns]
        self._known: dict[bytes, bytes] = {}
        self._literals: re.Pattern[bytes] | None = None
        self._placeholders: set[bytes] = set()
        self.number: Callable[[bytes], bytes | None] | None = None
        self.is_done: Callable[[bytes], bool] = self._placeholders.__contains__
        self.context = b""
        self.places_count = 0

    @property
    def secrets_count(self) -> int:
        """How many distinct secrets were met."""
        return len(self._known)

    def placeholders(self) -> list[bytes]:
        """Return what stands for each secret, in their order."""
        return list(self._known.values())

    def learn(self, secret: bytes, given: bytes | None = None) -> bytes:
        """Take this for a secret from now on; return its placeholder, which may be given."""
        found = self._known.get(secret)
        if found is None:
            if given is None and self.number is not None:
                given = self.number(secret)
            found = self._known[secret] = (
                placeholder(len(self._known) + 1, secret) if given is None else given
            )
            self._placeholders.add(found)
            words = sorted(
                (one for one in self._known if len(one) >= MIN_SECRET_BYTES), key=len, reverse=True
            )
            self._literals = re.compile(b"|".join(map(re.escape, words))) if words else None
        return found

    def env(self, value: str, secret: str) -> str:
        """Return the value of a variable without the secret in it."""
        hidden = self.learn(secret.encode("utf-8", "surrogateescape"))
        return value.replace(secret, hidden.decode("utf-8", "surrogateescape"))

    def data(self, data: bytes) -> bytes:
        """Return ``data`` with placeholders."""
        return self.with_spans(data)[0]

    def with_spans(self, data: bytes) -> tuple[bytes, list[list[int]]]:
        """Return ``data`` with placeholders, and where they are: ``[start, end]`` each."""
        spans: list[list[int]] = []
        self.context = data
        # Patterns first: what is known already may be a part of what they find.
        result = data
        for pattern in self._patterns:
            result = self._by_pattern(pattern, result, spans)
        result = self._literally(result, spans)
        self.places_count += len(spans)
        return result, sorted(spans)

    def _literally(self, data: bytes, spans: list[list[int]]) -> bytes:
        if self._literals is None or self._literals.search(data) is None:
            return data

        def replaced(match: re.Match[bytes]) -> bytes:
            spans.append([match.start(), match.end()])
            return self._known[match.group()]

        return self._literals.sub(replaced, data)

    def find(self, data: bytes) -> list[tuple[int, int]]:
        """Return where ``data`` holds secrets that are not known yet."""
        return [
            span
            for pattern in self._patterns
            for match in pattern.finditer(data)
            for span in map(match.span, range(1, pattern.groups + 1) if pattern.groups else (0,))
            if span[0] < span[1]
            and data[span[0] : span[1]] not in self._known
            and not self.is_done(data[span[0] : span[1]])
        ]

    def _by_pattern(self, pattern: re.Pattern[bytes], data: bytes, spans: list[list[int]]) -> bytes:
        pieces: list[bytes] = []
        at = 0
        for match in pattern.finditer(data):
            for group in range(1, pattern.groups + 1) if pattern.groups else (0,):
                start, end = match.span(group)
                secret = data[start:end]
                if start < at or not secret or self.is_done(secret):
                    continue
                pieces += [data[at:start], self.learn(secret)]
                spans.append([start, end])
                at = end
        return data if not at else b"".join((*pieces, data[at:]))

    def text(self, text: str) -> str:
        """Return ``text`` with placeholders."""
        data = text.encode("utf-8", "surrogateescape")
        redacted = self.data(data)
        return text if redacted is data else redacted.decode("utf-8", "surrogateescape")

    def plain(self, value: Any) -> Any:
        """Return plain data (as a recording can hold) with placeholders, wherever there is text or bytes."""
        kind = type(value)
        if kind is bytes:
            return self.data(value)
        if kind is str:
            return self.text(value)
        if kind in (list, tuple):
            return [self.plain(item) for item in value]
        if kind is dict:
            return {self.text(key): self.plain(item) for key, item in value.items()}
        return value
