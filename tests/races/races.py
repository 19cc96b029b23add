"""Which races in released libraries there are, and environments with the versions that have them."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parent / "programs"
NEEDED = (
    "greenlet", "msgspec", "outcome", "prompt_toolkit", "pyyaml", "sortedcontainers", "zstandard",
)  # fmt: skip
INSTALL_LIMIT_S = 300.0


class MissingError(Exception):
    """There is no such Python here, or no package index that answers."""


@dataclass(frozen=True)
class Race:
    """A race, with the versions between which it was mended.

    Attributes:
      buggy: what pip is asked for; fixed: likewise.
      pythons: with the bug, without.
      options: of `replay explore`.
      is_clean: whether nothing else is found in the mended version.
    """

    name: str
    buggy: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    pythons: tuple[str, str] = ("3.11", "3.11")
    options: tuple[str, ...] = ()
    is_clean: bool = True


RACES = (
    Race("aiohttp_paused_connection", ("aiohttp==3.11.10",), ("aiohttp==3.11.11",)),
    Race("aiosqlite_cancelled_execute", ("aiosqlite==0.15.0",), ("aiosqlite==0.17.0",)),
    Race("alru_clear_hang", ("async-lru==2.0.3",), ("async-lru==2.0.4",)),
    Race("anyio_limiter_lost_token", ("anyio==4.9.0",), ("anyio==4.10.0",)),
    Race(
        "httpcore_trio_cancel_leak",
        ("httpcore==0.17.2", "trio==0.22.2", "anyio==3.7.1"),
        ("httpcore==0.17.3", "trio==0.22.2", "anyio==3.7.1"),
        is_clean=False,  # a second one, where the response is closed
    ),
    Race("janus_join_spin", ("janus==1.1.0",), ("janus==1.2.0",)),
    Race("redis_cancel_stale_reply", ("redis==4.5.1", "async-timeout"), ("redis==4.5.5", "async-timeout")),
    Race("taskgroup_cancel_count", pythons=("3.11", "3.13")),
    Race("trio_process_wait_hang", ("trio==0.19.0",), ("trio==0.20.0",), options=("--real-subprocess",)),
    Race("waitfor_swallows_cancel", pythons=("3.11", "3.12")),
)


def make_environment(folder: Path, version: str, wanted: tuple[str, ...]) -> str:
    """Make an environment in ``folder`` with what replay needs and what is wanted; return its Python.

    Raises:
      MissingError: what it takes is not here.
    """
    subprocess.run([_interpreter(version), "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    words = [python, "-m", "pip", "install", "--quiet", *NEEDED, *wanted]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise MissingError("no package index answers") from None
    if done.returncode:
        raise MissingError(f"{wanted} does not come from a package index: {done.stderr[-300:]}")
    return python


def _interpreter(version: str) -> str:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [*root.glob(f"versions/{version}.*/bin/python{version}")]
    path = str(found[0]) if found else shutil.which(f"python{version}")
    if path is None:
        raise MissingError(f"there is no Python {version}")
    return path
