"""One process of a debugged replay, as its client sees it: started, asked, copied, ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

from replay.errors import ReplayError, UnreadableRecording
from replay.options import ExitCode
from replay.positions import Position
from replay.protocol import ClosedError, Message, pack_message, read_message

START_LIMIT_S: Final = 60.0

_START: Final = (
    "import sys; sys.flags.safe_path or sys.path.pop(0); "  # nothing of the current folder
    "import json; sys.path.append(sys.argv[2]); "
    "from replay.runtime.launcher import become_debuggee; become_debuggee(json.loads(sys.argv[1]))"
)
_ROOT: Final = __file__.rsplit("/", 3)[0]
"""Where the package `replay` lies; in a checkout that may be on nobody's path."""


class DebuggeeLostError(ReplayError):
    """The process of a replay ended, or does not answer."""


class TooDeepError(ReplayError):
    """The program comes near to its recursion limit, where lines are to be counted: that takes stack, too."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a replay stands, and why.

    Attributes:
      reason: ``at`` where it was to go; ``met`` a condition; ``full``: so many; ``deep``: see `TooDeepError`;
        ``pause``, or ``called`` to pause; ``end``: the program has ended; ``diverged``, ``over``: the replay
        cannot go on, see ``message``.
      owner: whose code it is, see ``replay.protocol``.
      event: ``step`` (before one), ``line``, ``return``, ``raise``, ``end``, ``signal``.
      id: of the condition that was met.
      how: the program has ended: ``exit`` or ``signal``; detail: which.
      met: what of a goal was met.
    """

    reason: str
    position: Position
    owner: str
    event: str
    path: str | None
    lineno: int | None
    function: str | None
    depth: int
    is_own: bool
    outputs_count: int
    id: Any = None
    message: str | None = None
    how: str | None = None
    detail: Any = None
    met: list[list[Any]] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to run."""
        return self.reason in ("end", "diverged", "over")

    @property
    def has_ended(self) -> bool:
        """Whether the program itself has: nothing waits in it any more, as it does where a recording ends."""
        return self.reason == "end"


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait.

    By a handler: where there are other threads, one that is blocked in this one comes by them.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    came: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda _, frame: came.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(signal.SIGINT, came[0])


class Debuggee:
    """A process that stands somewhere in the replayed run.

    Attributes:
      stop: where it stands, or stood last.
      is_running: it was told to go on, and has not said yet where it stands; after an interruption only.
    """

    def __init__(self, sock: socket.socket, pid: int, on_output: Callable[[Message], None]) -> None:
        self._socket = sock
        self._pid = pid
        self._on_output = on_output
        self._rights: list[int] = []
        self._data = bytearray()
        self._asked_count = 0
        self.stop: Stop
        self.is_running = False

    @classmethod
    def start(cls, path: str, source: str, on_output: Callable[[Message], None]) -> Debuggee:
        """Start a replay that stands at its beginning.

        Raises:
          ReplayError: it cannot be replayed here, or not be read.
        """
        ours, theirs = socket.socketpair()
        job = {"recording": path, "source": source, "fd": theirs.fileno()}
        child = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(job), _ROOT],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us
        )
        theirs.close()
        found = cls(ours, child.pid, on_output)
        found._child = child
        try:
            found.stop = found._stopped()
        except DebuggeeLostError:
            assert child.stderr is not None
            text = child.stderr.read().decode(errors="replace")
            code = child.wait(START_LIMIT_S)
            found.kill()
            raise _refusal(text, code) from None
        return found

    _child: subprocess.Popen[bytes] | None = None

    def run(self, goal: dict[str, Any]) -> Stop:
        """Go on until ``goal``; see ``replay.protocol``.

        Raises:
          TooDeepError: the process cannot go on.
        """
        self.is_running = True
        self._send({"do": "run", "goal": goal})
        self.stop = stop = self._stopped()
        self.is_running = False
        if stop.reason == "deep":
            raise TooDeepError(
                f"the lines of step @{stop.position.step} cannot be counted: the program comes near to its "
                f"recursion limit ({stop.function}, {stop.path}:{stop.lineno})",
                hint=f"go past it without lines: `goto @{stop.position.step + 1}`, `+` or `tcont`",
            )
        return stop

    def ask(self, name: str, **more: Any) -> Any:
        """Return the answer to a question."""
        self._asked_count += 1
        self._send({"do": "ask", "name": name, "number": self._asked_count, **more})
        try:
            answer = self._answer("answer")
        except KeyboardInterrupt:
            self._send({"do": "pause"})  # whoever asks next passes over the answer
            raise
        if "problem" in answer:
            raise ReplayError(f"{name!r} could not be answered: {answer['problem']}")
        return answer["value"]

    def look(self, name: str, **more: Any) -> dict[str, Any]:
        """Return what a copy of the process finds, which answers a question.

        Raises:
          ReplayError: it was ended before it had an answer.
        """
        found: dict[str, Any] = self.ask(name, **more)
        if found.get("error") is not None:
            raise ReplayError(f"{name!r} cannot be answered here: it {found['error']}")
        return found

    def fork(self) -> Debuggee:
        """Return a copy that stands where this one does.

        Raises:
          ReplayError: the system has no room for one.
        """
        copy: Debuggee | None = None
        try:
            with _uninterrupted():  # or the copy would be nobody's
                self._send({"do": "fork"})
                message = self._answer("forked")
                if "problem" in message:
                    raise ReplayError(f"the replay cannot be copied: {message['problem']}")
                copy = Debuggee(socket.socket(fileno=self._rights.pop()), message["pid"], self._on_output)
        except KeyboardInterrupt:  # which has waited
            if copy is not None:
                copy.kill()
            raise
        copy.stop = self.stop
        return copy

    def pause(self, timeout_s: float) -> Stop:
        """Make it stop at the next place where it can, after `run` was broken off by an exception.

        Raises:
          DebuggeeLostError: it does not come to one in time.
        """
        self._send({"do": "pause"})
        self._socket.settimeout(timeout_s)
        self.stop = self._stopped()
        self.is_running = False
        self._socket.settimeout(None)
        return self.stop

    def private_bytes(self) -> int:
        """Return how much memory it does not share with other processes."""
        try:
            with open(f"/proc/{self._pid}/smaps_rollup") as file:
                lines = [line.split() for line in file]
        except OSError:
            return 0
        return sum(int(line[1]) for line in lines if line[0].startswith("Private_")) * 1024

    def kill(self) -> None:
        """End it at once."""
        self._socket.close()
        if self._child is None or self._child.returncode is None:
            with contextlib.suppress(OSError):
                os.kill(self._pid, signal.SIGKILL)
        if self._child is not None:
            assert self._child.stderr is not None
            self._child.stderr.close()
            self._child.wait()

    def _stopped(self) -> Stop:
        message = self._answer("stopped")
        del message["kind"]
        step, line = message.pop("position")
        return Stop(position=Position(step, line), **message)

    def _answer(self, kind: str) -> Message:
        while True:
            try:
                message = read_message(self._read)
            except (ClosedError, OSError):
                raise DebuggeeLostError("the process of the replay has ended") from None
            if message["kind"] == "output":
                self._on_output(message)
                continue
            if message["kind"] == "answer" and (kind != "answer" or message["number"] != self._asked_count):
                continue  # nobody waits for it any more
            assert message["kind"] == kind, message
            return message

    def _read(self, size: int) -> bytes:
        # What has come of a message is kept if whoever waits for the rest is interrupted.
        while len(self._data) < size:
            data, rights, _, _ = socket.recv_fds(self._socket, 65536, 1)
            self._rights += rights
            if not data:
                return b""
            self._data += data
        found = bytes(self._data[:size])
        del self._data[:size]
        return found

    def _send(self, message: Message) -> None:
        try:
            self._socket.sendall(pack_message(message))
        except OSError:
            raise DebuggeeLostError("the process of the replay has ended") from None


def _refusal(text: str, code: int) -> ReplayError:
    text = text.strip().removeprefix("replay: ")
    message, _, hint = text.partition("\n\nhint: ")
    if code == ExitCode.PROGRAM_UNREADABLE:
        return UnreadableRecording(message, hint=hint or None)
    return ReplayError(message or f"the replay could not be started (exit code {code})", hint=hint or None)
