"""The debugger on tasks of trio: what each waits for, where it is, and how that is drawn."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import replay
from tests.conftest import run_replay, timeless

pytestmark = pytest.mark.slow

PROGRAM = """\
import threading

import trio
import trio.testing


async def holds(thing, done):
    async with thing:
        await done.wait()


async def wants(thing):
    async with thing:
        pass


async def waits(event):
    await event.wait()


async def receives(channel):
    await channel.receive()


async def sends(channel):
    await channel.send("item")


async def sleeps():
    with trio.move_on_after(50) as patience:
        await trio.sleep_forever()
    assert patience


async def parent():
    async with trio.open_nursery() as children:
        children.start_soon(trio.sleep, 50, name="child")


async def job(gate):
    await trio.to_thread.run_sync(gate.wait)


async def looks(scope, gate):
    await trio.testing.wait_all_tasks_blocked(0.001)
    gate.set()
    scope.cancel()


async def main():
    lock, room, limit, done = trio.Lock(), trio.Semaphore(1), trio.CapacityLimiter(1), trio.Event()
    send, receive = trio.open_memory_channel(0)
    full, kept = trio.open_memory_channel(0)
    gate = threading.Event()
    async with trio.open_nursery() as nursery:
        for number, thing in enumerate((lock, room, limit)):
            nursery.start_soon(holds, thing, done, name=f"holds{number}")
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(wants, thing, name=f"wants{number}")
        nursery.start_soon(waits, done, name="waits")
        nursery.start_soon(receives, receive, name="receives")
        nursery.start_soon(sends, full, name="sends")
        nursery.start_soon(sleeps, name="sleeps")
        nursery.start_soon(parent, name="parent")
        nursery.start_soon(job, gate, name="job")
        nursery.start_soon(looks, nursery.cancel_scope, gate, name="looks")


