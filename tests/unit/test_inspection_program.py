"""A program with tasks of asyncio and of trio: both are told of, as one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import trio

from replay.runtime.inspection import aio, trio_
from replay.runtime.inspection.program import ProgramInspector
from tests.unit.stopped_trio import Nursery, stopped

OURS = (900002, 900003, 900004)
"""Tasks of other tests may still be there."""


def number(task: Any) -> int:
    name = task.name if isinstance(task, trio.lowlevel.Task) else task.get_name()
    return int(name) if name.isdigit() else 0


async def forever() -> None:
    await asyncio.Event().wait()


async def nested(lock: trio.Lock) -> None:
    async with trio.open_nursery() as inner, lock:
        inner.start_soon(with_lock, lock, name="900004")
        await trio.sleep_forever()


async def with_lock(lock: trio.Lock) -> None:
    async with lock:
        pass


@pytest.fixture
def by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, kind in ((aio, aio.AsyncioInspector), (trio_, trio_.TrioInspector)):
        monkeypatch.setattr(kind.__init__, "__defaults__", (number,))
        assert module.number_of is not number


@pytest.mark.usefixtures("by_name")
def test_tasks_of_both_libraries() -> None:
    async def program(nursery: Nursery) -> None:
        nursery.start_soon(nested, trio.Lock(), name="900003")

    loop = asyncio.new_event_loop()
    task = loop.create_task(forever(), name="900002")
    loop.call_soon(loop.stop)
    loop.run_forever()
    try:
        with stopped(program), ProgramInspector() as look:
            infos = {info.id: info for info in look.tasks() if info.id in OURS}
            assert list(infos) == list(OURS)
            assert infos[900004].parent == 900003
            waits = [look.waits(look.task_of(at)) for at in OURS]
            assert [wait and wait.kind for wait in waits] == ["event", "sleep", "lock"]
            blocked = {
                one.task: [edge.by for edge in one.edges] for one in look.blocked() if one.task in OURS
            }
            assert blocked == {900002: [], 900003: [], 900004: [900003]}
            assert [one.name for one in look.scopes() if one.children == [900004]] == ["inner"]
            assert look.cancelled_by(look.task_of(900004)) is None
            assert [chain.task for chain in look.chains(look.task_of(900004))] == [900004]
            frames = [frame for at in (900002, 900004) for frame in look.frames(look.task_of(at))]
            handles = [frame.handle for frame in frames]
            assert len(set(handles)) == len(handles) > 3
            assert [look.frame_of(handle) is not None for handle in handles] == [True] * len(handles)
            assert look.ready(loop) == []
    finally:
        task.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.close()
