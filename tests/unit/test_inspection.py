"""Tasks, chains of awaits, the ready queue and variables; and that nothing of the program runs for it."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import sys
import threading
import time
import types
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import msgspec
import pytest

from replay.runtime.inspection import values
from replay.runtime.inspection.aio import AsyncioInspector
from replay.runtime.inspection.data import Blocked, Chain, Error, Place, Ready, TaskInfo, Variable, Wait
from replay.runtime.inspection.frames import Codes, check
from tests.unit.stopped import line_of, numbers, spawn, stopped

LONG_S = 1000.0
HERE = __file__


def one(look: AsyncioInspector, number: int) -> TaskInfo:
    return next(info for info in look.tasks() if info.id == number)


def functions(look: AsyncioInspector, number: int) -> list[str]:
    return [frame.function.rpartition(".")[2] for frame in look.frames(look.task_of(number))]


async def forever() -> None:
    await asyncio.sleep(LONG_S)


# -- tasks --------------------------------------------------------------------------------------------------


async def fails(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


async def at_once() -> int:
    return 1


class Talkative(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise AssertionError("a message was asked for")


class Quiet(ValueError):  # noqa: N818
    pass


def test_states_of_tasks() -> None:
    async def program() -> Any:
        cancelled = spawn(3, forever())
        await asyncio.sleep(0)
        cancelled.cancel()
        return [spawn(1, forever()), spawn(2, at_once()), cancelled, spawn(4, fails(Quiet("x", 1)))]

    with stopped(program) as look:
        assert [one(look, at).state for at in (1, 2, 3, 4)] == ["waiting", "done", "cancelled", "failed"]
        info = one(look, 1)
        assert (info.name, info.coroutine, info.is_internal) == ("1", "forever", False)
        assert info.where == Place(HERE, line_of(forever, 1), "forever")
        assert one(look, 2).where == Place(HERE, line_of(at_once, 0), "at_once")
        info = one(look, 4)
        assert info.error == Error("Quiet", "('x', 1)")
        assert info.where == Place(HERE, line_of(fails, 2), "fails")


def test_ready_and_cancelled_tasks() -> None:
    async def program() -> Any:
        tasks = [spawn(1, forever()), spawn(2, forever())]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks.append(spawn(3, forever()))
        with AsyncioInspector(numbers(asyncio.get_running_loop())) as look:
            found.extend(one(look, at) for at in (1, 2, 3))
        return tasks

    found: list[TaskInfo] = []
    with stopped(program):
        assert [(info.state, info.cancel_requests) for info in found] == [
            ("ready", 1),
            ("waiting", 0),
            ("ready", 0),
        ]
        assert found[2].where == Place(HERE, line_of(forever, 0), "forever")


def test_tasks_of_asyncio_are_internal() -> None:
    async def program() -> Any:
        return spawn(1, asyncio.sleep(LONG_S))

    with stopped(program) as look:
        assert (one(look, 1).is_internal, one(look, 1).where, one(look, 1).coroutine) == (True, None, "sleep")


def test_ids_are_those_of_the_recording_and_0_without_one() -> None:
    async def program() -> int:
        with AsyncioInspector() as look:
            return look.tasks()[0].id

    assert asyncio.run(program()) == 0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError(), ""),
        (ValueError("x"), "x"),
        (ValueError(1), "1"),
        (ValueError("x", 1), "('x', 1)"),
        (KeyError("x"), "'x'"),
        (OSError(2, "No such file", "x"), "[Errno 2] No such file: 'x'"),
        (OSError(2, "No such file"), "[Errno 2] No such file"),
        (TimeoutError(), ""),
        (ExceptionGroup("x", [ValueError()]), "x (1 sub-exception)"),
        (Quiet("x"), "x"),
        (ImportError("x"), "x"),
        (Talkative("x"), None),
        (ValueError(object()), "<object object>"),
    ],
)
def test_messages_of_exceptions(error: BaseException, expected: str | None) -> None:
    if expected is not None and "<" not in expected:
        assert str(error) == expected
    assert values.describe_error(error) == Error(type(error).__name__, expected)


def test_the_running_task_has_its_real_stack() -> None:
    found: list[Any] = []

    def look_at(frame: types.FrameType) -> None:
        def inner() -> None:
            with AsyncioInspector() as look:
                task = asyncio.current_task()
                found.append(look.state(task))
                found.append([info.function for info in look.frames(task, frame)])
                found.append([info.function.rpartition(".")[2] for info in look.frames(task)][:3])
                found.append(look.waits(task))

        types.FunctionType(inner.__code__, {**globals(), "__name__": "other"}, closure=inner.__closure__)()

    def called() -> None:
        look_at(sys._getframe())

    async def generates() -> AsyncIterator[int]:
        called()
        yield 1

    async def runs() -> None:
        async for _ in generates():
            pass

    async def program() -> None:
        await spawn(1, runs())

    with stopped(program):
        pass
    assert found[0] == "running"
    names = [name.rpartition(".")[2] for name in found[1]]
    assert names == ["runs", "generates", "called"]
    assert found[2] == ["runs", "generates", "called"]
    assert found[3] is None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
def test_a_task_is_running_while_one_is_that_it_started_eagerly() -> None:
    states: list[list[str]] = []

    async def eager() -> None:
        with AsyncioInspector() as look:
            found = {info.coroutine.rpartition(".")[2]: info.state for info in look.tasks()}
            states.append([found["parent"], found["eager"]])

    async def parent() -> None:
        spawn(2, eager())

    async def program() -> None:
        spawn(1, parent())

    with stopped(program, factory=asyncio.eager_task_factory):  # type: ignore[attr-defined]
        assert states == [["running", "running"]]


def test_tasks_and_futures_written_in_python() -> None:
    def factory(loop: Any, coroutine: Any, **kwargs: Any) -> Any:
        return asyncio.tasks._PyTask(coroutine, loop=loop, **kwargs)  # type: ignore[attr-defined]

    async def program() -> Any:
        loop = asyncio.get_running_loop()
        future = asyncio.futures._PyFuture(loop=loop)  # type: ignore[attr-defined]

        async def waits() -> None:
            await future

        tasks = [spawn(1, forever()), spawn(2, waits())]
        tasks += [spawn(3, fails(ValueError("x")))]
        return tasks

    with stopped(program, factory=factory) as look:
        assert [one(look, at).state for at in (1, 2, 3)] == ["waiting", "waiting", "failed"]
        assert functions(look, 1) == ["forever", "sleep"]
        assert functions(look, 2) == ["waits", "__await__"]
        wait = look.waits(look.task_of(2))
        assert wait is not None
        assert (wait.kind, wait.type, wait.name) == ("future", "Future", "future")
        assert one(look, 3).error == Error("ValueError", "x")


# -- chains -------------------------------------------------------------------------------------------------


class Steps:
    """An iterator that hands on what another one yields: it has no frame of its own."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __iter__(self) -> Steps:
        return self

    def __next__(self) -> Any:
        return self.inner.send(None)


