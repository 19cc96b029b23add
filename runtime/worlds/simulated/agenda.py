"""Virtual time: what is on its way, which thread runs, and what comes next.

Nothing in a simulated run waits for real. A thread that waits calls ``wait``, and there it is decided what
happens: something arrives, another thread goes on, or, if nothing of that can be, the clock jumps to what
is due next. Only one thread runs at a time.

By default everything comes as soon as it can, in the order in which it was sent. What may come otherwise is
only what could with a real loop: an arrival or a thread may be late, by as much as a packet or a processor
may be; a busy loop may find that a timer has become due meanwhile. It is never decided which of two ready
callbacks runs first: the loop does not ask.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol

from sortedcontainers import SortedList

from replay.runtime.carriers import KERNEL_THREADS, Token
from replay.runtime.decisions.decision import Decisions

NOW: Final = "now"
LATER: Final = "later"
GO_ON: Final = "go on"
WAIT: Final = "let others go on"

LATE_NS: Final = {"50 ms late": 50_000_000, "400 ms late": 400_000_000}
"""By so much may something be late, whatever deadlines there are."""

_BEAT: Final = 251
_MOST_STAYS: Final = 1000
_STAY_NS: Final = 10_000
"""So often something can be done at one instant; then each time takes so long."""

_MOST_ACTS: Final = 10_000
_ACTS_NS: Final = 5_000_000
"""So often one thread can send something without waiting; then so much time has passed, and others go on."""

_SECOND_NS: Final = 1_000_000_000

START_NS: Final = 1_000_000_000_000
"""What the clocks that count from some point show when the program begins."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How late things may be, in nanoseconds of virtual time.

    Attributes:
      each_ns: one arrival, or one thread.
      all_ns: all together in one run: a program that guards itself with a long deadline must not come to it
        only
        because many things were a little late.
      stall_ns: for so long may a loop be busy, in each second.
    """

    each_ns: int = 500_000_000
    all_ns: int = 2_000_000_000
    stall_ns: int = 50_000_000


@dataclass(frozen=True, slots=True)
class Timer:
    """A deadline of the program.

    Attributes:
      when_ns: when it is due.
      label: whose it is.
    """

    when_ns: int
    label: str


class _Item:
    """Something that can happen next.

    Attributes:
      label: what it is called in a decision.
      seq: in which order it came up.
      until_ns: it is held until then.
      after_turn: it is held until a thread has run after this number of turns; -1 if it is not.
      is_behind: when it is due, it still lets what is due then go first.
      is_considered: whether it was decided when it comes.
      is_asked: whether it was asked for a rule that is about it.
      may_come: of such a rule: whether it may come now.
      was_late: whether it was decided that it comes later than it could.
    """

    __slots__ = (
        "after_turn",
        "is_asked",
        "is_behind",
        "is_considered",
        "label",
        "may_come",
        "seq",
        "until_ns",
        "was_late",
    )

    def __init__(self, label: str, seq: int) -> None:
        self.label = label
        self.seq = seq
        self.was_late = False
        self.let_go()

    def let_go(self) -> None:
        """Hold it no longer."""
        self.until_ns = 0
        self.after_turn = -1
        self.is_behind = False
        self.is_considered = False
        self.is_asked = False
        self.may_come: Callable[[], bool] | None = None


class Channel:
    """What comes in the order in which it was sent: one direction of a connection, a timer of the system.

    Args:
      label: what it is called in decisions, in rules and in messages.
    """

    __slots__ = ("coming", "label", "last_due_ns", "sent_count")

    def __init__(self, label: str) -> None:
        self.label = label
        self.coming: deque[Coming] = deque()
        self.sent_count = 0
        self.last_due_ns = 0


class Coming(_Item):
    """An event of the outside that is on its way."""

    __slots__ = ("channel", "due_ns", "happen")

    def __init__(
        self, channel: Channel, label: str, seq: int, due_ns: int, happen: Callable[[], None]
    ) -> None:
        super().__init__(label, seq)
        self.channel = channel
        self.due_ns = due_ns
        self.happen = happen

    @property
    def when_ns(self) -> int:
        """When it can happen."""
        return max(self.due_ns, self.until_ns)


class Thread(_Item):
    """A thread of the program.

    Attributes:
      token: what its carrier knows it by, while it waits.
      is_ready: whether what it waits for is there.
      deadline_ns: until when it waits; None for ever.
      is_loop: whether it waits as an event loop does: what is ready in it is not late by itself, the loop
        may be.
      is_woken: whether somebody has ended its wait.
      timers: the next deadlines of its loop.
      next_step: what is ready to run in its loop, if anything.
      signals: those that came in while it waited.
      stream: where what it does is written down.
      has_loop: whether it has ever waited as a loop does.
      loop: the loop that it waited for last.
      loop_says: of that loop: its timers, its next step, whether it is woken.
    """

    __slots__ = (
        "deadline_ns",
        "has_loop",
        "is_loop",
        "is_ready",
        "is_woken",
        "loop",
        "loop_says",
        "next_step",
        "signals",
        "stream",
        "timers",
        "token",
    )

    def __init__(self, label: str) -> None:
        super().__init__(label, 0)
        self.stream: Any = None
        self.has_loop = False
        self.loop: Any = None
        self.loop_says: Any = None
        self.token: Token = None
        self.signals: list[int] = []
        self.is_ready: Callable[[], bool] = _always
        self.deadline_ns: int | None = None
        self.forget_loop()

    def forget_loop(self) -> None:
        """It waits no more as a loop does."""
        self.is_loop = False
        self.is_woken: Callable[[], bool] = _never
        self.timers: Callable[[], Iterable[Timer]] = tuple
        self.next_step: Callable[[], str | None] = _nothing

    def can_go(self, now_ns: int) -> bool:
        """Whether it need not wait any more."""
        return (
            bool(self.signals)
            or self.is_ready()
            or self.is_woken()
            or (self.deadline_ns is not None and self.deadline_ns <= now_ns)
        )


def _always() -> bool:
    return True


def _never() -> bool:
    return False


def _nothing() -> None:
    return None


def _ignore(number: int) -> None:
    """Nobody is told of signals yet."""


class Outside(Protocol):
    """What goes on in real time: children."""

    def look(self) -> None:
        """Let come what has happened by now."""

    def wait(self, *, is_last: bool) -> bool:
        """Wait for what happens next, or not any more; whether anything came.

        Args:
          is_last: nothing else can ever happen.
        """
        raise NotImplementedError


class Agenda:
    """The virtual clock, and what is decided by it.

    Args:
      decisions: asks the policy.
      limits: how late things may be.
      on_stuck: is called when nothing can ever happen; does not return.

    Attributes:
      now_ns: the time, in nanoseconds from some point.
      running: the thread that runs.
      main: the thread that signals come to.
      on_signal: is told of a signal, in that thread.
      turns: how often a thread went on.
      beat: its first byte tells whoever looks on that there was another turn.
      is_late: whether what happens just now was late.
      outside: what goes on in real time, if anything does.
    """

    def __init__(self, decisions: Decisions, limits: Limits, on_stuck: Callable[[], NoReturn]) -> None:
        self.decisions = decisions
        self.now_ns = START_NS
        self.running = self.main = Thread("main")
        self.on_signal: Callable[[int], None] = _ignore
        self.carrier = KERNEL_THREADS
        self._limits = limits
        self._left_ns = limits.all_ns
        self._stall_left_ns = limits.stall_ns
        self._stalled_ns = 0
        self._on_stuck = on_stuck
        self._coming: Any = SortedList(key=_by_time)
        self._waiting: list[Thread] = []
        self._seq = itertools.count(1)
        self.turns = 0
        self.beat: Any = bytearray(1)
        self._instant_ns = 0
        self._stays = 0
        self._acts = 0
        self.is_late = False
        self.outside: Outside | None = None

    def _turn(self) -> None:
        self._acts = 0
        self.turns += 1
        self.beat[0] = self.turns % _BEAT
        self.stay()

    def stay(self) -> None:
        """Note that something was done at this instant: who waits for time by being busy comes to it too."""
        if self.now_ns != self._instant_ns:
            self._instant_ns = self.now_ns
            self._stays = 0
            return
        self._stays += 1
        if self._stays > _MOST_STAYS:
            self.now_ns = self._instant_ns = self.now_ns + _STAY_NS
            if self.outside is not None:
                self.outside.look()

    def act(self) -> None:
        """Note that the running thread does something that others may wait for; it may not go on for ever.

        The system would have let others run long ago.
        """
        self._acts += 1
        if self._acts > _MOST_ACTS:
            self._acts = 0
            self.now_ns += _ACTS_NS
            self.wait(_always)

    # -- what is on its way ---------------------------------------------------------------------

    def send(self, channel: Channel, delay_ns: int, happen: Callable[[], None]) -> Coming:
        """Let ``happen`` be called so many nanoseconds later, and after all that was sent on the channel."""
        channel.sent_count += 1
        due_ns = max(self.now_ns + delay_ns, channel.last_due_ns)
        channel.last_due_ns = due_ns
        coming = Coming(channel, f"{channel.label} {channel.sent_count}", next(self._seq), due_ns, happen)
        channel.coming.append(coming)
        if len(channel.coming) == 1:
            self._coming.add(coming)
        return coming

    def hurry(self, coming: Coming) -> None:
        """Let the next of a channel come now, in the middle of what the running thread does."""
        self._happen(coming)

    def drop(self, channel: Channel) -> None:
        """Forget what is on its way."""
        if channel.coming:
            self._coming.remove(channel.coming[0])
            channel.coming.clear()

    def _happen(self, coming: Coming) -> None:
        self._coming.remove(coming)
        queue = coming.channel.coming
        queue.popleft()
        if queue:
            self._coming.add(queue[0])
        self.decisions.happened(coming.label)
        self.is_late = coming.was_late
        coming.happen()
        self.is_late = False

    # -- threads --------------------------------------------------------------------------------

    def add_thread(self, thread: Thread) -> None:
        """A new thread waits for its turn; its token says how it is woken."""
        thread.seq = next(self._seq)
        self._waiting.append(thread)

    def wait(self, is_ready: Callable[[], bool], deadline_ns: int | None = None, *, late_ns: int = 0) -> None:
        """Let others go on until ``is_ready()``, or until the deadline; for the running thread.

        Args:
          is_ready: whether what it waits for is there.
          deadline_ns: until when it waits; None for ever.
          late_ns: so much later it goes on, as was decided already.
        """
        me = self.running
        is_alone = not (self._waiting or self._coming or me.signals or self.outside)
        if is_alone and not (late_ns or self.decisions.is_ruled) and is_ready():
            self._turn()
            if me.is_loop:
                self._stall(me)
            return
        me.is_ready = is_ready
        me.deadline_ns = deadline_ns
        me.seq = next(self._seq)
        me.let_go()
        if late_ns:
            me.until_ns = self.now_ns + late_ns
            me.is_considered = True
        self._waiting.append(me)
        other = self._next()
        if other is not me:
            me.token = self.carrier.here()
            self.running = other
            self.carrier.switch(me.token, other.token)
            self.running = me
        while me.signals:
            self.on_signal(me.signals.pop(0))

    def signal(self, number: int) -> None:
        """Let a signal come to the main thread: at once if that runs, or else it ends its wait."""
        main = self.main
        if self.running is main and main not in self._waiting:
            self.on_signal(number)
        elif number not in main.signals:
            main.signals.append(number)

    def leave(self) -> None:
        """Let others go on: the running thread ends."""
        other = self.running = self._next()
        self.carrier.leave(other.token)

    def waiting_threads(self) -> list[str]:
        """Return the labels of the threads that wait."""
        return [thread.label for thread in self._waiting]

    def hand_over(self) -> None:
        """Decide whether others go on now: the running thread has just made something possible."""
        if not self._waiting or not any(one.can_go(self.now_ns) for one in self._waiting if not one.is_loop):
            return
        most_ns = min(self._limits.each_ns, self._left_ns)
        options = [GO_ON, WAIT]
        if not self.running.has_loop:
            options += (option for option, late_ns in LATE_NS.items() if late_ns <= most_ns)
        taken = self.decisions.choose("hand-over", self.running.label, tuple(options))
        if taken != GO_ON:
            late_ns = LATE_NS.get(taken, 0)
            self._left_ns -= late_ns
            self.wait(_always, late_ns=late_ns)

    def sleep(self, duration_ns: int) -> None:
        """Let the running thread wait for so long."""
        deadline_ns = self.now_ns + duration_ns
        self.wait(lambda: self.now_ns >= deadline_ns, deadline_ns)

    # -- what comes next ------------------------------------------------------------------------

    def _next(self) -> Thread:
        """Let time go on until a thread can; return it."""
        while True:
            self.decisions.watch()
            if self._arrive():
                continue
            thread = self._runnable()
            if thread is None:
                if not self._goes_on():
                    self._on_stuck()
                continue
            self._waiting.remove(thread)
            self._turn()
            if not thread.is_loop:
                self.decisions.happened(thread.label)
            if thread.is_loop:
                self._stall(thread)
            return thread

    def _goes_on(self) -> bool:
        """Let happen what can where no thread can go on; whether there was anything."""
        if self.outside is not None and self.outside.wait(is_last=False):
            return True
        if self._let_go() or self._advance() or self._give_up_rules():
            return True
        return self.outside is not None and self.outside.wait(is_last=True)

    def _arrive(self) -> bool:
        """Let what is due arrive, the earliest first; whether there was anything."""
        for coming in self._coming:
            if coming.when_ns > self.now_ns:
                if coming.due_ns > self.now_ns:
                    break
                continue
            if not self._is_held("arrival", coming):
                self._happen(coming)
                return True
        return False

    def _runnable(self) -> Thread | None:
        """Return the thread that goes on, the one that waits longest first."""
        for thread in self._waiting:
            if thread.can_go(self.now_ns) and (thread.is_loop or not self._is_held("thread", thread)):
                return thread
        return None

    def _is_held(self, kind: str, item: _Item) -> bool:
        """Whether it is to come later; decided when it could come for the first time."""
        if not item.is_asked:
            item.is_asked = True
            item.may_come = self.decisions.rule(kind, item.label)
        if item.may_come is not None:
            if not item.may_come():
                item.was_late = True
                return True
            item.may_come = None
            item.is_considered = True
        if not item.is_considered and item.after_turn < self.turns:
            self._consider(kind, item)
        if item.until_ns > self.now_ns:
            return True
        if item.is_behind:
            # It comes when a thread has gone on; and may then be late once more.
            item.is_behind = item.is_considered = False
            item.after_turn = self.turns
        return item.after_turn >= self.turns

    def _consider(self, kind: str, item: _Item) -> None:
        item.is_considered = True
        options = [NOW]
        if self._has_others(item):
            options.append(LATER)
        timer = self._next_timer()
        if timer is not None:
            options += (f"with {timer.label}", f"after {timer.label}")
        if len(options) == 1:
            return  # there is nothing that it could be late for
        most_ns = min(self._limits.each_ns, self._left_ns)
        options += (option for option, late_ns in LATE_NS.items() if late_ns <= most_ns)
        taken = self.decisions.choose(kind, item.label, tuple(options))
        if taken == NOW:
            return
        item.was_late = True
        if taken == LATER:
            item.after_turn = self.turns
            item.is_considered = False
            return
        if taken in LATE_NS:
            item.until_ns = self.now_ns + LATE_NS[taken]
        else:
            assert timer is not None
            item.until_ns = timer.when_ns
            item.is_behind = taken.startswith("after")
        self._left_ns -= item.until_ns - self.now_ns

    def _has_others(self, item: _Item) -> bool:
        """Whether anything else could go first now."""
        now = self.now_ns
        for coming in self._coming:
            if coming.due_ns > now:
                break
            if coming is not item and coming.until_ns <= now:
                return True
        if any(one is not item and one.can_go(now) for one in self._waiting):
            return True
        return any(one.next_step() is not None for one in self._waiting)

    def _next_timer(self, after_ns: int = 0) -> Timer | None:
        """Return the next deadline that something may be late for."""
        latest = self.now_ns + min(self._limits.each_ns, self._left_ns)
        found: Timer | None = None
        for thread in self._waiting:
            for timer in thread.timers():
                if max(self.now_ns, after_ns) < timer.when_ns <= latest and (
                    found is None or timer.when_ns < found.when_ns
                ):
                    found = timer
        return found

    def _let_go(self) -> bool:
        """Let the oldest of what only waits for others go on; whether there was any."""
        held: list[_Item] = [
            one for one in self._coming if one.due_ns <= self.now_ns and one.until_ns <= self.now_ns
        ]
        held += [one for one in self._waiting if not one.is_loop and one.can_go(self.now_ns)]
        held = [one for one in held if one.after_turn >= self.turns]
        if not held:
            return False
        first = min(held, key=_by_seq)
        first.after_turn = -1
        first.is_considered = True
        return True

    def _give_up_rules(self) -> bool:
        """Let what rules hold go on, for nothing else can happen; whether there was any."""
        held: list[tuple[str, _Item]] = [("arrival", one) for one in self._coming if one.may_come is not None]
        held += [("thread", one) for one in self._waiting if one.may_come is not None]
        for kind, one in held:
            one.may_come = None
            one.is_considered = True
            self.decisions.let_go(kind, one.label)
        return bool(held)

    def all_timers(self) -> Iterator[Timer]:
        """Yield the next deadlines of all threads that wait."""
        for thread in self._waiting:
            yield from thread.timers()

    def _advance(self) -> bool:
        """Let the clock jump to what is due next; whether anything is."""
        times = [coming.when_ns for coming in self._coming if coming.when_ns > self.now_ns]
        for thread in self._waiting:
            if thread.deadline_ns is not None and thread.deadline_ns > self.now_ns:
                times.append(thread.deadline_ns)
            if thread.until_ns > self.now_ns:
                times.append(thread.until_ns)
        if not times:
            return False
        self.now_ns = min(times)
        return True

    def _stall(self, thread: Thread) -> None:
        """Decide whether the loop of a thread goes on only when its next timer is due."""
        if self.now_ns - self._stalled_ns > _SECOND_NS:
            self._stall_left_ns = self._limits.stall_ns
        step = thread.next_step()
        upcoming = [
            timer for timer in thread.timers() if 0 < timer.when_ns - self.now_ns <= self._stall_left_ns
        ]
        if not upcoming:
            return
        options = [GO_ON, *dict.fromkeys(f"until {timer.label}" for timer in upcoming)]
        taken = self.decisions.choose("stall", f"{thread.label} before {step or 'what came'}", tuple(options))
        if taken == GO_ON:
            return
        when_ns = next(timer.when_ns for timer in upcoming if taken == f"until {timer.label}")
        self._stall_left_ns -= when_ns - self.now_ns
        self._stalled_ns = self.now_ns = when_ns
        while self._arrive():
            pass


def _by_time(coming: Coming) -> tuple[int, int]:
    return coming.due_ns, coming.seq


def _by_seq(item: _Item) -> int:
    return item.seq
