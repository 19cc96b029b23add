"""Random asyncio programs, as text: a few small ones in each file, run one after the other.

Each small program is a `main` and a few workers (coroutines) and jobs (functions for threads). A worker
starts only workers of a higher number, so that everything ends. Whatever could wait for ever either waits
within `LIMIT_S` (tasks, which are cancelled then) or for `SHORT_S` (threads).

Threads share only what has a lock of its own: memory without one is not ordered by a recorder, nor is
what the collector of garbage finds while another thread makes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hypothesis import strategies as st

PRELUDE = Path(__file__).with_name("prelude.py")
WORKERS = 4
JOBS = 2
DEPTH = 3

Lines = list[str]
Draw = st.DrawFn
T = TypeVar("T")

DELAYS = ("0", "0", "0.0005", "0.001", "0.002", "0.005")
VALUES = (
    "random.random()",
    "random.randrange(10**6)",
    "random.sample(range(20), 4)",
    "random.Random().getrandbits(32)",
    "uuid.uuid4()",
    "uuid.uuid1()",
    "secrets.token_hex(3)",
    "os.urandom(4).hex()",
    "time.time()",
    "time.time_ns()",
    "time.monotonic()",
    "time.perf_counter_ns()",
    "datetime.datetime.now()",
    "datetime.datetime.now(datetime.timezone.utc).isoformat()",
    "os.getpid()",
    "len(traceback.format_stack())",
    "threading.get_ident()",
    "variable.get()",
    "[thing.number for thing in {Thing(number) for number in range(5)}]",
    "{'a', 'b', 'c', 'd', 'e'}",
    "sorted(['b', 'c', 'a'], key=lambda _: random.random())",
)

HOLE = re.compile(r"\{([ndvjw])\}")
# Statements of one line, in which {n} is a small number, {d} a delay, {v} a value from the outside,
# {w} a worker and {j} a job.
COMMON = (
    "log(name(), {v})",
    "log(name(), {v}, {v})",
    "log({n})",
    "Dropped({n})",
    "variable.set({n})",
    "raise ValueError({n})",
    "w.thread_event.set()",
    "w.thread_queue.put_nowait({n})",
    "w.simple_queue.put({n})",
    "log(w.thread_queue.qsize())",
)
ASYNC = (
    "Cycle({n})",
    "gc.collect()",
    "w.things.add(Thing({n}))",
    "log([thing.number for thing in w.things])",
    "await asyncio.sleep({d})",
    "await asyncio.sleep({d})",
    "w.queue.put_nowait({n})",
    "log(w.queue.get_nowait())",
    "await w.queue.put({n})",
    "log(name(), 'got', await w.queue.get())",
    "w.event.set()",
    "w.event.clear()",
    "await w.event.wait()",
    "await w.watch()",
    "w.cancel({n})",
    "asyncio.current_task().cancel()",
    "log(asyncio.current_task().get_name())",
    "asyncio.current_task().set_name('renamed {n}')",
    "await w.ask('question {n}', {n} % 3)",
    "w.writer.write(b'message {n}\\n')",
    "signal.raise_signal(signal.SIGUSR1)",
    "os.kill(os.getpid(), signal.SIGUSR2)",
    "signal.setitimer(signal.ITIMER_REAL, {d})",
    "log('signals', signals)",
    "log(await w.reader.readline())",
    "await w.loop.sock_sendall(w.left, b'x' * {n})",
    "log(await w.loop.sock_recv(w.right, 3))",
    "w.loop.call_soon(log, 'soon', {n})",
    "w.loop.call_later({d}, log, 'later', {n})",
    "w.loop.call_soon(Dropped({n}).__init__, {n})",
    "log(w.loop.time() > 0)",
    "for thing in w.things: await asyncio.sleep(0); log(thing.number); break",
    "mine.append(w.spawn({w}))",
    "mine.append(w.spawn({w}))",
    "mine.append(w.spawn({w}, 'named {n}'))",
    "w.loop.create_task({w})",
    "await {w}",
    "await asyncio.shield({w})",
    "await asyncio.wait_for({w}, {d})",
    "log(await asyncio.gather({w}, {w}, return_exceptions=True))",
    "await asyncio.gather({w}, {w})",
    "for done in asyncio.as_completed([{w}, {w}]): log('completed', await done)",
    "mine and log(await mine.pop())",
    "mine and log(len((await asyncio.wait(mine, timeout={d}, return_when=asyncio.FIRST_COMPLETED))[0]))",
    "mine and log(len((await asyncio.wait(mine))[1]))",
    "await asyncio.to_thread({j}, w)",
    "await w.loop.run_in_executor(w.pool, {j}, w)",
    "w.loop.run_in_executor(w.pool, guarded, {j}, w)",
    "log(await asyncio.gather(*(asyncio.to_thread({j}, w) for _ in 'ab'), return_exceptions=True))",
    "w.thread({j})",
    "w.thread({j})",
)
SYNC = (
    "time.sleep({d})",
    "time.sleep({d})",
    "log(w.thread_queue.get(timeout=SHORT_S))",
    "w.thread_queue.put({n}, timeout=SHORT_S)",
    "log(w.simple_queue.get(timeout=SHORT_S))",
    "log(w.thread_event.wait(SHORT_S))",
    "w.thread_event.clear()",
    "w.local.value = {n}; log(w.local.value)",
    "log(w.thread_lock.locked())",
    "w.loop.call_soon_threadsafe(log, 'from a thread', {n})",
    "w.loop.call_soon_threadsafe(w.event.set)",
    "w.loop.call_soon_threadsafe(w.queue.put_nowait, {n})",
    "w.loop.call_soon_threadsafe(w.cancel, {n})",
    "w.loop.call_soon_threadsafe(lambda: w.spawn({w}))",
    "log(asyncio.run_coroutine_threadsafe({w}, w.loop).result(SHORT_S))",
    "asyncio.run_coroutine_threadsafe({w}, w.loop).cancel()",
    "log(asyncio.run(asyncio.sleep({d}, 'another loop')))",
)
# Statements with a block in them, each opened by these lines.
COMMON_BLOCKS = (
    ("for _ in range(2):",),
    ("try:", "    raise KeyError({n})", "except KeyError as error:"),
)
ASYNC_BLOCKS = (
    ("async with w.locks[0]:",),
    ("async with w.locks[1]:",),
    ("async with w.semaphore:",),
    ("async with asyncio.timeout({d}):",),
    ("async with asyncio.TaskGroup() as group:", "    group.create_task({w})"),
    (
        "async with asyncio.TaskGroup() as group:",
        "    group.create_task({w}, name='in group')",
        "    group.create_task({w})",
    ),
    ("async with w.condition:", "    w.condition.notify({n} % 3)"),
    ("async with w.condition:", "    await w.condition.wait()"),
)
SYNC_BLOCKS = (
    ("with held(w.thread_lock):",),
    ("with held(w.thread_lock):",),
    ("with w.thread_rlock:",),
    ("with held(w.thread_semaphore):",),
    ("with w.thread_condition:", "    w.thread_condition.notify_all()"),
    ("with w.thread_condition:", "    log(w.thread_condition.wait(SHORT_S))"),
)
CAUGHT_ASYNC = ("Exception", "Exception", "TimeoutError", "asyncio.CancelledError", "BaseExceptionGroup")
CAUGHT_SYNC = ("Exception", "Exception", "TimeoutError", "queue.Empty")


@dataclass(frozen=True)
class Place:
    """Where a statement stands: it starts workers of a number above this one."""

    above: int
    is_async: bool


def indented(lines: Lines) -> Lines:
    return ["    " + line for line in lines]


def one_of(draw: Draw, choices: tuple[T, ...]) -> T:
    return draw(st.sampled_from(choices))


def filled(draw: Draw, template: str, place: Place) -> str:
    """Fill the holes of a statement, each on its own."""

    def fill(hole: re.Match[str]) -> str:
        kind = hole[1]
        if kind == "n":
            return str(draw(st.integers(0, 9)))
        if kind == "d":
            return one_of(draw, DELAYS)
        if kind == "v":
            return one_of(draw, VALUES)
        if kind == "j":
            return f"job_{draw(st.integers(0, JOBS - 1))}"
        return f"worker_{draw(st.integers(place.above + 1, WORKERS - 1))}(w)"

    return HOLE.sub(fill, template)


def usable(templates: tuple[T, ...], place: Place) -> tuple[T, ...]:
    """Leave out what would start a worker, or a job that starts one, where no more are to be started."""
    if place.above < WORKERS - 1:
        return templates
    return tuple(one for one in templates if "{w}" not in str(one) and "{j}" not in str(one))


def statement(draw: Draw, place: Place, depth: int) -> Lines:
    simple = usable(ASYNC if place.is_async else SYNC, place)
    kind = draw(st.integers(0, 9)) if depth else 0
    if kind < 7:
        return [filled(draw, one_of(draw, simple + COMMON if kind % 2 else simple), place)]
    inside = block(draw, place, depth - 1)
    if kind == 7:
        caught = one_of(draw, CAUGHT_ASYNC if place.is_async else CAUGHT_SYNC)
        handled = ["except " + caught + " as error:", "    tell(error)"]
        if caught == "asyncio.CancelledError" and draw(st.booleans()):
            handled.append(one_of(draw, ("    raise", "    return 'swallowed'")))
        if draw(st.booleans()):
            handled += ["finally:", "    " + filled(draw, one_of(draw, COMMON), place)]
        return ["try:", *indented(inside), *handled]
    blocks = COMMON_BLOCKS + (ASYNC_BLOCKS if place.is_async else SYNC_BLOCKS)
    opening = [filled(draw, line, place) for line in one_of(draw, usable(blocks, place))]
    return [*opening, *indented(inside)]


def block(draw: Draw, place: Place, depth: int, most: int = 3) -> Lines:
    count = draw(st.integers(1, most))
    return [line for _ in range(count) for line in statement(draw, place, depth)]


def small_program(draw: Draw, number: int) -> Lines:
    """Return a program as functions in a function, so that several fit into one file."""
    lines = []
    for job in range(JOBS):
        # A job runs beside the tasks: what it starts in the loop is the last kind of worker.
        lines += [f"def job_{job}(w):", *indented(block(draw, Place(WORKERS - 2, is_async=False), DEPTH - 1))]
    for worker in range(WORKERS):
        body = block(draw, Place(worker, is_async=True), DEPTH - 1)
        lines += [f"async def worker_{worker}(w):", "    mine = []", *indented(body), f"    return {worker}"]
    main = block(draw, Place(-1, is_async=True), DEPTH, most=6)
    how = f"debug={draw(st.booleans())}, eager={draw(st.booleans())}"
    return [
        f"def make_{number}():",
        *indented(lines),
        f"    async def program_{number}(w):",
        "        mine = []",
        *indented(indented(main)),
        f"    return program_{number}",
        f"run(make_{number}(), {how})",
    ]


ENDINGS = ("", "", "", "sys.exit(7)", "sys.exit('the end')", "raise ValueError('not caught')")


@st.composite
def programs(draw: Draw, count: int) -> str:
    """Return the text of a file with `count` small programs in it, without the prelude."""
    lines = [line for number in range(count) for line in [*small_program(draw, number), ""]]
    return "\n".join([*lines, "log('end')", one_of(draw, ENDINGS), ""])
