"""The debugger's `ctx`, `choices`, `cause` and `bounds`, on asyncio and on trio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Done, run_replay

ASYNCIO = """\
import asyncio, contextvars

request = contextvars.ContextVar("request")
depth = contextvars.ContextVar("depth", default=0)


async def worker(number, event):
    request.set(f"request {number}")
    await event.wait()
    depth.set(number)
    return depth.get()


async def sets(event):
    await asyncio.sleep(0.01)
    event.set()


def later(event):
    event.set()


async def main():
    request.set("none")
    event = asyncio.Event()
    workers = [asyncio.create_task(worker(number, event), name=f"w{number}") for number in (1, 2)]
    setting = asyncio.create_task(sets(event), name="sets")
    await asyncio.gather(*workers)
    again = asyncio.Event()
    asyncio.get_running_loop().call_soon(later, again)
    await again.wait()
    await setting


asyncio.run(main())
"""

TRIO = """\
import contextvars

import trio

request = contextvars.ContextVar("request")


async def worker(number, event):
    request.set(f"request {number}")
    await event.wait()
    await trio.sleep(0.01)


async def main():
    request.set("none")
    event = trio.Event()
    async with trio.open_nursery() as nursery:
        for number in (1, 2):
            nursery.start_soon(worker, number, event, name=f"w{number}")
        await trio.sleep(0.01)
        event.set()