class Waits:
    """Awaited through an iterator in Python, or through a generator."""

    def __init__(self, as_object: bool) -> None:
        self.as_object = as_object

    def __await__(self) -> Any:
        return Steps(forever()) if self.as_object else self.generator()

    def generator(self) -> Generator[Any, Any, None]:
        yield from forever().__await__()


async def produces() -> AsyncIterator[int]:
    await forever()
    yield 1


@types.coroutine
def old_style() -> Generator[Any, Any, None]:
    yield from forever()  # type: ignore[misc]


async def over_generator() -> None:
    async for _ in produces():
        pass


async def sends() -> None:
    generator = produces()
    await generator.asend(None)  # type: ignore[attr-defined]


async def closes() -> None:
    async def stubborn() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await forever()

    generator = stubborn()
    await anext(generator)
    await generator.aclose()  # type: ignore[attr-defined]


async def with_default() -> None:
    await anext(produces(), None)


async def awaits(value: Any) -> None:
    await value


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (over_generator, ["over_generator", "produces", "forever", "sleep"]),
        (sends, ["sends", "produces", "forever", "sleep"]),
        (closes, ["closes", "stubborn", "forever", "sleep"]),
        (with_default, ["with_default", "produces", "forever", "sleep"]),
        (lambda: awaits(old_style()), ["awaits", "old_style", "forever", "sleep"]),
        (lambda: awaits(Waits(False)), ["awaits", "generator", "forever", "sleep"]),
        (lambda: awaits(Waits(True)), ["awaits", "<Steps object>", "forever", "sleep"]),
        (lambda: awaits(asyncio.Event().wait()), ["awaits", "wait"]),
    ],
)
def test_chains(make: Callable[[], Any], expected: list[str]) -> None:
    async def program() -> Any:
        return spawn(1, make())

    with stopped(program) as look:
        assert functions(look, 1) == expected
        frames = look.frames(look.task_of(1))
        internal = [frame.function.rpartition(".")[2] for frame in frames if frame.is_internal]
        assert internal == [name for name in expected if name in ("sleep", "wait", "<Steps object>")]
        for frame in frames:
            assert (look.frame_of(frame.handle) is None) == (frame.kind == "object")


