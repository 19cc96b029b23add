"""What must come of a run: whether it did, and in words what was expected and what came."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from replay.scenario.format import KINDS, STRICT_KINDS
from replay.scenario.shapes import Plain
from replay.simulation import Failure, Outcome, strict_failure

_WHERE: Final = re.compile(r"(.+):\d+(?: in .*)?", re.DOTALL)
_UNUSABLE: Final = ("refused", "lost")
"""A run that failed like this says nothing about the program."""


@dataclass(frozen=True, slots=True)
class Miss:
    """Something that was expected, and what came."""

    expected: str
    observed: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must come of a run; what is None does not matter.

    Attributes:
      kind: how it fails, as `Failure` has it.
      type: of the exception: its name, or its full name.
      message: found within what the failure says.
      file: the source file in which it fails.
      output: texts found within what the program prints.
      exit_code: of the program.
      deadlock: nothing can ever happen, and tasks with these labels (there may be none) wait then.
      invariant: an expression over the globals of the main module, true at the end.
      strict: what a run has left undone is a failure too: exceptions that nobody saw to, sockets, threads.
      passes: whether it ends without a failure. If left out, it must unless a failure is expected.
    """

    kind: str | None = None
    type: str | None = None
    message: str | None = None
    file: str | None = None
    output: tuple[str, ...] = ()
    exit_code: int | None = None
    deadlock: tuple[str, ...] | None = None
    invariant: str | None = None
    passes: bool | None = None
    strict: bool = False

    @classmethod
    def of_failure(cls, failure: Failure, outcome: Outcome | None = None) -> Expectation:
        """Return what expects a failure that was found.

        Args:
          failure: was found.
          outcome: of the run; an exit code is known from it alone.
        """
        where = _WHERE.fullmatch(failure.where or "")
        file = None if where is None else where[1].rpartition("/")[2]
        message = failure.message.partition("\n")[0]
        match failure.kind:
            case "exception":
                kind, _, said = message.partition(": ")
                return cls(kind="exception", type=kind, message=said or None, file=file)
            case "deadlock":
                return cls(deadlock=(), file=file)
            case "exit code" if outcome is not None and isinstance(outcome.detail, int):
                return cls(exit_code=outcome.detail)
            case "endless step" | "endless run":
                return cls(kind=failure.kind, file=file)
            case kind:
                return cls(kind=kind, message=message, file=file)

    @property
    def fails(self) -> bool:
        """Whether a failure is expected."""
        if self.passes is not None:
            return not self.passes
        return bool(
            self.kind or self.type or self.message or self.file or self.exit_code or self.deadlock is not None
        )

    def failure_of(self, outcome: Outcome) -> Failure | None:
        """Return how a run failed, if it did."""
        return strict_failure(outcome) if self.strict or self.kind in STRICT_KINDS else outcome.failure

    def misses(self, outcome: Outcome, home: str | None = None) -> list[Miss]:
        """Return what did not come as expected.

        Args:
          outcome: of the run.
          home: the folder from which its files are seen.
        """
        failure = self.failure_of(outcome)
        observed = described(failure, home)
        if failure is not None and failure.kind in _UNUSABLE:
            return [Miss("a run of the program", observed)]
        found: list[Miss] = []
        if not self.fails:
            if failure is not None:
                found.append(Miss("the run passes", observed))
        elif failure is None or not self._is_this(failure, outcome):
            found.append(Miss(self.described(), observed))
        if self.exit_code is not None and not (outcome.how == "exit" and outcome.detail == self.exit_code):
            found = [one for one in found if one.expected != f"exit code {self.exit_code}"]
            found.append(Miss(f"exit code {self.exit_code}", _ending(outcome, observed)))
        if self.deadlock and failure is not None and failure.kind == "deadlock":
            waiting = [str(one.get("label")) for one in outcome.blocked]
            missing = [label for label in self.deadlock if label not in waiting]
            if missing:
                observed = f"those that wait are {', '.join(waiting)}" if waiting else "no task waits"
                found.append(Miss(f"{', '.join(missing)} waits in the deadlock", observed))
        found += [
            Miss(f"the output has {text!r} in it", _shown(outcome.output))
            for text in self.output
            if text not in outcome.output
        ]
        return found

    def _is_this(self, failure: Failure, outcome: Outcome) -> bool:
        """Whether a failure is the one that is expected, as far as it is told by itself."""
        if self.deadlock is not None and failure.kind != "deadlock":
            return False
        kind = self.kind or ("exception" if self.type or self.message else None)
        if kind is not None and failure.kind != kind:
            return False
        if self.type is not None:
            observed = "" if outcome.error is None else str(outcome.error["type"])
            if observed != self.type and not observed.endswith(f".{self.type}"):
                return False
        if self.message is not None:
            said = (
                failure.message
                if failure.kind != "exception" or outcome.error is None
                else outcome.error["message"]
            )
            if self.message not in str(said):
                return False
        if self.file is not None:
            where = _WHERE.fullmatch(failure.where or "")
            if where is None or not f"/{where[1]}".endswith(f"/{self.file}"):
                return False
        return True

    def described(self) -> str:
        """Say how the run must fail, in a line."""
        place = f" from {self.file}" if self.file else ""
        said = f": {self.message}" if self.message else ""
        if self.deadlock is not None:
            return f"a deadlock{place}"
        if self.type is not None:
            return f"{self.type}{said}{place}"
        if self.kind not in (None, "exception"):
            return f"{self.kind}{said}{place}"
        if self.message is not None:
            return f"an exception{said}{place}"
        if self.exit_code is not None and self.file is None:
            return f"exit code {self.exit_code}"
        return f"a failure{place}"

    @classmethod
    def of_plain(cls, plain: dict[str, Plain]) -> Expectation:
        """Return what ``expect`` of a file says."""
        failure = plain.get("failure", {})
        if isinstance(failure, str):
            failure = {"kind" if failure in KINDS else "type": failure}
        output = plain.get("output", [])
        deadlock = plain.get("deadlock")
        return cls(
            kind=failure.get("kind"),
            type=failure.get("type"),
            message=failure.get("message"),
            file=plain.get("from"),
            output=(output,) if isinstance(output, str) else tuple(output),
            exit_code=plain.get("exit_code"),
            deadlock=() if deadlock is True else None if deadlock is None else tuple(deadlock),
            invariant=plain.get("invariant"),
            passes=plain.get("passes"),
            strict=plain.get("strict", False),
        )

    def plain(self) -> dict[str, Plain]:
        """Return what ``expect`` of a file says."""
        failure = {
            name: value
            for name, value in (("kind", self.kind), ("type", self.type), ("message", self.message))
            if value is not None
        }
        alone = next(iter(failure)) if len(failure) == 1 else None
        if alone == "message" or (alone == "type" and self.type in KINDS):
            alone = None
        deadlock: Any = None if self.deadlock is None else list(self.deadlock) or True
        told = {
            "failure": failure[alone] if alone is not None else failure or None,
            "from": self.file,
            "output": self.output[0] if len(self.output) == 1 else list(self.output) or None,
            "exit_code": self.exit_code,
            "deadlock": deadlock,
            "invariant": self.invariant,
            "passes": self.passes,
            "strict": self.strict or None,
        }
        return {name: value for name, value in told.items() if value is not None}


def described(failure: Failure | None, home: str | None = None) -> str:
    """Say what came of a run, in a line.

    Args:
      failure: how it failed; None if it did not.
      home: the folder from which its files are seen.
    """
    if failure is None:
        return "the run passes"
    kind = (
        ""
        if failure.kind in failure.message or failure.kind in ("exception", "exit code")
        else f"{failure.kind}: "
    )
    where = "" if failure.where is None else f" at {failure.where.removeprefix(f'{home}/')}"
    first, *more = failure.message.splitlines() or [""]
    said = first.removesuffix(": ")  # an exception that says nothing
    return f"{kind}{said}{' ...' * bool(more)}{where}"


def _ending(outcome: Outcome, observed: str) -> str:
    return f"exit code {outcome.detail}" if outcome.failure and outcome.how == "exit" else observed


def _shown(output: str) -> str:
    return "the program prints nothing" if not output else "it is not there"
