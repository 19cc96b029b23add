"""Simulated runs: a process in which a program is about to begin, and copies of it in which it runs.

The process has the boundary in place and the program's libraries loaded. A client asks for runs, one line of
JSON each; a copy (``fork``) runs the program from its first line to its end in the simulated world, and says
what came of it in one line. Nothing of one run is seen by the next: it has another copy, or one that has gone
back to what it was at its beginning (``replay/_rewind.c``), which costs less than half. A run that leaves
something that can't be taken back (threads, above all) ends its copy.

A request has ``policy`` (``kind``, and what that kind wants), ``limit_s`` (real time) and ``expect`` (which
may have ``invariant``, an expression), and may have ``recording`` (the real path to write one to) and
``is_watched`` (whether all decisions are to be told). The answer is an outcome: see ``_Run``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from mmap import mmap
from types import FrameType
from typing import Any, Final, NoReturn

from replay.compiled import rewinding
from replay.recording.writer import RecordingWriter
from replay.runtime import cancelling, program, real
from replay.runtime.boundary import threads
from replay.runtime.debuggee.copies import fork
from replay.runtime.decisions.cancelling import Cancel
from replay.runtime.decisions.decision import Policy, Taken
from replay.runtime.decisions.fifo import Fifo
from replay.runtime.decisions.pct import Pct
from replay.runtime.decisions.random_ import Random
from replay.runtime.decisions.recorded import Recorded
from replay.runtime.decisions.rules import Rules
from replay.runtime.divergence import is_users, place_of
from replay.runtime.inspection.program import ProgramInspector
from replay.runtime.streams import current
from replay.runtime.worlds.simulated import files, store
from replay.runtime.worlds.simulated.agenda import START_NS
from replay.runtime.worlds.simulated.world import SimulatedWorld

_STEP_PART: Final = 10
_STEP_LIMIT_S: Final = 2.0
"""A step that takes more time of the processor, and more than such a part of the run's limit, never ends."""

_BLOCKED_LIMIT_S: Final = 10.0
"""So does one that takes longer, whatever it waits for: there is nothing to wait for."""

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")

_REPORT_LIMIT_S: Final = 10.0
"""A run that does not say anything for so long after its limit is stopped by the kernel."""

_REWINDING: Final = rewinding()
"""What brings a copy back, or None; loaded before anything is recorded."""

_read, _write, _close, _pipe2, _kill, _waitpid, _open = (
    os.read, os.write, os.close, os.pipe2, os.kill, os.waitpid, os.open,
)  # fmt: skip
_poll = select.poll

_FIRST_RUNS: Final = 3
"""So many runs have a copy of their own: to keep what a copy was at its beginning costs as much."""

_MOST_WASTED: Final = 3
"""After so many copies that were to run several times, and could not, none is made any more."""

_ENDLESS: Final = ("endless", "endless step")
"""Runs that were interrupted; a second signal may be on its way."""

_LOOK_S: Final = 0.25
_BEAT_BYTES: Final = 8
_TURNS: Final = 0
_REASON: Final = 1
"""Where what lies, in the memory that a run shares with its server."""
_STEP: Final = 1
_RUN: Final = 2


def _send(fd: int, data: bytes) -> None:
    """Write all of it."""
    left = memoryview(data)
    while left:
        left = left[_write(fd, left) :]


def policy_of(asked: dict[str, Any]) -> Policy:
    """Return the policy that a request names."""
    match asked["kind"]:
        case "fifo":
            return Fifo()
        case "random":
            return Random(asked["seed"])
        case "pct":
            return Pct(asked["seed"], asked["depth"], asked["length"])
        case "cancel":
            return Cancel(asked["first"], asked["then"])
        case "recorded":
            return Recorded(Taken((key, nth), option) for key, nth, option in asked["decisions"])
        case "rules":
            return Rules(asked["rules"], policy_of(asked.get("otherwise", {"kind": "fifo"})))
        case kind:
            raise ValueError(f"no such policy: {kind}")


class Nowhere:
    """What is recorded goes nowhere: only the schedule is wanted."""

    bytes_written = 0
    sealing_cpu_ns = 0

    def put(self, number: int, items: list[Any]) -> None:
        """Let go of it."""

    def seal(self) -> None:
        """Nothing to seal."""

    def close(self) -> None:
        """Nothing to close."""

    def detach(self) -> None:
        """Nothing to detach."""

    def give_up(self) -> None:
        """Nothing to give up."""


