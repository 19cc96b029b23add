"""Tables of tasks inside a step: who is made yet, who is ready, and where `finish` leads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.answers import recorded, said

PROGRAM = """\
import asyncio
import time

async def bad():
    await asyncio.sleep(0.001)
    await asyncio.sleep(0.001)
    raise KeyError("k")

async def gives_way():
    await asyncio.sleep(0)
    here = 1

async def top():
    await asyncio.sleep(0)
    await bad()

def job():
    time.sleep(0.001)

async def main():
    first = asyncio.create_task(gives_way(), name="first")
    second = asyncio.create_task(top(), name="second")
    await asyncio.wait([first, second])
    second.exception()
    jobs = [asyncio.create_task(asyncio.to_thread(job), name=f"job{number}") for number in range(3)]
    await asyncio.gather(*jobs)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("tables"), PROGRAM)


@pytest.mark.parametrize(("line", "made"), [(21, []), (22, ["first"]), (23, ["first", "second"])])
def test_who_is_made_in_the_middle_of_a_step(recording: Path, line: int, made: list[str]) -> None:
    _, tasks, tree, why, task = said(
        recording, f"c app.py:{line}", "tasks", "tree --by spawn", "why job2", "task job2"
    )
    assert [one["name"] for one in tasks["data"]] == ["Task-1", *made]
    assert len(tree["data"]) == 1 + len(made)
    assert "is not made yet" in why["text"]
    assert "not made yet" in task["text"]


def test_which_tasks_are_alike(recording: Path) -> None:
    """Where the program stands in `main`, having made three jobs."""
    _, by_parent, by_state, first, jobs, no, unknown, text = said(
        recording,
        "c app.py:26",
        "tasks --group parent",
        "tasks --group state",
        "tasks --filter name=first",
        "tasks --filter state=ready --filter job",
        "tasks --filter name=nobody",
        "tasks --filter colour=red",
        "tasks --filter =GIVES_way",
        returncode=1,
    )
    assert by_parent["data"] == [
        {"parent": "T1", "count": 5, "tasks": ["T2", "T3", "T4", "T5", "T6"]},
        {"parent": None, "count": 1, "tasks": ["T1"]},
    ]
    line = "    5  T1      T2 first, T3 second, T4 job0, T5 job1 and 1 more"
    assert by_parent["text"].splitlines()[1] == line
    assert {one["state"]: one["count"] for one in by_state["data"]} == {
        "ready": 3, "running": 1, "returned": 1, "failed": 1,
    }  # fmt: skip
    assert [one["task"] for one in first["data"]] == ["T2"]
    assert [one["task"] for one in jobs["data"]] == ["T4", "T5", "T6"]
    assert no["text"].splitlines()[0] == "no such tasks here"
    assert unknown["error"] == "no such column: 'colour'"
    assert unknown["hint"].endswith("`=colour=red` is a text")
    assert [one["task"] for one in text["data"]] == ["T2"]


def test_who_gave_way_is_not_new(recording: Path) -> None:
    _, ready = said(recording, "c app.py:11", "ready")
    (chosen,) = (one for one in ready["data"] if one["chosen"])
    assert chosen["because"] == "yield"


def test_in_a_thread_the_queue_is_that_of_the_loop(recording: Path) -> None:
    _, ready, tasks = said(recording, "c app.py:18", "ready", "tasks")
    waiting = [one["id"] for one in tasks["data"] if one["state"] == "ready"]
    assert waiting
    assert [one["task"] for one in ready["data"] if one["task"]] == [f"T{number}" for number in waiting]


def test_finish_where_an_exception_leaves_the_task(recording: Path) -> None:
    _, finished, again = said(recording, "c app.py:14", "finish", "finish")
    assert (finished["data"]["function"], finished["data"]["lineno"]) == ("top", 15)
    assert finished["data"]["event"] == "raise"
    assert not again["data"]["moved"]


def test_finish_before_a_step_is_about_the_frame_that_goes_on(recording: Path) -> None:
    *_, before, finished = said(recording, "c app.py:6", "tcont second", "finish")
    assert before["data"]["event"] == "step"
    assert (finished["data"]["function"], finished["data"]["lineno"]) == ("top", 15)
    assert finished["data"]["event"] == "raise"


def test_what_called_the_outermost_function_is_no_line(recording: Path) -> None:
    _, found = said(recording, "c app.py:14", "reverse-finish")
    assert "no line of task second called what runs here" in found["text"]


EAGER = """\
import asyncio
async def quick():
    return 9
async def slow():
    await asyncio.sleep(0.01)
async def main():
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    first = asyncio.create_task(quick(), name="quick")
    second = asyncio.create_task(slow(), name="slow")
    print(await first, await second)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio has no eager tasks before 3.12")
def test_tasks_that_begin_where_they_are_made(tmp_path: Path) -> None:
    _, first, _, second, _, third = said(
        recorded(tmp_path, EAGER), "c app.py:9", "tasks", "c app.py:5", "tasks", "goto end", "tasks"
    )
    assert {one["name"]: one["state"] for one in first["data"]} == {"Task-1": "running", "quick": "returned"}
    assert {one["name"]: one["state"] for one in second["data"]}["slow"] == "running"
    slow = next(one for one in third["data"] if one["name"] == "slow")
    assert slow["ready_ns"] < 5_000_000 < slow["wait_ns"]  # it slept, once it had begun
