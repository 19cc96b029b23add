"""List what is in a recording, one line for each event.

    replay events FILE                    everything
    replay events FILE 412..              from event #412 on
    replay events FILE @5..@7             what belongs to steps 5 to 7
    replay events FILE --task bob --kind socket,end

A range is A..B, A.., ..B or A alone, both ends included; an end is an event, `#N` or `N`, or a step, `@N`.
Kinds are those of the table of events, and names of doors (`socket.recv`) or of groups of doors (`socket`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from replay.cli.arguments import Parser
from replay.cli.output import json_text, write
from replay.cli.reading import (
    add_recording,
    json_condition,
    json_head,
    json_value,
    open_recording,
    task_label,
    tell_condition,
)
from replay.cli.style import Style, style_for
from replay.cli.text import pad, printable, shorten
from replay.errors import UsageError
from replay.options import ExitCode
from replay.positions import EventIndex, Place, Position, Range, check_place, parse_range
from replay.recording.describe import CHECKSUM_END, concerned, describe_value, event_name
from replay.recording.events import FIRST_DOOR, Kind, split_key
from replay.recording.merge import Event
from replay.recording.recording import Owner, Recording, find_task

VALUE_LIMIT: Final = 120
_OWNER_COLUMNS: Final = 18
_KIND_COLUMNS: Final = 18
_ABOUT_TASK: Final = frozenset({Kind.SPAWN, Kind.END, Kind.NAME, Kind.EAGER})
_SAYS_LINE: Final = ("ssl.do_handshake", "ssl.read", "ssl.write", "ssl.shutdown")
"""Calls of which a number is where OpenSSL says that it has to wait for the other side."""
_OUTPUTS: Final = {1: "stdout", 2: "stderr"}

Wanted = Callable[[Event, Owner], bool]


def configure(parser: Parser) -> None:
    """Add the arguments of `replay events`."""
    add_recording(parser)
    add_choice(parser)


def add_choice(parser: Parser) -> None:
    """Add what says which events are wanted."""
    parser.add_argument(
        "range", metavar="A..B", nargs="?", help="from one event (`#N`, `N`) or step (`@N`) to another"
    )
    parser.add_argument("--task", metavar="T", help="those of one task: its id, its name, or how that begins")
    parser.add_argument(
        "--kind", metavar="K", action="append", default=[], help="those of a kind or door; may be given again"
    )
    parser.add_argument("--full", action="store_true", help="values in full, however long")


def run(args: argparse.Namespace) -> int:
    """List the events."""
    wanted_range = range_of(args.range)
    with open_recording(args.recording) as recording:
        found = Selection(recording, wanted_range, args.task, args.kind)
        if args.json:
            _write_json(recording, found)
        else:
            style, limit = style_for(sys.stdout), None if args.full else VALUE_LIMIT
            for event, owner in found:
                write(event_line(event, owner, found, style, limit))
        found.check()
        if found.is_whole:
            tell_condition(recording)
    return ExitCode.FINE


def range_of(text: str | None) -> Range:
    """Return the range of events that was asked for.

    Raises:
      UsageError: it is none.
    """
    wanted = Range(None, None) if text is None else parse_range(text)
    for place in (wanted.first, wanted.last):
        if isinstance(place, Position) and place.line:
            raise UsageError(
                f"a recording knows no places inside a step: {place}",
                hint=f"`@{place.step}` is all of it",
            )
    return wanted


class Selection:
    """The events that were asked for.

    Attributes:
      names: of tasks, as far as they are known at the event that was yielded last.
      doors: their names, by tag.
      is_whole: none is left.
      is_checksum: the value of the event that was yielded last is that of bytes that go out.
      is_alone: nothing said before that the request of that event goes out.
    """

    def __init__(self, recording: Recording, wanted_range: Range, task: str | None, kinds: list[str]) -> None:
        self.names = recording.task_names()
        self.doors = recording.door_names
        self.is_whole = False
        self.is_checksum = self.is_alone = False
        self._recording = recording
        self._range = wanted_range
        self._wanted = _wanted(recording, task, kinds)
        self._asked: set[tuple[int, int]] = set()
        self._last: Event | None = None

    def __iter__(self) -> Iterator[tuple[Event, Owner]]:
        first, last = self._range.first, self._range.last
        for event, owner in self._recording.owned_events():
            self._last = event
            self.names.add(event)
            self._note(event)
            if first is not None and not _is_from(event, first):
                continue
            if last is not None and not _is_until(event, last):
                return
            if self._wanted(event, owner):
                yield event, owner
        self.is_whole = True

    def _note(self, event: Event) -> None:
        """See what the value of an event is, from those before it."""
        key = concerned(event.key, event.value)
        asked = (event.stream, key)
        is_effect = key != event.key and split_key(event.key)[0] == Kind.EFFECT
        self.is_alone = asked not in self._asked
        (self._asked.add if is_effect else self._asked.discard)(asked)
        self.is_checksum = (
            self.is_alone
            and key == event.key
            and event_name(key, self.doors) == "socket.send"
            and type(event.value) is int
            and 0 <= event.value < CHECKSUM_END
        )

    def check(self) -> None:
        """Refuse a range that begins behind the end of the recording."""
        if self.is_whole and self._range.first is not None:
            last = self._last
            steps_count, events_count = (0, 0) if last is None else (last.step, last.index + 1)
            check_place(self._range.first, steps_count=steps_count, events_count=events_count)


def _is_from(event: Event, first: Place) -> bool:
    return event.index >= first.index if isinstance(first, EventIndex) else event.step >= first.step


def _is_until(event: Event, last: Place) -> bool:
    return event.index <= last.index if isinstance(last, EventIndex) else event.step <= last.step


def _wanted(recording: Recording, task: str | None, kinds: list[str]) -> Wanted:
    """Return what says whether an event was asked for."""
    number = None if task is None else find_task(recording.tasks(), task).id
    names = kinds_of(recording, kinds) if kinds else None
    doors = recording.door_names

    def wanted(event: Event, owner: Owner) -> bool:
        if number is not None and owner.task != number and _about_task(event) != number:
            return False
        if names is None:
            return True
        key = event.key
        inner = concerned(key, event.value)
        return event_name(key, doors) in names or (inner != key and event_name(inner, doors) in names)

    return wanted


def kinds_of(recording: Recording, words: list[str]) -> frozenset[str]:
    """Return the names of kinds and doors that these words mean.

    Raises:
      UsageError: there is no such kind.
    """
    known = {"step", *(kind.name.lower() for kind in Kind), *recording.door_names.values()}
    found: set[str] = set()
    for word in (part.strip() for text in words for part in text.split(",")):
        names = {name for name in known if name == word or name.startswith(f"{word}.")} if word else set()
        if not names:
            near = get_close_matches(word, sorted(known | {name.split(".")[0] for name in known}), n=1)
            hint = (
                f"did you mean `{near[0]}`?"
                if near
                else "kinds are: step, " + ", ".join(kind.name.lower() for kind in Kind)
            )
            raise UsageError(f"no such kind of event: {word}", hint=hint)
        found |= names
    return frozenset(found)


def _about_task(event: Event) -> int:
    """Return the task that an event says something about, 0 if it is about none."""
    if event.key >= 0 or split_key(event.key)[0] not in _ABOUT_TASK:
        return 0
    value = event.value[0] if isinstance(event.value, list) and event.value else event.value
    return value if type(value) is int else 0


def event_line(event: Event, owner: Owner, found: Selection, style: Style, limit: int | None) -> str:
    """Return an event as one line, with its value in about ``limit`` characters."""
    value = printable(event_value(event, found, limit))
    return line_of(event, owner, found, style, value)


def event_value(event: Event, found: Selection, limit: int | None) -> str:
    """Return what an event says, in about ``limit`` characters."""
    if event.key >= 0:
        return ""
    if found.is_checksum:
        return f"goes out, checksum {event.value:08x}"
    name = event_name(event.key, found.doors)
    if found.is_alone and type(event.value) is int and name in _SAYS_LINE:
        return "raises ssl.SSLWantReadError"
    return describe_value(event.key, event.value, limit)


def line_of(event: Event, owner: Owner, found: Selection, style: Style, value: str) -> str:
    """Return an event as one line, with a value."""
    return (
        f"{style('dim', pad(f'#{event.index}', 6))} {style('position', pad(f'@{event.step}', 5))} "
        f"{style('name', pad(shorten(_label(owner, found), _OWNER_COLUMNS), _OWNER_COLUMNS))} "
        f"{pad(printable(_kind(event, found.doors)), _KIND_COLUMNS)} {value}".rstrip()
    )


def _kind(event: Event, doors: Mapping[int, str]) -> str:
    """Return what an event is, and the descriptor it is about; an effect or an error is its request's."""
    key = concerned(event.key, event.value)
    name = event_name(key, doors)
    if key >= 0:
        return name
    tag, fd = split_key(key)
    if tag == Kind.OUTPUT:
        return f"{name} {_OUTPUTS.get(fd, fd)}"
    about = "connection" if name.startswith("ssl.") else "fd"
    return f"{name} {about}={fd}" if fd and tag >= FIRST_DOOR else name


