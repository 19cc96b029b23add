"""Puts everything of ours in place in this process, in the order that it needs."""

from __future__ import annotations

import asyncio
import sys
from asyncio import base_events, unix_events
from typing import Any

from replay.runtime import garbage, hot, order, streams, tracebacks
from replay.runtime.aio import loop as loops
from replay.runtime.boundary import (
    children,
    clocks,
    descriptors,
    entropy,
    files,
    forks,
    leaving,
    output,
    readiness,
    signals,
    sockets,
    system,
    threads,
    tls,
)
from replay.runtime.boundary.install import Installer, Names
from replay.runtime.boundary.table import replace


def install(world: Any, recorded_doors: list[str] | None, header: dict[str, Any]) -> Installer:
    """Install the boundary of ``world``; the program may be imported when this returns.

    Args:
      recorded_doors: the names of doors in the recording to replay; ``None`` while recording.
      header: of the recording: how streams and signals were set up.
    """
    # First: what is put into a set keeps the place of the hash it had then.
    _tasks(world)
    boundary = Installer(world, Names(recorded_doors))
    system.install(boundary)
    boundary.outputs = descriptors.Outputs(boundary)
    boundary.outputs.install()
    forks.install(boundary)
    children.install(boundary, boundary.outputs, header)
    for kind in (clocks, entropy, files, sockets, tls, readiness, threads, leaving, garbage):
        kind.install(boundary)
    signals.install(boundary, header["signals"])
    output.install(boundary, header["streams"])
    tracebacks.install()
    world.at_first_thread.append(tracebacks.guard_caches)
    _loops(boundary)
    boundary.finish()
    return boundary


def _tasks(world: Any) -> None:
    order.install(world.task_hash())
    order.install_imports()
    if not world.is_replay:
        replace(asyncio.Task, "set_name", _set_name(world))


def _set_name(world: Any) -> Any:
    set_real = asyncio.Task.set_name

    def set_name(task: Any, value: object, /) -> None:
        set_real(task, value)
        stream = streams.current.stream
        if stream is not None:
            world.task_named(stream, task, task.get_name(), at_creation=False)

    return set_name


class _UnixSelectorEventLoop(loops.EventLoop):
    """Ours, under the name that loops print."""


_UnixSelectorEventLoop.__module__ = "asyncio.unix_events"


def _loops(boundary: Installer) -> None:
    loops.install(boundary)
    world = boundary.world
    loop = _UnixSelectorEventLoop
    order.keep_address_hash(loop)
    if not world.is_replay:
        create = hot.create_task(world, base_events.BaseEventLoop.create_task)
        loop.create_task = create  # type: ignore[method-assign]
        now = hot.create_task_now(world, loop, create, asyncio.tasks.create_task)
        asyncio.create_task = asyncio.tasks.create_task = now
    asyncio.SelectorEventLoop = unix_events.SelectorEventLoop = loop
    unix_events._UnixSelectorEventLoop = loop  # type: ignore[misc]
    unix_events._UnixDefaultEventLoopPolicy._loop_factory = loop  # type: ignore[attr-defined]
    if sys.version_info >= (3, 13):
        asyncio.EventLoop = unix_events.EventLoop = loop  # type: ignore[misc]
