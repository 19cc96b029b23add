"""What a task waits for, in words; from the answers that ``Session.inspect`` gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from replay.cli.reading import task_label
from replay.cli.repl.state import State
from replay.cli.text import printable
from replay.quantities import counted, duration

_MOST = 4
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}

Wait = dict[str, Any]


def label(state: State, number: int) -> str:
    """Return how a task is called: id and name."""
    return task_label(number, state.owner_name(f"T{number}"))


def labels(state: State, numbers: list[int], count: int | None = None) -> str:
    """Return some tasks, the first few by name; of ``count``, of which these are the first."""
    some = ", ".join(label(state, number) for number in numbers[:_MOST])
    left = (len(numbers) if count is None else count) - _MOST
    return f"{some} and {left} more" if left > 0 else some


def place_text(state: State, place: dict[str, Any] | None) -> str:
    """Return a line of a function."""
    if place is None:
        return ""
    return f"{printable(place['function'])} {printable(state.sources.short(place['path']))}:{place['line']}"


def what_text(wait: Wait) -> str:
    """Return what is waited for: its kind, and its name if it has one."""
    if wait["kind"] == "executor":
        calls = [one["detail"] for one in wait["wakers"] if one["kind"] == "thread" and one["detail"]]
        return f"executor job {printable(calls[0])}" if calls else "executor job"
    if wait["name"]:
        return f'{wait["kind"]} "{printable(wait["name"])}"'
    return f"{wait['kind']} {', '.join(map(printable, wait['objects'][:2]))}".rstrip()


def time_text(state: State, when: float) -> str:
    """Return a time of the event loop as ``t=``, which `goto` takes, and how far that is from here."""
    at_ns, here = state.loop_ns(when), state.position
    now_ns = None if here is None else state.time_ns(here)
    if at_ns is None or at_ns < 0:
        return ""
    text = f"t={duration(at_ns)}"
    if now_ns is None:
        return text
    return f"{text} ({f'in {duration(at_ns - now_ns)}' if at_ns > now_ns else 'which has come'})"


def _timer(wait: Wait) -> float | None:
    """Return when a timer ends a wait."""
    return min((one["when"] for one in wait["wakers"] if one["kind"] == "timer"), default=None)


def short_text(state: State, wait: Wait) -> str:
    """Return what is waited for, in some words for a table."""
    text = what_text(wait)
    if wait["is_over"]:
        return f"{text}, which is over"
    when = _timer(wait)
    if wait["kind"] == "sleep" and when is not None:
        at_ns = state.loop_ns(when)
        return text if at_ns is None else f"{text} until t={duration(at_ns)}"
    if wait["holders"]:
        return f"{text}, held by {labels(state, [one['task'] for one in wait['holders']])}"
    if wait["children"]:
        between = " " if wait["kind"] == "task" else ": "
        return f"{wait['kind'] if between == ' ' else text}{between}{labels(state, wait['children'])}"
    return text


def long_lines(state: State, wait: Wait, others: Mapping[str, Wait]) -> list[str]:
    """Return all that is known of what is waited for, and of what can end the wait.

    Args:
      others: what each task waits for, by its id.
    """
    lines = [_object_line(state, wait)]
    if wait["position"] is not None:
        lines.append(f"in line: {_ordinal(wait['position'])} of {counted(wait['waiters_count'], 'task')}")
    if wait["children"] and wait["kind"] != "task":
        how = "all" if wait["needs_all"] else "any"
        total = "" if wait["children_total"] is None else f" of {wait['children_total']}"
        lines.append(
            f"waits for {how} of: {labels(state, wait['children'])} ({len(wait['children'])}{total} left)"
        )
    lines += _holder_lines(state, wait, others)
    lines += [_deadline(state, one) for one in wait["deadlines"]]
    lines += _first_line(wait, others)
    wakers = list(dict.fromkeys(waker_text(state, one) for one in wait["wakers"]))
    if wait["is_over"]:
        lines.append("the wait is over: it only has to be run")
    elif wakers:
        more = f" and {len(wakers) - _MOST} more" if len(wakers) > _MOST else ""
        lines.append(f"can be ended by: {', '.join(wakers[:_MOST])}{more}")
    elif not wait["deadlines"]:
        lines.append("nothing is known that could end it")
    return lines


def _ordinal(number: int) -> str:
    """Return a place in a line: 1st, 2nd, 11th, 21st."""
    ending = "th" if number % 100 in (11, 12, 13) else _ENDINGS.get(number % 10, "th")
    return f"{number}{ending}"


def _object_line(state: State, wait: Wait) -> str:
    text = short_text(state, wait) if wait["kind"] == "task" else what_text(wait)
    if wait["state"]:
        text += f", {wait['state']}"
    if wait["open_ends"] is not None:
        text += f", {counted(wait['open_ends'], 'end')} open on the other side"
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
    elif wait["kind"] == "lock" and wait["state"] == "locked" and not wait["are_holders_known"]:
        text += "; who holds it is not known (only `async with` tells)"
    return text


def _holder_lines(state: State, wait: Wait, others: Mapping[str, Wait]) -> list[str]:
    """Return what those wait for that hold it."""
    held: dict[str, list[int]] = {}
    for one in wait["holders"]:
        its = others.get(str(one["task"]))
        if its is not None:
            held.setdefault(short_text(state, its), []).append(one["task"])
    some = list(held.items())[:_MOST]
    who = {True: "itself awaits", False: "themselves await"}
    return [f"{labels(state, tasks)} {who[len(tasks) == 1]}: {text}" for text, tasks in some]


def _first_line(wait: Wait, others: Mapping[str, Wait]) -> list[str]:
    """Return what comes first, if the times of both are known: a deadline, or a holder's timer."""
    ends = [one["when"] for one in wait["deadlines"] if one["when"] is not None and one["state"] == "active"]
    timers = [_timer(others[str(one["task"])]) for one in wait["holders"] if str(one["task"]) in others]
    if not ends or not timers or len(timers) < len(wait["holders"]) or None in timers:
        return []
    if min(ends) < min(when for when in timers if when is not None):
        return ["the deadline comes before any holder wakes"]
    return []


def _deadline(state: State, one: dict[str, Any]) -> str:
    where = f" in {place_text(state, one['place'])}" if one["place"] else ""
    name = one["kind"] if one["kind"] == "cancel scope" else f"asyncio.{one['kind']}"
    if one["when"] is None:
        return f"deadline: {name}{where}, not set"
    time = "" if one["state"] != "active" else time_text(state, one["when"])
    return f"deadline: {name}{where}, {f'at {time}' if time else one['state']}"


def waker_text(state: State, one: dict[str, Any]) -> str:
    """Return what can end a wait."""
    match one["kind"]:
        case "idle":
            return "the end of all work"
        case "timer":
            time = time_text(state, one["when"])
            return f"a timer at {time}" if time else "a timer"
        case "fd":
            return f"descriptor {one['fd']} ({one['detail']})"
        case "task":
            return label(state, one["task"])
        case "callback":
            return f"the callback {printable(one['detail'] or '')}"
        case "thread":
            return "the thread that runs it"
        case "any":
            return "the tasks that have it in hand" if one["task"] is None else label(state, one["task"])
        case kind:
            detail = f" {one['detail']}" if one["detail"] else ""
            return f"a {kind}{printable(detail)}"