@dataclass(slots=True)
class _Copy:
    """A copy of the server, in which the program runs.

    Attributes:
      requests: where the next run is asked for.
      answers: where what came of it is told; then a newline, if the copy is as it was before it.
      runs_count: how many it was asked for.
      is_stopped: whether the last one was interrupted.
    """

    pid: int
    requests: int
    answers: int
    runs_count: int = 0
    is_stopped: bool = False


class Server:
    """Runs the program in copies of this process.

    Args:
      fd: where requests come from, and answers go to.
      world: has begun.
      header: what each recording says first.
      run: runs the program, and returns how it ended.
    """

    def __init__(
        self,
        fd: int,
        world: SimulatedWorld,
        header: dict[str, Any],
        run: Callable[[], tuple[str, object]],
    ) -> None:
        self._fd = fd
        self._world = world
        self._header = header
        self._run = run
        self._null = _open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self._beat = world.agenda.beat = mmap(-1, _BEAT_BYTES)
        self._copy: _Copy | None = None
        self._runs_count = self._wasted_count = 0
        self._rewinding = _REWINDING

    def serve(self) -> NoReturn:
        """Answer requests until there are no more."""
        pending = b""
        while True:
            line, newline, rest = pending.partition(b"\n")
            if newline:
                pending = rest
                _send(self._fd, self._answer(line) + b"\n")
                continue
            data = _read(self._fd, 65536)
            if not data:
                if self._copy is not None:
                    self._end(self._copy)
                real.exit_now(0)
            pending += data

    def _answer(self, line: bytes) -> bytes:
        self._runs_count += 1
        limit_s = float(json.loads(line)["limit_s"])
        answer, status = b"", 0
        copy, self._copy = self._copy or self._copy_for_several(), None
        if copy is not None:
            answer = self._run_in(copy, line, limit_s)
            if answer.endswith(b"\n") and not copy.is_stopped:
                self._copy = copy
            else:
                status = self._end(copy)
                if copy.runs_count == 1 and not copy.is_stopped:
                    self._waste()
        if copy is None or not (answer or copy.is_stopped):  # it has ended, which may be nothing of the run's
            copy = self._make_copy(None)
            answer = self._run_in(copy, line, limit_s)
            status = self._end(copy)
        store.remove(self._world.tree.store.path)
        return answer.rstrip(b"\n") or json.dumps({"how": "lost", "detail": status}).encode()

    def _copy_for_several(self) -> _Copy | None:
        """Return a new copy that waits for runs, if so many were asked for, and there can be one."""
        if self._rewinding is None or self._runs_count <= _FIRST_RUNS:
            return None
        copy = self._make_copy(self._rewinding)
        if _read(copy.answers, 1):
            return copy
        self._end(copy)
        self._waste()
        return None

    def _run_in(self, copy: _Copy, request: bytes, limit_s: float) -> bytes:
        """Run the program in a copy; return what that says, or nothing if it ends."""
        self._beat[:] = bytes(_BEAT_BYTES)
        copy.runs_count += 1
        try:
            _send(copy.requests, request + b"\n")
        except BrokenPipeError:
            return b""
        return self._follow(copy, limit_s)

    def _waste(self) -> None:
        """Note that a copy for several runs was of no use: the program does what can't be taken back."""
        self._wasted_count += 1
        if self._wasted_count == _MOST_WASTED:
            self._rewinding = None

    def _end(self, copy: _Copy) -> int:
        """Let a copy end; return how it did."""
        _close(copy.requests)
        _close(copy.answers)
        _, status = _waitpid(copy.pid, 0)
        return status

    def _make_copy(self, rewinding: Any) -> _Copy:
        """Copy this process; for several runs, and told when it is ready, if ``rewinding`` brings it back."""
        requests, asking = _pipe2(os.O_CLOEXEC)
        answers, answering = _pipe2(os.O_CLOEXEC)
        pid = fork()
        if pid == 0:
            _close(asking)
            _close(answers)
            real.stderr_fd = self._null
            real.gc_collect()
            if rewinding is not None:
                try:
                    rewinding.take(self._beat)
                except OSError:
                    real.exit_now(0)
                _send(answering, b"\n")  # the first time, and each time that it is here once more
            line = b""
            while not line.endswith(b"\n"):
                data = _read(requests, 65536)
                if not data:
                    real.exit_now(0)
                line += data
            _Run(self._world, self._header, answering, json.loads(line), rewinding).run(self._run)
        _close(requests)
        _close(answering)
        return _Copy(pid, asking, answers)

    def _follow(self, copy: _Copy, limit_s: float) -> bytes:
        """Return what a run says at its end; end it where a step of it never ends, or it goes on and on.

        It ends with a newline if the copy waits for a next run. It is followed from outside, by what it
        leaves in memory that both see: a timer in its own process would change when garbage is collected
        there, and a thread would make each page that is copied dearer.
        """
        beat = self._beat
        parts: list[bytes] = []
        poller = _poll()
        poller.register(copy.answers)
        pid = copy.pid
        started = since = real.monotonic()
        seen = 0
        used_s: float | None = None
        asked_s: float | None = None
        step_limit_s = max(_STEP_LIMIT_S, limit_s / _STEP_PART)
        while True:
            if poller.poll(_LOOK_S * 1000):
                data = _read(copy.answers, 1 << 20)
                parts.append(data)
                if data.endswith(b"\n") and copy.is_stopped:
                    _kill(pid, signal.SIGKILL)  # it had come to its end by itself, and does not hear any more
                if not data or data.endswith(b"\n"):
                    return b"".join(parts)
                continue
            now = real.monotonic()
            if asked_s is not None:
                if now - asked_s > _REPORT_LIMIT_S:
                    _kill(pid, signal.SIGKILL)
                    return b"".join(parts)
                continue
            if beat[_TURNS] != seen or used_s is None:
                seen, since, used_s = beat[_TURNS], now, _cpu_s(pid)
            is_endless = now - since > step_limit_s and (
                _cpu_s(pid) - used_s > step_limit_s or now - since > _BLOCKED_LIMIT_S
            )
            if is_endless or now - started > limit_s:
                beat[_REASON] = _STEP if is_endless else _RUN
                asked_s = now
                copy.is_stopped = True
                _kill(pid, signal.SIGALRM)


