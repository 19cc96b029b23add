"""The recorded world, as a debugged replay runs in it: it tells its control what the program does."""

from __future__ import annotations

from typing import Any

from replay.recording.describe import concerned
from replay.recording.events import split_key
from replay.runtime.debuggee.control import Control
from replay.runtime.worlds.recorded import RecordedStream, RecordedWorld


class NotedStream(RecordedStream):
    """The events of one thread, which knows the kinds of those that have been taken.

    Attributes:
      tags: of each event that was taken since one began to note them; of errors and effects, their requests'.
    """

    __slots__ = ("_seen", "tags")

    def __init__(self, world: DebuggedWorld, number: int) -> None:
        super().__init__(world, number)
        self._seen = 0
        self.tags: list[int] = []

    def begin_noting(self) -> None:
        """Note what is taken from here on."""
        self._seen = self.pos
        self.tags.clear()

    def note(self) -> None:
        """Note what has been taken."""
        for at in range(self._seen, self.pos, 2):
            key = concerned(self.items[at], self.items[at + 1])
            self.tags.append(0 if key >= 0 else split_key(key)[0])
        self._seen = self.pos

    def fill(self) -> bool:
        """Get further events; whether there are any."""
        if isinstance(self.world, DebuggedWorld) and self.world.is_noting:
            self.note()
        is_filled = super().fill()
        if is_filled:
            self._seen = 0
        return is_filled


class DebuggedWorld(RecordedWorld):
    """Answers from a recording, and stops where its control says.

    Attributes:
      is_noting: whether what is taken of the recording is noted.
    """

    is_noting = False

    def __init__(self, control: Control, *args: Any) -> None:
        super().__init__(*args)
        self._control = control
        self.watcher = control

    def new_stream(self, number: int) -> RecordedStream:
        """Return the events of one thread, which says what of it has been taken."""
        return NotedStream(self, number)

    def begin_noting(self) -> None:
        """Keep, from here on, what is taken of the recording."""
        self.is_noting = True
        for stream in self.streams.values():
            assert isinstance(stream, NotedStream)
            stream.begin_noting()

    def stop_noting(self) -> None:
        """Keep nothing any more."""
        if self.is_noting:
            self.is_noting = False
            for stream in self.streams.values():
                assert isinstance(stream, NotedStream)
                stream.tags.clear()

    def begin(self) -> None:
        """Start answering the main thread; first of all, stop."""
        super().begin()
        self._control.begin(self)

    def before_signal(self) -> None:
        """Stop, if that is wanted where signals come in."""
        self._control.on_signal()

    def show(self, target: int, data: bytes) -> None:
        """Hand over what the program writes."""
        self._control.show(target, data)

    def close(self, how: str, detail: object) -> None:
        """The program has ended as when recorded."""
        super().close(how, detail)
        self._control.end("end", how=how, detail=detail)

    def leave(self, stream: RecordedStream, how: str, detail: object) -> None:
        """The program has ended at once, as when recorded."""
        super().leave(stream, how, detail)
        self._control.end("end", how=how, detail=detail)
