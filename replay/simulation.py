"""A process that runs a program in the simulated world, as its client sees it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Final, Self

from replay.errors import ReplayError, UsageError
from replay.options import Target

RUN_LIMIT_S: Final = 20.0
"""A run that takes longer never ends, it is said then."""

_START: Final = (
    "import json, sys; sys.flags.safe_path or sys.path.pop(0); job = json.loads(sys.argv[1]); "
    "sys.path.append(job['root']); from replay.runtime.launcher import become_simulation; "
    "sys.path.pop(); become_simulation(job)"
)

Taken = tuple[str, int, str]
"""A decision other than the default: what it was about, how often that had come up, and the option."""

Policy = dict[str, Any]
"""What decides, as `Simulation.run` takes it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a run failed.

    Attributes:
      kind: ``exception``, ``exit code``, ``signal``, ``deadlock``, ``endless step``, ``endless run``,
        ``refused``,
        ``lost``; or what a scenario expected.
      message: in a line.
      where: a place in the program's source, if there is one.
      task: whose step it was, if it was one's.
    """

    kind: str
    message: str
    where: str | None = None
    task: str | None = None

    @property
    def identity(self) -> tuple[str, str, str | None]:
        """What makes two failures the same one."""
        return self.kind, self.message.partition("\n")[0], self.where


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run; see ``replay.runtime.simulation``.

    Attributes:
      decisions: those other than the default.
      decisions_count: how many there were.
      points: all of them, as ``[what, how often, options]``, if they were asked for.
      steps: a checksum of whose steps there were.
      digest: one of these, of all decisions, and of what was printed.
      unmet: decisions or rules that were asked for and did not come up.
      now_s: how much virtual time passed.
      history: what happened, and what was decided other than the default, with where the tasks stood; if
        asked for.
      broken: the invariant that was expected and does not hold, in words; None if it does.
      unhandled: what the loop reported that nobody has seen to.
      leaks: what was open at the end: sockets, threads.
      blocked: where nothing could ever happen: the tasks that wait, as ``replay.analysis.deadlocks`` takes
        them.
    """

    how: str
    detail: Any
    where: str | None
    error: dict[str, Any] | None
    decisions: tuple[Taken, ...]
    decisions_count: int
    steps: int
    digest: int
    unmet: tuple[Any, ...]
    output: str
    now_s: float
    points: tuple[tuple[str, int, tuple[str, ...]], ...] = ()
    broken: str | None = None
    unhandled: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()
    blocked: tuple[dict[str, Any], ...] = ()
    history: tuple[dict[str, Any], ...] = ()

    @property
    def failure(self) -> Failure | None:
        """How the run failed; None if it did not."""
        error = self.error
        if error is not None and self.how in ("exit", "signal"):
            return Failure(
                "exception", f"{error['type']}: {error['message']}", error["where"], error.get("task")
            )
        match self.how:
            case "exit" if self.detail == 0:
                return None if self.broken is None else Failure("invariant", self.broken)
            case "exit":
                return Failure("exit code", f"the program ends with {self.detail}")
            case "signal":
                return Failure("signal", f"signal {self.detail} ends the program")
            case "deadlock":
                return Failure("deadlock", "nothing that the program waits for can ever happen", self.where)
            case "endless step":
                return Failure("endless step", "a step of the program never ends", self.where)
            case "endless":
                return Failure("endless run", "the program goes on and on", self.where)
            case "refused":
                return Failure("refused", f"{self.detail} is not there in the simulated world", self.where)
            case _:
                return Failure("lost", f"the process of the run ended ({self.how}, {self.detail})")


def taking(decisions: Iterable[Taken]) -> Policy:
    """Return the policy that takes these decisions, and the default one everywhere else."""
    return {"kind": "recorded", "decisions": [list(one) for one in decisions]}


def plain_failure(outcome: Outcome) -> Failure | None:
    """Return how a run failed, if it did."""
    return outcome.failure


def strict_failure(outcome: Outcome) -> Failure | None:
    """Return the same, or what a run has left undone: exceptions that nobody saw to, sockets and threads."""
    if outcome.failure is not None:
        return outcome.failure
    if outcome.unhandled:
        return Failure("unhandled exception", outcome.unhandled[0])
    if outcome.leaks:
        return Failure("leak", f"open at the end: {', '.join(outcome.leaks)}")
    return None