trio.run(main)
"""


def recorded(folder: Path, program: str) -> Path:
    (folder / "app.py").write_text(program)
    done = run_replay("record", "-o", "run.rec", "app.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def on_asyncio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("asyncio"), ASYNCIO)


@pytest.fixture(scope="module")
def on_trio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("trio"), TRIO)


def debug(folder: Path, *commands: str, options: tuple[str, ...] = ("--batch",)) -> Done:
    words = [word for command in commands for word in ("-ex", command)]
    return run_replay("debug", "run.rec", *options, *words, cwd=folder, timeout=60)


def answers(folder: Path, *commands: str) -> list[dict[str, Any]]:
    done = debug(folder, *commands, options=("--batch", "--json"))
    assert (done.stderr, done.returncode) == ("", 0)
    return [json.loads(line) for line in done.stdout.splitlines()]


def data(folder: Path, *commands: str) -> list[Any]:
    return [one["data"] for one in answers(folder, *commands)]


def variables(found: dict[str, Any]) -> dict[str, str]:
    return {name: text for name, text in found["variables"] if name in ("request", "depth")}


# -- ctx -----------------------------------------------------------------------------------------


def test_context_variables(on_asyncio: Path) -> None:
    found = data(
        on_asyncio,
        "goto @1",
        "ctx",
        "c app.py:10",
        "ctx",
        "ctx w2",
        "s",
        "ctx",
        "ctx Task-1",
        "select w2",
        "ctx",
    )
    first, at_event, of_w2, has_set, of_main, selected = (found[at] for at in (1, 3, 4, 6, 7, 9))
    assert variables(first) == {}
    assert variables(at_event) == {"request": "'request 1'"}
    assert variables(of_w2) == variables(selected) == {"request": "'request 2'"}
    assert variables(has_set) == {"depth": "1", "request": "'request 1'"}
    assert variables(of_main) == {"request": "'none'"}
    assert [one["owner"] for one in (at_event, of_w2, of_main)] == ["T2", "T3", "T1"]


@pytest.mark.more
def test_context_variables_of_a_callback(on_asyncio: Path) -> None:
    before, _, inside = data(on_asyncio, "c later", "ctx", "-", "ctx")[1:]
    assert variables(before) == variables(inside) == {"request": "'none'"}
    assert before["owner"].startswith("callback@")


@pytest.mark.more
def test_context_variables_in_trio(on_trio: Path) -> None:
    of_w1, of_main = data(on_trio, "c app.py:11", "ctx w1", "ctx __main__.main")[1:]
    assert (variables(of_w1), variables(of_main)) == ({"request": "'request 1'"}, {"request": "'none'"})


@pytest.mark.more
def test_what_has_no_context(on_asyncio: Path) -> None:
    done = debug(on_asyncio, "goto @1", "ctx", "ctx w1", options=("--batch", "--keep-going"))
    assert done.stdout.splitlines()[-1] == "no context variable has a value for task Task-1"
    assert done.stderr == "replay: T2 w1 has no context here: it has ended, or is not made yet\n"


# -- choices -------------------------------------------------------------------------------------


def test_choices(on_asyncio: Path) -> None:
    """What is told here was counted on paper: each worker waits, and is woken with the other."""
    (found,) = data(on_asyncio, "choices")
    assert [(one["task"], one["others"]) for one in found] == [
        ("T2", ["T3", "T4"]),
        ("T3", ["T4"]),
        ("T2", ["T3"]),
    ]
    first = found[0]["pos"]
    assert data(on_asyncio, f"choices {first}..{first}") == [found[:1]]
    done = debug(on_asyncio, f"choices {first}..{first}", "choices @1..@1")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["step", "ran", "was", "ready", "too"],
        [first, "T2", "w1", "T3", "w2,", "T4", "sets"],
        ["at", "none", "of", "these", "steps", "was", "another", "task", "ready"],
    ]


@pytest.mark.more
def test_choices_are_what_was_ready(on_asyncio: Path, on_trio: Path) -> None:
    """Where one stands there, `ready` lists the same tasks."""
    for folder in (on_asyncio, on_trio):
        (found,) = data(folder, "choices")
        assert found
        commands = [command for one in found for command in (f"goto {one['pos']}", "ready")]
        for choice, queue in zip(found, data(folder, *commands)[1::2], strict=True):
            ready = {one["task"] for one in queue if one["task"] and not one["chosen"]}
            assert ready == set(choice["others"])


# -- cause ---------------------------------------------------------------------------------------


def test_cause_goes_back_to_the_origin(on_asyncio: Path) -> None:
    done = debug(on_asyncio, "c app.py:10", "goto +0", "cause")
    lines = done.stdout.splitlines()
    at = next(at for at, line in enumerate(lines) if line.endswith("  T2 w1"))
    told = [line.split(None, 1)[1] for line in lines[at:]]
    assert told == [
        "T2 w1",
        "woken by: task sets, sets app.py:16  event.set()  (Event.set)",
        "T4 sets",
        "woken by: a timer: its sleep is over",
        "T4 sets",
        "made by T1 Task-1, in main app.py:27",
        "T1 Task-1",
        "made by code outside of any task, in <module> app.py:35",
    ]


@pytest.mark.more
def test_cause_through_the_end_of_a_task(on_asyncio: Path) -> None:
    by_callback, by_gather = data(on_asyncio, "c app.py:32", "cause", "rc app.py:29", "cause")[1::2]
    assert [one["task"] for one in by_callback] == ["T1", None]
    assert [one["task"] for one in by_gather] == ["T1", "T3", "T4", "T4", "T1"]
    assert [one["done_at"] for one in by_gather] == [*(one["pos"] for one in by_gather[1:]), None]


@pytest.mark.more
def test_cause_in_trio(on_trio: Path) -> None:
    found = data(on_trio, "c app.py:11", "cause")[1]
    names = [one["task"] for one in found]
    main = names[1]
    assert names[:3] == [names[0], main, main]
    assert names[0] != main
    assert [one["done_at"] for one in found[:-1]] == [one["pos"] for one in found[1:]]
    assert found[-1]["done_at"] is None


@pytest.mark.more
def test_the_cause_of_an_event(on_asyncio: Path) -> None:
    done = debug(on_asyncio, "goto @1", "cause #0", "cause end")
    assert done.stdout.splitlines()[2].startswith("#0 ")
    assert done.stdout.splitlines()[-1].startswith("nothing of the program runs at @")


# -- bounds --------------------------------------------------------------------------------------


def test_motions_stay_within_bounds(on_asyncio: Path) -> None:
    commands = (
        "goto @4",
        "bounds @2 @6",
        "c",
        "+",
        "rc",
        "-",
        "rc app.py:7",
        "goto @5",
        "+ 100",
        "back",
    )
    found = answers(on_asyncio, *commands, "bounds", "bounds off", "c")
    moves = found[2:-3]
    assert [one["pos"] for one in moves] == ["@6", "@6", "@2", "@2", "@2", "@5", "@6", "@5"]
    assert [one["data"]["moved"] for one in moves][:5] == [True, False, True, False, False]
    assert (found[-3]["data"], found[-2]["data"]) == (["@2", "@6"], None)
    assert found[-1]["data"]["event"] == "end"


@pytest.mark.more
def test_a_breakpoint_out_of_bounds_is_not_met(on_asyncio: Path) -> None:
    stop, breakpoints = answers(on_asyncio, "b app.py:10", "goto @1", "bounds @1 @3", "c", "breakpoints")[3:]
    assert (stop["pos"], stop["data"]["breakpoint"]) == ("@3", None)
    assert breakpoints["data"][0]["hits"] == 0


@pytest.mark.more
def test_back_stays_within_bounds_and_says_so(on_asyncio: Path) -> None:
    """What has led somewhere else than was asked for is told to scripts."""
    found = answers(on_asyncio, "goto @2", "goto @7", "bounds @5 @8", "back", "goto @6", "+ 9")[3:]
    assert [one["pos"] for one in found] == ["@5", "@6", "@8"]
    assert [one["data"].get("bounded") for one in found[1:]] == [False, True]


OTHERS = """\
import asyncio, contextvars, threading

