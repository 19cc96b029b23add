"""The program's environment: ``os.environ``, the time zone, and what is kept of both.

A recording keeps the values of the variables that are named here, and the names and lengths of all
others. What the program reads of the others by name (``os.environ[name]``, ``get``, ``in``,
``os.getenv``) is recorded when it does; what it only sees by going through all of them is a
placeholder at replay. A value whose name looks like a secret's never enters the recording.

``os.environ`` stays what it is. Only the dictionary below it is ours.
"""

from __future__ import annotations

import fnmatch
import os
import re
import sys
import time
from _collections_abc import ItemsView, KeysView, ValuesView
from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Final

from replay.recording.redaction import MIN_SECRET_BYTES, Redactor
from replay.recording.sources import ENVIRONMENT_NOTE
from replay.runtime.streams import current

if TYPE_CHECKING:
    from replay.runtime.boundary.install import Installer

ENVIRONMENT: Final = frozenset(
    """
    HOME LANG LANGUAGE LC_ALL LC_COLLATE LC_CTYPE LC_MESSAGES LC_MONETARY LC_NUMERIC LC_TIME
    CI COLORTERM COLUMNS DEBUG FORCE_COLOR HOSTNAME LINES LOGNAME NO_COLOR OLDPWD PATH PWD SHELL SHLVL
    TEMP TERM TMP TMPDIR TZ USER VIRTUAL_ENV XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_RUNTIME_DIR _
    PYTEST_CURRENT_TEST PYTHONASYNCIODEBUG PYTHONBREAKPOINT PYTHONCOERCECLOCALE PYTHONDEVMODE
    PYTHONDONTWRITEBYTECODE PYTHONFAULTHANDLER PYTHONHASHSEED PYTHONINTMAXSTRDIGITS PYTHONIOENCODING
    PYTHONMALLOC PYTHONNODEBUGRANGES PYTHONOPTIMIZE PYTHONPATH PYTHONPYCACHEPREFIX PYTHONSAFEPATH
    PYTHONTRACEMALLOC PYTHONUNBUFFERED PYTHONUTF8 PYTHONWARNDEFAULTENCODING PYTHONWARNINGS
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
"""Variables whose values are kept in every recording, if nobody says otherwise."""

_STARTUP: Final = re.compile("LANG|LANGUAGE|LC_[A-Z]+|PYTHON[A-Z]+|TZ")
_NEEDED_TO_START: Final = frozenset(("PYTHONHOME", "PYTHONPATH", "PYTHONHASHSEED"))

_SECRET: Final = re.compile(
    "KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|PRIVATE|AUTH|COOKIE|SIGNATURE"
    "|(^|_)(PASS|PWD|PW|DSN|SALT|PIN)($|_)",
    re.IGNORECASE,
)
_HARMLESS: Final = re.compile(r"-?\d{0,6}|true|false|yes|no|on|off|none|null", re.IGNORECASE)
_URL_PASSWORD: Final = re.compile(r"://[^/@\s:]*:([^/@\s]+)@")

DOOR: Final = "environ"
_ZONES: Final = ("/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo")
_MAX_ZONE_BYTES: Final = 1 << 16


def looks_secret(name: str) -> bool:
    """Whether the value of a variable of this name had better not be kept."""
    return _SECRET.search(name) is not None


def secret_of(name: str, value: str) -> str | None:
    """Return what of a variable's value is secret: all, the password in a URL, or nothing (None)."""
    if looks_secret(name):
        return None if _HARMLESS.fullmatch(value) else value
    found = _URL_PASSWORD.search(value)
    return found.group(1) if found is not None else None


def secrets_in(texts: Iterable[str]) -> list[str]:
    """Return the secrets of the environment that also stand in ``texts``, such as the arguments."""
    found = (secret_of(name, value) for name, value in os.environ.items() if name not in ENVIRONMENT)
    return [
        one for one in found if one and len(one) >= MIN_SECRET_BYTES and any(one in text for text in texts)
    ]


def kept(patterns: Iterable[str], redacted: frozenset[str]) -> frozenset[str]:
    """Return the names of the variables whose values are kept.

    Args:
      patterns: further names, or with wildcards for all that match and do not look like a secret's.
      redacted: names whose values are not kept in any case.
    """
    further = {
        name
        for pattern in patterns
        for name in fnmatch.filter(os.environ, pattern)
        if name == pattern or not looks_secret(name)
    }
    return (ENVIRONMENT | further) - redacted


def describe(kept: frozenset[str]) -> dict[str, Any]:
    """Return what the header says of the environment: of the variables in ``kept``, their values."""
    return {
        "environment": {name: value for name, value in os.environ.items() if name in kept},
        "environment_lengths": {name: len(os.fsencode(value)) for name, value in os.environ.items()},
        "timezone": _zone(),
    }


def startup(header: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment to start the interpreter of a replay in.

    It is the one here, but for what the interpreter takes its settings from when it starts.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _NEEDED_TO_START or not _STARTUP.fullmatch(name)
    }
    recorded = {
        name: value
        for name, value in header["environment"].items()
        if name not in _NEEDED_TO_START and _STARTUP.fullmatch(name)
    }
    return kept | recorded


# -- the time zone ------------------------------------------------------------------------------------------


def _zone() -> dict[str, Any]:
    """Return the zone of local time: its rules as a file, or as text where there is no file."""
    name = os.environ.get("TZ")
    data = b""
    for path in _zone_files(name):
        try:
            with open(path, "rb") as file:
                data = file.read(_MAX_ZONE_BYTES)
        except OSError:
            continue
        if data.startswith(b"TZif"):
            break
        data = b""
    return {"name": name, "data": data, "names": list(time.tzname), "offset_s": -time.timezone}


def _zone_files(name: str | None) -> list[str]:
    if name is None:
        return ["/etc/localtime"]
    name = name.removeprefix(":")
    if not name:
        return []
    if name.startswith("/"):
        return [name]
    return [os.path.join(folder, name) for folder in (os.environ.get("TZDIR", _ZONES[0]), *_ZONES)]


def _restore_zone(zone: Mapping[str, Any]) -> None:
    """Make local time that of the recording, without a word of it in ``os.environ``."""
    if not zone["data"]:
        os.putenv("TZ", zone["name"] if zone["name"] is not None else "UTC0")
        time.tzset()
        return
    # The C library reads the file once, now, and again only when TZ has changed.
    descriptor = os.memfd_create("zone")
    try:
        os.write(descriptor, zone["data"])
        os.putenv("TZ", f":/proc/self/fd/{descriptor}")
        time.tzset()
    finally:
        os.close(descriptor)


# -- os.environ ---------------------------------------------------------------------------------------------


class _Variables(dict[bytes, bytes]):
    """The dictionary below ``os.environ``: knows which values the other run has.

    A variable that is not kept is recorded when a thread first reads it, and again after each change: the
    program may put back what it copied, which at replay is a placeholder.
    """

    __slots__ = ("hidden", "is_iterating", "read", "seen")

    hidden: frozenset[bytes]
    is_iterating: Callable[[], bool]
    read: Callable[[bytes, bytes], bytes]
    seen: dict[bytes, set[int]]

    def __getitem__(self, key: bytes) -> bytes:
        value = super().__getitem__(key)
        stream = current.stream
        if key in self.hidden and stream is not None and not self.is_iterating():
            streams = self.seen.setdefault(key, set())
            if stream.number not in streams:
                streams.add(stream.number)
                value = self.read(key, value)
                super().__setitem__(key, value)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.seen.pop(key, None)
        super().__setitem__(key, value)

    def __delitem__(self, key: bytes) -> None:
        self.seen.pop(key, None)
        super().__delitem__(key)


_COPYING: Final = frozenset((ItemsView.__iter__.__code__, ValuesView.__iter__.__code__))
_STEPPING: Final[frozenset[CodeType]] = frozenset(
    (type(os.environ).__iter__.__code__, KeysView.__iter__.__code__)
)


class _Iteration:
    """Tells reading all variables (``dict(os.environ)``, ``items()``) from reading one.

    Both come by the same method. What copies the whole asks for the names and for the values from one
    and the same instruction.
    """

    def __init__(self) -> None:
        self._last: tuple[CodeType, int] | None = None
        self.was_seen = False

    def watch(self, environ: Any) -> None:
        """Notice each name that goes by."""
        decode = environ.decodekey

        def decodekey(key: bytes) -> Any:
            frame: FrameType | None = sys._getframe(1)
            if frame is not None and frame.f_code in _STEPPING:
                while frame is not None and frame.f_code in _STEPPING:
                    frame = frame.f_back
                self._last = None if frame is None else (frame.f_code, frame.f_lasti)
            return decode(key)

        environ.decodekey = decodekey

    def is_running(self) -> bool:
        """Whether the value being asked for is asked for as one of all."""
        frame = sys._getframe(4)
        found = frame.f_code in _COPYING or self._last == (frame.f_code, frame.f_lasti)
        self.was_seen = self.was_seen or found
        return found


def _put_in_place(
    hidden: Iterable[str], read: Callable[[bytes, bytes], bytes], on_iteration: Callable[[], None]
) -> None:
    variables = _Variables(os.environ._data)  # type: ignore[attr-defined]
    iteration = _Iteration()

    def is_iterating() -> bool:
        before = iteration.was_seen
        found = iteration.is_running()
        if found and not before:
            on_iteration()
        return found

    variables.hidden = frozenset(map(os.fsencode, hidden))
    variables.read, variables.is_iterating, variables.seen = read, is_iterating, {}
    for environ in (os.environ, os.environb):
        environ._data = variables  # type: ignore[union-attr]
        iteration.watch(environ)


def record(
    boundary: Installer, kept: frozenset[str], redacted: frozenset[str], learn: Callable[[str], Redactor]
) -> None:
    """Record what the program reads of the environment from now on.

    Args:
      kept: names whose values are in the header.
      redacted: names whose values are not kept in any case.
      learn: turns redaction on for a secret, if it is not on, and returns the redactor.
    """
    world = boundary.world
    key = -boundary.names.add(DOOR)

    def read(name: bytes, value: bytes) -> bytes:
        asked, text = os.fsdecode(name), os.fsdecode(value)
        secret = text if asked in redacted else secret_of(asked, text)
        if secret:
            text = learn(secret).env(text, secret)
        world.event(current.stream, key, [asked, text])
        return value

    def on_iteration() -> None:
        world.note(ENVIRONMENT_NOTE)

    _put_in_place(set(os.environ) - kept, read, on_iteration)


def restore(header: Mapping[str, Any]) -> None:
    """Make the environment of this process the recorded one."""
    lengths: Mapping[str, int] = header["environment_lengths"]
    values: Mapping[str, str] = header["environment"]
    os.environ.clear()
    for name, length in lengths.items():
        value = values.get(name)
        os.environ[name] = "x" * length if value is None else value
    _restore_zone(header["timezone"])


def replay(boundary: Installer, header: Mapping[str, Any]) -> None:
    """Answer what the program reads of the environment from now on."""
    world = boundary.world
    key = -boundary.names.add(DOOR)

    def read(name: bytes, _: bytes) -> bytes:
        stream = current.stream
        asked = os.fsdecode(name)
        text, value = stream.take(key, lambda: f"environ {asked}")
        if text != asked:
            stream.pos -= 2
            world.diverge(stream, f"environ {text}", f"environ {asked}")
        os.putenv(asked, value)
        return os.fsencode(value)

    _put_in_place(set(header["environment_lengths"]) - set(header["environment"]), read, lambda: None)
