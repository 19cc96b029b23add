"""Nurseries and cancel scopes, as `tree` and `why` show them: of real tasks of trio."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import trio

from replay.cli.repl.scopes import cancelled_lines, scope_tree
from replay.cli.repl.state import State
from replay.cli.repl.waits import long_lines
from replay.runtime.inspection.trio_ import TrioInspector
from replay.timeline.session import Session
from tests.conftest import run_replay
from tests.unit.stopped import line_of
from tests.unit.stopped_trio import Nursery, stopped

HERE = Path(__file__).name


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """Return a session of some recording: the texts need one."""
    folder = tmp_path_factory.mktemp("some")
    (folder / "app.py").write_text("print()\n")
    run_replay("record", "-o", "run.rec", "app.py", cwd=folder)
    with Session(str(folder / "run.rec")) as session:
        yield State(session)


def rows(look: TrioInspector) -> dict[int, dict[str, Any]]:
    """Return the rows of the tasks that are waiting, as far as a tree needs them."""
    found: dict[int, dict[str, Any]] = {}
    for info in look.tasks():
        wait = look.waits(look.task_of(info.id)) if info.id else None
        if wait is not None:
            found[info.id] = {"state": info.state, "where": info.coroutine, "awaiting": wait.kind}
    return found


def tree(state: State, look: TrioInspector, *, show_all: bool = False) -> list[str]:
    """Return the tree with paths and times left out."""
    lines = scope_tree(state, rows(look), [asdict(one) for one in look.scopes()], show_all=show_all)
    lines = [re.sub(r" /\S*/(\w+\.py:)", r" \1", line) for line in lines]
    return [re.sub(r"deadline [\d.]+", "deadline TIME", line) for line in lines]


async def waits() -> None:
    with trio.move_on_after(1000) as patience:
        await trio.sleep_forever()
    assert patience


async def opens() -> None:
    async with trio.open_nursery() as outer:
        outer.start_soon(waits, name="2")
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as inner:
                inner.start_soon(trio.sleep, 1000, name="3")


async def program(nursery: Nursery) -> None:
    nursery.start_soon(opens, name="1")


def test_tasks_in_the_nurseries_that_they_are_in(state: State) -> None:
    with stopped(program) as look:
        first, there = line_of(opens, 0), line_of(waits, 1)
        assert tree(state, look) == [
            "T1 T1  waiting  opens  nursery",
            f'└─ nursery "outer"  opens {HERE}:{first + 1}',
            "   ├─ T2 T2  waiting  waits  sleep",
            f'   │  └─ cancel scope "patience"  waits {HERE}:{there}  deadline TIME',
            f"   └─ cancel scope  opens {HERE}:{first + 3}  shield",
            f'      └─ nursery "inner"  opens {HERE}:{first + 4}',
            "         └─ T3 T3  waiting  sleep  sleep",
        ]
        everything = tree(state, look, show_all=True)
        assert any("sleep_until _timeouts.py:" in line for line in everything)


async def stays() -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep_forever()


async def cancels(scope: trio.CancelScope) -> None:
    scope.cancel()
    await trio.sleep_forever()


async def is_cancelled(scope: trio.CancelScope) -> None:
    with scope:
        async with trio.open_nursery() as inner:
            inner.start_soon(stays, name="3")


def test_who_cancelled_a_scope(state: State) -> None:
    async def two(nursery: Nursery) -> None:
        scope = trio.CancelScope()
        nursery.start_soon(is_cancelled, scope, name="1")
        nursery.start_soon(cancels, scope, name="2")

    with stopped(two) as look:
        scope = look.cancelled_by(look.task_of(1))
        assert scope is not None
        [line] = cancelled_lines(state, asdict(scope))
        assert line.startswith('cancelled by cancel scope "scope"  is_cancelled /')
        assert re.search(r":\d+  CANCELLED by T2 T2, who called cancel\(\), of T1 T1$", line)
        assert cancelled_lines(state, None) == []
        lines = tree(state, look)
        assert lines[1].endswith("CANCELLED by T2 T2, who called cancel()")
        assert lines[2].endswith("cancelled by one around it")


async def too_late() -> None:
    with trio.move_on_after(0) as late:
        async with trio.open_nursery() as inner:
            inner.start_soon(stays, name="3")
            await trio.sleep_forever()
    assert late


async def fails() -> None:
    raise ValueError("broken")


async def has_a_failure() -> None:
    async with trio.open_nursery() as inner:
        inner.start_soon(stays, name="5")
        inner.start_soon(fails, name="6")


def test_why_a_scope_was_cancelled(state: State) -> None:
    async def two(nursery: Nursery) -> None:
        nursery.start_soon(too_late, name="1")
        nursery.start_soon(contained, name="4")

    async def contained() -> None:
        try:
            await has_a_failure()
        except* ValueError:
            pass

    with stopped(two) as look:
        late = look.cancelled_by(look.task_of(1))
        failed = look.cancelled_by(look.task_of(4))
        assert late is not None
        assert failed is not None
        [line] = cancelled_lines(state, asdict(late))
        assert line.startswith('cancelled by cancel scope "late"  too_late /')
        assert line.endswith("  CANCELLED by its deadline, of T1 T1")
        assert "  CANCELLED because of " in cancelled_lines(state, asdict(failed))[0]
        assert "ValueError('broken')" in cancelled_lines(state, asdict(failed))[0]


def test_what_a_channel_waits_for(state: State) -> None:
    async def program(nursery: Nursery) -> None:
        send, receive = trio.open_memory_channel[int](1)
        kept.extend((send, send.clone()))
        nursery.start_soon(receive.receive, name="1")

    kept: list[Any] = []
    with stopped(program) as look:
        wait = look.waits(look.task_of(1))
        assert wait is not None
        assert long_lines(state, {**asdict(wait), "waiters_count": 1}, {})[0] == (
            "channel receive, open, 2 ends open on the other side, 0 of 1"
        )
