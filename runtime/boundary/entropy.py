"""Doors of randomness and identity: entropy of the system, the generators seeded from it, ids."""

from __future__ import annotations

import os
import random
import secrets
import ssl
import threading
import uuid
from collections.abc import Callable
from typing import Any

from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, Replacements

DRAWS = """
    betavariate binomialvariate choice choices expovariate gammavariate gauss getrandbits getstate
    lognormvariate normalvariate paretovariate randbytes randint random randrange sample setstate
    shuffle triangular uniform vonmisesvariate weibullvariate
    """.split()  # noqa: SIM905 - a list of words reads better as words
"""Functions of ``random`` that are methods of its one global generator."""


def guard_draws(replacements: Replacements) -> None:
    """Make drawing from the global generator a hand-off; for when a second thread is started.

    Which thread draws next is then the outside's decision. A program of one thread draws at full
    speed; so the functions are replaced only now, and copies of them looked for once more.
    """
    lock = threading.Lock()
    for name in DRAWS:
        draw = getattr(random, name, None)
        if draw is not None:
            replacements.put(random, name, _guarded(draw, lock))
    replacements.sweep(lambda module: module.startswith("replay.runtime."))


def _guarded(draw: Callable[..., Any], lock: Any) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return draw(*args, **kwargs)

    return guarded


def install(boundary: Installer) -> None:
    """Put the doors of entropy in place.

    The global generator of ``random`` is seeded again through the door of ``os.urandom``: its bound
    methods, which programs copy (``from random import random``), are C functions of that one object,
    so what they return follows from the seed and need not be recorded call by call.
    """
    boundary.door(Door("os.urandom"), os, "urandom")
    boundary.door(Door("os.getrandom"), os, "getrandom")
    boundary.door(Door("ssl.RAND_bytes"), ssl, "RAND_bytes")
    boundary.door(Door("uuid.generate_time_safe"), uuid, "_generate_time_safe")
    boundary.door(Door("uuid.getnode"), uuid, "getnode")
    random._urandom = os.urandom  # type: ignore[attr-defined]
    seed = random.Random.seed

    def seeded(self: Any, a: Any = None, version: int = 2) -> None:
        if a is None:
            a = int.from_bytes(os.urandom(32), "big")
        seed(self, a, version)

    seeded.__name__ = "seed"
    seeded.__qualname__ = "Random.seed"
    seeded.__doc__ = seed.__doc__
    random.Random.seed = seeded  # type: ignore[method-assign]
    random.seed = random._inst.seed
    boundary.at_start(random.seed)
    boundary.world.at_first_thread.append(lambda: guard_draws(Replacements()))
    assert secrets._sysrand is not None  # type: ignore[attr-defined]  # made of os.urandom, at call time
    for name in ("getpid", "getppid"):
        boundary.door(Door(f"os.{name}"), os, name)
