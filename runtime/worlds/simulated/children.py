"""Children of a simulated program that are real processes: what they write, and their end, come from outside.

A child runs in real time. While the program has nothing to do, its clock stands and the child is waited for;
what comes then is on the agenda like anything else from outside, so when it arrives is decided. A child that
says nothing for a while is waited for no longer: then time goes on, until it has been told something.

Its stdin, stdout and stderr are real pipes, of which this end is passed on to and from the simulated ones.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
import stat
from _posixsubprocess import fork_exec
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, NoReturn

from replay.runtime.worlds.simulated.agenda import Agenda, Channel, Coming
from replay.runtime.worlds.simulated.description import READABLE, Description, fail
from replay.runtime.worlds.simulated.descriptors import Descriptors
from replay.runtime.worlds.simulated.entropy import PID
from replay.runtime.worlds.simulated.network import Network
from replay.runtime.worlds.simulated.pipes import PipeEnd
from replay.runtime.worlds.simulated.signals import Signals

FIRST_PID: Final = PID + 1

PATIENCE_S: Final = 1.0
"""A child that says nothing for so long is waited for no longer: it sleeps, or waits for the program."""

LATENCY_NS: Final = 1_000_000
"""So long what a child does is on its way: no process does anything at once."""

_TOGETHER_S: Final = 0.005
"""What a child writes within so much time comes at once."""
_BEAT_S: Final = 0.25
_READ_BYTES: Final = 65536
_MOST_AT_ONCE: Final = 1 << 20

_NOT_YET: Final = "not yet"
_ALREADY: Final = "already"

_FDS_TO_KEEP: Final = 3
_STDIN, _STDOUT, _STDERR, _ERRORS = 6, 9, 11, 13
"""Places of the descriptors that a child gets, in the arguments of ``fork_exec``."""
_PARENTS: Final = (7, 8, 10)
_ERRORS_READ: Final = 12
_PREEXEC: Final = 21
_STANDARD_NAMES: Final = {_STDOUT: "stdout", _STDERR: "stderr"}

_pipe2, _read, _write, _close, _waitpid, _pidfd_open, _kill, _set_blocking, _dup2, _open = (
    os.pipe2, os.read, os.write, os.close, os.waitpid, os.pidfd_open, os.kill, os.set_blocking, os.dup2,
    os.open,
)  # fmt: skip
_poll = select.poll


class _Feed:
    """What a child reads: taken from the simulated description, written to a real pipe."""

    def __init__(self, description: Description, fd: int) -> None:
        self._description = description
        self._left = b""
        self.fd = fd
        self.is_over = False

    def pass_on(self) -> bool:
        """Pass on what can be; whether there was anything."""
        has_moved = False
        while not self.is_over:
            if not self._left:
                try:
                    self._left = self._description.read(_READ_BYTES)
                except BlockingIOError:
                    break
                if not self._left:
                    self.close()
                    return True
            try:
                self._left = self._left[_write(self.fd, self._left) :]
                has_moved = True
            except BlockingIOError:
                break
            except BrokenPipeError:
                self.close()
        return has_moved

    def close(self) -> None:
        """There is no more, or nobody reads it."""
        if not self.is_over:
            self.is_over = True
            _close(self.fd)
            self._description.let_go()


class _Outlet:
    """What a child writes: read from a real pipe, and put into the simulated description when it arrives."""

    def __init__(self, agenda: Agenda, channel: Channel, description: Description, fd: int) -> None:
        self._agenda = agenda
        self._channel = channel
        self._description = description
        self._pending = b""
        self._has_ended = False
        self.fd = fd
        self.is_open = True

    def read(self) -> bool:
        """Read what is there, and let it come; whether there was anything."""
        data = bytearray()
        poller = _poll()
        poller.register(self.fd, select.POLLIN)
        while self.is_open and len(data) < _MOST_AT_ONCE and poller.poll(_TOGETHER_S * 1000 if data else 0):
            part = _read(self.fd, _READ_BYTES)
            data += part
            if not part:
                self.is_open = False
                _close(self.fd)
        if data:
            self._agenda.send(self._channel, LATENCY_NS, lambda: self._arrive(bytes(data)))
        if not self.is_open:
            self._agenda.send(self._channel, LATENCY_NS, self._end)
        return bool(data) or not self.is_open

    def _arrive(self, data: bytes) -> None:
        self._pending += data
        self.put()

    def _end(self) -> None:
        self._has_ended = True
        self.put()

    def put(self) -> bool:
        """Put in what has arrived, as far as there is room; whether there was any."""
        left = len(self._pending)
        try:
            while self._pending:
                self._pending = self._pending[self._description.write(self._pending) :]
        except BlockingIOError:
            return len(self._pending) < left
        except OSError:  # nobody reads it any more
            self._pending = b""
        has_ended, self._has_ended = self._has_ended, False
        if has_ended:
            self._description.let_go()
        return left > 0 or has_ended

    def close(self) -> None:
        """Read no more."""
        if self.is_open:
            self.is_open = False
            _close(self.fd)


class ProcessEnd(Description):
    """What is behind a descriptor of a process (``pidfd``): ready once the end of it has arrived."""

    mode = stat.S_IFREG
    has_come = False

    def events(self) -> int:
        """Return what it is ready for."""
        return READABLE if self.has_come else 0

    def come(self) -> None:
        """The process has ended."""
        self.has_come = True
        self.touch()


class Child:
    """A child process.

    Attributes:
      pid: as the program knows it.
      real_pid: as the system does.
      label: what it is called in decisions.
      status: how it ended, as ``os.waitpid`` says it, once that has arrived.
      ending: its end, which is on its way.
      watches: the descriptors that are about it.
    """

    def __init__(self, pid: int, real_pid: int, label: str) -> None:
        self.pid = pid
        self.real_pid = real_pid
        self.label = label
        self.pidfd = _pidfd_open(real_pid)
        self.has_ended = False
        self.status: int | None = None
        self.ending: Coming | None = None
        self.feeds: list[_Feed] = []
        self.outlets: list[_Outlet] = []
        self.watches: list[ProcessEnd] = []


class Children:
    """Starts children, and waits for them.

    Args:
      agenda: what they do comes over it.
      network: what descriptors belong to.
      descriptors: who is who.
      refuse: is told by name what cannot be; does not return.
      signals: of the program.
    """

    def __init__(
        self,
        agenda: Agenda,
        network: Network,
        descriptors: Descriptors,
        refuse: Callable[[str], NoReturn],
        signals: Signals,
    ) -> None:
        self._agenda = agenda
        self._network = network
        self._descriptors = descriptors
        self._refuse = refuse
        self._signals = signals
        self._all: list[Child] = []
        self._by_pid: dict[int, Child] = {}
        self._names: Counter[str] = Counter()
        self._is_quiet = False

    def starting(self) -> dict[str, Callable[..., Any]]:
        """Return what answers the doors of a program that may start some."""
        return {"os.fork_exec": self.start, "os.kill": self.kill, "os.pidfd_open": self.open}

    def table(self) -> dict[str, Callable[..., Any]]:
        """Return what answers the other doors; there may be none to wait for."""
        return {
            "os.waitpid": self.wait_pid,
            "os.wait": lambda: self.wait_pid(-1, 0),
            "os.wait3": lambda options: (*self.wait_pid(-1, options), _used()),
            "os.wait4": lambda pid, options: (*self.wait_pid(pid, options), _used()),
            "os.waitid": self.wait_id,
        }

    # -- starting -------------------------------------------------------------------------------

    def start(self, sinks: dict[int, int], *args: Any) -> int:
        """Start one; return its pid.

        Args:
          sinks: where it writes instead of 1 or 2, which it would inherit.
          args: as of ``fork_exec``.
        """
        given = list(args)
        for own, sink in sinks.items():
            given[_STDOUT if own == 1 else _STDERR] = sink
        if given[_PREEXEC] is not None:
            self._refuse("a preexec_fn")
        said = self._descriptors.find(given[_ERRORS])
        passed = {fd: self._descriptors.find(fd) for fd in given[_FDS_TO_KEEP] if fd != given[_ERRORS]}
        if any(found is not None and not isinstance(found, PipeEnd) for found in passed.values()):
            self._refuse("pass_fds with a socket")
        given[_ERRORS_READ], given[_ERRORS] = errors, theirs = _pipe2(os.O_CLOEXEC)
        given[_FDS_TO_KEEP] = tuple(sorted({*passed, theirs}))
        opened = [theirs]
        feeds: list[_Feed] = []
        outlets: list[tuple[str, Description, int]] = []
        for place in _PARENTS:
            given[place] = -1  # closed in the child anyway
        for place in (_STDIN, _STDOUT, _STDERR):
            description = self._descriptors.find(given[place])
            if description is None:
                continue
            same = next((one for one in outlets if one[1] is description), None)
            if same is not None and place == _STDERR:
                given[place] = given[_STDOUT]
                continue
            source, sink = _pipe2(os.O_CLOEXEC)
            ours, given[place] = (sink, source) if place == _STDIN else (source, sink)
            opened.append(given[place])
            _set_blocking(ours, False)
            description.references += 1
            if place == _STDIN:
                feeds.append(_Feed(description, ours))
            else:
                outlets.append((_STANDARD_NAMES[place], description, ours))
        for fd, description in passed.items():
            if description is None:
                continue
            source, sink = _pipe2(os.O_CLOEXEC)
            reads = description.access == os.O_RDONLY
            ours, end = (sink, source) if reads else (source, sink)
            _dup2(end, fd, False)  # which is a place only, and this time that of what the child gets
            _close(end)
            _set_blocking(ours, False)
            description.references += 1
            if reads:
                feeds.append(_Feed(description, ours))
            else:
                outlets.append((f"descriptor {fd}", description, ours))
        try:
            real_pid = fork_exec(*given)
        finally:
            for fd in opened:
                _close(fd)
            for fd, description in passed.items():
                if description is not None:
                    place = _open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
                    _dup2(place, fd, False)
                    _close(place)
        child = self._made(real_pid, os.path.basename(os.fsdecode(args[0][0])))
        child.feeds = feeds
        child.outlets = [
            _Outlet(self._agenda, Channel(f"{name} of {child.label}"), description, fd)
            for name, description, fd in outlets
        ]
        why = b""
        while part := _read(errors, _READ_BYTES):
            why += part
        _close(errors)
        if why and said is not None:
            said.write(why)
        return child.pid

    def _made(self, real_pid: int, name: str) -> Child:
        self._names[name] += 1
        child = Child(FIRST_PID + len(self._all), real_pid, f"{name}#{self._names[name]}")
        self._all.append(child)
        self._by_pid[child.pid] = child
        self._is_quiet = False
        self._agenda.outside = self
        return child

    # -- what they do ---------------------------------------------------------------------------

    def look(self) -> None:
        """Let come what they have done by now."""
        self._collect(0.0)

    def wait(self, *, is_last: bool) -> bool:
        """Wait for what they do next; whether anything came.

        Args:
          is_last: nothing else can ever happen.
        """
        if self._pass_on():
            return True
        if self._is_quiet and not is_last:
            return False
        waited_s = 0.0
        while is_last or waited_s < PATIENCE_S:
            if not any(not child.has_ended for child in self._all) and not self._open_outlets():
                return False
            if self._collect(_BEAT_S):
                return True
            waited_s += _BEAT_S
            self._agenda.beat[0] = (self._agenda.beat[0] + 1) % 256
        self._is_quiet = True
        return False

    def _open_outlets(self) -> list[_Outlet]:
        return [outlet for child in self._all for outlet in child.outlets if outlet.is_open]

    def _pass_on(self) -> bool:
        """Pass on what there is for them, and what has come of theirs; whether any of that had room."""
        has_come = False
        for child in self._all:
            for outlet in child.outlets:
                has_come |= outlet.put()
            for feed in child.feeds:
                if feed.pass_on():
                    self._is_quiet = False
        return has_come

    def _collect(self, timeout_s: float) -> bool:
        has_come = self._pass_on()
        poller = _poll()
        found: dict[int, Callable[[], bool]] = {}
        for child in self._all:
            for outlet in child.outlets:
                if outlet.is_open:
                    found[outlet.fd] = outlet.read
                    poller.register(outlet.fd, select.POLLIN)
            if not child.has_ended:
                found[child.pidfd] = lambda child=child: self._ended(child)  # type: ignore[misc]
                poller.register(child.pidfd, select.POLLIN)
        for fd, _ in poller.poll(timeout_s * 1000):
            has_come = found[fd]() or has_come
        if has_come:
            self._is_quiet = False
        return has_come

    def _ended(self, child: Child) -> bool:
        _, status = _waitpid(child.real_pid, 0)
        child.has_ended = True
        _close(child.pidfd)
        for feed in child.feeds:
            feed.close()
        for outlet in child.outlets:
            if outlet.is_open:
                outlet.read()

        def arrive() -> None:
            child.ending = None
            child.status = status
            for watch in child.watches:
                watch.come()
            self._signals.send(signal.SIGCHLD)

        child.ending = self._agenda.send(Channel(f"exit of {child.label}"), LATENCY_NS, arrive)
        return True

    def open(self, pid: int, flags: int = 0) -> int:
        """Open a descriptor of a child that has not been waited for, or of the program itself."""
        child = self._by_pid.get(pid)
        if child is None and pid != PID:
            raise fail(errno.ESRCH)
        watch = ProcessEnd(self._network)
        if child is not None:
            child.watches.append(watch)
            if child.status is not None:
                watch.come()
        return self._descriptors.open(watch)

    def kill(self, pid: int, number: int, /) -> None:
        """Send a signal to a child that has not been waited for, or to the program itself."""
        child = self._by_pid.get(pid)
        if child is None:
            self._signals.kill(pid, number)
        elif not child.has_ended:
            self._is_quiet = False
            _kill(child.real_pid, number)

    def end(self) -> None:
        """End all that run: nobody waits for them any more."""
        for child in self._all:
            if not child.has_ended:
                _kill(child.real_pid, signal.SIGKILL)
                _waitpid(child.real_pid, 0)

    # -- waiting --------------------------------------------------------------------------------

    def wait_pid(self, pid: int, options: int, /) -> tuple[int, int]:
        """Wait for the end of one, or of any; it is forgotten then."""
        child = self._awaited(pid if pid > 0 else None, bool(options & os.WNOHANG))
        if child is None:
            return 0, 0
        assert child.status is not None
        del self._by_pid[child.pid]
        return child.pid, child.status

    def wait_id(self, idtype: int, ident: int, options: int, /) -> Any:
        """Wait for the end of one, or of any; it is forgotten then, unless that is not wanted."""
        if idtype not in (os.P_PID, os.P_ALL):
            self._refuse("os.waitid of a group or a pidfd")
        child = self._awaited(ident if idtype == os.P_PID else None, bool(options & os.WNOHANG))
        if child is None:
            return None
        assert child.status is not None
        if not options & os.WNOWAIT:
            del self._by_pid[child.pid]
        code = os.waitstatus_to_exitcode(child.status)
        how = os.CLD_EXITED if code >= 0 else os.CLD_KILLED
        return os.waitid_result((child.pid, os.getuid(), signal.SIGCHLD, abs(code), how))

    def _awaited(self, pid: int | None, is_impatient: bool) -> Child | None:
        def candidates() -> list[Child]:
            return [one for one in self._by_pid.values() if pid in (None, one.pid)]

        def ended() -> list[Child]:
            return [one for one in candidates() if one.status is not None]

        if not candidates():
            raise fail(errno.ECHILD)
        if not ended() and is_impatient:
            self._look_closely(candidates())
        elif not ended():
            self._agenda.wait(lambda: bool(ended()) or not candidates())
            if not candidates():
                raise fail(errno.ECHILD)
        return next(iter(ended()), None)

    def _look_closely(self, children: list[Child]) -> None:
        """Decide whether one whose end is on its way has ended just now: that happens at any time."""
        for child in children:
            if child.ending is None:
                continue
            if self._agenda.decisions.choose("exit", child.label, (_NOT_YET, _ALREADY)) == _ALREADY:
                self._agenda.hurry(child.ending)


def _used() -> resource.struct_rusage:
    """Return what a child has used, as far as it is told: nothing."""
    return resource.struct_rusage((0.0, 0.0, *[0] * 14))