def test_lines_and_kinds_of_a_chain() -> None:
    async def program() -> Any:
        return spawn(1, over_generator())

    with stopped(program) as look:
        frames = look.frames(look.task_of(1))
        assert [(frame.line, frame.kind) for frame in frames[:3]] == [
            (line_of(over_generator, 1), "coroutine"),
            (line_of(produces, 1), "async generator"),
            (line_of(forever, 1), "coroutine"),
        ]
        assert {frame.path for frame in frames[:3]} == {HERE}


def test_chains_go_on_in_the_tasks_that_are_awaited() -> None:
    async def child() -> None:
        await spawn(4, forever())

    async def program() -> Any:
        async def parent() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(child(), name="2")
                group.create_task(forever(), name="3")

        return spawn(1, parent())

    with stopped(program) as look:
        chains = look.chains(look.task_of(1))
        assert [(chain.task, chain.depth, chain.awaits) for chain in chains] == [
            (1, 0, [2, 3]),
            (2, 1, [4]),
            (4, 2, []),
            (3, 1, []),
        ]


def test_tasks_that_await_each_other_are_told_once() -> None:
    async def program() -> Any:
        tasks: dict[int, asyncio.Task[None]] = {}

        async def waits(other: int) -> None:
            await asyncio.wait({tasks[other]})  # to cancel a task that awaits itself goes round for ever

        tasks[1], tasks[2] = spawn(1, waits(2)), spawn(2, waits(1))

    with stopped(program) as look:
        assert [chain.task for chain in look.chains(look.task_of(1))] == [1, 2]


# -- ready --------------------------------------------------------------------------------------------------


def test_the_ready_queue() -> None:
    def callback() -> None:
        pass

    async def program() -> None:
        loop = asyncio.get_running_loop()
        good, bad, gone, later = (loop.create_future() for _ in range(4))

        async def yields() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await forever()

        for at, future in enumerate((good, bad, gone, later), 1):
            spawn(at, awaits(future))
        await asyncio.sleep(0)
        spawn(5, yields())
        await asyncio.sleep(0)
        good.set_result(1)
        bad.set_exception(ValueError("x"))
        gone.cancel()
        loop.call_soon(callback)
        loop.call_soon(callback).cancel()
        loop.call_soon(later.set_result, 1)
        spawn(6, forever())
        with AsyncioInspector(numbers(loop)) as look:
            found.update((entry.position, entry) for entry in look.ready(loop))

    found: dict[int, Ready] = {}
    with stopped(program):
        assert [(entry.task, entry.what, entry.because) for entry in found.values()] == [
            (5, "step", "yield"),
            (1, "wakeup", "result"),
            (2, "wakeup", "exception"),
            (3, "wakeup", "cancelled"),
            (None, "callback", None),
            (None, "callback", None),
            (None, "callback", None),
            (6, "first step", "new"),
        ]
        assert found[2].error == Error("ValueError", "x")
        assert found[4].callback.endswith("callback")
        assert [entry.is_cancelled for entry in found.values()] == [False] * 5 + [True, False, False]
        assert (found[6].callback, found[6].wakes) == ("Future.set_result", [4])
        assert found[7].callback == "forever"


# -- variables ----------------------------------------------------------------------------------------------


