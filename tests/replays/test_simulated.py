"""Programs of `tests/programs` in the simulated world: they end as they do plainly, again and again, and replay."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from replay.explore.simulation import Outcome, Simulation
from tests.programs.catalogue import CUT, LEAKS, PROGRAMS, Program
from tests.replays.harness import (
    Ran,
    peers_of,
    record,
    record_environment,
    replay_environment,
    run,
    show,
    skip_unless_possible,
)

FIFO = {"kind": "fifo"}
SETTING = {"seed": 1}
OURS = {"tls"}
"""What a simulated program may be given: files, and nobody to talk to."""

NOT_SIMULATED = {
    "fork_hooks": "os.fork",
    "lesser_doors": "os.setpgrp",
    "lib_anyio-asyncio": "os.fork_exec",
    "lib_anyio-both": "os.fork_exec",
    "lib_anyio-trio": "os.fork_exec",
    "output_ways": "os.fork_exec",
    "subprocess_in_threads": "os.fork_exec",
    "subprocess_inherited": "os.fork_exec",
    "subprocess_pipes": "os.fork_exec",
    "subprocess_shell": "os.fork_exec",
    "subprocess_signals": "os.fork_exec",
    "trio_subprocess": "os.fork_exec",
    "unix_sockets": "ancillary data of a socket",
}
"""Programs that end with what is refused by name."""

FILES = "files are the system's, and tell of it"
BUSY = "a thread of it waits for others without waiting for anything"
LEFT_OUT = {
    "tls": "OpenSSL draws from the system",
}
"""Programs whose runs are not the same each time, and why."""

QUICK = {"blocking_sockets", "echo_streams", "lib_aiohttp", "sockets_ends", "threads_primitives", "trio_echo"}
"""Run by default; the others take long together."""


def is_simulated(program: Program) -> bool:
    """Whether it needs nobody outside."""
    return not program.signals and program.stdin is None and not set(program.peers) - OURS


SIMULATED = [one for one in PROGRAMS if is_simulated(one) and one.name not in NOT_SIMULATED]


def case(program: Program) -> object:
    """Return a program as a parameter, marked as it must be."""
    marks = [] if program.name in QUICK else [pytest.mark.slow]
    return pytest.param(program, id=program.name, marks=marks)
