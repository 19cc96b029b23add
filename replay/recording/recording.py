"""A recording as one asks about it: its events in order, its steps, its tasks, how it ended.

`Recording` reads the file anew for each pass and keeps no events, so its size does not matter (but see
``merge`` on programs with threads). What is asked about the whole is found in one pass, at the first
question.

Whatever is in the file, nothing here raises once it is open: a value that makes no sense counts as absent.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from os import fspath
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Self, TypeAlias, final

from replay.errors import UsageError
from replay.positions import Position
from replay.recording.describe import error_name, event_name
from replay.recording.events import DURATION, FIRST_DOOR, OF_TRIO, UNMEASURED, Kind, split_key
from replay.recording.merge import Event, merged
from replay.recording.reader import RecordingFile, Sizes
from replay.recording.redaction import SECRETS_COUNT

if TYPE_CHECKING:
    from os import PathLike

State: TypeAlias = Literal["returned", "cancelled", "failed", "pending"]
OwnerKind: TypeAlias = Literal["task", "callback", "loop", "outside"]

MAX_NOTES: Final = 1000
"""So many remarks are kept; a program that makes more makes the same ones."""

_TRIOS: Final = frozenset((("Runner.init", "<init>"), ("EntryQueue.task", "<TrioToken.run_sync_soon task>")))
"""Coroutine and name of the tasks that each run of trio begins with."""

_ASYNCIOS: Final = ("BaseEventLoop.shutdown_", "BaseEventLoop._", "BaseSelectorEventLoop._")
"""How the coroutines begin that asyncio runs as tasks of its own."""

_INTERRUPTS: Final = ("builtins.KeyboardInterrupt", "builtins.BaseExceptionGroup")
"""What a task fails with that Ctrl-C comes to, on trio; asyncio cancels."""

_GROUPS: Final = ("builtins.ExceptionGroup", "builtins.BaseExceptionGroup")


class Owner(NamedTuple):
    """Who ran when an event happened.

    Attributes:
      kind: a task; a callback of no task; the loop between steps; a thread outside of any loop.
      task: its id, 0 if it is no task.
      stream: the thread.
    """

    kind: OwnerKind
    task: int
    stream: int


class Step(NamedTuple):
    """One step.

    Attributes:
      number: ``@number``, from 1.
      task: whose turn it was; 0 for a callback that belongs to no task.
      stream: the thread.
      event_index: of the step's own event.
      start_ns: since the recording began. In another thread than the main one this starts at the beginning of
        the step that started the thread, since nothing tells more.
      run_ns: until the next step of the thread began, without the time in which the loop is known to have
        waited; None for the last step of a thread, and for those before it that share its time.
      is_at_most: the loop may have waited in this time: there was nothing to tell.
      is_shared: steps in a row took this long on average: when each of them began was not measured.
    """

    number: int
    task: int
    stream: int
    event_index: int
    start_ns: int
    run_ns: int | None
    is_at_most: bool
    is_shared: bool


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the program's source."""

    path: str
    line: int
    qualname: str


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the recorded run.

    Attributes:
      id: ordinal of its creation, from 1.
      name: the last it had, given or asyncio's own.
      parent: the task that made it; None if a callback or code outside of any task did.
      site: where it was made; None if that is unknown.
      coroutine: what it runs, if the recording says so.
      state: how it ended; ``pending`` if it did not.
      error: type and message of the exception it failed with.
      spawned_at: the position of its creation; None if that was not recorded.
      ended_at: the position of its last step's end.
      first_step: None if it never ran.
      last_step: the same number as ``first_step`` if it ran once.
      steps_count: how many steps it took.
      run_ns: all its steps together.
      is_at_most: as in `Step`, of any of them.
      is_shared: as in `Step`, of any of them.
      is_of_trio: it is a task of trio, not of asyncio.
      is_eager: it began inside the step of its parent that made it.
    """

    id: int
    name: str
    parent: int | None
    site: Site | None
    coroutine: str | None
    state: State
    error: tuple[str, str] | None
    spawned_at: Position | None
    ended_at: Position | None
    first_step: int | None
    last_step: int | None
    steps_count: int
    run_ns: int
    is_at_most: bool
    is_shared: bool
    is_of_trio: bool
    is_eager: bool

    @property
    def error_text(self) -> str:
        """The exception as a traceback's last line has it; empty if there is none."""
        if self.error is None:
            return ""
        name, message = self.error
        return f"{error_name(name)}: {message}" if message else error_name(name)

    @property
    def is_internal(self) -> bool:
        """The library made it for itself: asyncio to accept, and to close a loop, trio to begin a run."""
        if self.coroutine is None:
            return False
        is_of_run = self.is_of_trio and (self.coroutine, self.name) in _TRIOS
        return is_of_run or self.coroutine.startswith(_ASYNCIOS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the recorded run ended.

    Attributes:
      how: ``exit``, ``signal``, and what else a recorder says; ``cut`` if the recording does not say, and
        ``unwritable`` if the recorder could not write on.
      detail: the exit code, the number of the signal.
      position: where; the end of the recording.
      extra: what the recorder said about itself.
    """

    how: str
    detail: object
    position: Position
    extra: Mapping[str, object]

    @property
    def is_cut(self) -> bool:
        """The recording does not say how it ended."""
        return self.how in ("cut", "unwritable")

    @property
    def is_failure(self) -> bool:
        """The run ended other than with exit code 0, or as another program."""
        return not self.is_cut and self.how != "exec" and (self.how != "exit" or self.detail != 0)


@dataclass(frozen=True, slots=True)
class Survey:
    """What one pass over a recording finds out.

    Attributes:
      kinds: how many events there are of each kind and door, by name.
      packages: the installed distributions that the program imported from, with their versions.
      secrets_count: how many distinct secrets a placeholder stands for, as the recorder said in the end;
        None if the recording was cut before, and there may have been some.
      notes: what could not be recorded or was changed, with the place; at most ``MAX_NOTES``.
      output_bytes: what the program wrote, by descriptor (1 and 2).
      duration_ns: until the last step began, or as the recorder said.
    """

    tasks: tuple[Task, ...]
    outcome: Outcome
    damage: str | None
    sizes: Sizes
    events_count: int
    steps_count: int
    threads_count: int
    sources_count: int
    secrets_count: int | None
    duration_ns: int
    packages: Mapping[str, str]
    kinds: Mapping[str, int]
    notes: tuple[tuple[Event, str], ...]
    output_bytes: Mapping[int, int]


@final
class Recording:
    """A recording, to be looked at; a context manager that closes it. Made by `replay.open`.

    While the recorded program is still running, each pass over events or steps goes as far as the file does
    by then; what is known of the whole stays as it was when it was first asked for.
    """

    __slots__ = ("_file", "_survey", "door_names", "header", "path")

    def __init__(self, path: str, file: RecordingFile) -> None:
        self.path = path
        self.header: Mapping[str, object] = MappingProxyType(file.header)
        doors = file.header.get("doors")
        named = enumerate(doors, FIRST_DOOR) if isinstance(doors, list) else ()
        self.door_names: Mapping[int, str] = MappingProxyType({tag: str(name) for tag, name in named})
        self._file = file
        self._survey: Survey | None = None

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Recording:
        """Open a recording.

        Raises:
          UnreadableRecording: there is no such file, it is no recording, it is one of another format
            version, or its header is damaged.
        """
        return cls(fspath(path), RecordingFile.open(path))

    def close(self) -> None:
        """Let go of the file; what was found out about the whole stays."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def events(self) -> Iterator[Event]:
        """Yield all events in their order: that in which a replay meets them.

        Raises:
          ValueError: the recording was closed.
        """
        return merged(self._file.frames())

    def owned_events(self) -> Iterator[tuple[Event, Owner]]:
        """Yield all events, each with who ran then."""
        walk = _Walk()
        for event in self.events():
            yield event, walk.take(event)[0]

    def steps(self) -> Iterator[Step]:
        """Yield all steps in their order; each waits until those before it are over, in whatever thread."""
        walk = _Walk()
        waiting: deque[int] = deque()
        over: dict[int, Step] = {}
        for event in self.events():
            _, ended = walk.take(event)
            if event.key >= 0:
                waiting.append(event.step)
            if ended:
                over.update({step.number: step for step in ended})
                while waiting and waiting[0] in over:
                    yield over.pop(waiting.popleft())
        over.update({step.number: step for step in walk.unfinished()})
        yield from (over[number] for number in waiting)

    def tasks(self) -> tuple[Task, ...]:
        """Return all tasks, by id."""
        return self.survey().tasks

    @property
    def outcome(self) -> Outcome:
        """How the run ended."""
        return self.survey().outcome

    @property
    def damage(self) -> str | None:
        """What is wrong with the file, and where, in one sentence; None if nothing is."""
        return self.survey().damage

    @property
    def is_closed(self) -> bool:
        """Whether the recorder finished the file. If not, the program still runs, or was killed."""
        return self._file.closed

    @property
    def is_being_written(self) -> bool:
        """Whether the recorded program was still running when the file was opened."""
        return self._file.is_being_written

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return self._file.size_bytes

    @property
    def sizes(self) -> Sizes:
        """Size of all events, before and after compression."""
        return self.survey().sizes

    @property
    def events_count(self) -> int:
        """How many events there are."""
        return self.survey().events_count

    @property
    def steps_count(self) -> int:
        """How many steps there are; the last is ``@steps_count``."""
        return self.survey().steps_count

    def task_names(self) -> TaskNames:
        """Return a book of names, empty: it is to be shown the events."""
        python = self.header.get("python")
        return TaskNames(all_count=isinstance(python, str) and python.startswith("3.11."))

    def failures(self) -> tuple[Task, ...]:
        """Return the tasks whose exceptions ended the run, the first to fail first; none if none did.

        The last is the one that the program waited for; those before it are tasks it had made, from whom its
        exception, or a part of its exception group, came.
        """
        failed = [task for task in self.tasks() if task.state == "failed" and task.ended_at is not None]
        outcome = self.outcome
        if outcome.how != "exit":  # what else failed before it was stopped was seen to; Ctrl-C raises
            failed = [task for task in failed if task.error is not None and task.error[0] in _INTERRUPTS]
        if not outcome.is_failure or not failed:
            return ()
        failed.sort(key=lambda task: task.ended_at or Position(0))
        first_child: dict[tuple[int, tuple[str, str] | None], Task] = {}
        for task in reversed(failed):
            if task.parent is not None:
                first_child[task.parent, task.error] = first_child[task.parent, None] = task
        chain = [next((task for task in reversed(failed) if task.parent is None), failed[-1])]
        seen = {chain[0].id}
        while True:
            last = chain[-1]
            is_group = last.error is not None and last.error[0] in _GROUPS
            child = first_child.get((last.id, None if is_group else last.error))
            if child is None or child.id in seen:
                return tuple(reversed(chain))
            chain.append(child)
            seen.add(child.id)

    def survey(self) -> Survey:
        """Return what one pass over the whole finds out."""
        if self._survey is None:
            self._survey = self._look()
        return self._survey

    def _look(self) -> Survey:
        walk = _Walk()
        tally = _Tally(self.task_names())
        for event in self.events():
            owner, ended = walk.take(event)
            tally.add(event, owner)
            for step in ended:
                tally.add_step(step)
        for step in walk.unfinished():
            tally.add_step(step)
        kinds: Counter[str] = Counter()
        for tag, count in tally.tags.items():
            kinds[event_name(-tag, self.door_names)] += count
        end = Position(tally.steps_count)
        outcome = tally.outcome or Outcome("cut", None, end, MappingProxyType({}))
        told_ns = outcome.extra.get(DURATION)
        return Survey(
            tasks=tally.tasks(),
            outcome=outcome,
            damage=self._file.damage,
            sizes=self._file.sizes,
            events_count=tally.events_count,
            steps_count=tally.steps_count,
            threads_count=max(1, kinds[Kind.BEGIN.name.lower()]),
            sources_count=kinds[Kind.SOURCE.name.lower()],
            secrets_count=_secrets_count(outcome),
            packages=MappingProxyType(tally.packages),
            duration_ns=told_ns if type(told_ns) is int else walk.duration_ns,
            kinds=MappingProxyType(kinds),
            notes=tuple(tally.notes),
            output_bytes=MappingProxyType(tally.output_bytes),
        )


@final
class TaskNames:
    """The names of tasks, as far as the events go that it was shown.

    A name that the program gave is in the recording, and that of each task of trio. Others are asyncio's own,
    ``Task-N``, where N counts: on Python 3.11 all of its tasks, as a name came only after a task was counted,
    and later those without a name.

    Args:
      all_count: tasks of asyncio that were given a name count, too.
    """

    def __init__(self, *, all_count: bool) -> None:
        self._all_count = all_count
        self._given: dict[int, str] = {}
        self._uncounted: list[int] = []

    def add(self, event: Event) -> None:
        """Look at an event; most say nothing about names."""
        if event.key >= 0:
            return
        tag, about = split_key(event.key)
        if tag != Kind.NAME:
            return
        match event.value:
            case [int() as number, str() as name]:
                is_counted = self._all_count and about != OF_TRIO
                if about and not is_counted and number not in self._given:
                    insort(self._uncounted, number)
                self._given[number] = name
            case _:
                pass

    def of(self, number: int) -> str:
        """Return the name of the task of this id."""
        given = self._given.get(number)
        return f"Task-{number - bisect_left(self._uncounted, number)}" if given is None else given


class _Stream:
    """What is known of a thread at one point of a walk."""

    def __init__(self, number: int, began_ns: int) -> None:
        self.now_ns = began_ns
        self.owner = self.outside = Owner("outside", 0, number)
        self.loop = Owner("loop", 0, number)
        self.parents: list[Owner] = []
        self.steps: list[Step] = []
        """That which was measured last, and those since that were not; when they ended is not known yet."""
        self.clock_ns = 0
        self.begin_gap()

    def begin_gap(self) -> None:
        """A step begins; nothing is known yet of what comes between it and the next."""
        self.is_polled = False
        self.is_clock_last = False
        self.idle_from_ns: int | None = None
        self.idle_until_ns: int | None = None
        self.may_have_waited = False


class _Walk:
    """Goes along the events, and knows of each whose it is, and of each step how long it took.

    A step's own event says when it began. When it ended is found out: between it and the next step lies the
    loop's turn, in which the loop may have waited. With timers pending, the loop reads its clock just before
    it waits and just after: that time is taken off. Without, it may have waited for readiness, and what is
    left is an upper bound. Steps whose own begin was not measured share the time with the one before them.
    """

    def __init__(self) -> None:
        self._streams: dict[int, _Stream] = {}
        self._began_ns: dict[int, int] = {}
        self.duration_ns = 0

    def take(self, event: Event) -> tuple[Owner, Sequence[Step]]:
        """Go past one event; return whose it is, and the steps whose end it tells."""
        number = event.stream
        stream = self._streams.get(number)
        if stream is None:
            stream = self._streams[number] = _Stream(number, self._began_ns.get(number, 0))
        key, value = event.key, event.value
        if key >= 0:
            ended = self._begin_step(stream, event)
            return stream.owner, ended
        tag, about = split_key(key)
        owner = stream.owner
        if tag == Kind.CLOCK:
            stream.clock_ns += _number(value)
            if stream.is_polled:
                if stream.idle_from_ns is None:
                    stream.idle_from_ns = stream.clock_ns
                stream.idle_until_ns = stream.clock_ns
            stream.is_clock_last = True
            return owner, ()
        if tag == Kind.TURN:
            return owner, ()
        if tag == Kind.POLL:
            if not stream.is_polled:
                stream.is_polled = True
                if stream.is_clock_last:
                    stream.idle_from_ns = stream.clock_ns
            stream.may_have_waited |= bool(value) and stream.idle_from_ns is None
            stream.parents.clear()
            owner = stream.owner = stream.loop
        elif tag == Kind.END:
            if owner.kind == "task" and _ended_task(value) == owner.task:
                stream.owner = stream.parents[-1] if stream.parents else stream.loop
        elif tag == Kind.EAGER:
            if _number(value):
                stream.parents.append(owner)
                owner = stream.owner = Owner("task", _number(value), number)
            elif stream.parents:
                stream.owner = stream.parents.pop()
        elif tag == Kind.LOOP:
            if value == 0:
                owner = stream.owner = stream.outside
        elif tag == Kind.EXIT:
            owner = stream.owner = stream.outside
        elif tag == Kind.THREAD and not about and isinstance(value, list) and value:
            self._began_ns.setdefault(_number(value[0]), stream.now_ns)
        stream.is_clock_last = False
        return owner, ()

    def unfinished(self) -> list[Step]:
        """Return the last steps of each thread, whose end nothing tells."""
        return [step for stream in self._streams.values() for step in stream.steps]

    def _begin_step(self, stream: _Stream, event: Event) -> Sequence[Step]:
        value = _number(event.value)
        ended: Sequence[Step] = ()
        if value != UNMEASURED or not stream.steps:
            delta_ns = max(0, value)
            ended = _ended_steps(stream, delta_ns)
            stream.now_ns += delta_ns
            self.duration_ns = max(self.duration_ns, stream.now_ns)
            stream.steps = []
        task = event.key
        is_shared = bool(stream.steps)
        begun = Step(event.step, task, event.stream, event.index, stream.now_ns, None, False, is_shared)
        stream.steps.append(begun)
        stream.owner = Owner("task" if task else "callback", task, event.stream)
        stream.parents.clear()
        stream.begin_gap()
        return ended


def _ended_steps(stream: _Stream, delta_ns: int) -> list[Step]:
    """Return the steps of a thread that have ended when the next one begins, so much later."""
    steps = stream.steps
    idle_ns = 0
    if stream.idle_from_ns is not None and stream.idle_until_ns is not None:
        idle_ns = min(delta_ns, max(0, stream.idle_until_ns - stream.idle_from_ns))
    busy_ns, count = delta_ns - idle_ns, len(steps)
    ended: list[Step] = []
    for at, step in enumerate(steps):
        from_ns, to_ns = busy_ns * at // count, busy_ns * (at + 1) // count
        ended.append(
            step._replace(
                start_ns=step.start_ns + from_ns,
                run_ns=to_ns - from_ns,
                is_at_most=stream.may_have_waited,
                is_shared=count > 1,
            )
        )
    return ended


@dataclass(slots=True)
class _Draft:
    """A task while the events about it are still coming in."""

    parent: int | None = None
    site: int = 0
    coroutine: str | None = None
    state: State = "pending"
    error: tuple[str, str] | None = None
    spawned_at: Position | None = None
    ended_at: Position | None = None
    first_step: int | None = None
    last_step: int | None = None
    steps_count: int = 0
    run_ns: int = 0
    is_at_most: bool = False
    is_shared: bool = False
    is_of_trio: bool = False
    is_eager: bool = False


@dataclass(slots=True)
class _Tally:
    """Counts events, and puts together what several of them say about a task."""

    names: TaskNames
    drafts: dict[int, _Draft] = field(default_factory=dict)
    sites: dict[int, Site] = field(default_factory=dict)
    tags: Counter[int] = field(default_factory=Counter)
    packages: dict[str, str] = field(default_factory=dict)
    notes: list[tuple[Event, str]] = field(default_factory=list)
    output_bytes: dict[int, int] = field(default_factory=lambda: {1: 0, 2: 0})
    outcome: Outcome | None = None
    coroutines: dict[int, str] = field(default_factory=dict)
    events_count: int = 0
    steps_count: int = 0

    def add(self, event: Event, owner: Owner) -> None:
        """Take in one event."""
        self.events_count += 1
        key, value = event.key, event.value
        if key >= 0:
            self.tags[0] += 1
            self.steps_count += 1
            return
        tag, about = split_key(key)
        self.tags[tag] += 1
        if tag >= FIRST_DOOR:
            return
        match tag, value:
            case Kind.SPAWN, int():
                draft = self._draft(value)
                draft.site = about
                draft.coroutine = self.coroutines.get(about)
                draft.spawned_at = Position(event.step)
                draft.parent = owner.task if owner.kind == "task" else None
            case Kind.SITE, [int() as number, str() as path, int() as line, str() as qualname, coroutine]:
                self.sites[number] = Site(path, line, qualname)
                if isinstance(coroutine, str):
                    self.coroutines[number] = coroutine
            case Kind.NAME, [int() as number, str()]:
                self._draft(number).is_of_trio |= about == OF_TRIO
                self.names.add(event)
            case Kind.EAGER, int() if value:
                self._draft(value).is_eager = True
            case Kind.END, int():
                self._end(value, event, "returned", None)
            case Kind.END, [int() as number, int()]:
                self._end(number, event, "cancelled", None)
            case Kind.END, [int() as number, str() as name, str() as message]:
                self._end(number, event, "failed", (name, message))
            case Kind.OUTPUT, [_, bytes() as data]:
                self.output_bytes[about] = self.output_bytes.get(about, 0) + len(data)
            case Kind.FOUND, ["distribution", str() as name, str() as version]:
                self.packages[name] = version
            case Kind.NOTE, str():
                if len(self.notes) < MAX_NOTES:
                    self.notes.append((event, value))
            case Kind.EXIT, [str() as how, detail, *more]:
                extra = more[0] if more and isinstance(more[0], dict) else {}
                self.outcome = Outcome(how, detail, Position(event.step), MappingProxyType(extra))
            case _:
                pass

    def add_step(self, step: Step) -> None:
        """Take in one step, once it is known how long it took."""
        if step.task == 0:
            return
        draft = self._draft(step.task)
        draft.steps_count += 1
        draft.first_step = min(draft.first_step or step.number, step.number)
        draft.last_step = max(draft.last_step or 0, step.number)
        draft.run_ns += step.run_ns or 0
        draft.is_at_most |= step.is_at_most
        draft.is_shared |= step.is_shared

    def tasks(self) -> tuple[Task, ...]:
        """Return what is known of each task."""
        return tuple(self._task(number, draft) for number, draft in sorted(self.drafts.items()))

    def _task(self, number: int, draft: _Draft) -> Task:
        return Task(
            id=number,
            name=self.names.of(number),
            parent=draft.parent,
            site=self.sites.get(draft.site),
            coroutine=draft.coroutine,
            state=draft.state,
            error=draft.error,
            spawned_at=draft.spawned_at,
            ended_at=draft.ended_at,
            first_step=draft.first_step,
            last_step=draft.last_step,
            steps_count=draft.steps_count,
            run_ns=draft.run_ns,
            is_at_most=draft.is_at_most,
            is_shared=draft.is_shared,
            is_of_trio=draft.is_of_trio,
            is_eager=draft.is_eager,
        )

    def _draft(self, number: int) -> _Draft:
        draft = self.drafts.get(number)
        if draft is None:
            draft = self.drafts[number] = _Draft()
        return draft

    def _end(self, number: int, event: Event, state: State, error: tuple[str, str] | None) -> None:
        draft = self._draft(number)
        draft.state, draft.error, draft.ended_at = state, error, Position(event.step)


def find_task(tasks: Sequence[Task], word: str) -> Task:
    """Return the task that a word names: its id (``T3``, ``3``), its name, or the begin of one name alone.

    Raises:
      UsageError: no task is called so, or several are.
    """
    named = [task for task in tasks if task.name == word]
    digits = word[1:] if word[:1] in ("T", "t") else word
    is_name = len(named) == 1 and word.startswith("t")  # ids are written with a capital
    if digits.isascii() and digits.isdigit() and len(digits) < 20 and not is_name:
        for task in tasks:
            if task.id == int(digits):
                return task
    for found in (
        named,
        [task for task in tasks if word and task.name.startswith(word)],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            some = ", ".join(f"T{task.id} {task.name}" for task in found[:5])
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            raise UsageError(f"several tasks are called {word}: {some}{more}", hint="name one by its id")
    near = get_close_matches(word, [task.name for task in tasks[:10_000]], n=1)
    known = f"T{tasks[0].id}..T{tasks[-1].id}" if tasks else "no tasks"
    hint = f"did you mean `{near[0]}`?" if near else f"this recording has {known}"
    raise UsageError(f"no such task: {word}", hint=hint)


def _secrets_count(outcome: Outcome) -> int | None:
    if outcome.is_cut:
        return None
    return _number(outcome.extra.get(SECRETS_COUNT))


def _number(value: object) -> int:
    """Return a value that should be a number, 0 if it is none."""
    return value if type(value) is int else 0


def _ended_task(value: object) -> int:
    return _number(value[0]) if isinstance(value, list) and value else _number(value)
