"""Line events: each line that is about to run, each return, each frame that an exception is raised in.

Counted is all Python code but ours, the event loop's and the import system's. Seeing lines is slow, so it is
on only while somebody wants them. ``sys.monitoring`` does it from 3.12 on, ``sys.settrace`` before.
"""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType, TracebackType
from typing import Any, Final, Protocol

from replay.runtime import real
from replay.runtime.divergence import at_new_loop, is_installed, loop_folders
from replay.runtime.streams import current
from replay.runtime.thread_state import stack_room
from replay.runtime.tracebacks import OUR_FOLDER


class Wanted(Protocol):
    """Says which lines are to be seen."""

    def wants_code(self, code: CodeType) -> bool:
        """Whether there is one in some code."""
        ...

    def wants_line(self, code: CodeType, line: int) -> bool:
        """Whether it is one."""
        ...


OnEvent = Callable[[FrameType, str, object], None]
Parked = Callable[[], Iterable[FrameType]]

_OUR_FOLDER: Final = OUR_FOLDER.rstrip("/").rpartition("/")[0] + "/"
_QUIET: Final = (StopIteration, StopAsyncIteration, GeneratorExit)
_RESUMABLE: Final = (
    inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
)
_YIELD: Final = dis.opmap["YIELD_VALUE"]
_RESUME: Final = dis.opmap["RESUME"]
_CODE_UNIT: Final = 2
_AFTER_AWAIT: Final = 3

LEAST_ROOM: Final = 80
"""What sees a line, and answers there, is on the stack of the program, and must not meet its limit."""

_TOOLS: Final = 6
"""So many tools there can be at once."""

NOT_COUNTED: Final = 0
COUNTED: Final = 1
OWN: Final = 2
"""Code of the program itself."""


_raised: Final[list[Any]] = []
"""What is raised, and its traceback: Python 3.11 gives it to the exception where it is caught."""


def traceback_of(error: object) -> TracebackType | None:
    """Return the traceback of what is raised, as far as it has come."""
    found: TracebackType | None
    found = _raised[1] if _raised and _raised[0] is error else getattr(error, "__traceback__", None)
    return found


class Lines(Protocol):
    """Calls back for each event while it is on; for ``deep`` where the stack has no room for that.

    Attributes:
      is_on: whether it is.
      is_blind: nobody wants to know for a moment; this is quicker than to be off and on again.
    """

    is_on: bool
    is_blind: bool

    def on(self, wanted: Wanted | None = None, *, yields: bool = False) -> None:
        """See the lines of all code that begins, or goes on, from now; only those ``wanted``, if given.

        With ``yields``, where a task suspends, too: frame by frame, from the innermost.
        """

    def off(self) -> None:
        """See nothing."""


class _Kinds(dict[str, int]):
    """Whether code is counted, and whether it is the program's own, by its file."""

    def __missing__(self, path: str) -> int:
        if path.startswith((_OUR_FOLDER, *loop_folders, "<frozen importlib", "<frozen zipimport")):
            kind = NOT_COUNTED
        elif is_installed(path) or path.startswith("<"):
            kind = COUNTED
        else:
            kind = OWN
        self[path] = kind
        return kind


kinds: Final = _Kinds()
at_new_loop.append(kinds.clear)  # what was counted before, is not any more


