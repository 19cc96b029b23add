"""Simulated runs from Python: ``replay.simulate`` and ``replay.explore``, for tests among others.

What runs is a program in a process of its own, so both can be called from anywhere: from a plain test
function, or while a loop runs.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from replay.errors import UsageError
from replay.exploration.options import Options
from replay.exploration.report import Report
from replay.exploration.report import explore as explore_program
from replay.exploration.search import DEFAULT_SCHEDULES, POLICIES, Limits
from replay.options import Target
from replay.simulation import RUN_LIMIT_S, Outcome, Simulation

Library = Literal["asyncio", "trio"]

_CALL: Final = {
    "asyncio": """\
import asyncio, importlib, inspect
found = getattr(importlib.import_module({module!r}), {function!r})()
if inspect.isawaitable(found):
    asyncio.run(found)
""",
    "trio": """\
import importlib, trio
trio.run(getattr(importlib.import_module({module!r}), {function!r}))
""",
}


def simulate(
    target: str | os.PathLike[str],
    *args: str,
    seed: int = 0,
    policy: str | Mapping[str, Any] = "fifo",
    recording: str | os.PathLike[str] | None = None,
    library: Library = "asyncio",
    limit_s: float = RUN_LIMIT_S,
    **setting: Any,
) -> Outcome:
    """Run a program once in the simulated world.

    Args:
      target: a script, or ``module:function``: a function without arguments, which may be ``async``.
      args: the program's arguments.
      seed: what all entropy follows from, and ``random`` decisions do.
      policy: ``fifo``, ``random``, or a mapping as ``Outcome`` tells decisions:
        ``{"kind": "recorded", "decisions": outcome.decisions}``.
      recording: where to write one, to be replayed and debugged.
      library: what an ``async`` function is run by.
      limit_s: real time after which the run is one that never ends.
      setting: of the world: ``hosts``, ``limits``, ``cancel``, ``any_order``, ``network``, ``faults``; see
        ``docs/exploring.md``.

    Raises:
      ReplayError: it cannot be run.

    Example:
      >>> outcome = replay.simulate("app.py", seed=7, policy="random")
      >>> assert outcome.failure is None, outcome.output
    """
    kind, argv, folder = _program(target, args, library)
    asked = dict(policy) if not isinstance(policy, str) else {"kind": policy, "seed": seed}
    path = None if recording is None else os.path.abspath(recording)
    with Simulation.start(
        kind, argv, {"seed": seed, **setting}, folder=folder, limit_s=limit_s
    ) as simulation:
        return simulation.run(asked, recording=path)


def explore(
    target: str | os.PathLike[str],
    *args: str,
    schedules: int = DEFAULT_SCHEDULES,
    seconds: float | None = None,
    policy: str = POLICIES[0],
    seed: int = 0,
    jobs: int = 1,
    all: bool = False,  # noqa: A002 - as on the command line
    strict: bool = False,
    cancel: Sequence[str] = (),
    any_order: bool = False,
    folder: str | os.PathLike[str] = ".",
    library: Library = "asyncio",
    **setting: Any,
) -> Report:
    """Look for schedules that break a program, as ``replay explore`` does.

    Args:
      target: as of ``simulate``.
      args: the program's arguments.
      schedules: stop after so many runs.
      seconds: stop after so much time.
      policy: which schedules are tried: ``mixed``, ``random``, ``pct``, ``dfs``, ``fifo``.
      seed: what the schedules, and the entropy of the world, follow from.
      jobs: so many runs at a time.
      all: go on after the first failure, and collect others.
      strict: an exception that nobody sees to is a failure, and a socket or thread left open.
      cancel: tasks that may be cancelled at each of their awaits: labels, with wildcards.
      any_order: what is ready may run in any order, which asyncio never does.
      folder: where the files of a failure go.
      library: what an ``async`` function is run by.
      setting: of the world.

    Raises:
      ReplayError: it cannot be explored: see ``replay.exploration.report``.

    Example:
      >>> report = replay.explore("app.py", schedules=500)
      >>> assert not report.found, report.failures[0].explanation
    """
    if policy not in POLICIES:
        raise UsageError(f"no such policy: {policy}", hint=f"one of {', '.join(POLICIES)}")
    kind, argv, own = _program(target, args, library)
    options = Options(
        target=kind,
        argv=argv,
        policy=policy,
        seed=seed,
        limits=Limits(schedules=schedules, seconds=seconds, all=all),
        jobs=jobs,
        setting=setting,
        is_strict=strict,
        cancel=tuple(cancel),
        any_order=any_order,
        folder=os.path.abspath(folder),
        runs_in=own,
    )
    return explore_program(options)


def _program(
    target: str | os.PathLike[str], args: Sequence[str], library: Library
) -> tuple[Target, tuple[str, ...], str | None]:
    """Return how the program is named, its command line, and where it runs (None: here)."""
    path = os.fspath(target)
    if os.path.exists(path):
        return "script", (os.path.abspath(path), *args), None
    module, colon, function = path.rpartition(":")
    if not colon or not module.replace(".", "").isidentifier() or not function.isidentifier():
        raise UsageError(f"no such program: {path}", hint="a script, or `module:function`")
    text = _CALL[library].format(module=module, function=function)
    name = f"replay-{hashlib.sha256(f'{module}:{function}:{library}'.encode()).hexdigest()[:12]}.py"
    script = Path(tempfile.gettempdir()) / name
    script.write_text(f"import sys\nsys.path[0] = {os.getcwd()!r}\n{text}", encoding="utf-8")
    return "script", (str(script), *args), None
