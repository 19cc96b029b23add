"""The program's own source, as a recording holds it.

Each source file of the program (a file that is part of no installed distribution and not of the
standard library) is an event, stored when it is imported; so are the few other facts that the import
system learnt of the program's folders: namespace packages, extension modules, the tables of contents
of zip files, and which installed distributions were imported. ``Sources`` collects them from the whole
file, before a replay starts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from replay.errors import UnreadableRecording
from replay.recording.events import Kind

_SOURCE_KEY: Final = -Kind.SOURCE
_FOUND_KEY: Final = -Kind.FOUND
_REDACTED_KEY: Final = -Kind.REDACTED
_NOTE_KEY: Final = -Kind.NOTE

ENVIRONMENT_NOTE: Final = (
    "os.environ was read as a whole: what was not read by name is a placeholder at replay "
    "(`replay record --keep-env NAME` keeps it)"
)

REDACTED_NOTE: Final = "redacted "
"""How the remark begins that says how much was redacted, and where."""

_MAX_SUSPECTS: Final = 8
"""More would hide what the message is about."""

FOLDER: Final = "folder"
EXTENSION: Final = "extension"
ARCHIVE: Final = "archive"
MEMBER: Final = "member"
DISTRIBUTION: Final = "distribution"
CACHED: Final = "cached"

Spans = list[list[int]]
"""``[start, end]`` of each piece of a text that was redacted; bytes."""


@dataclass(frozen=True, slots=True)
class Source:
    """One version of one source file.

    Args:
      name: the module, ``__main__`` for the script, empty if it was read as code without a name.
      is_package: whether the module is a package.
      path: absolute, as the recorded machine had it; a member of a zip file is ``archive/member``.
      sha256: of ``text``, in hexadecimal digits.
      text: the bytes of the file.
      loads: how often the file had been loaded before with another text.
      misses: how often the module had been looked for, and not found, before.
      spans: where the text holds placeholders.
    """

    name: str
    is_package: bool
    path: str
    sha256: str
    text: bytes
    loads: int
    misses: int
    spans: Spans

    def as_value(self) -> list[object]:
        """Return it as the value of its event."""
        return [
            self.name,
            self.is_package,
            self.path,
            self.sha256,
            self.text,
            self.loads,
            self.misses,
            self.spans,
        ]

    @classmethod
    def of_value(cls, value: Any) -> Source:
        """Return what an event says.

        Raises:
          UnreadableRecording: it is not what such an event can say.
        """
        match value:
            case [
                str(name),
                bool(is_package),
                str(path),
                str(sha256),
                bytes(text),
                int(loads),
                int(misses),
                list(spans),
            ] if all(type(one) is list and len(one) == 2 and set(map(type, one)) == {int} for one in spans):
                if hashlib.sha256(text).hexdigest() != sha256:
                    raise UnreadableRecording(
                        f"the recording's source of {path} is not the one it says it is"
                    )
                return cls(name, is_package, path, sha256, text, loads, misses, spans)
        raise UnreadableRecording(f"the recording holds no source where it says so: {value!r:.100}")

    def is_text(self, data: bytes) -> bool:
        """Whether ``data`` is this text, as far as it is known: redacted pieces may be anything."""
        if not self.spans:
            return data == self.text
        if len(data) != len(self.text):
            return False
        at = 0
        for start, end in [*self.spans, [len(data), len(data)]]:
            if data[at:start] != self.text[at:start]:
                return False
            at = end
        return True


@dataclass(slots=True)
class Sources:
    """What a recording holds of the program's source.

    Args:
      files: the versions of each file, in the order of loading.
      folders: portions of namespace packages.
      extensions: compiled modules, with the checksum of each.
      archives: the table of contents of each zip file that was imported from.
      members: other things read from them, by ``(archive, member)``.
      cached: loads of files whose code came from a cache, not from the compiler: ``(path, loads before)``.
      distributions: the installed distributions that were imported, with their versions.
      is_redacted: whether anything was redacted.
      notes: what could not be recorded, or was changed, in words.
    """

    files: dict[str, list[Source]] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    extensions: dict[str, str] = field(default_factory=dict)
    archives: dict[str, list[list[Any]]] = field(default_factory=dict)
    members: dict[tuple[str, str], bytes] = field(default_factory=dict)
    cached: set[tuple[str, int]] = field(default_factory=set)
    distributions: dict[str, str] = field(default_factory=dict)
    is_redacted: bool = False
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of_frames(cls, frames: Iterable[tuple[int, list[Any]]]) -> Sources:
        """Collect them from the frames of a recording, each of which is let go of.

        Raises:
          UnreadableRecording: an event is not what it says.
        """
        found = cls()
        for _, items in frames:
            keys = items[::2]
            found.is_redacted = found.is_redacted or _REDACTED_KEY in keys
            if _SOURCE_KEY in keys or _FOUND_KEY in keys:
                for key, value in zip(keys, items[1::2], strict=True):
                    if key == _SOURCE_KEY:
                        source = Source.of_value(value)
                        found.files.setdefault(source.path, []).append(source)
                    elif key == _FOUND_KEY:
                        found.add(value)
            if _NOTE_KEY in keys:
                found.notes += [
                    str(value) for key, value in zip(keys, items[1::2], strict=True) if key == _NOTE_KEY
                ]
        return found

    def add(self, value: Any) -> None:
        """Take over what an event about something other than a source says.

        Raises:
          UnreadableRecording: it is not what such an event can say.
        """
        match value:
            case ["folder", str(path)]:
                self.folders.add(path)
            case ["extension", str(path), str(sha256)]:
                self.extensions[path] = sha256
            case ["archive", str(path), list(entries)] if all(
                type(entry) is list and entry and type(entry[0]) is str for entry in entries
            ):
                self.archives[path] = entries
            case ["member", str(archive), str(name), bytes(data)]:
                self.members[archive, name] = data
            case ["cached", str(path), int(loads)]:
                self.cached.add((path, loads))
            case ["distribution", str(name), str(version)]:
                self.distributions[name] = version
            case _:
                raise UnreadableRecording(
                    f"the recording holds {value!r:.100} where something imported should be"
                )

    @property
    def suspects(self) -> list[str]:
        """What of the recording may make a replay go another way, each in words."""
        found = []
        if self.is_redacted:
            found.append(
                "secrets were redacted, and a replay has placeholders: "
                "the program may have looked into one, or made another out of it"
            )
        found += [note for note in dict.fromkeys(self.notes) if not note.startswith(REDACTED_NOTE)]
        return found[:_MAX_SUSPECTS]

    @property
    def modules(self) -> dict[str, Source]:
        """The first version of each module, by its name."""
        return {versions[0].name: versions[0] for versions in self.files.values() if versions[0].name}

    def newest(self, path: str) -> Source | None:
        """Return the last version of a file, or None if the program did not load it."""
        versions = self.files.get(path)
        return versions[-1] if versions else None

    def parents(self) -> set[str]:
        """Return each folder that holds something of the program, and all above it."""
        found: set[str] = set()
        inside = tuple(f"{archive}/" for archive in self.archives)
        for path in [*self.files, *self.folders, *self.extensions, *self.archives]:
            if not path.startswith(inside):
                found.update(str(parent) for parent in PurePosixPath(path).parents)
        return found | self.folders
