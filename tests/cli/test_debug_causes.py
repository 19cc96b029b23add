"""`why ready T` and `why cancelled T`: what woke a task, and who cancelled it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.answers import answers

PROGRAM = """\
import asyncio, contextlib, time

async def sleeper(seconds):
    await asyncio.sleep(seconds)

async def consumer(queue):
    await queue.get()

async def producer(queue):
    await asyncio.sleep(0)
    queue.put_nowait("item")

async def waiter(other):
    await other

async def stubborn():
    try:
        await asyncio.sleep(100)
    finally:
        await asyncio.sleep(0)

async def failing():
    await asyncio.sleep(0.002)
    raise ValueError("bad")

async def within():
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.003):
            await asyncio.sleep(10)

async def waited():
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(sleeper(10), 0.003)

async def gathering():
    await asyncio.gather(sleeper(5), return_exceptions=False)

async def job():
    await asyncio.to_thread(time.sleep, 0.001)

async def group():
    async with asyncio.TaskGroup() as tg:
        tg.create_task(failing(), name="failing")
        tg.create_task(stubborn(), name="sibling")

async def stream():
    async def serve(reader, writer):
        writer.write(b"hello")
        writer.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await reader.read()
    writer.close()
    server.close()

async def main():
    def made(name, coro):
        return asyncio.create_task(coro, name=name)
    queue = asyncio.Queue()
    every = [
        made("sleeper", sleeper(0.001)), made("consumer", consumer(queue)), made("producer", producer(queue)),
        made("within", within()), made("waited", waited()), made("job", job()), made("group", group()),
        made("stream", stream()),
    ]
    left, new, direct = made("left", stubborn()), made("new", sleeper(1)), made("direct", stubborn())
    outer, later = made("outer", waiter(direct)), made("later", stubborn())
    gathers = made("gathering", gathering())
    new.cancel()
    await asyncio.sleep(0.001)
    asyncio.get_running_loop().call_later(0.001, later.cancel)
    outer.cancel()
    gathers.cancel()
    await asyncio.gather(*every, gathers, outer, later, return_exceptions=True)
    future = asyncio.get_running_loop().create_future()
    last = made("last", waiter(future))
    await asyncio.sleep(0)
    future.set_exception(KeyError("x"))
    await asyncio.wait([last])