trio.run(main)
"""


def at(function: str, text: str) -> str:
    """Return where a function of the program has this text first."""
    lines = PROGRAM.splitlines()
    begin = next(at for at, line in enumerate(lines) if line.startswith(f"async def {function}("))
    return f"{function} app.py:{next(at for at in range(begin, len(lines)) if text in lines[at]) + 1}"


def told(text: str) -> list[str]:
    """Return the lines of an answer without times, and with the columns that they make closed."""
    return [" ".join(line.split()) for line in timeless(text).splitlines()]


MAIN, WITH, HELD = at("main", "open_nursery"), at("wants", "async with"), at("holds", "async with")
DONE = at("holds", "wait()")
FIRST = ["in line: 1st of 1 task"]
OPEN = "open, 1 end open on the other side, 0 of 0"
WAITS = {
    "wants0": (WITH, [f'lock "thing", locked; held by T4 holds0 ({HELD})', *FIRST,
               'T4 holds0 itself awaits: event "done"', "can be ended by: T4 holds0"]),
    "wants1": (WITH, [f'semaphore "thing", 0; held by T6 holds1 ({HELD})', *FIRST,
               'T6 holds1 itself awaits: event "done"', "can be ended by: T6 holds1, T2 __main__.main"]),
    "wants2": (WITH, [f'capacity limiter "thing", 0 of 1; held by T8 holds2 ({HELD})', *FIRST,
               'T8 holds2 itself awaits: event "done"', "can be ended by: T8 holds2"]),
    "waits": (at("waits", "wait()"), ['event "event", unset', "can be ended by: T2 __main__.main"]),
    "receives": (at("receives", "receive()"), [f'channel receive "channel", {OPEN}',
                 *FIRST, "can be ended by: T2 __main__.main"]),
    "sends": (at("sends", "send("), [f'channel send "channel", {OPEN}',
              *FIRST, "can be ended by: T2 __main__.main"]),
    "sleeps": (at("sleeps", "forever"), ["sleep",
               f"deadline: cancel scope in {at('sleeps', 'as patience')}, at t= TIME"]),
    "parent": (at("parent", "as children"), ['nursery "children"', "waits for all of: T17 child (1 left)",
               "can be ended by: T17 child"]),
    "job": (at("job", "thread"), ["thread", "can be ended by: the thread that runs it"]),
    "__main__.main": (MAIN, ['nursery "nursery"',
                      "waits for all of: T4 holds0, T5 wants0, T6 holds1, T7 wants1 and 9 more (13 left)",
                      "can be ended by: T4 holds0, T5 wants0, T6 holds1, T7 wants1 and 9 more"]),
}  # fmt: skip
ROWS = [
    ("__main__.main", MAIN, 'nursery "nursery": T4 holds0, T5 wants0, T6 holds1, T7 wants1 and 9 more', "T1"),
    ("holds0", DONE, 'event "done"', "T2"),
    ("wants0", WITH, 'lock "thing", held by T4 holds0', "T2"),
    ("holds1", DONE, 'event "done"', "T2"),
    ("wants1", WITH, 'semaphore "thing", held by T6 holds1', "T2"),
    ("holds2", DONE, 'event "done"', "T2"),
    ("wants2", WITH, 'capacity limiter "thing", held by T8 holds2', "T2"),
    ("waits", at("waits", "wait()"), 'event "event"', "T2"),
    ("receives", at("receives", "receive()"), 'channel receive "channel"', "T2"),
    ("sends", at("sends", "send("), 'channel send "channel"', "T2"),
    ("sleeps", at("sleeps", "forever"), "sleep", "T2"),
    ("parent", at("parent", "as children"), 'nursery "children": T17 child', "T2"),
    ("job", at("job", "thread"), "thread", "T2"),
    ("looks", at("looks", "cancel()"), None, "T2"),
    ("child", "sleep", "sleep until t= TIME", "T14"),
]


def tree() -> list[str]:
    """Return the tree that is to be drawn."""
    lines = [f"T2 __main__.main  waiting  {MAIN}  {ROWS[0][2]}", f'└─ nursery "nursery"  {MAIN}']
    for number, (name, where, awaiting, _) in enumerate(ROWS[1:-1], 4):
        state = "waiting" if awaiting else "running"
        mark = "└─" if name == "looks" else "├─"
        lines.append(f"   {mark} T{number} {name}  {state}  {where}  {awaiting or ''}".rstrip())
        if name == "sleeps":
            scope = f'cancel scope "patience"  {at("sleeps", "as patience")}  deadline t=  TIME'
            lines.append(f"   │  └─ {scope}")
        if name == "parent":
            lines.append(f'   │  └─ nursery "children"  {where}')
            lines.append("   │     └─ T17 child  waiting  sleep  sleep until t=  TIME")
    return [" ".join(line.split()) for line in lines]


LOOKS = ("tree", "tree --by spawn", "tasks", "where", "task wants0 where", "task child where", "await parent",
         "await wants0", "ready")  # fmt: skip


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("debug_trio")
    (folder / "app.py").write_text(PROGRAM)
    assert run_replay("record", "-o", "run.rec", "app.py", cwd=folder).returncode == 0
    commands = (f"c {at('looks', 'cancel()').partition(' ')[2]}", *(f"why {name}" for name in WAITS), *LOOKS)
    words = [word for command in commands for word in ("-ex", command)]
    done = run_replay("debug", "run.rec", "--batch", "--json", *words, cwd=folder, timeout=60)
    assert (done.stderr, done.returncode) == ("", 0)
    return {one["cmd"]: one for one in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", WAITS)
def test_what_a_task_waits_for(answered: dict[str, dict[str, Any]], name: str) -> None:
    where, wanted = WAITS[name]
    first, *rest, last = told(answered[f"why {name}"]["text"])
    assert re.fullmatch(rf"T\d+ {name} is waiting in {re.escape(where)} since @\d+, for TIME", first)
    assert rest == wanted
    assert last.startswith("in this run it goes on at @")


def test_the_table(answered: dict[str, dict[str, Any]]) -> None:
    rows = answered["tasks"]["data"]
    found = [(row["name"], row["where"], row["awaiting"], row["parent"]) for row in rows]
    assert [(*one[:2], one[2] and told(one[2])[0], one[3]) for one in found] == ROWS
    assert {row["nursery"] for row in rows} == {None, MAIN, at("parent", "as children")}
    assert [row["name"] for row in rows if row["here"]] == ["looks"]


def test_the_tree(answered: dict[str, dict[str, Any]]) -> None:
    assert told(answered["tree"]["text"]) == tree()
    spawned = told(answered["tree --by spawn"]["text"])
    assert spawned[0] == f"T2 __main__.main waiting {MAIN}"
    assert len(spawned) == len(ROWS)
    assert "│ └─ T17 child waiting sleep sleep until t= TIME" in spawned


def test_where_a_task_is(answered: dict[str, dict[str, Any]]) -> None:
    outer = f"T2 __main__.main {MAIN.partition(' ')[2]} main()  async with trio.open_nursery() as nursery:"
    here, there, child = (
        answered[one]["text"].splitlines() for one in ("where", "task wants0 where", "task child where")
    )
    assert here == [
        f"  {outer}",
        f"> #0 {at('looks', 'cancel()').partition(' ')[2]} looks()  scope.cancel()",
    ]
    assert there[0] == f"  {outer}"
    assert re.fullmatch(rf"> #\d {WITH.partition(' ')[2]} wants\(\)  async with thing:", there[1])
    parent = at("parent", "as children").partition(" ")[2]
    assert child[:2] == [
        f"  {outer}",
        f"  T14 parent {parent} parent()  async with trio.open_nursery() as children:",
    ]


def test_chains_of_awaits(answered: dict[str, dict[str, Any]]) -> None:
    assert answered["await parent"]["text"].splitlines() == [
        "T14 parent",
        f"   {at('parent', 'as children')}  async with trio.open_nursery() as children:",
        "   NurseryManager.__aexit__",
        "   T17 child",
        "      sleep",
    ]
    assert answered["await wants0"]["text"].splitlines() == [
        "T5 wants0",
        f"   {WITH}  async with thing:",
        "   AsyncContextManagerMixin.__aenter__",
    ]


def test_what_is_ready(answered: dict[str, dict[str, Any]]) -> None:
    """Whoever runs, and nobody: the others wait."""
    assert answered["ready"]["text"].splitlines()[-1] == "  (nothing else is ready)"


BOTH = """\
import asyncio