def test_variables_of_a_frame() -> None:
    async def variables(a: int, *rest: int, key: str = "k", **more: int) -> None:
        text = "x" * 200
        inner = [1, [2, [3, [4]]], {"k": (1,)}]
        shared = 5
        if text == "never":
            unbound = 1

        def uses() -> object:
            return shared, key, unbound  # pyright: ignore[reportPossiblyUnboundVariable]

        await forever()
        del uses, inner

    async def program() -> Any:
        return spawn(1, variables(1, 2, 3, more=4))

    with stopped(program) as look:
        frame = look.frames(look.task_of(1))[0]
        found = look.locals(frame.handle)
        assert found == look.locals(look.task_of(1).get_coro().cr_frame)
        assert {(one.name, one.text) for one in found} == {
            ("a", "1"),
            ("rest", "(2, 3)"),
            ("key", "'k'"),
            ("more", "{'more': 4}"),
            ("text", f"{'x' * 120!r}... (200 characters)"),
            ("inner", "[1, [2, [... 2 items]], {'k': (... 1 items)}]"),
            ("shared", "5"),
            ("uses", "<function test_variables_of_a_frame.<locals>.variables.<locals>.uses>"),
        }
        assert {one.name for one in found if one.is_argument} == {"a", "rest", "key", "more"}
        assert {one.name: one.type for one in found}["inner"] == "list"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "None"),
        (1.5, "1.5"),
        (b"x", "b'x'"),
        (10**200, "<int of 665 bits>"),
        (list(range(9)), "[0, 1, 2, 3, 4, 5, 6, 7, ... 1 more]"),
        ((1,), "(1,)"),
        (set(), "set()"),
        ({1}, "{1}"),
        (frozenset({1}), "frozenset({1})"),
        (collections.deque([1]), "deque([1])"),
        (collections.OrderedDict(), "<OrderedDict object>"),
        ({1: [2]}, "{1: [2]}"),
        (int, "<class int>"),
        (len, "<function len>"),
        ([].append, "<function list.append>"),
        (asyncio, "<module asyncio>"),
        (Waits(False).generator, "<method Waits.generator>"),
        (ValueError("x"), "<ValueError: x>"),
        (ValueError(), "<ValueError>"),
        (Quiet("x"), "<Quiet object>"),
        (object(), "<object object>"),
    ],
)
def test_descriptions(value: Any, expected: str) -> None:
    assert values.describe(value) == expected


def test_variables_of_a_module_and_of_a_class_body() -> None:
    found: dict[str, str] = {}

    def look() -> None:
        frame = sys._getframe(1)
        with AsyncioInspector() as looks:
            found.update((one.name, one.text) for one in looks.locals(frame))

    exec("top = 1\nclass C:\n inside = 2\n look()\nlook()", {"look": look})
    assert (found["top"], found["inside"]) == ("1", "2")


def test_the_layout_of_frames_is_checked() -> None:
    check()


# -- nothing runs -------------------------------------------------------------------------------------------

is_armed = False
ran: list[str] = []