asyncio.run(main())
"""


def line_of(text: str) -> int:
    """Return the number of the line of the program that has this text first."""
    return next(at for at, line in enumerate(PROGRAM.splitlines(), 1) if text in line)


AT_MAIN = "task Task-1, main app.py:"
SLEPT = "it awaited: sleep, in stubborn app.py:{}".format(line_of("sleep(100)"))
WOKEN = {
    "sleeper": ["it awaited: sleep, in sleeper app.py:4", "woken by: a timer: its sleep is over"],
    "consumer": [
        'it awaited: queue get "queue", in consumer app.py:7',
        'woken by: task producer, producer app.py:11  queue.put_nowait("item")  (Queue.put_nowait)',
    ],
    "outer": [
        f"it awaited: T12 direct, in waiter app.py:{line_of('await other')}",
        "woken by: T12 direct, which was cancelled",
    ],
    "job": [
        f"it awaited: executor job sleep, in job app.py:{line_of('to_thread')}",
        "woken by: the job, which has ended in its thread",
    ],
    "stream": [f'it awaited: stream read "reader", in stream app.py:{line_of("reader.read()")}', None],
    "group": [
        f'it awaited: task group "tg", in group app.py:{line_of("TaskGroup")}',
        "woken by: the end of T{sibling} sibling, which was cancelled",
    ],
    "within": [
        f"it awaited: sleep, in within app.py:{line_of('sleep(10)')}",
        "what it awaited was cancelled: `why cancelled` tells more",
        f"woken by: asyncio.timeout in within app.py:{line_of('timeout(0.003)')}: its time was over",
    ],
    "last": [
        f'it awaited: future "other", in waiter app.py:{line_of("await other")}',
        f'woken by: {AT_MAIN}{line_of("set_exc")}  future.set_exception(KeyError("x"))',
        "with KeyError: 'x'",
    ],
}
CANCELLED = {
    "direct": [
        ", with T13 outer, which waits for it",
        f"by: {AT_MAIN}{line_of('outer.cancel')}  outer.cancel()",
        SLEPT,
    ],
    "new": ["", f"by: {AT_MAIN}{line_of('new.cancel')}  new.cancel()"],
    "gathering": [
        "",
        f"by: {AT_MAIN}{line_of('gathers.cancel')}  gathers.cancel()",
        f"it awaited: gather, in gathering app.py:{line_of('gather(sleeper')}",
    ],
    "within": [
        "",
        f"by: asyncio.timeout in within app.py:{line_of('timeout(0.003)')}: its time was over",
        f"it awaited: sleep, in within app.py:{line_of('sleep(10)')}",
    ],
    "later": ["", "by: a timer (Task.cancel)", SLEPT],
    "failing": None,
    "sibling": [
        "",
        f"by: the task group in group app.py:{line_of('TaskGroup')}: T{{failing}} failing had failed",
        SLEPT,
    ],
    "left": [
        "",
        "by: asyncio.run: at its end it cancels what is left",
        f"which was done by: the main thread, <module> app.py:{line_of('asyncio.run')}  asyncio.run(main())",
        SLEPT,
    ],
}


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    commands = ["tasks --all", *(f"why ready {name}" for name in WOKEN)]
    commands += [
        *(f"why cancelled {name}" for name in CANCELLED),
        "goto @2",
        "why cancelled left",
        "why ready T2",
        # A method that was bound before one asks.
        "restart",
        f"break app.py:{line_of('outer.cancel')}",
        "continue",
        "break cancel:later",
        "c",
    ]
    return answers(tmp_path_factory.mktemp("causes"), PROGRAM, commands)


def ids(answered: dict[str, dict[str, Any]]) -> dict[str, int]:
    return {row["name"]: row["id"] for row in answered["tasks --all"]["data"]}


@pytest.mark.parametrize("name", WOKEN)
def test_what_woke_a_task(answered: dict[str, dict[str, Any]], name: str) -> None:
    known = ids(answered)
    found = answered[f"why ready {name}"]
    first, *rest = found["text"].splitlines()
    place, runs = found["data"]["pos"], found["data"]["runs"]
    assert first == f"T{known[name]} {name} was made ready last at {place}, and ran at @{runs}"
    wanted = WOKEN[name]
    assert len(rest) == len(wanted)
    for line, told in zip(rest, wanted, strict=True):
        if told is None:
            assert line.startswith("  woken by: descriptor ")
            assert line.endswith(" is ready to read (_SelectorSocketTransport._read_ready)")
        else:
            assert line == "  " + told.format(**known)


@pytest.mark.parametrize("name", CANCELLED)
def test_who_cancelled_a_task(answered: dict[str, dict[str, Any]], name: str) -> None:
    known = ids(answered)
    found, wanted = answered[f"why cancelled {name}"], CANCELLED[name]
    lines = found["text"].splitlines()
    if wanted is None:
        assert lines == [f"T{known[name]} {name} is never asked to cancel in this recording"]
        return
    verb = "will be asked" if name == "left" else "was asked"  # which is asked once more, from before
    assert lines[0] == f"T{known[name]} {name} {verb} to cancel at {found['data']['pos']}" + wanted[0]
    assert [line.strip() for line in lines[1:-1]] == [told.format(**known) for told in wanted[1:]]
    ended = next(row for row in answered["tasks --all"]["data"] if row["name"] == name)["ended"]
    how = "is not cancelled in the end: it returned" if name == "within" else "ends cancelled"
    assert lines[-1] == f"  it {how} at {ended}"


def test_where_it_was_done(answered: dict[str, dict[str, Any]]) -> None:
    cause = answered["why ready consumer"]["data"]["cause"]
    assert [frame["function"] for frame in cause["frames"]] == [
        "Queue._wakeup_next", "Queue.put_nowait", "producer",
    ]  # fmt: skip
    assert answered["why ready consumer"]["data"]["by"] == f"T{ids(answered)['producer']}"
    assert answered["why ready consumer"]["data"]["pos"].endswith(".1")


def test_a_new_task_was_ready_at_once(answered: dict[str, dict[str, Any]]) -> None:
    assert answered["why ready T2"]["text"] == (
        f"T2 sleeper was ready as soon as it was made: by T1 Task-1 at @1, in main.<locals>.made "
        f"app.py:{line_of('return asyncio.create_task')}, and runs at @2"
    )
    assert answered["why ready T2"]["data"]["ready"]


def test_a_cancel_by_a_method_that_was_bound_before(answered: dict[str, dict[str, Any]]) -> None:
    """There is a stop where its timer fires, too."""
    assert answered["c"]["text"].splitlines()[0].endswith("breakpoint 2  cancels task later")
    assert answered["c"]["pos"] == answered["why cancelled later"]["data"]["pos"]


@pytest.mark.more
def test_cancels_that_leave_no_trace(tmp_path: Path) -> None:
    """One is taken back in the same step, one comes where a profiler is taken away, one in the last step."""
    program = """\
import asyncio, os, sys
async def sleeper():
    await asyncio.sleep(10)
async def main():
    names = ("back", "profiled", "inner", "last")
    back, profiled, inner, last = [asyncio.create_task(sleeper(), name=name) for name in names]
    await asyncio.sleep(0)
    both = asyncio.gather(inner)
    back.cancel(), back.uncancel()
    sys.setprofile(None)
    profiled.cancel()
    both.cancel()
    await asyncio.sleep(0)
    last.cancel()
    os._exit(0)
asyncio.run(main())
"""
    found = answers(
        tmp_path, program, [f"why cancelled {name}" for name in ("back", "profiled", "inner", "last")]
    )
    wanted = {
        2: ("back", "  by: task Task-1, main app.py:9  back.cancel(), back.uncancel()"),
        3: ("profiled", "  by: task Task-1, main app.py:11  profiled.cancel()"),
        4: ("inner", "  by: the gather in main app.py:12, which was cancelled"),
        5: ("last", "  by: task Task-1, main app.py:14  last.cancel()"),
    }
    for one, (number, (name, by)) in zip(found.values(), wanted.items(), strict=True):
        first, second, *_ = one["text"].splitlines()
        assert first == f"T{number} {name} was asked to cancel at {one['data']['pos']}"
        assert second == by


@pytest.mark.more
@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks(tmp_path: Path) -> None:
    program = """\
import asyncio
async def selfish():
    asyncio.current_task().cancel()
    await asyncio.sleep(1)
async def work():
    await asyncio.sleep(1)
async def main():
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    one, two = asyncio.create_task(selfish(), name="one"), asyncio.create_task(work(), name="two")
    two.cancel()
    await asyncio.wait([one, two])
asyncio.run(main())
"""
    found = answers(tmp_path, program, ["why cancelled one", "why cancelled two"])
    assert [one["text"].splitlines()[1] for one in found.values()] == [
        "  by: task Task-1, selfish app.py:3  asyncio.current_task().cancel()",
        "  by: task Task-1, main app.py:10  two.cancel()",
    ]
