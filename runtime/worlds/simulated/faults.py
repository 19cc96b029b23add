"""What goes wrong in a simulated world, as its setting says: never by itself, and never what no system does.

A fault is plain data; which there are, and what each wants, is in ``docs/scenarios.md``. Those of files are
in ``files``.
"""

from __future__ import annotations

import fnmatch
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from replay.runtime.worlds.simulated.agenda import START_NS, Agenda, Channel

_SECOND_NS: Final = 1_000_000_000
NEVER_NS: Final = 1_000_000_000 * _SECOND_NS
"""What takes so long does not come: a run does not last thirty years."""

KINDS: Final = frozenset(
    """
    reset refuse stall drop partition short_reads short_writes slow crash disk_full io_error clock_jump
    stalled_loop late_thread
    """.split()  # noqa: SIM905 - a list of words reads better as words
)

Fault = dict[str, Any]


def matches(pattern: str, label: str) -> bool:
    """Whether a connection is meant: by its label, its server's address, or a pattern with wildcards."""
    return fnmatch.fnmatchcase(label, pattern) or label.rpartition("#")[0] == pattern


class Faults:
    """Says what a connection, a thread or a clock has to bear.

    Args:
      agenda: has the time.
      told: the faults.
      network: ``latency_ns`` of all connections, ``links``: of some, by pattern; each from, to.
      seed: latencies are drawn from it.
    """

    def __init__(self, agenda: Agenda, told: Sequence[Fault], network: dict[str, Any], seed: int) -> None:
        self._agenda = agenda
        self._told = list(told)
        self._network = network
        self._random = random.Random(f"latency {seed}")
        self._counts: Counter[Any] = Counter()
        self._late: set[int] = set()

    def _of(self, kind: str) -> Iterator[tuple[int, Fault]]:
        for at, fault in enumerate(self._told):
            if kind in fault:
                yield at, fault[kind]

    def _now_s(self) -> float:
        return (self._agenda.now_ns - START_NS) / _SECOND_NS

    def add(self, fault: Fault) -> None:
        """Let this go wrong from now on."""
        self._told.append(fault)

    # -- connections ----------------------------------------------------------------------------

    def delay_ns(self, label: str, hosts: tuple[str, str], size: int) -> int:
        """Return how long something takes over a connection; ``NEVER_NS`` if it never comes.

        Args:
          label: of the connection.
          hosts: the names of both its ends.
          size: in bytes.
        """
        delay = self.latency_ns(label)
        for _, fault in self._of("slow"):
            if matches(fault["connection"], label):
                delay += round(size * _SECOND_NS / fault["bytes_per_s"])
        for at, fault in self._of("stall"):
            is_due = self._now_s() >= fault.get("at_s", 0.0) and at not in self._late
            if is_due and matches(fault["connection"], label):
                self._late.add(at)
                delay += _ns(fault.get("for_s"))
        for _, fault in self._of("partition"):
            from_s, until_s = fault.get("from_s", 0.0), fault.get("until_s")
            if set(hosts) == set(fault["between"]) and from_s <= self._now_s():
                if until_s is None:
                    return NEVER_NS
                delay = max(delay, _ns(until_s - self._now_s()))
        return delay

    def latency_ns(self, label: str) -> int:
        """Return how long it takes if nothing is wrong."""
        low, high = self._network.get("latency_ns", (0, 0))
        for pattern, between in self._network.get("links", {}).items():
            if matches(pattern, label):
                low, high = between
        return self._random.randint(low, high) if high > low else int(low)

    def refuses(self, label: str) -> bool:
        """Whether a connection is refused that would be made."""
        for at, fault in self._of("refuse"):
            if matches(fault["connection"], label):
                self._counts[at] += 1
                if self._counts[at] <= fault.get("times", NEVER_NS):
                    return True
        return False

    def resets(self, label: str, size: int) -> bool:
        """Whether a connection breaks off now that so many bytes more are sent over it."""
        for at, fault in self._of("reset"):
            if matches(fault["connection"], label):
                self._counts[at, label] += size
                if (
                    self._counts[at, label] > fault.get("after_bytes", -1)
                    and (at, label, "done") not in self._counts
                ):
                    self._counts[at, label, "done"] = 1
                    return True
        return False

    def drops(self, to: str, hosts: tuple[str, str]) -> bool:
        """Whether a datagram is lost."""
        self._counts["sent", to] += 1
        nth = self._counts["sent", to]
        if any(fault["to"] in ("*", to) and fault.get("nth", nth) == nth for _, fault in self._of("drop")):
            return True
        return any(
            set(hosts) == set(fault["between"])
            and fault.get("from_s", 0.0) <= self._now_s() < fault.get("until_s", float("inf"))
            for _, fault in self._of("partition")
        )

    def read_size(self, label: str, size: int) -> int:
        """Return how many bytes are read at most at once."""
        return self._part("short_reads", label, size)

    def write_size(self, label: str, size: int) -> int:
        """Return how many bytes are taken at most at once."""
        return self._part("short_writes", label, size)

    def _part(self, kind: str, label: str, size: int) -> int:
        for _, fault in self._of(kind):
            if matches(fault["connection"], label):
                size = min(size, max(1, fault["bytes"]))
        return size

    # -- threads, loops, clocks, hosts ----------------------------------------------------------

    def late_thread_ns(self, name: str) -> int:
        """Return how much later than it could a thread begins with what it is for."""
        return sum(
            _ns(fault["for_s"]) for _, fault in self._of("late_thread") if matches(fault["thread"], name)
        )

    def begin(self, jump: Callable[[int], None], crash: Callable[[str], None]) -> None:
        """Put what happens at a certain time on the agenda.

        Args:
          jump: sets the time of day forward, by nanoseconds, or back.
          crash: breaks all off that a host has.
        """
        for _, fault in self._of("clock_jump"):
            self._at(fault["at_s"], "clock_jump", partial(jump, round(fault["by_s"] * _SECOND_NS)))
        for _, fault in self._of("crash"):
            self._at(fault["at_s"], "crash", partial(crash, fault["host"]))
        for _, fault in self._of("stalled_loop"):
            self._at(fault["at_s"], "stalled_loop", partial(self._pass, _ns(fault["for_s"])))

    def _pass(self, duration_ns: int) -> None:
        self._agenda.now_ns += duration_ns

    def _at(self, at_s: float, what: str, happen: Callable[[], None]) -> None:
        coming = self._agenda.send(Channel(f"fault {what}"), _ns(at_s), happen)
        coming.is_asked = coming.is_considered = True


def _ns(seconds: float | None) -> int:
    return NEVER_NS if seconds is None else max(0, round(seconds * _SECOND_NS))