def refuse(name: str, calm: Any = None) -> Any:
    def refused(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_armed:
            ran.append(name)
            raise AssertionError(f"{name} was run")
        return NotImplemented if calm is None else calm(self, *args, **kwargs)

    return refused


def all_refused(base: type) -> dict[str, Any]:
    names = [
        "__repr__", "__str__", "__hash__", "__eq__", "__ne__", "__lt__", "__bool__", "__len__", "__iter__",
        "__format__", "__getattribute__", "__contains__", "__index__", "__int__", "__call__", "__getitem__",
        "__setattr__", "__sizeof__", "__dir__", "__next__",
    ]  # fmt: skip
    calm = {name: getattr(base, name, None) for name in names}
    return {
        name: refuse(f"{base.__name__}.{name}", calm[name]) for name in names if calm[name] is not None
    } | {
        "__getattr__": refuse("__getattr__", lambda self, name: object.__getattribute__(self, name)),
        "__class__": property(refuse("__class__", lambda self: base)),
    }


class HostileMeta(type):
    __name__ = property(refuse("type.__name__", lambda cls: "Hostile"))  # type: ignore[assignment]
    __repr__ = refuse("type.__repr__", type.__repr__)
    __hash__ = refuse("type.__hash__", type.__hash__)
    __eq__ = refuse("type.__eq__", type.__eq__)
    __getattribute__ = refuse("type.__getattribute__", type.__getattribute__)
    __instancecheck__ = refuse("type.__instancecheck__", type.__instancecheck__)
    __subclasscheck__ = refuse("type.__subclasscheck__", type.__subclasscheck__)


def hostile(base: type) -> Any:
    return HostileMeta(f"Hostile{base.__name__}", (base,), all_refused(base))


class Property:
    """Has what an inspection looks for, as a property that must not be asked."""

    inner = property(refuse("property", lambda self: None))
    gen = _waiters = _lock = _locked = _exit_callbacks = _replay_id = inner


@contextlib.contextmanager
def armed() -> Iterator[None]:
    global is_armed
    ran.clear()
    is_armed = True
    try:
        yield
    finally:
        is_armed = False


def everything(look: AsyncioInspector, loop: Any) -> list[Any]:
    """Ask all that can be asked."""
    found: list[Any] = [look.tasks(), look.blocked(), look.ready(loop)]
    for at in range(1, 12):
        task = look.task_of(at)
        if task is None:
            continue
        found += [look.waits(task), look.frames(task), look.chains(task)]
        found += [look.locals(frame.handle) for frame in look.frames(task)]
    return found


HostileLock, HostileQueue, HostileText = hostile(asyncio.Lock), hostile(asyncio.Queue), hostile(str)
HostileFuture, HostileEvent = hostile(asyncio.Future), hostile(asyncio.Event)
HostileDict, HostileError, HostileThing = hostile(dict), hostile(ValueError), hostile(object)


def test_nothing_of_hostile_objects_is_run() -> None:
    things: list[Any] = []

    async def holds(lock: Any, *args: Any, **kwargs: Any) -> None:
        thing, text, table, error = (
            HostileThing(),
            HostileText("x"),
            HostileDict(a=1),
            HostileError(HostileThing()),
        )
        keyed = {HostileThing(): 1, text: thing, 1: table}
        grouped = {thing}
        listed = [thing, (error, HostileThing), [[thing]]]
        kind = HostileThing
        properties = Property()
        async with lock:
            await forever()
        del keyed, grouped, listed, kind, properties

    async def wants(lock: Any) -> None:
        async with lock:
            pass

    async def gets(queue: Any) -> None:
        await queue.get()

    async def future(awaited: Any) -> None:
        await awaited

    class Iterates(Steps):
        __getattribute__ = refuse("__getattribute__", object.__getattribute__)  # type: ignore[assignment]
        __eq__ = refuse("__eq__")
        __hash__ = refuse("__hash__", object.__hash__)  # type: ignore[assignment]

    class Opaque:
        def __await__(self) -> Any:
            return Iterates(forever())

    async def program() -> Any:
        lock, queue, thing = HostileLock(), HostileQueue(), HostileThing()
        loop = asyncio.get_running_loop()
        things.extend(
            [
                spawn(1, holds(lock, thing, key=thing)),
                spawn(2, wants(lock)),
                spawn(3, gets(queue)),
                spawn(4, future(HostileFuture())),
                spawn(5, fails(HostileError("x", thing))),
                spawn(6, fails(ValueError(thing))),
                spawn(7, awaits(Opaque())),
                spawn(8, awaits(HostileEvent().wait())),
                spawn(9, asyncio.sleep(LONG_S, thing)),
            ]
        )
        loop.call_later(LONG_S, thing, thing)
        loop.call_later(LONG_S, HostileThing)
        for _ in range(20):
            await asyncio.sleep(0)
        loop.call_soon(lambda: None)
        loop.call_soon(HostileThing)
        return None

    # Names of coroutines are objects of the program too.
    with stopped(program, turns=0) as look:
        coroutine = things[0].get_coro()
        coroutine.__qualname__ = HostileText("named")
        loop = things[0].get_loop()
        with armed():
            found = everything(look, loop)
        assert ran == []
        assert one(look, 1).coroutine == "named"
        assert type(one(look, 1).coroutine) is str
        assert [one(look, at).error for at in (5, 6)] == [
            Error("HostileValueError", None),
            Error("ValueError", "<Hostileobject object>"),
        ]
        wait = look.waits(look.task_of(2))
        assert wait is not None
        assert (wait.kind, wait.type, [holder.task for holder in wait.holders]) == (
            "lock",
            "HostileLock",
            [1],
        )
        assert functions(look, 7) == ["awaits", "<Iterates object>", "forever", "sleep"]
        texts = {one.name: one.text for one in look.locals(look.frames(look.task_of(1))[0].handle)}
        assert texts["keyed"] == (
            "{<Hostileobject object>: 1, <Hostilestr object>: <Hostileobject object>, "
            "1: <Hostiledict object>}"
        )
        assert texts["kind"] == "<class Hostileobject>"
        assert texts["kwargs"] == "{'key': <Hostileobject object>}"
        assert found


def test_the_traps_do_spring() -> None:
    thing, lock = hostile(object)(), hostile(asyncio.Lock)()
    for trap in (repr, hash, lambda one: one == 1, lambda one: one.x, lambda one: isinstance(one, int)):
        with armed(), pytest.raises(AssertionError, match="was run"):
            trap(thing)
    with armed(), pytest.raises(AssertionError, match="was run"):
        _ = lock._waiters
    with armed(), pytest.raises(AssertionError, match="was run"):
        _ = type(thing).__name__
    with armed(), pytest.raises(AssertionError, match="was run"):
        _ = Property().inner


# -- nothing changes ----------------------------------------------------------------------------------------


class Referred:
    pass


def test_nothing_is_kept_alive() -> None:
    async def program() -> Any:
        async def has(thing: Referred, lock: asyncio.Lock) -> None:
            async with lock:
                inner = thing
                await forever()
                del inner

        lock = asyncio.Lock()
        spawn(1, has(Referred(), lock))
        spawn(2, has(Referred(), lock))
        return lock

    with stopped(program) as look:
        tasks = [look.task_of(1), look.task_of(2)]
        coroutines = [task.get_coro() for task in tasks]
        loop = tasks[0].get_loop()
        known = dict(Codes().variables(coroutines[0].cr_frame))
        objects = [*tasks, *coroutines, *known.values(), coroutines[0].cr_code, coroutines[1].cr_await]
        objects += [coroutine.cr_frame for coroutine in coroutines]
        look.close()
        before = [sys.getrefcount(value) for value in objects]
        assert everything(look, loop)
        assert [sys.getrefcount(value) for value in objects] > before
        look.close()
        assert [sys.getrefcount(value) for value in objects] == before


def test_a_dictionary_from_locals_is_left_alone() -> None:
    namespaces: list[dict[str, Any]] = []

    async def program() -> Any:
        async def has() -> None:
            value = 1
            namespaces.append(locals())
            value = 2
            await forever()
            del value

        return spawn(1, has())

    with stopped(program) as look:
        assert everything(look, look.task_of(1).get_loop())
        assert namespaces[0]["value"] == 1


# -- size ---------------------------------------------------------------------------------------------------


def test_the_answers_are_plain_data() -> None:
    async def program() -> Any:
        lock = asyncio.Lock()

        async def locked() -> None:
            async with asyncio.timeout(LONG_S), lock:
                await forever()

        return [spawn(1, locked()), spawn(2, locked()), spawn(3, fails(ValueError()))]

    with stopped(program) as look:
        loop = look.task_of(1).get_loop()
        loop.call_soon(print)
        task = look.task_of(2)
        wait = look.waits(task)
        answers: list[tuple[Any, Any]] = [
            (look.tasks(), list[TaskInfo]),
            (wait, Wait),
            (look.chains(task), list[Chain]),
            (look.ready(loop), list[Ready]),
            (look.blocked(), list[Blocked]),
            (look.locals(look.frames(task)[0].handle), list[Variable]),
        ]
        for value, kind in answers:
            assert value
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=kind) == value


