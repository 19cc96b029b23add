"""`why ready T` and `why cancelled T` of tasks of trio: what woke a task, and which scope cancelled it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replay.positions import Position
from replay.timeline.session import Session
from tests.cli.answers import answers
from tests.conftest import ROOT, run_replay, timeless

pytestmark = pytest.mark.more

PROGRAM = (ROOT / "tests" / "programs" / "trio_wakes.py").read_text()


def at(function: str, text: str) -> str:
    """Return where a function of the program has this text first."""
    lines = PROGRAM.splitlines()
    begin = lines.index(next(line for line in lines if line.startswith(f"async def {function}(")))
    return f"{function} app.py:{next(at for at in range(begin, len(lines)) if text in lines[at]) + 1}"


SCOPES = {
    "late": f'cancel scope "patience"  {at("late", "as patience")}  deadline t=  TIME  CANCELLED by its '
    "deadline, of T{late} late",
    "too_slow": f"cancel scope  {at('too_slow', 'fail_after')}  deadline t=  TIME  CANCELLED by its "
    "deadline, of T{too_slow} too_slow",
    "stays": f'cancel scope "scope"  {at("stays", "with scope")}  CANCELLED by T{{cancels}} cancels, who '
    "called cancel(), of T{stays} stays",
    "sibling": f'nursery "broken"  {at("unlucky", "as broken")}  CANCELLED because of T{{fails}} fails: '
    "child task raised exception ValueError('bad'), of T{unlucky} unlucky",
}
SLEPT = "woken by: a timer: its sleep is over"
BY_HAND = (
    f"which was done by: task cancels, {at('cancels', 'cancel()')}  scope.cancel()  (CancelScope.cancel)"
)
WOKEN = {
    "sleeper": [f"it awaited: sleep, in {at('sleeper', 'sleep(')}", SLEPT],
    "waits": [
        f'it awaited: event "event", in {at("waits", "wait()")}',
        f"woken by: task sets, {at('sets', 'set()')}  event.set()  (Event.set)",
    ],
    "yields": ["woken by: nobody: it gave way to others"],
    "late": [f"it awaited: sleep, in {at('late', 'forever')}", f"woken by: {SCOPES['late']}"],
    "too_slow": [f"it awaited: sleep, in {at('too_slow', 'sleep(')}", f"woken by: {SCOPES['too_slow']}"],
    "job": [
        f"it awaited: thread, in {at('job', 'thread')}",
        "woken by: the job, which has ended in its thread",
    ],
    "stays": [
        f"it awaited: sleep, in {at('stays', 'forever')}",
        f"woken by: {SCOPES['stays']}",
        BY_HAND,
    ],
    "holds": [
        f"it awaited: idle, in {at('holds', 'blocked')}",
        "woken by: the loop: all other tasks were waiting",
    ],
    "wants": [
        f'it awaited: lock "lock", in {at("wants", "async with")}',
        (
            f"woken by: task holds, {at('holds', 'async with')}  async with lock:  "
            "(AsyncContextManagerMixin.__aexit__)"
        ),
    ],
    "receives": [
        f'it awaited: channel receive "channel", in {at("receives", "receive()")}',
        f'woken by: task sends, {at("sends", "send(")}  await channel.send("item")  (MemorySendChannel.send)',
    ],
    "group": [
        f'it awaited: nursery "inner", in {at("group", "as inner")}',
        "woken by: the end of T{child} child, which has returned",
    ],
    "unlucky": [
        f'it awaited: nursery "broken", in {at("unlucky", "as broken")}',
        "woken by: the end of T{sibling} sibling, which was cancelled",
    ],
    "reads": [
        f'it awaited: socket "stream", in {at("reads", "receive")}',
        "woken by: descriptor FD is ready to read",
    ],
    "listens": [f'it awaited: signal "signals", in {at("listens", "anext")}', "woken by: a signal"],
    "closed": [
        f'it awaited: channel receive "channel", in {at("closed", "receive()")}',
        (
            f"woken by: task __main__.main, {at('main', 'close()')}  other_send.close()  "
            "(MemorySendChannel.close)"
        ),
        "with EndOfChannel",
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("causes_trio")


@pytest.fixture(scope="module")
def answered(folder: Path) -> dict[str, dict[str, Any]]:
    commands = ["tasks --all", *(f"why ready {name}" for name in WOKEN)]
    return answers(folder, PROGRAM, [*commands, *(f"why cancelled {name}" for name in (*SCOPES, "waits"))])


@pytest.fixture(scope="module")
def session(answered: dict[str, dict[str, Any]], folder: Path) -> Iterator[Session]:
    assert answered
    with Session(str(folder / "run.rec")) as opened:
        yield opened


def ids(answered: dict[str, dict[str, Any]]) -> dict[str, int]:
    return {row["name"]: row["id"] for row in answered["tasks --all"]["data"]}


def told(found: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the first line of an answer, and the others, with times and descriptors left out."""
    first, *rest = timeless(re.sub(r"descriptor \d+", "descriptor FD", found["text"])).splitlines()
    return first, [line.strip() for line in rest]


