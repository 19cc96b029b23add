"""Who waits for whom in a circle, and who waits for those.

The questions are about a moment: the tasks that wait, each with those that could end its wait. An edge is
*certain* if the other task holds what is waited for, or is what is waited for; otherwise the other task only
has in its hands what could end the wait. A task is *stuck* if nothing that is known of it can end its wait
but tasks that are stuck themselves. A cycle is a circle of certain edges between stuck tasks: what is only
in somebody's hands never makes one, and a task that merely waits for the outside is in none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Blocked = dict[str, Any]
"""A waiting task, as ``Session.inspect("blocked")`` tells; see ``replay.runtime.inspection.data``."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """Tasks that wait for each other.

    Attributes:
      tasks: in the order in which each waits for the next one, from the lowest id on, as far as they do.
      is_certain: whether nobody else can hold what they wait for, as far as their library knows.
    """

    tasks: tuple[int, ...]
    is_certain: bool


@dataclass(frozen=True, slots=True)
class Deadlocks:
    """Who waits for whom, at one moment.

    Attributes:
      blocked: the tasks that wait, by id.
      cycles: in the order of their first tasks.
      behind: the tasks that are in no cycle, and wait for one that is in it.
      stuck: other tasks whose waits nothing known can end.
      outside: the tasks that wait for the outside, or for one that can go on.
    """

    blocked: dict[int, Blocked] = field(default_factory=dict)
    cycles: tuple[Cycle, ...] = ()
    behind: tuple[int, ...] = ()
    stuck: tuple[int, ...] = ()
    outside: tuple[int, ...] = ()

    @property
    def found(self) -> bool:
        """Whether there is a deadlock."""
        return bool(self.cycles)

    def deadlines(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the deadlines of those in cycles and behind them, each once, with the task that has it."""
        tasks = [*(task for cycle in self.cycles for task in cycle.tasks), *self.behind]
        return [(task, one) for task in sorted(tasks) for one in self.blocked[task]["deadlines"]]


def find_deadlocks(found: Iterable[Blocked]) -> Deadlocks:
    """Return who waits for whom."""
    blocked = {one["task"]: one for one in found if one["task"]}
    stuck = _stuck(blocked)
    certain = {
        task: [edge["by"] for edge in blocked[task]["edges"] if edge["is_certain"] and edge["by"] in stuck]
        for task in stuck
    }
    cycles = tuple(
        Cycle(_in_order(part, certain), all(_is_certain(blocked[task]) for task in part))
        for part in _components(certain)
    )
    within = {task for cycle in cycles for task in cycle.tasks}
    reaching = _reaching(within, certain)
    shown = [task for task in sorted(blocked) if not blocked[task]["is_internal"] or task in within]
    return Deadlocks(
        blocked=blocked,
        cycles=cycles,
        behind=tuple(task for task in shown if task in reaching and task not in within),
        stuck=tuple(task for task in shown if task in stuck and task not in reaching),
        outside=tuple(task for task in shown if task not in stuck),
    )


def _is_certain(one: Blocked) -> bool:
    return bool(one["needs_all"] or one["is_complete"])


def _stuck(blocked: dict[int, Blocked]) -> set[int]:
    """Return the largest set of tasks that only tasks of the same set can wake."""
    found = {task for task, one in blocked.items() if not one["outside"]}
    while True:
        awake = {task for task in found if _can_go_on(blocked[task], found)}
        if not awake:
            return found
        found -= awake


def _can_go_on(one: Blocked, stuck: set[int]) -> bool:
    certain = [edge["by"] for edge in one["edges"] if edge["is_certain"]]
    if one["needs_all"]:  # one that does not come about is enough
        return bool(certain) and not any(task in stuck for task in certain)
    return any(edge["by"] not in stuck for edge in one["edges"])


def _components(edges: dict[int, list[int]]) -> list[list[int]]:
    """Return the strongly connected parts that have an edge within, by their first tasks (Tarjan)."""
    indices: dict[int, int] = {}
    lowest: dict[int, int] = {}
    path: list[int] = []
    on_path: set[int] = set()
    parts: list[list[int]] = []
    for root in sorted(edges):
        if root in indices:
            continue
        work: list[tuple[int, int]] = [(root, 0)]
        while work:
            task, at = work.pop()
            if at == 0:
                indices[task] = lowest[task] = len(indices)
                path.append(task)
                on_path.add(task)
            following = edges[task]
            if at and following[at - 1] in on_path:
                lowest[task] = min(lowest[task], lowest[following[at - 1]])
            if at < len(following):
                work.append((task, at + 1))
                if following[at] not in indices:
                    work.append((following[at], 0))
                continue
            if lowest[task] == indices[task]:
                part = path[path.index(task) :]
                del path[path.index(task) :]
                on_path.difference_update(part)
                if len(part) > 1 or task in following:
                    parts.append(sorted(part))
    return sorted(parts)


def _in_order(part: list[int], edges: dict[int, list[int]]) -> tuple[int, ...]:
    """Return the tasks of a part, each followed by one that it waits for, as far as that goes."""
    left = set(part)
    order: list[int] = []
    task = part[0]
    while left:
        if task not in left:
            task = min(left)
        order.append(task)
        left.remove(task)
        task = next((one for one in edges[task] if one in left), task)
    return tuple(order)


def _reaching(goals: set[int], edges: dict[int, list[int]]) -> set[int]:
    """Return the tasks from which one comes to some others."""
    found = set(goals)
    while True:
        more = {task for task, targets in edges.items() if task not in found and found.intersection(targets)}
        if not more:
            return found
        found |= more