def _cpu_s(pid: int) -> float:
    """Return the time of the processor that a run has taken, in seconds: others may have it meanwhile."""
    fd = _open(f"/proc/{pid}/stat", os.O_RDONLY)
    try:
        fields = _read(fd, 4096).rpartition(b")")[2].split()
    finally:
        _close(fd)
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


class _Run:
    """One run, in its copy of the process.

    The outcome has ``how`` and ``detail`` (as the last event of a recording), ``error`` (what came out of the
    main module: ``type``, ``message``, ``where``, ``task``), ``decisions`` (other than the default: what it
    was about, how often that had come up, the option), ``decisions_count``, ``steps`` (a checksum of whose
    they were), ``unmet`` (decisions and rules that were asked for, and did not come up), ``output``,
    ``now_ns``, and what ``replay.simulation.Outcome`` has beside these.
    """

    def __init__(
        self,
        world: SimulatedWorld,
        header: dict[str, Any],
        fd: int,
        request: dict[str, Any],
        rewinding: Any = None,
    ) -> None:
        self._rewinding = rewinding
        self._world = world
        self._header = header
        self._fd = fd
        self._request = request
        self._error: dict[str, Any] | None = None
        self._leaks: list[str] = []
        self._broken: str | None = None
        self._blocked_tasks: list[dict[str, Any]] = []
        self._policy = policy_of(request["policy"])
        self._main = real.get_ident()

    def run(self, run: Callable[[], tuple[str, object]]) -> NoReturn:
        """Run the program, say what came of it, end the process."""
        world = self._world
        world.decisions.use(self._policy)
        if isinstance(self._policy, Rules):
            self._policy.surroundings = world.surroundings
        if self._request.get("is_watched"):
            world.decisions.points = []
            world.decisions.history = []
            world.decisions.places = lambda: [
                [one.task, one.function, one.text, one.state] for one in world.surroundings.places()
            ]
        world.on_stuck = self._stuck
        world.on_refused = self._refused
        world.on_stop = lambda _failed: self._tell(*world.ended)
        program.on_uncaught.append(self._uncaught)
        program.on_end.append(self._at_end)
        path = self._request.get("recording")
        if path is not None:
            world.tree.hidden.add(path)
        header = {**self._header, **{name: self._request[name] for name in ("policy", "expect", "limit_s")}}
        world.open(Nowhere() if path is None else RecordingWriter(path, header))  # type: ignore[arg-type]
        self._listen()
        how, detail = run()
        world.close(how, detail)
        self._tell(how, detail)

    def _at_end(self) -> None:
        """Look at what the program has left, before it is let go of."""
        self._leaks = self._world.leaks()
        expression = self._request["expect"].get("invariant")
        if expression is None:
            return
        stream, current.stream = current.stream, None
        try:
            # It comes from who runs the program, as the program does.
            if not eval(expression, dict(vars(sys.modules["__main__"]))):  # noqa: S307
                self._broken = f"{expression} is not so"
        except Exception as error:
            self._broken = f"{expression} cannot be told: {type(error).__name__}: {_text(error)}"
        finally:
            current.stream = stream

    def _blocked(self) -> list[dict[str, Any]]:
        """Return the tasks that wait, with what could wake them."""
        labels = {number: self._world.label_of(task) for number, task in cancelling.tasks()}
        try:
            with ProgramInspector() as inspector:
                return [{**asdict(one), "label": labels.get(one.task)} for one in inspector.blocked()]
        except Exception:  # what it looked like is worth less than what came of it
            return []

    def _uncaught(self, error: BaseException) -> None:
        trace = error.__traceback__
        where = None
        while trace is not None:
            if is_users(trace.tb_frame):
                code = trace.tb_frame.f_code
                where = f"{code.co_filename}:{trace.tb_lineno} in {code.co_qualname}"
            trace = trace.tb_next
        kind = type(error)
        name = (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
        self._error = {"type": name, "message": _text(error), "where": where}

    def _stuck(self) -> NoReturn:
        """Nothing can ever happen."""
        self._blocked_tasks = self._blocked()
        current.stream = None
        self._world.stop("deadlock", "nothing that the program waits for can ever happen")
        self._tell("deadlock", None)

    def _refused(self, name: str) -> NoReturn:
        place = place_of(self._main)
        current.stream = None
        text = f"{name} is not simulated"
        self._world.stop("refused", text)
        self._tell("refused", name, where=place)

    def _listen(self) -> None:
        """Say where the run is, and end it, when the server has waited for long enough."""

        def end(number: int, frame: FrameType | None) -> None:
            how = "endless step" if self._world.agenda.beat[_REASON] == _STEP else "endless"
            self._give_up(how, place_of(self._main))

        real.set_handler(signal.SIGALRM, end)

    def _give_up(self, how: str, where: str | None) -> NoReturn:
        self._world.stop(how, where)
        self._tell(how, None, where=where)

    def _unmet(self) -> list[Any]:
        match self._policy:
            case Recorded() as policy:
                return [[*key, option] for key, option in policy.unmet.items()]
            case Rules() as policy:
                return policy.unmet
            case _:
                return []

    def _tell(self, how: str, detail: object, where: str | None = None) -> NoReturn:
        real.set_handler(signal.SIGALRM, signal.SIG_IGN)  # this is the end of it, whoever is impatient
        world = self._world
        world.children.end()
        decisions = world.decisions
        told = {
            "how": how,
            "detail": detail,
            "where": where,
            "error": self._error,
            "decisions": [[*one.key, one.option] for one in decisions.deviations],
            "decisions_count": decisions.count,
            "steps": world.steps_digest,
            "digest": zlib.crc32(
                world.output_digest.to_bytes(4, "little"), decisions.digest ^ world.steps_digest
            ),
            "broken": self._broken,
            "blocked": self._blocked_tasks,
            "unhandled": world.unhandled,
            "leaks": self._leaks,
            "unmet": self._unmet(),
            "output": bytes(world.shown_last).decode(errors="backslashreplace"),
            "now_ns": world.agenda.now_ns - START_NS,
            "is_recorded": not world.is_abandoned,
        }
        if decisions.points is not None:
            told["history"] = decisions.history
            told["points"] = [[*point.key, list(point.options)] for point in decisions.points]
        _send(self._fd, json.dumps(told).encode())
        if self._rewinding is not None and how not in _ENDLESS:
            self._rewinding.go_back()
        real.exit_now(0)


def _text(error: BaseException) -> str:
    try:
        return str(error)[:2000]
    except Exception:
        return "<an exception that cannot be shown>"


def begin(boundary: Any, target: Any, header: dict[str, Any], job: dict[str, Any], source: Any) -> NoReturn:
    """Bring this process to where the program begins, and serve."""
    world: SimulatedWorld = boundary.world
    name = header["argv"][0]

    def run() -> tuple[str, object]:
        late = world.deliver_late_signals
        return program.run(target, name, header["script"], source, late, None, boundary.is_alone)

    files.keep_caches()
    world.begin()
    threads.begin_main(world)
    boundary.start()
    server = Server(job["fd"], world, header, run)
    world.watch_exceptions()
    if header["script"] is not None:
        program.compile_script(header["script"], source)
    program.warm(header["warm"])
    sys.stdout.flush()
    server.serve()
