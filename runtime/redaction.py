"""Redaction at work: what is written while recording, and what is compared at replay.

Nothing of this is in place, and nothing costs anything, until there is a secret to look for. Then
the writer of the recording is wrapped, and the two functions that checksums are computed with are
exchanged in the modules that use them.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from replay.quantities import counted
from replay.recording import codec
from replay.recording.describe import event_name
from replay.recording.events import TAG_BITS, Kind
from replay.recording.redaction import Redactor, can_be_kept, is_placeholder
from replay.recording.sources import REDACTED_NOTE
from replay.recording.writer import RecordingWriter
from replay.runtime import real
from replay.runtime.boundary import sockets
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, replace, without_self
from replay.runtime.hot import hot
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip

_FOUND_KEY: Final = -Kind.FOUND
_REDACTED_KEY: Final = -Kind.REDACTED
_SOURCE_KEY: Final = -Kind.SOURCE
_REDACTED: Final = frozenset(
    ("argv", "cwd", "environment", "executable", "first_path", "path", "prefix", "script", "timezone")
)
"""What of the header is redacted: what whoever ran the program wrote; never what a replay needs to start."""

_send = real.Socket.send


def describe(patterns: list[str], names: list[str]) -> dict[str, Any]:
    """Return what the header says of it: no pattern that spells a secret out, and no value."""
    return {
        "patterns": [pattern for pattern in patterns if can_be_kept(pattern)],
        "patterns_count": len(patterns),
        "names": names,
    }


def _exchange(checksum: Callable[[Any], int], bytes_checksum: Callable[[Any], int]) -> None:
    """Compute checksums of redacted data from now on, wherever the boundary computes them."""
    for name, module in list(sys.modules.items()):
        if name.startswith("replay.runtime."):
            namespace = vars(module)
            for key, value in list(namespace.items()):
                if value is codec.checksum:
                    namespace[key] = checksum
                elif value is codec.bytes_checksum:
                    namespace[key] = bytes_checksum


class _RedactingWriter:
    """Puts events into the recording with placeholders for secrets."""

    def __init__(self, writer: RecordingWriter, redactor: Redactor, counts: Counter[int]) -> None:
        self._writer = writer
        self._redactor = redactor
        self._counts = counts

    def put(self, stream: int, items: list[Any]) -> None:
        """Append the events of one stream, redacted."""
        redactor = self._redactor
        before = redactor.places_count
        redacted: list[Any] = []
        for key, value in zip(items[::2], items[1::2], strict=True):
            redacted += (key, self._redacted(key, value))
            if redactor.places_count > before:
                self._counts[key] += redactor.places_count - before
                before = redactor.places_count
        self._writer.put(stream, redacted)

    def _redacted(self, key: int, value: Any) -> Any:
        plain = self._redactor.plain
        match value:
            # Checksums and versions are no secrets, whatever they look like; the text is redacted already.
            case [name, is_package, path, *rest] if key == _SOURCE_KEY:
                return [plain(name), is_package, plain(path), *rest]
            case ["extension" | "distribution" as what, name, known] if key == _FOUND_KEY:
                return [what, plain(name), known]
            case _:
                return plain(value)

    def last_words(self, stream: int, items: list[Any]) -> bool:
        """Append one more frame to a writer that has failed."""
        return self._writer.last_words(stream, self._redactor.plain(items))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


class Redaction:
    """The redaction of one recorded run."""

    def __init__(self, patterns: list[str], values: list[str]) -> None:
        self.redactor = Redactor(patterns)
        self.is_on = False
        self.is_wanted = bool(patterns or values)
        self._counts: Counter[int] = Counter()
        self._boundary: Installer
        for value in values:
            self.redactor.learn(value.encode("utf-8", "surrogateescape"))

    def header(self, header: dict[str, Any]) -> dict[str, Any]:
        """Return the header with placeholders."""
        return {
            name: self.redactor.plain(value) if name in _REDACTED else value for name, value in header.items()
        }

    def install(self, boundary: Installer) -> None:
        """Redact everything from now on, if there is anything to look for."""
        self._boundary = boundary
        if self.is_wanted:
            self.turn_on()

    def learn(self, secret: str) -> Redactor:
        """Look for this too from now on."""
        if not self.is_on:
            self.turn_on()
        self._counts[-self._boundary.names.add("environ")] += 1
        return self.redactor

    def turn_on(self) -> None:
        """Put redaction in place."""
        self.is_on = True
        world = self._boundary.world
        redactor = self.redactor
        writer = _RedactingWriter(world._writer, redactor, self._counts)
        world.open(writer)
        world.redactor = redactor
        hot.is_redacting = True
        checksum, bytes_checksum = codec.checksum, codec.bytes_checksum

        def of_plain(plain: Any) -> int:
            known = redactor.secrets_count
            redacted = redactor.plain(plain)
            if redactor.secrets_count > known:
                self._announce(known)
            return checksum(redacted)

        def of_bytes(data: Any) -> int:
            known = redactor.secrets_count
            redacted = redactor.data(bytes(data))
            if redactor.secrets_count > known:
                self._announce(known)
            return bytes_checksum(redacted)

        _exchange(of_plain, of_bytes)
        door = Door(
            "socket.send", request=without_self, fd=sockets._fd, effect=True, blocking=sockets._may_wait
        )
        general = self._boundary.bind(door, _send)

        def send(sock: Any, data: Any, flags: int = 0, /) -> int:
            try:
                return general(sock, data, flags)  # type: ignore[no-any-return]
            except BaseException as error:
                strip(error)
                raise

        replace(real.Socket, "send", send)
        self._announce(redactor.secrets_count)

    def _announce(self, known: int) -> None:
        """Write down the placeholders of secrets that were met just now, before the request they are in."""
        stream = current.stream
        if stream is None:
            return
        # The key of an event may wait for its value: an event never goes in between.
        at = len(stream.items) & ~1
        stream.items[at:at] = (_REDACTED_KEY, self.redactor.placeholders()[known:])

    def summary(self) -> str:
        """Return how much was redacted, and where, in one line; empty if nothing was looked for."""
        if not self.is_on:
            return ""
        names = {tag: name for name, tag in self._boundary.names.tags.items()}
        counts: Counter[str] = Counter()
        for key, count in self._counts.items():
            counts[event_name(key, names)] += count
        places = ", ".join(f"{name} {count}" for name, count in counts.most_common())
        where = f" in {places}" if places else ", found nowhere"
        return f"{REDACTED_NOTE}{counted(self.redactor.secrets_count, 'secret')}{where}"


def replay(boundary: Installer, header: dict[str, Any]) -> None:
    """Redact what the replayed program makes of its own before it is compared."""
    world = boundary.world
    given: dict[int, list[bytes]] = {}

    def met(stream: Any, value: Any) -> None:
        given[stream.number] = list(value)

    world.met[_REDACTED_KEY] = met
    patterns: list[str] = header["redaction"]["patterns"]
    if not patterns:
        return
    redactor = Redactor(patterns)
    redactor.is_done = is_placeholder

    def number(secret: bytes) -> bytes | None:
        stream = current.stream
        waiting = given.get(stream.number) if stream is not None else None
        while waiting:
            found = waiting.pop(0)
            # One that is there already came in as it is.
            if len(found) == len(secret) and found not in redactor.context:
                return found
        return None

    redactor.number = number
    checksum, bytes_checksum = codec.checksum, codec.bytes_checksum
    _exchange(
        lambda plain: checksum(redactor.plain(plain)),
        lambda data: bytes_checksum(redactor.data(bytes(data))),
    )
    output, event = world.output, world.event

    def redacted_output(fd: int, target: int, data: bytes) -> int:
        stream = current.stream
        if stream is not None and stream.peek() == -(Kind.OUTPUT | target << TAG_BITS):
            _align(redactor, stream.items[stream.pos + 1][1], data)
        return output(fd, target, redactor.data(data))  # type: ignore[no-any-return]

    def redacted_event(stream: Any, key: int, value: Any) -> None:
        event(stream, key, redactor.plain(value))

    world.output, world.event = redacted_output, redacted_event


def _align(redactor: Redactor, recorded: bytes, observed: bytes) -> None:
    """Learn the placeholders of secrets that are met first in output, from the recorded output."""
    if len(recorded) != len(observed):
        return
    for start, end in redactor.find(observed):
        redactor.learn(observed[start:end], recorded[start:end])
