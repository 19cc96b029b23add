"""Nurseries and cancel scopes of trio, in words: where they are, what is in them, who cancelled one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from replay.cli.repl.state import State
from replay.cli.repl.trees import MOST_BELOW, Room
from replay.cli.repl.waits import label, place_text, time_text
from replay.cli.text import printable, shorten

_MAX_DETAIL: Final = 100

Scope = dict[str, Any]
"""As ``Session.inspect("scopes")`` gives it; see ``replay.runtime.inspection.data``."""
Row = dict[str, Any]
"""A task, as ``tasking.rows`` gives it."""
_Draw = Callable[[int, str, str], Iterator[str]]


def scope_tree(state: State, rows: dict[int, Row], scopes: list[Scope], *, show_all: bool) -> list[str]:
    """Draw the tasks in the nurseries that they are in, and these in the tasks that opened them.

    Args:
      state: of the session.
      rows: the tasks that are shown, by id.
      scopes: all of them.
      show_all: scopes that trio entered for itself, too, and as many tasks as there are.
    """
    return list(_Tree(state, rows, scopes, show_all=show_all).lines())


class _Tree:
    def __init__(self, state: State, rows: dict[int, Row], scopes: list[Scope], *, show_all: bool) -> None:
        self._state = state
        self._rows = rows
        self._scopes = scopes
        self._room = Room(is_bounded=not show_all)
        self._shown = {at for at, one in enumerate(scopes) if show_all or not one["is_internal"]}
        self._within: dict[int | None, list[int]] = {}
        self._of_task: dict[int, list[int]] = {}
        for at in sorted(self._shown):
            outer = self._outer(at)
            owner = scopes[at]["task"]
            if outer is not None and scopes[outer]["task"] == owner:
                self._within.setdefault(outer, []).append(at)
            else:
                self._of_task.setdefault(owner, []).append(at)

    def _outer(self, at: int) -> int | None:
        """Return the nearest shown scope around one."""
        outer: int | None = self._scopes[at]["outer"]
        while outer is not None and outer not in self._shown:
            outer = self._scopes[outer]["outer"]
        return outer

    def lines(self) -> Iterator[str]:
        for root in self._room.roots(self._roots()):
            if root.node is None:
                yield self._state.style("dim", root.more)
            else:
                yield from self._task(root.node, "", "")

    def _roots(self) -> list[int]:
        """Return the tasks that are in no nursery of a task that is shown."""
        shown = (self._scopes[at] for at in self._shown)
        inside = {child for scope in shown if scope["task"] in self._rows for child in scope["children"]}
        return [number for number in self._rows if number not in inside]

    def _task(self, number: int, first: str, rest: str) -> Iterator[str]:
        row, style = self._rows[number], self._state.style
        awaiting = f"  {row['awaiting']}" if row["awaiting"] else ""
        text = f"{row['state']}  {printable(row['where'] or '')}{awaiting}"
        yield f"{style('dim', first)}{style('name', label(self._state, number))}  {text}".rstrip()
        yield from self._below([], self._of_task.get(number, []), rest)

    def _scope(self, at: int, first: str, rest: str) -> Iterator[str]:
        scope, style = self._scopes[at], self._state.style
        yield f"{style('dim', first)}{scope_text(self._state, scope)}"
        children = [child for child in scope["children"] if child in self._rows]
        yield from self._below(children, self._within.get(at, []), rest)

    def _below(self, tasks: list[int], scopes: list[int], rest: str) -> Iterator[str]:
        nodes: list[tuple[_Draw, int]] = [(self._task, one) for one in tasks]
        inner: list[tuple[_Draw, int]] = [(self._scope, one) for one in scopes]
        # No scope is left out for very many tasks.
        nodes = nodes + inner if len(nodes) < MOST_BELOW else inner + nodes
        for branch in self._room.below(nodes, rest):
            if branch.node is None:
                yield self._state.style("dim", branch.more)
            else:
                draw, one = branch.node
                yield from draw(one, branch.first, branch.further)


def scope_text(state: State, scope: Scope) -> str:
    """Return what a scope is, in one line."""
    kind = "nursery" if scope["is_nursery"] else "cancel scope"
    name = f' "{printable(scope["name"])}"' if scope["name"] else ""
    parts = [state.style("heading", f"{kind}{name}")]
    if scope["place"] is not None:
        parts.append(place_text(state, scope["place"]))
    if scope["deadline"] is not None:
        time = time_text(state, scope["deadline"])
        parts.append(f"deadline {time or format(scope['deadline'], '.3f')}")
    if scope["shield"]:
        parts.append("shield")
    if scope["cancel_called"]:
        parts.append(state.style("position", f"CANCELLED{_reason(state, scope)}"))
    elif scope["is_cancelled"]:
        parts.append(state.style("position", "cancelled by one around it"))
    return "  ".join(parts)


def cancelled_lines(state: State, scope: Scope | None) -> list[str]:
    """Return which scope cancels what a task does, and why; nothing if none does."""
    return [] if scope is None else [f"cancelled by {canceller_text(state, scope)}"]


def canceller_text(state: State, scope: Scope) -> str:
    """Return which scope cancels, why, and who is in it."""
    owner = f", of {label(state, scope['task'])}" if scope["task"] else ""
    return f"{scope_text(state, scope)}{owner}"


def _reason(state: State, scope: Scope) -> str:
    who = label(state, scope["by"]) if scope["by"] else "somebody"
    detail = f": {shorten(printable(scope['detail']), _MAX_DETAIL)}" if scope["detail"] else ""
    match scope["reason"]:
        case "deadline":
            return " by its deadline"
        case "explicit":
            return f" by {who}, who called cancel(){detail}"
        case "nursery":
            return f" because of {who}{detail}"
        case None:
            return ""
        case other:
            return f" by {printable(other)}"