import trio


async def naps():
    await asyncio.sleep(0)
    return asyncio.current_task().get_name()


async def on_asyncio():
    named = asyncio.create_task(naps(), name="named")
    found = [asyncio.create_task(naps()) for _ in range(2)]
    return [await one for one in (named, *found)]


async def dozes(names):
    await trio.sleep(0)
    names.append(trio.lowlevel.current_task().name)


async def on_trio():
    names = []
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(dozes, names)
    return names


for _ in range(2):
    print(*asyncio.run(on_asyncio()))
    print(*trio.run(on_trio))
"""


def test_asyncio_and_trio_count_their_own_tasks(tmp_path: Path) -> None:
    """Whatever was given no name has the name that the program itself saw; ids are those of the whole."""
    (tmp_path / "app.py").write_text(BOTH)
    recorded = run_replay("record", "-o", "run.rec", "app.py", cwd=tmp_path)
    assert recorded.returncode == 0, recorded.stderr
    words = [word for one in ("tasks --all", "tasks --all --sort name", "tree") for word in ("-ex", one)]
    done = run_replay("debug", "run.rec", "--at", "end", "--batch", "--json", *words, cwd=tmp_path)
    rows = json.loads(done.stdout.splitlines()[0])["data"]
    assert [row["id"] for row in rows] == list(range(1, len(rows) + 1))
    seen = [
        [row["name"] for row in rows if row["coroutine"] in ("naps", "dozes") and row["parent"] == parent]
        for parent in dict.fromkeys(row["parent"] for row in rows if row["coroutine"] in ("naps", "dozes"))
    ]
    assert [" ".join(one) for one in seen] == recorded.stdout.splitlines()
    assert seen[1] == seen[3] == ["__main__.dozes"] * 2
    assert len({name for one in (seen[0], seen[2]) for name in one}) == 5  # `named` twice
    assert {row["state"] for row in rows} == {"returned"}
    with replay.open(str(tmp_path / "run.rec")) as recording:
        assert {task.id: task.name for task in recording.tasks()} == {row["id"]: row["name"] for row in rows}
        assert {task.is_of_trio for task in recording.tasks() if task.coroutine == "dozes"} == {True}
        assert {task.is_of_trio for task in recording.tasks() if task.coroutine == "naps"} == {False}


MANY = """\
import sys

if sys.argv[1] == "trio":
    import trio

    async def main():
        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(trio.sleep, 0)

    trio.run(main)
else:
    import asyncio

    async def main():
        async with asyncio.TaskGroup() as group:
            for _ in range(1000):
                group.create_task(asyncio.sleep(0))

    asyncio.run(main())
"""


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_of_very_many_tasks_some_are_shown(library: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(MANY)
    assert run_replay("record", "-o", "run.rec", "app.py", library, cwd=tmp_path).returncode == 0
    task = "T2" if library == "trio" else "T1"
    commands = ("goto @200", "tree", "tree --by spawn", f"await {task}", "tree --all")
    words = [word for one in commands for word in ("-ex", one)]
    done = run_replay("debug", "run.rec", "--batch", "--json", *words, cwd=tmp_path, timeout=120)
    assert (done.stderr, done.returncode) == ("", 0)
    _, tree, spawned, chains, whole = map(json.loads, done.stdout.splitlines())
    for one in (tree, spawned):
        lines = one["text"].splitlines()
        assert len(lines) < 50
        assert re.fullmatch(r"\s*└─ and \d{3} more", lines[-1])
    lines = chains["text"].splitlines()
    assert len(lines) < 150
    assert re.match(r"and \d{3} more; ", lines[-1])
    assert len(chains["data"]) > 800
    assert len(whole["text"].splitlines()) > 800
