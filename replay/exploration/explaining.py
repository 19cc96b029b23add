"""What a shrunk set of decisions means, in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable

from replay.simulation import Failure, Taken

_ARRIVAL = re.compile(r"arrival (?P<channel>.+) (?P<nth>\d+)")
_CONNECTION = re.compile(r"(?P<name>.+) to (?P<side>server|client)")


def explain(decisions: Iterable[Taken], failure: Failure) -> str:
    """Return what has to happen, in order, and what comes of it."""
    by_what: dict[str, list[str]] = {}
    for key, _, option in decisions:
        by_what.setdefault(key, []).append(option)
    parts = [part for key, options in by_what.items() if (part := _part(key, options)) is not None]
    if not parts:
        return f"whatever comes first: {_consequence(failure)}"
    return f"{', and '.join(parts)}: {_consequence(failure)}"


def _part(key: str, options: list[str]) -> str | None:
    kind, _, label = key.partition(" ")
    option = options[-1] if len(options) == 1 else _joined(options)
    match kind:
        case "arrival":
            return f"{_arrival(key)} {_when(option)}"
        case "thread":
            return f"thread {label} goes on only {_when(option, 'goes on ')}".replace(
                "goes on only goes on", "goes on"
            )
        case "hand-over":
            late = "" if option.startswith("let") else f" {option.removesuffix(' late')}"
            return f"thread {label} is held up{late} in the middle of what it does"
        case "stall":
            step = label.partition(" before ")[2]
            return f"the loop is busy {_before(step)}{option.removeprefix('until ')} is due".replace(
                "  ", " "
            )
        case "batch" | "order":
            return f"{option.rpartition(' (')[0] or option} runs before {label}"
        case "exit":
            return f"{label} ends just before it is asked whether it has"
        case "cancel":
            task, _, text = label.partition(" at ")
            return f"{task} is cancelled while it waits at `{text}`"
        case _:
            return f"{key}: {option}"


def _joined(options: list[str]) -> str:
    """Return what several decisions about one thing come to: the last that says when."""
    said = [one for one in options if one != "later"]
    return said[-1] if said else "later"


def _arrival(key: str) -> str:
    found = _ARRIVAL.fullmatch(key)
    if found is None:
        return key
    channel, nth = found["channel"], int(found["nth"])
    if channel.startswith("exit of "):
        return f"the end of {channel.removeprefix('exit of ')}"
    connection = _CONNECTION.fullmatch(channel)
    if connection is None:
        return f"the {_ordinal(nth)} thing on {channel}"
    sender = "client" if connection["side"] == "server" else "server"
    return f"the {_ordinal(nth)} thing that the {sender} sends on {connection['name']}"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _when(option: str, verb: str = "arrives ") -> str:
    match option.partition(" ")[0]:
        case "later":
            return f"{verb}after what else is there"
        case "with":
            return f"{verb}in the same instant as {option.removeprefix('with ')}"
        case "after":
            return f"{verb}after {option.removeprefix('after ')}"
        case _:
            return f"{verb}{option}"


def _before(step: str) -> str:
    return "until " if step == "what came" else f"before {step} runs, until "


def _consequence(failure: Failure) -> str:
    message = failure.message.partition("\n")[0]
    match failure.kind:
        case "exception":
            return f"then {message[:200]}"
        case "deadlock":
            return "then nothing can ever go on"
        case "endless step":
            return "then a step never ends"
        case "endless run":
            return "then the program goes on and on"
        case _:
            return f"then {message[:200]}"