def _label(owner: Owner, found: Selection) -> str:
    thread = f"thread {owner.stream}" if owner.stream else ""
    match owner.kind:
        case "task":
            return task_label(owner.task, found.names.of(owner.task))
        case "outside":
            return thread or "main"
        case _:
            return f"{owner.kind} ({thread})" if thread else owner.kind


def _write_json(recording: Recording, found: Selection) -> None:
    """Write one object, an event a line; not all events at once, they may be many."""
    head = json_text(json_head(recording))
    sys.stdout.write(f'{head[:-1]}, "events": [')
    separator = "\n"
    for event, owner in found:
        sys.stdout.write(separator + json_text(event_json(event, owner, found)))
        separator = ",\n"
    unknown = {"damage": None, "cut": None, "running": None}
    tail = json_text(json_condition(recording) if found.is_whole else unknown)
    sys.stdout.write(f"\n], {tail[1:]}\n")


def event_json(event: Event, owner: Owner, found: Selection) -> dict[str, object]:
    """Return an event as JSON."""
    key = concerned(event.key, event.value)
    about = (split_key(key)[1] or None) if key < 0 else None
    is_of_tls = event_name(key, found.doors).startswith("ssl.")
    return {
        "event": f"#{event.index}",
        "pos": f"@{event.step}",
        "thread": event.stream,
        "owner": owner.kind,
        "task": f"T{owner.task}" if owner.kind == "task" else None,
        "kind": event_name(event.key, found.doors),
        "fd": None if is_of_tls else about,
        "connection": about if is_of_tls else None,
        "value": json_value(event.value),
        "is_checksum": found.is_checksum,
    }
