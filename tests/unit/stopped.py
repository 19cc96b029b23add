"""A program of asyncio that is run for some turns of its loop, stopped there, and looked at."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

from replay.runtime.inspection.aio import AsyncioInspector

TURNS = 20
_held: list[asyncio.Task[Any]] = []


def spawn(number: int, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Make a task with this id; it lives until the program is over, whoever waits for it or does not."""
    task = asyncio.get_running_loop().create_task(coroutine, name=str(number))
    _held.append(task)
    return task


def numbers(loop: asyncio.AbstractEventLoop) -> Callable[[asyncio.Task[Any]], int]:
    """Return the ids of the tasks of a loop: their names."""

    def number(task: asyncio.Task[Any]) -> int:
        name = task.get_name()
        return int(name) if name.isdigit() and task.get_loop() is loop else 0

    return number


async def cancel(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def stopped(
    program: Callable[[], Awaitable[Any]], turns: int = TURNS, factory: Any = None
) -> Iterator[AsyncioInspector]:
    """Run a program for some turns of its loop, and stop there."""

    async def run() -> None:
        kept.append(await program())
        for _ in range(turns):
            await asyncio.sleep(0)

    kept: list[Any] = []
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)
    loop.set_task_factory(factory)
    main = loop.create_task(run(), name="main")
    try:
        loop.run_until_complete(main)
        with AsyncioInspector(numbers(loop)) as look:
            yield look
    finally:
        _held.clear()
        loop.run_until_complete(cancel(asyncio.all_tasks(loop)))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def line_of(function: Any, offset: int) -> int:
    return function.__code__.co_firstlineno + offset  # type: ignore[no-any-return]