@pytest.mark.slow
def test_ten_thousand_tasks() -> None:
    count = 10_000

    async def program() -> Any:
        lock, event = asyncio.Lock(), asyncio.Event()

        async def wants() -> None:
            async with lock:
                await forever()

        async def waits() -> None:
            await event.wait()

        tasks = [spawn(at, waits() if at % 20 else wants()) for at in range(1, count + 1)]
        await asyncio.sleep(0)
        with AsyncioInspector(numbers(asyncio.get_running_loop())) as look:
            began = time.process_time()
            found = look.tasks()
            took_s.append(time.process_time() - began)
            began = time.process_time()
            blocked = look.blocked()
            took_s.append(time.process_time() - began)
        assert [info.id for info in found if info.id] == list(range(1, count + 1))
        assert len(blocked) == count
        event.set()
        return tasks

    took_s: list[float] = []
    with stopped(program):
        assert took_s[0] < 1.0
        assert took_s[1] < 5.0


@pytest.mark.slow
def test_a_chain_of_ten_thousand_frames() -> None:
    depth = 10_000
    found: list[Any] = []

    def run() -> None:
        async def nested(level: int) -> None:
            if level:
                await nested(level - 1)
            else:
                await forever()

        async def program() -> Any:
            return spawn(1, nested(depth))

        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(10 * depth)
        try:
            loop = asyncio.new_event_loop()
            task = loop.create_task(program())
            kept = loop.run_until_complete(task)
            loop.run_until_complete(asyncio.sleep(0))
            sys.setrecursionlimit(100)
            with AsyncioInspector(numbers(loop)) as look:
                found.append(
                    [look.frames(kept), look.tasks(), look.waits(kept), look.chains(kept), look.blocked()]
                )
            sys.setrecursionlimit(10 * depth)
            kept.cancel()
            loop.run_until_complete(asyncio.wait([kept]))
            loop.close()
        finally:
            sys.setrecursionlimit(limit)

    threading.stack_size(512 << 20)
    try:
        thread = threading.Thread(target=run)
        thread.start()
    finally:
        threading.stack_size(0)
    thread.join()
    [frames, _tasks, wait, _chains, _blocked] = found[0]
    assert len(frames) == depth + 3
    assert wait.kind == "sleep"
