"""What is to be explored, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from replay.exploration.search import Judge, Limits
from replay.options import Target
from replay.simulation import RUN_LIMIT_S, plain_failure, strict_failure


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be explored, and how.

    Attributes:
      target: how ``argv[0]`` names the program.
      argv: the program, and its arguments.
      policy: which schedules are tried: one of ``search.POLICIES``.
      seed: what the schedules, and the entropy of the world, follow from.
      limits: when to stop.
      jobs: how many runs at a time.
      setting: of the simulated world, beside the seed.
      is_strict: an exception that nobody sees to, and a socket or thread left open, are failures too.
      cancel: tasks that may be cancelled at each of their awaits: labels, with wildcards.
      any_order: what is ready may run in any order, which asyncio never does.
      folder: where the files of a failure go.
      runs_in: the folder in which the program runs; None for the one of this process.
      run_limit_s: real time after which a run is one that never ends.
    """

    target: Target
    argv: tuple[str, ...]
    policy: str = "mixed"
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    jobs: int = 1
    setting: dict[str, Any] | None = None
    is_strict: bool = False
    cancel: tuple[str, ...] = ()
    any_order: bool = False
    folder: str = "."
    runs_in: str | None = None
    run_limit_s: float = RUN_LIMIT_S

    @property
    def judge(self) -> Judge:
        """What says whether a run has failed."""
        return strict_failure if self.is_strict else plain_failure