class Simulation:
    """A process in which a program is about to begin, again and again.

    Use it as a context manager: it ends the process.
    """

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        stream: Any,
        errors: IO[bytes],
        folder: str,
        overlay: str,
        limit_s: float,
    ) -> None:
        self._limit_s = limit_s
        self._folder = folder
        self._overlay = overlay
        self._child = child
        self._stream = stream
        self._errors = errors
        self.runs_count = 0

    @classmethod
    def start(
        cls,
        target: Target,
        argv: tuple[str, ...],
        setting: dict[str, Any] | None = None,
        *,
        folder: str | None = None,
        limit_s: float = RUN_LIMIT_S,
    ) -> Simulation:
        """Start the process.

        Args:
          target: how ``argv[0]`` names the program.
          argv: the program, and its arguments.
          setting: of the world: ``seed``, ``start_s``, ``hosts``, ...; see
            ``replay.runtime.worlds.simulated``.
          folder: where the program runs; where this process does if left out.
          limit_s: real time after which a run is one that never ends; a step is after a tenth
            of that, but not before 2 s.
        """
        ours, theirs = socket.socketpair()
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        job: dict[str, Any] = {
            "target": target,
            "argv": list(argv),
            "setting": {"seed": 0, **(setting or {})},
            "fd": theirs.fileno(),
            "root": root,
            "overlay": os.path.join(tempfile.gettempdir(), f"replay-{secrets.token_hex(8)}"),
        }
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        child = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(job)],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd=folder,
            start_new_session=True,  # Ctrl-C is for us
        )
        theirs.close()
        stream = ours.makefile("rwb")
        ours.close()
        return cls(child, stream, errors, folder or "", job["overlay"], limit_s)

    def run(
        self,
        policy: Policy,
        *,
        recording: str | None = None,
        is_watched: bool = False,
        expect: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Run the program once.

        Args:
          policy: ``kind`` and what it wants: ``{"kind": "random", "seed": 3}``.
          recording: where to write one; nowhere if left out.
          is_watched: tell all decisions.
          expect: ``invariant``: an expression of the main module's names, that is to be true at the end;
            ``strict``: what the program leaves undone is a failure too, which is only written down.

        Raises:
          ReplayError: the process could not be started, or has ended.
        """
        if recording is not None:
            recording = os.path.realpath(os.path.join(self._folder, recording))
        request = {
            "policy": policy,
            "recording": recording,
            "is_watched": is_watched,
            "limit_s": self._limit_s,
            "expect": dict(expect or {}),
        }
        try:
            self._stream.write(json.dumps(request).encode() + b"\n")
            self._stream.flush()
            line = self._stream.readline()
        except OSError:
            line = b""
        if not line:
            raise self._lost()
        self.runs_count += 1
        return _outcome(json.loads(line))

    def children_cpu_s(self) -> float:
        """Return the time of the processor that runs have taken whose process has ended, in seconds."""
        with open(f"/proc/{self._child.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def _lost(self) -> ReplayError:
        self.close()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="backslashreplace").strip()
        message, _, hint = said.removeprefix("replay: ").partition("\n\nhint: ")
        lost = f"the process of the simulation has ended (exit code {self._child.returncode})"
        return UsageError(message or lost, hint=hint or None)

    def close(self) -> None:
        """End the process, and the run that is going on in it."""
        try:
            self._stream.close()
        except OSError:
            pass
        try:
            self._child.wait(0.2)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        shutil.rmtree(self._overlay, ignore_errors=True)  # of a run that was ended in the middle

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._errors.close()


def _outcome(told: dict[str, Any]) -> Outcome:
    return Outcome(
        how=told["how"],
        detail=told["detail"],
        where=told.get("where"),
        error=told.get("error"),
        decisions=tuple((key, nth, option) for key, nth, option in told.get("decisions", ())),
        decisions_count=told.get("decisions_count", 0),
        steps=told.get("steps", 0),
        digest=told.get("digest", 0),
        unmet=tuple(told.get("unmet", ())),
        output=told.get("output", ""),
        now_s=told.get("now_ns", 0) / 1e9,
        points=tuple((key, nth, tuple(options)) for key, nth, options in told.get("points", ())),
        broken=told.get("broken"),
        unhandled=tuple(told.get("unhandled", ())),
        leaks=tuple(told.get("leaks", ())),
        blocked=tuple(told.get("blocked", ())),
        history=tuple(told.get("history") or ()),
    )