class _Monitoring:
    """``sys.monitoring``, with a tool of our own."""

    def __init__(self, on_event: OnEvent, parked: Parked) -> None:
        self.is_on = self.is_blind = False
        self._on_event = on_event
        self._parked = parked
        monitoring = sys.monitoring  # type: ignore[attr-defined]
        self._get_tool = monitoring.get_tool
        self._set_events = monitoring.set_events
        self._set_local_events = monitoring.set_local_events
        self._restart_events = monitoring.restart_events
        self._wanted: Wanted | None = None
        self._room = stack_room()
        self._tool = next(tool for tool in (4, 3, 5, 0) if monitoring.get_tool(tool) is None)
        monitoring.use_tool_id(self._tool, "replay")
        events = monitoring.events
        self._events = events.LINE | events.PY_RETURN | events.RAISE
        self._line_event = events.LINE
        self._yield_event = events.PY_YIELD
        self._more = 0
        self._enter_events = events.PY_START | events.PY_RESUME | events.PY_THROW
        self._local: list[CodeType] = []
        self._disable = monitoring.DISABLE
        for event, function in (
            (events.LINE, self._line),
            (events.PY_RETURN, self._return),
            (events.RAISE, self._raise),
            (events.PY_YIELD, self._yield),
            (events.PY_START, self._enter),
            (events.PY_RESUME, self._enter),
            (events.PY_THROW, self._enter_by_throw),
        ):
            monitoring.register_callback(self._tool, event, function)

    def on(self, wanted: Wanted | None = None, *, yields: bool = False) -> None:
        """See the lines from now on."""
        more = self._yield_event if yields else 0
        if wanted != self._wanted or more != self._more:
            self.off()
            self._wanted, self._more = wanted, more
        if self.is_on:
            return
        self.is_on = True
        every = (frame.f_code for frame in _begun(self._parked()))
        # By their ids: two that are alike, of different files, are equal.
        begun = {id(code): code for code in every if kinds[code.co_filename]}.values()
        if wanted is not None and self._is_alone():
            # Only code that has such a line sees its lines: it is told when it is entered first.
            self._restart_events()  # of code that had none of the lines wanted before
            self._set_events(self._tool, self._enter_events)
            for code in begun:
                self._enter(code)
            return
        self._set_events(self._tool, (self._events if wanted is None else self._line_event) | more)
        # Code learns of it when a frame of it begins or is resumed; what has begun is told here.
        for code in begun:
            self._set_local_events(self._tool, code, self._line_event)
            self._set_local_events(self._tool, code, 0)

    def off(self) -> None:
        """See nothing."""
        if self.is_on:
            self.is_on = False
            self._set_events(self._tool, 0)
            for code in self._local:
                self._set_local_events(self._tool, code, 0)
            self._local.clear()

    def _is_alone(self) -> bool:
        """Whether the program has no tool of its own, which would see that events are restarted."""
        return not any(self._get_tool(tool) for tool in range(_TOOLS) if tool != self._tool)

    def _enter(self, code: CodeType, *_: object) -> object:
        """Let code that is entered, or goes on, see its lines if somebody wants one of them."""
        wanted = self._wanted
        if wanted is not None and wanted.wants_code(code):
            self._local.append(code)
            self._set_local_events(self._tool, code, self._line_event | self._more)
        return self._disable

    def _enter_by_throw(self, code: CodeType, *_: object) -> None:
        self._enter(code)  # this event cannot be switched off for one code alone

    def _line(self, code: CodeType, line: int) -> object:
        if self._room[0] < LEAST_ROOM and self.is_on and current.stream is not None:
            self._on_event(real.getframe(1), "deep", None)
        if not kinds[code.co_filename]:
            return self._disable
        if self.is_blind:
            return None
        if self._wanted is not None and not self._wanted.wants_line(code, line):
            return None
        if self.is_on and current.stream is not None:
            self._on_event(real.getframe(1), "line", None)
        return None

    def _return(self, code: CodeType, offset: int, value: object) -> object:
        if not kinds[code.co_filename]:
            return self._disable
        if self.is_blind:
            return None
        if self.is_on and current.stream is not None:
            self._on_event(real.getframe(1), "return", value)
        return None

    def _yield(self, code: CodeType, offset: int, value: object) -> object:
        if not kinds[code.co_filename]:
            return self._disable
        if self.is_blind:
            return None
        if self.is_on and current.stream is not None and awaits(code, offset):
            self._on_event(real.getframe(1), "yield", None)
        return None

    def _raise(self, code: CodeType, offset: int, error: BaseException) -> object:
        if self.is_blind or not kinds[code.co_filename] or isinstance(error, _QUIET):
            return None
        if self.is_on and current.stream is not None:
            self._on_event(real.getframe(1), "raise", error)
        return None