where = contextvars.ContextVar("where")


def inner():
    pass


async def main():
    where.set("task")
    context = contextvars.copy_context()
    context.run(where.set, "inside")
    context.run(inner)
    thread = threading.Thread(target=print, args=("in a thread",))
    thread.start()
    thread.join()


asyncio.run(main())
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("others"), OTHERS)


@pytest.mark.more
def test_a_context_that_a_task_has_entered(others: Path) -> None:
    inside = answers(others, "c inner", "ctx", "p where.get()", "finish", "step", "ctx")
    assert [name for name in inside[1]["data"]["variables"] if name[0] == "where"] == [["where", "'inside'"]]
    assert inside[2]["data"]["value"] == "'inside'"
    assert ["where", "'task'"] in inside[5]["data"]["variables"]


@pytest.mark.more
def test_what_no_task_has_made_has_no_cause_in_the_program(others: Path) -> None:
    """A second run of a loop does not come from what ran last in the first."""
    first = data(others, "c app.py:11", "c app.py:11", "cause")[2]
    assert [one["done_at"] for one in first] == [None]
    done = debug(others, "find in a thread")
    number = done.stdout.split()[0]
    told = debug(others, f"cause {number}").stdout.splitlines()
    assert told[1:] == ["it is of a thread: nobody woke that"]


@pytest.mark.more
def test_a_change_out_of_bounds_is_none(on_asyncio: Path) -> None:
    done = debug(
        on_asyncio,
        "c app.py:29",
        "bounds @4 end",
        "last bool(setting)",
        "when",
        "bounds off",
        "last bool(setting)",
    )
    lines = done.stdout.splitlines()
    here = lines[0].split()[-1]
    assert lines[3] == f"bool(setting) has not changed between @4 and {here}"
    assert lines[4].startswith(here)
    assert lines[6].startswith("bool(setting): (nothing yet) -> True ")


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("command", "message", "hint"),
    [
        ("bounds @3 @2", "nothing is between @3 and @2", "the first place comes first"),
        ("bounds @3", "`bounds` takes two places, or `off`: '@3'", "`bounds @5 failure`"),
        (
            "bounds @5 @6",
            "@2, where you are, is not between @5 and @6",
            "`goto @5` first, after `bounds off`",
        ),
        ("goto @9", "@9 is not between @1 and @3", "`bounds off` lets motions go anywhere"),
        ("cause 3", "no such place: '3'", None),
    ],
)
def test_what_is_refused(on_asyncio: Path, command: str, message: str, hint: str | None) -> None:
    done = debug(on_asyncio, "goto @2", "bounds @1 @3", command)
    assert done.stderr.startswith(f"replay: {message}\n")
    if hint is not None:
        assert done.stderr.endswith(f"hint: {hint}\n")
    assert done.returncode == 1
