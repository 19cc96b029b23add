"""The format of scenarios: each key, what its value looks like, and what it says.

Rules, faults and the world have the names here that the runtime knows them by. Where a value is a length of
time, it has its unit in YAML (``for: 2s``), and the plain value has it in its name (``for_s``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from replay.scenario.shapes import (
    Either,
    Flag,
    Items,
    Key,
    Keys,
    Length,
    Moment,
    Named,
    Only,
    Plain,
    Row,
    Seed,
    Shape,
    Tagged,
    Text,
    Whole,
    Word,
)

VERSION: Final = 1
"""Of the format: goes up when a file that was one is none any more, or means another thing."""

MAX_DECISIONS: Final = 5000
KINDS: Final = (
    "exception",
    "exit code",
    "signal",
    "deadlock",
    "endless step",
    "endless run",
    "invariant",
    "unhandled exception",
    "leak",
)
"""How a run may fail that did happen; see ``replay.simulation.Failure``."""
STRICT_KINDS: Final = ("unhandled exception", "leak")
"""Failures only for those who ask for them."""
ERRORS: Final = (
    "EACCES", "EBUSY", "EDQUOT", "EFBIG", "EINTR", "EIO", "EMFILE", "ENFILE", "ENOENT", "ENOMEM", "ENOSPC",
    "EPERM", "EROFS", "ESTALE", "ETIMEDOUT",
)  # fmt: skip
"""What files may be good for."""


def _key(shape: Shape, about: str, *, required: bool = False, plain: str | None = None) -> Key:
    return Key(shape, about, required, plain)


def _must(shape: Shape, about: str, *, plain: str | None = None) -> Key:
    return Key(shape, about, True, plain)


_TASK: Final = Text("the label of a task")
_TIMER: Final = Text("the label of the task that a timer is of")
_CODE: Final = Text("source text")
_CONNECTION: Final = Text("a connection: its label, `host:port`, or `*` for all")
_NTH: Final = _key(Whole(1), "which time, from 1; the first if left out")
_BYTES: Final = Whole(1)

_ANCHOR_KEYS: Final = {
    "task": _must(_TASK, "the label of a task"),
    "in": _key(Text("the name of a function"), "the function that it is in: its name, or its qualified name"),
    "at": _key(_CODE, "the source text of the `await` it is at, or of the line"),
    "state": _key(Word(("waiting", "ready", "any")), "how it is there; any if left out"),
}
_ANCHOR_KIND: Final = Keys(_ANCHOR_KEYS, any_of=("in", "at"))
ANCHOR: Final = Named("anchor", _ANCHOR_KIND)
"""A place that a task comes to."""

_ARRIVALS: Final = {
    "arrival": Keys({
        "arrival": _must(Text("the label of a channel"), "what comes there: `127.0.0.1:8080#1 to server`"),
        "nth": _NTH,
    }),
    "thread": Keys({"thread": _must(Text("the name of a thread"), "that it goes on"), "nth": _NTH}),
}  # fmt: skip
WHAT: Final = Named("what", Tagged("what arrives", _ARRIVALS))
"""Something of the outside."""

_TOGETHER: Final = Tagged(
    "what comes together",
    {**_ARRIVALS, "timer": Keys({"timer": _must(_TIMER, "that it is due: `main#1`")})},
)

CONDITION: Final = Named(
    "condition",
    Tagged(
        "a condition",
        {
            "task": _ANCHOR_KIND,
            "passed": Keys({"passed": _must(ANCHOR, "that a task was at a place once")}),
            "arrived": Keys({"arrived": _must(WHAT, "that something has come")}),
            "timer": Keys({"timer": _must(_TIMER, "in the same poll as this timer")}),
            "after_timer": Keys({"after_timer": _must(_TIMER, "after this timer")}),
            "time": Keys({"time": _must(Length(), "so long after the program began", plain="time_s")}),
        },
    ),
)
"""When something is to happen."""


def _fault(**keys: Key) -> Keys:
    return Keys({name.rstrip("_"): key for name, key in keys.items()})


_AT: Final = _must(Length(), "so long after the program began", plain="at_s")
_FROM_THEN: Final = _key(Length(), "from so long after the program began", plain="at_s")
_FOR: Final = _must(Length(), "for so long", plain="for_s")
_WHICH: Final = _must(_CONNECTION, "which one: its label, `host:port`, or `*` for all")
_AFTER_BYTES: Final = _key(Whole(0), "after so many bytes; at once if left out")
_PATH: Final = _must(Text("a path"), "which files: a path, with wildcards")
FAULTS: Final[Mapping[str, tuple[str, Keys]]] = {
    "reset": ("a connection is reset", _fault(connection=_WHICH, after_bytes=_AFTER_BYTES)),
    "refuse": (
        "connections are refused",
        _fault(connection=_WHICH, times=_key(_BYTES, "so many times; each time if left out")),
    ),
    "stall": (
        "nothing comes on a connection for a while",
        _fault(
            connection=_WHICH,
            at=_FROM_THEN,
            for_=_key(Length(), "for so long; for ever if left out", plain="for_s"),
        ),
    ),
    "drop": (
        "something that is sent is lost",
        _fault(
            to=_must(Text("a label"), "on which channel"),
            nth=_key(Whole(1), "which one, from 1; all if left out"),
        ),
    ),
    "partition": (
        "two hosts do not reach each other",
        _fault(
            between=_must(Row((Text(), Text()), "a list of two hosts"), "which two"),
            from_=_key(Length(), "from so long after the program began", plain="from_s"),
            until=_key(Length(), "until so long after the program began", plain="until_s"),
        ),
    ),
    "short_reads": (
        "less is read than is there",
        _fault(connection=_WHICH, bytes=_must(_BYTES, "so much at a time")),
    ),
    "short_writes": (
        "less is written than is asked for",
        _fault(connection=_WHICH, bytes=_must(_BYTES, "so much at a time")),
    ),
    "slow": (
        "a connection is slow",
        _fault(connection=_WHICH, bytes_per_s=_must(_BYTES, "so much in a second")),
    ),
    "crash": ("a host is gone", _fault(host=_must(Text("a host"), "which one"), at=_AT)),
    "disk_full": ("no space is left", _fault(path=_PATH, after_bytes=_AFTER_BYTES)),
    "io_error": ("a file cannot be used", _fault(path=_PATH, errno=_must(Word(ERRORS), "the error: `EIO`"))),
    "clock_jump": (
        "the time of day jumps",
        _fault(at=_AT, by=_must(Length(is_signed=True), "by so much, also back: `-1h`", plain="by_s")),
    ),
    "stalled_loop": ("the event loop does not go on for a while", _fault(at=_AT, for_=_FOR)),
    "late_thread": (
        "a thread is late",
        _fault(thread=_must(Text("the name of a thread"), "which one"), for_=_FOR),
    ),
}
FAULT: Final = Named(
    "fault",
    Tagged("a fault", {name: Keys({name: _must(keys, about)}) for name, (about, keys) in FAULTS.items()}),
)
"""Something that breaks."""

_UNTIL_TIMER: Final = Keys({"timer": _must(_TIMER, "of this task")})
_WHEN: Final = _must(CONDITION, "when it comes")
_WHEN_ONLY: Final = _key(CONDITION, "only then")
RULE: Final = Named(
    "rule",
    Tagged(
        "a rule",
        {
            "deliver": Keys({"deliver": _must(WHAT, "hold it, and let it come just then"), "when": _WHEN}),
            "hold": Keys({"hold": _must(WHAT, "hold it"), "until": _must(CONDITION, "until then")}),
            "together": Keys({
                "together": _must(Items(_TOGETHER, 2, 100), "let these come in one poll, in this order"),
                "when": _WHEN_ONLY,
            }),
            "stall": Keys({
                "stall": _must(
                    Keys({
                        "until": _must(_UNTIL_TIMER, "until a timer is due"),
                        "before": _key(
                            Text("the label of a task or the name of a function"),
                            "before the step of this task, or the call of this function",
                        ),
                    }),
                    "the loop is busy",
                ),
                "when": _must(ANCHOR, "at this place"),
                "nth": _NTH,
            }),
            "batch_order": Keys({
                "batch_order": _must(Items(_TASK, 1, 1000), "of tasks that can run (trio), these first"),
                "when": _WHEN_ONLY,
            }),
            "fault": Keys({"fault": _must(FAULT, "something breaks"), "when": _WHEN_ONLY}),
            "cancel": Keys({
                "cancel": _must(
                    Keys({
                        "task": _must(_TASK, "the label of the task"),
                        "at": _key(_CODE, "the source text of the `await`; the first if left out"),
                        "nth": _NTH,
                    }),
                    "a task is cancelled where it waits",
                ),
            }),
            "ended": Keys({
                "ended": _must(
                    Keys({"child": _must(Text("the label of a child"), "which one: `true#1`"), "nth": _NTH}),
                    "the end of a child is held until the program asks whether it has ended: then it has",
                ),
                "when": _key(ANCHOR, "only while a task is at this place"),
            }),
        },
    ),
)  # fmt: skip
"""What is to happen otherwise than by itself."""


def _low_to_high(pair: list[Plain]) -> str | None:
    return "the first is more than the second" if pair[0] > pair[1] else None


_WORLD: Final = Keys({
    "seed": _key(Whole(0), "what all randomness follows from; 0 if left out"),
    "start": _key(Moment(), "the time of day at which the program begins", plain="start_s"),
    "hosts": _key(Items(Text("the name of a host"), 0, 100), "names that can be looked up"),
    "network": _key(
        Keys({
            "latency": _key(
                Row((Length("ns"), Length("ns")), "a list of two lengths of time, from and to", _low_to_high),
                "how long data is on its way: from, to",
                plain="latency_ns",
            ),
        }),
        "what the network is like",
    ),
    "limits": _key(
        Keys({
            "each": _key(Length("ns"), "how late one thing may be", plain="each_ns"),
            "all": _key(Length("ns"), "how late all may be together", plain="all_ns"),
        }),
        "how late things may be that no rule holds",
    ),
    "faults": _key(Items(FAULT, 0, 100), "what breaks, whatever happens"),
    "real_subprocess": _key(Flag(), "child processes are started, as real ones; refused if left out"),
})  # fmt: skip

_SEED: Final = _key(Seed(), "of the draws; the world's if left out")
_POLICY: Final = Either(
    "`fifo`, `random`, or a mapping with `random` or `pct`",
    scalar=Word(("fifo", "random")),
    mapping=Tagged(
        "a policy",
        {
            "random": Keys({"random": _must(Keys({"seed": _SEED}), "whatever is late is drawn")}),
            "pct": Keys({
                "pct": _must(
                    Keys({
                        "seed": _SEED,
                        "depth": _must(Whole(1, 100), "how many things are late"),
                        "length": _key(Whole(1), "of about how many that can be; 100 if left out"),
                    }),
                    "a few late things are drawn beforehand",
                ),
            }),
        },
    ),
)  # fmt: skip

_FAILURE: Final = Either(
    "the type of an exception, a kind of failure, or a mapping",
    scalar=Text("the type of an exception, or a kind of failure"),
    mapping=Keys(
        {
            "type": _key(Text("the type of an exception"), "of the exception: its name, or its full name"),
            "message": _key(Text(), "found within what it says"),
            "kind": _key(Word(KINDS), "how the run fails; `exception` if left out"),
        },
        any_of=("type", "message", "kind"),
    ),
)
_EXPECT: Final = Keys(
    {
        "failure": _key(_FAILURE, "the program fails like this"),
        "from": _key(Text("the name of a file"), "the source file in which it fails"),
        "output": _key(
            Either("text, or a list of texts", scalar=Text(), sequence=Items(Text(), 1, 100)),
            "found within what the program prints",
        ),
        "exit_code": _key(Whole(0, 255), "the exit code of the program"),
        "deadlock": _key(
            Either("`true`, or a list of labels of tasks", scalar=Only(True), sequence=Items(_TASK, 1, 1000)),
            "nothing can ever happen; or: and these tasks wait then",
        ),
        "invariant": _key(
            Text("an expression"), "an expression over the globals of the main module, true at the end"
        ),
        "passes": _key(Flag(), "whether the run ends without a failure"),
        "strict": _key(
            Flag(), "exceptions that nobody saw to, sockets and threads left open are failures too"
        ),
    },
    apart=(
        ("failure", "deadlock"),
        ("exit_code", "deadlock"),
        ("passes", "failure"),
        ("passes", "deadlock"),
        ("passes", "from"),
    ),
)

_ARGUMENT: Final = Text("an argument")
_ARGUMENTS: Final = _key(Items(_ARGUMENT), "its arguments")
_PROGRAM: Final = Either(
    "a list (a script and its arguments), or a mapping with `module` or `command`",
    sequence=Items(_ARGUMENT, 1, 1000),
    mapping=Tagged(
        "a program",
        {
            "module": Keys(
                {"module": _must(Text("the name of a module"), "as after `python -m`"), "args": _ARGUMENTS}
            ),
            "command": Keys(
                {"command": _must(Text("a path"), "the script of an installed command"), "args": _ARGUMENTS}
            ),
        },
    ),
)

SCENARIO: Final = Keys(
    {
        "replay": _must(
            Only(VERSION, ", the version of the format"), f"the version of the format, {VERSION}"
        ),
        "name": _key(Text(), "what it is called; the file's name if left out"),
        "about": _key(Text(), "what it shows"),
        "program": _must(_PROGRAM, "what runs: [app.py, --fast], or {module: pkg.mod, args: [...]}"),
        "folder": _key(Text("a folder"), "where it runs, seen from the scenario's folder; there if left out"),
        "world": _key(_WORLD, "what the program finds"),
        "policy": _key(_POLICY, "decides what no rule decides; fifo if left out"),
        "any_order": _key(Flag(), "callbacks run in any order, also one that no real loop has"),
        "rules": _key(Items(RULE), "what happens otherwise than by itself"),
        "decisions": _key(
            Items(
                Row(
                    (Text("what it is about"), Whole(1), Text("an option")),
                    "a list: what, which time, option",
                ),
                0,
                MAX_DECISIONS,
            ),
            "decisions as a run took them, other than by default",
        ),
        "expect": _key(_EXPECT, "what must come of it; that it passes, if left out"),
        "on_unmet": _key(Word(("fail", "warn")), "what a rule that never matched means; fail if left out"),
    },
    apart=(("rules", "decisions"), ("policy", "decisions")),
)
"""A file."""