class _Tracing:
    """``sys.settrace``; of code that runs already, what is resumed is seen.

    There is one trace function: while it is ours, that of the program is called by it, and what the program
    asks of ``sys`` about its own is answered here.
    """

    def __init__(self, on_event: OnEvent, parked: Parked) -> None:
        self.is_on = self.is_blind = False
        self._on_event = on_event
        self._parked = parked
        self._wanted: Wanted | None = None
        self._room = stack_room()
        self._yields = False
        self._raised_in: FrameType | None = None
        self._theirs: Any = None
        self._real = sys.settrace, sys.gettrace

        def settrace(function: Any, /) -> None:
            self._theirs = function

        def gettrace() -> Any:
            return self._theirs

        self._asked = settrace, gettrace
        self._hidden = [one.__code__ for one in self._asked]

    def on(self, wanted: Wanted | None = None, *, yields: bool = False) -> None:
        """See the lines from now on."""
        self._wanted, self._yields = wanted, yields
        if not self.is_on:
            self.is_on = True
            self._theirs = self._real[1]()
            self._real[0](self._call)
            sys.settrace, sys.gettrace = self._asked
            for frame in _begun(self._parked()):  # for these nobody asks
                frame.f_trace = self._local_of(frame, frame.f_trace)

    def off(self) -> None:
        """See nothing."""
        if self.is_on:
            self.is_on = False
            self._raised_in = None
            sys.settrace, sys.gettrace = self._real
            self._real[0](self._theirs)

    def _call(self, frame: FrameType, event: str, value: Any) -> Any:
        if self._room[0] < LEAST_ROOM and self.is_on and current.stream is not None:
            self._on_event(frame, "deep", None)
        code = frame.f_code
        if code in self._hidden:
            return None
        theirs = None if self._theirs is None else self._theirs(frame, event, value)
        # One that it was given before is still there, though the program may not trace any more.
        found = frame.f_trace = self._local_of(frame, frame.f_trace if theirs is None else theirs)
        return found

    def _local_of(self, frame: FrameType, theirs: Any) -> Any:
        """Return the trace function of a frame for which the program has ``theirs``, or (None) none."""
        code = frame.f_code
        is_ours = bool(kinds[code.co_filename]) and (self._wanted is None or self._wanted.wants_code(code))
        if isinstance(theirs, _Both):
            theirs = theirs.theirs
        if theirs is None or theirs == self._local:
            return self._local if is_ours else None
        return _Both(self, theirs, is_ours)

    @property
    def calls_theirs(self) -> bool:
        """Whether the program still wants to trace."""
        return (self._theirs if self.is_on else self._real[1]()) is not None

    def _local(self, frame: FrameType, event: str, value: Any) -> Any:
        if not self.is_on:
            return None
        if self.is_blind or current.stream is None:
            return self._local
        wanted = self._wanted
        if event == "line":
            self._raised_in = None
            if wanted is None or wanted.wants_line(frame.f_code, frame.f_lineno):
                self._on_event(frame, "line", None)
        elif event == "exception":
            if not issubclass(value[0], _QUIET):
                self._raised_in = frame
                if wanted is None:
                    _raised[:] = value[1:]
                    try:
                        self._on_event(frame, "raise", value[1])
                    finally:
                        _raised.clear()
        elif event == "return":
            if self._raised_in is frame and value is None:
                self._raised_in = None
            elif yields(frame.f_code, frame.f_lasti):
                if self._yields and awaits(frame.f_code, frame.f_lasti):
                    self._on_event(frame, "yield", None)
            elif wanted is None:
                self._on_event(frame, "return", value)
        return self._local


class _Both:
    """The trace function of a frame that the program traces too."""

    __slots__ = ("_is_ours", "_tracing", "theirs")

    def __init__(self, tracing: _Tracing, theirs: Any, is_ours: bool) -> None:
        self._tracing = tracing
        self.theirs = theirs
        self._is_ours = is_ours

    def __call__(self, frame: FrameType, event: str, value: Any) -> Any:
        if self._is_ours:
            self._tracing._local(frame, event, value)
        if self._tracing.calls_theirs:
            found = self.theirs(frame, event, value)
            self.theirs = self.theirs if found is None else found
        return self


def yields(code: CodeType, offset: int) -> bool:
    """Whether the code has come to a ``yield`` there, and not to its end."""
    return bool(code.co_flags & _RESUMABLE) and code.co_code[offset] == _YIELD


def awaits(code: CodeType, offset: int) -> bool:
    """Whether the ``yield`` at an offset is one that suspends a task."""
    if not code.co_flags & inspect.CO_ASYNC_GENERATOR:
        return bool(code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE))
    after = offset + _CODE_UNIT
    return code.co_code[after] == _RESUME and code.co_code[after + 1] & _AFTER_AWAIT == _AFTER_AWAIT


def _begun(parked: Iterable[FrameType]) -> Iterator[FrameType]:
    """Yield the frames of all stacks: of this one, and of threads that wait."""
    for innermost in (real.getframe(1), *parked):
        frame: FrameType | None = innermost
        while frame is not None:
            yield frame
            frame = frame.f_back


def lines(on_event: OnEvent, parked: Parked) -> Lines:
    """Return what sees lines with this Python; ``parked()`` are the innermost frames of threads that wait."""
    return _Monitoring(on_event, parked) if sys.version_info >= (3, 12) else _Tracing(on_event, parked)
