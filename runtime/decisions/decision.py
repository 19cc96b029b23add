"""Decisions: points of a simulated run where more than one continuation is possible.

A decision is known by what it is about (``the reply on 127.0.0.1:6379#1``) and by how often that has come up
before, never by an index into the run: so it is found again in a program that was edited elsewhere.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

DEFAULT: Final = 0
"""Where the option stands that the real loop would most likely have taken."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point where one option is to be chosen.

    Attributes:
      kind: what is decided: ``arrival``, ``thread``, ``stall``, ``batch``, ``cancel``.
      label: what it is about.
      nth: how often this came up, from 1.
      options: what may come; the first is what the real loop would most likely do.
    """

    kind: str
    label: str
    nth: int
    options: tuple[str, ...]

    @property
    def key(self) -> tuple[str, int]:
        """What it is known by."""
        return f"{self.kind} {self.label}", self.nth


@dataclass(frozen=True, slots=True)
class Taken:
    """An option that was taken, other than the default."""

    key: tuple[str, int]
    option: str


class Policy(Protocol):
    """Chooses."""

    def choose(self, point: Point) -> int:
        """Return the index of the option to take."""
        raise NotImplementedError


class Decisions:
    """Asks a policy, and keeps what was decided.

    Attributes:
      policy: is asked.
      is_ruled: whether the policy wants to know what happens.
      points: all that was asked, if somebody wants to know.
      history: what happened and what was taken other than the default, each with where the tasks stood, if
        somebody wants to know.
      places: tells where they stand.
      on_taken: is told of each option that was taken, other than the default.
      deviations: what was taken, other than the default, in order.
      count: how many decisions there were.
      digest: a checksum of all of them.
    """

    def __init__(self, policy: Policy) -> None:
        self.use(policy)
        self._seen: Counter[str] = Counter()
        self.deviations: list[Taken] = []
        self.points: list[Point] | None = None
        self.on_taken: Callable[[Taken], None] | None = None
        self.history: list[dict[str, Any]] | None = None
        self.places: Callable[[], list[list[str]]] = list
        self.count = 0
        self.digest = 0

    def rule(self, kind: str, label: str) -> Callable[[], bool] | None:
        """Return what tells whether something that could come now may; None if no rule is about it."""
        hold = getattr(self.policy, "hold", None)
        found: Callable[[], bool] | None = None if hold is None else hold(kind, label)
        return found

    def watch(self) -> None:
        """Something is about to happen: rules look where tasks stand."""
        if self.is_ruled:
            self.policy.watch()  # type: ignore[attr-defined]

    def happened(self, label: str) -> None:
        """Something has arrived, or a thread has gone on."""
        if self.history is not None:
            self.history.append({"happened": label, "places": self.places()})
        if self.is_ruled:
            self.policy.happened(label)  # type: ignore[attr-defined]

    def let_go(self, kind: str, label: str) -> None:
        """Nothing else could happen than what a rule holds."""
        self.policy.let_go(kind, label)  # type: ignore[attr-defined]

    def use(self, policy: Policy) -> None:
        """Ask this policy from now on."""
        self.policy = policy
        self.is_ruled = hasattr(policy, "watch")

    def choose(self, kind: str, label: str, options: tuple[str, ...]) -> str:
        """Return the option that is taken."""
        name = f"{kind} {label}"
        self._seen[name] += 1
        point = Point(kind, label, self._seen[name], options)
        at = self.policy.choose(point)
        option = options[at]
        self.count += 1
        if self.points is not None:
            self.points.append(point)
        if at != DEFAULT:
            taken = Taken(point.key, option)
            self.deviations.append(taken)
            if self.on_taken is not None:
                self.on_taken(taken)
            if self.history is not None:
                self.history.append({"taken": [*point.key, option], "places": self.places()})
        self.digest = zlib.crc32(f"{name} {point.nth} {option}\n".encode(), self.digest)
        return option
