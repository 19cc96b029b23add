"""The table of event types: what a recording can hold, and how one event is spelt.

A recording is a set of streams, one for each thread of the program. A stream is a flat sequence of
pairs ``key, value``; a pair is one event.

* ``key >= 0`` is a **step**: the turn of task ``key`` (0: a callback that belongs to no task). The
  value is its start, in nanoseconds since the last start that was measured in the same stream, or
  ``UNMEASURED``.
* ``key < 0`` is everything else: ``-key & TAG_MASK`` is the tag, ``-key >> TAG_BITS`` is the file
  descriptor (or another small ordinal) that the event is about, 0 if there is none. Tags below
  ``FIRST_DOOR`` are the kinds of the table below: fixed numbers, never reused. Tags from
  ``FIRST_DOOR`` on are doors: they index the list of door names in the recording's own header, so
  that a new door renumbers nothing.

Pairs of plain integers and bytes are what can be appended fastest from Python (two ``list.append``)
and encoded fastest in bulk; see ``docs/architecture.md`` for the figures.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

FORMAT_VERSION: Final = 1
"""Goes up with every change of the file format or of the meaning of an event."""

TAG_BITS: Final = 9
TAG_MASK: Final = (1 << TAG_BITS) - 1
FIRST_DOOR: Final = 32
OF_TRIO: Final = 2
"""In the fd part of a NAME: the task is one of trio's, which all have a name from the start."""
UNMEASURED: Final = -1
"""In the place of a step's start: it shares the time until the next that is measured with the one before."""
CANCELLED: Final = 1
ORDERED: Final = 2
"""In the fd part of a DECIDED: what was decided."""
DURATION: Final = "duration_ns"
"""What EXIT says of how long the run took."""

NO_LOCK_MORE: Final = -1
"""In the place of a lock's number: the thread outlived the program, and took no further one."""


class Kind(IntEnum):
    """Tags of events that are not calls of doors. Numbers are never reused."""

    POLL = 1
    ERROR = 2
    TURN = 3
    CLOCK = 4
    ARRIVALS = 5
    OUTPUT = 6
    SPAWN = 7
    END = 8
    EAGER = 9
    LOOP = 10
    GC = 11
    SIGNAL = 12
    SOURCE = 13
    NOTE = 14
    SHORT = 15
    THREAD = 16
    BEGIN = 17
    FINISH = 18
    EXIT = 19
    LOCK = 20
    SITE = 21
    NAME = 23
    EFFECT = 24
    TAKEN = 25
    FOUND = 26
    REDACTED = 27
    DECIDED = 28


class Row(NamedTuple):
    """One row of the table: what an event of this kind says."""

    kind: Kind
    value: str
    meaning: str


TABLE: Final[tuple[Row, ...]] = (
    Row(Kind.POLL, "[[fd, mask], ...] or 0", "the loop looked for readiness and got this batch"),
    Row(Kind.ERROR, "[key, error, checksum]", "the request of that key ended with this exception"),
    Row(Kind.TURN, "number", "the next event is a hand-off between threads; its global order"),
    Row(Kind.CLOCK, "ns since the last CLOCK", "the loop read its clock"),
    Row(Kind.ARRIVALS, "[[stream, n], ...]", "callbacks from other threads, taken in this order"),
    Row(Kind.OUTPUT, "[order, bytes]", "the program wrote these bytes to descriptor 1 or 2"),
    Row(Kind.SPAWN, "task", "the running step created a task; fd part: the site where it did, or 0"),
    Row(Kind.END, "[task, outcome]", "a task ended: 0 returned, 1 cancelled, else [type, message]"),
    Row(Kind.EAGER, "task, or 0", "the eager first step of a task begins inside its parent's; 0: it ends"),
    Row(Kind.LOOP, "1 or 0", "a loop begins to run, or stops"),
    Row(Kind.GC, "generation", "garbage was collected here"),
    Row(
        Kind.SIGNAL,
        "number",
        "a signal was delivered here; fd part 1: as part of the event before; 2: that handler is over",
    ),
    Row(
        Kind.SOURCE,
        "[name, is_package, path, sha256, text, loads, misses, spans]",
        "a source file of the program, as it was imported",
    ),
    Row(Kind.NOTE, "text", "something that could not be recorded, or was changed"),
    Row(Kind.SHORT, "count", "the send just before took only so many bytes"),
    Row(Kind.THREAD, "[stream, ident]", "a thread was started; fd part 1: the stream of a child's output"),
    Row(Kind.BEGIN, "[ident, native_id]", "first event of a thread's stream"),
    Row(Kind.FINISH, "0", "last event of a thread's stream"),
    Row(
        Kind.EXIT,
        "[how, detail, cost]",
        "last event of a recording: how the program ended; fd part 1: it was stopped there, by whatever",
    ),
    Row(
        Kind.LOCK,
        "[lock, outcome, passed]",
        "a lock changed hands (1), was not to be had (0), or a signal broke the wait (2);"
        " lock -1: no further one",
    ),
    Row(
        Kind.SITE,
        "[site, path, line, qualname, coroutine]",
        "introduces a place that makes tasks, and what they run",
    ),
    Row(
        Kind.NAME,
        "[task, name]",
        "a task got this name; fd part 1: when it was created; 2: so, and it is a task of trio",
    ),
    Row(Kind.EFFECT, "[key, checksum]", "the request of that key is about to go out; its result follows"),
    Row(Kind.TAKEN, "[stream, n]", "the n-th item that a thread put into a queue was taken from it"),
    Row(Kind.FOUND, "[what, ...]", "something else that was found by an import"),
    Row(
        Kind.REDACTED,
        "[placeholder, ...]",
        "what stands for secrets that are met first in the request after this",
    ),
    Row(
        Kind.DECIDED,
        "[what, n, option], task, or place",
        "a decision of a simulated run other than the default; fd part 1: that task was cancelled from"
        " outside; 2: of what was ready, only what is at this place ran in this turn",
    ),
)


def key_of(tag: int, fd: int = 0) -> int:
    """Return the key of an event of this tag, about descriptor ``fd``."""
    assert 0 < tag <= TAG_MASK
    assert fd >= 0
    return -(tag | fd << TAG_BITS)


def split_key(key: int) -> tuple[int, int]:
    """Return ``(tag, fd)`` of a key that is not a step's."""
    assert key < 0
    return -key & TAG_MASK, -key >> TAG_BITS