@pytest.mark.parametrize("name", WOKEN)
def test_what_woke_a_task(answered: dict[str, dict[str, Any]], name: str) -> None:
    known, found = ids(answered), answered[f"why ready {name}"]
    first, rest = told(found)
    assert first == (
        f"T{known[name]} {name} was made ready last at {found['data']['pos']}, "
        f"and ran at @{found['data']['runs']}"
    )
    assert rest == [line.format(**known) for line in WOKEN[name]]


@pytest.mark.parametrize("name", SCOPES)
def test_which_scope_cancelled_a_task(answered: dict[str, dict[str, Any]], name: str) -> None:
    known, found = ids(answered), answered[f"why cancelled {name}"]
    first, rest = told(found)
    assert first == f"T{known[name]} {name} was cancelled at {found['data']['pos']}"
    assert rest[0] == "by: " + SCOPES[name].format(**known)
    assert (BY_HAND in rest) is (name == "stays")
    ended = next(row for row in answered["tasks --all"]["data"] if row["name"] == name)["ended"]
    how = "ends cancelled" if name == "sibling" else "is not cancelled in the end: it returned"
    assert rest[-1] == f"it {how} at {ended}"


def test_who_is_never_cancelled(answered: dict[str, dict[str, Any]]) -> None:
    number = ids(answered)["waits"]
    assert told(answered["why cancelled waits"]) == (
        f"T{number} waits is never asked to cancel in this recording",
        [],
    )


def test_each_step_but_the_first_has_one_wake_before_it(session: Session) -> None:
    wakes = session.wakes(Position(0), Position(len(session.steps) + 1))
    last: dict[int, int] = {}
    for step in session.steps:
        if step.task in last:
            found = [
                one for one in wakes if one.task == step.task and last[step.task] <= one.step < step.number
            ]
            assert len(found) == 1, step
        last[step.task] = step.number
    assert len(wakes) == len(session.steps) - len(last)


@pytest.mark.slow
def test_looking_at_one_wake_does_not_move_the_next(session: Session) -> None:
    """In one turn of the loop several tasks are woken: what is looked at there is counted as no lines."""
    wakes = session.wakes(Position(0), Position(len(session.steps) + 1))
    steps = [wake.step for wake in wakes]
    step = max(steps, key=steps.count)
    first, last = Position(step), Position(step + 1)
    found = session.timeline.all_between(first, last, {"stops": [{"kind": "wake", "task": None}]})
    assert len(found) > 2
    latest = found[-1]
    alone = session.timeline.all_between(first, last, {"stops": [{"kind": "wake", "task": latest[3]}]})
    assert [one[:2] for one in alone] == [latest[:2]]


def test_while_it_is_ready_and_later(session: Session, folder: Path) -> None:
    task = next(task for task in session.tasks() if task.name == "late")
    assert task.first_step is not None
    assert task.last_step is not None
    wakes = session.wakes(Position(0), Position(len(session.steps) + 1))
    woken = next(wake.step for wake in wakes if wake.task == task.id)
    commands = (f"goto @{task.last_step}", "ready", "why ready late", "why cancelled late", "why late")
    commands += (f"goto @{task.first_step}", "why ready late", "why cancelled late")
    commands += ("+", "why cancelled late")
    words = [word for command in commands for word in ("-ex", command)]
    done = run_replay("debug", "run.rec", "--batch", "--json", *words, cwd=folder, timeout=60)
    assert (done.stderr, done.returncode) == ("", 0)
    found = map(json.loads, done.stdout.splitlines())
    _, ready, why_ready, cancelled, why, _, was_ready, new, _, later = found
    assert [(one["task"], one["since"]) for one in ready["data"] if one["since"] is None] == []
    assert why_ready["text"].startswith(f"T{task.id} late is ready since @{woken}.")
    scope = SCOPES["late"].format(late=task.id)
    assert told(cancelled)[0].startswith(f"T{task.id} late was cancelled at @{woken}.")
    assert told(cancelled)[1][0] == f"by: {scope}"
    assert told(why)[0].startswith(f"T{task.id} late is ready to run: late app.py:")
    assert f"was ready as soon as it was made: by T2 __main__.main at {task.spawned_at}" in was_ready["text"]
    for one in (new, later):
        assert told(one)[0].startswith(f"T{task.id} late will be cancelled at @{woken}.")
        assert told(one)[1][0] == f"by: {scope}"


def test_a_stop_at_cancels_is_refused_for_tasks_of_trio(folder: Path, session: Session) -> None:
    words = ("-ex", "break cancel", "-ex", "b cancel:late", "-ex", "c cancel:T8")
    done = run_replay("debug", "run.rec", "--batch", "--keep-going", "--json", *words, cwd=folder)
    assert done.returncode == 1
    found = [json.loads(line) for line in done.stdout.splitlines()]
    late = next(task.id for task in session.tasks() if task.name == "late")
    rest = "none is cancelled by itself, the scopes that they are in are"
    assert found[0]["error"] == f"these are tasks of trio: {rest}"
    assert found[1]["error"] == f"T{late} late is a task of trio: {rest}"
    assert found[2]["error"].endswith(f" is a task of trio: {rest}")
    assert found[1]["hint"] == (
        f"`why cancelled T{late}` tells where; `break exc:Cancelled` stops where it arrives"
    )
