"""What a task waits for, in words; from the answers that ``Session.inspect`` gives."""

from __future__ import annotations

from typing import Any

from replay.cli.reading import task_label
from replay.cli.repl.state import State
from replay.cli.text import counted, printable

_MOST = 4
_ORDINALS = {1: "1st", 2: "2nd", 3: "3rd"}

Wait = dict[str, Any]


def label(state: State, number: int) -> str:
    """Return how a task is called: id and name."""
    return task_label(number, state.owner_name(f"T{number}"))


def labels(state: State, numbers: list[int]) -> str:
    """Return some tasks, the first few by name."""
    some = ", ".join(label(state, number) for number in numbers[:_MOST])
    return f"{some} and {len(numbers) - _MOST} more" if len(numbers) > _MOST else some


def place_text(state: State, place: dict[str, Any] | None) -> str:
    """Return a line of a function."""
    if place is None:
        return ""
    return f"{printable(place['function'])} {printable(state.sources.short(place['path']))}:{place['line']}"


def what_text(wait: Wait) -> str:
    """Return what is waited for: its kind, and its name if it has one."""
    name = printable(wait["name"] or "") or (", ".join(map(printable, wait["objects"][:2])))
    return f"{wait['kind']} {name}".rstrip()


def short_text(state: State, wait: Wait) -> str:
    """Return what is waited for, in some words for a table."""
    text = what_text(wait)
    if wait["is_over"]:
        return f"{text}, which is over"
    if wait["holders"]:
        return f"{text}, held by {labels(state, [one['task'] for one in wait['holders']])}"
    if wait["children"]:
        return f"{text}: {labels(state, wait['children'])}"
    return text


def long_lines(state: State, wait: Wait) -> list[str]:
    """Return all that is known of what is waited for, and of what can end the wait."""
    lines = [_object_line(state, wait)]
    if wait["position"] is not None:
        place = _ORDINALS.get(wait["position"], f"{wait['position']}th")
        lines.append(f"in line: {place} of {counted(wait['waiters_count'], 'task')}")
    if wait["children"]:
        how = "all" if wait["needs_all"] else "any"
        total = "" if wait["children_total"] is None else f" of {wait['children_total']}"
        lines.append(
            f"waits for {how} of: {labels(state, wait['children'])} ({len(wait['children'])}{total} left)"
        )
    lines += [_deadline(state, one) for one in wait["deadlines"]]
    wakers = list(dict.fromkeys(_waker(state, one) for one in wait["wakers"]))
    if wait["is_over"]:
        lines.append("the wait is over: it only has to be run")
    elif wakers:
        more = f" and {len(wakers) - _MOST} more" if len(wakers) > _MOST else ""
        lines.append(f"can be ended by: {', '.join(wakers[:_MOST])}{more}")
    elif not wait["deadlines"]:
        lines.append("nothing is known that could end it")
    return lines


def _object_line(state: State, wait: Wait) -> str:
    text = what_text(wait)
    if wait["state"]:
        text += f", {wait['state']}"
    if wait["value"] is not None:
        limit = "" if wait["limit"] is None else f" of {wait['limit']}"
        text += f", {wait['value']}{limit}"
    if wait["holders"]:
        who = ", ".join(
            f"{label(state, one['task'])} ({place_text(state, one['place'])})"
            for one in wait["holders"][:_MOST]
        )
        more = f" and {len(wait['holders']) - _MOST} more" if len(wait["holders"]) > _MOST else ""
        text += f"; held by {who}{more}"
    return text


def _deadline(state: State, one: dict[str, Any]) -> str:
    where = f" in {place_text(state, one['place'])}" if one["place"] else ""
    return f"deadline: {one['kind']}{where}, {one['state']}"


def _waker(state: State, one: dict[str, Any]) -> str:
    match one["kind"]:
        case "timer":
            return "a timer"
        case "fd":
            return f"descriptor {one['fd']} ({one['detail']})"
        case "task":
            return label(state, one["task"])
        case "any":
            return "the tasks that have it in hand" if one["task"] is None else label(state, one["task"])
        case kind:
            detail = f" {one['detail']}" if one["detail"] else ""
            return f"a {kind}{printable(detail)}"
