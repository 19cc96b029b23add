"""Doors of time: every clock of ``time`` and ``datetime``, and sleeping."""

from __future__ import annotations

import datetime as dt
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, nothing, replace

HOT_CLOCKS = ("monotonic", "time", "perf_counter")

CLOCKS = (
    "time_ns",
    "monotonic_ns",
    "perf_counter_ns",
    "process_time",
    "process_time_ns",
    "thread_time",
    "thread_time_ns",
)


def install(boundary: Installer) -> None:
    """Put the doors of time in place."""
    for name in HOT_CLOCKS:
        boundary.clock(time, name)
    for name in CLOCKS:
        boundary.door(Door(f"time.{name}", request=nothing), time, name)
    for name in ("clock_getres", "clock_gettime", "clock_gettime_ns", "pthread_getcpuclockid"):
        boundary.door(Door(f"time.{name}"), time, name)
    for name in ("clock_settime", "clock_settime_ns"):
        boundary.door(Door(f"time.{name}", effect=True), time, name)
    boundary.door(Door("time.sleep", blocking=True, resume=_rest_of_sleep), time, "sleep")
    for name, position in (("localtime", 0), ("gmtime", 0), ("ctime", 0), ("asctime", 0), ("strftime", 1)):
        boundary.replace(time, name, _of_now(getattr(time, name), position, name))
    for cls, name in (
        (dt.datetime, "now"),
        (dt.datetime, "utcnow"),
        (dt.datetime, "today"),
        (dt.date, "today"),
    ):
        replace(cls, name, classmethod(_NOW[cls.__name__, name]))
    boundary.at_start(_start_of_logging)


def _start_of_logging() -> None:
    """``logging`` counts from its own import, which was before the recorded run."""
    logging._startTime = time.time_ns() if sys.version_info >= (3, 13) else time.time()  # type: ignore[attr-defined]


def _rest_of_sleep(args: tuple[Any, ...], elapsed_s: float) -> tuple[Any, ...]:
    return (max(0.0, args[0] - elapsed_s),)


def _of_now(function: Callable[..., Any], position: int, name: str) -> Callable[..., Any]:
    """Return ``function`` with the time it takes when none is given, read through the door."""
    wants_struct = name in ("asctime", "strftime")
    to_struct = time.localtime

    def of_now(*args: Any) -> Any:
        if len(args) > position and (args[position] is not None or wants_struct):
            return function(*args)
        if len(args) < position:
            return function(*args)
        now = time.time()
        return function(*args[:position], to_struct(now) if wants_struct else now)

    return of_now


def _instant(cls: Any, tz: dt.tzinfo | None) -> Any:
    now_ns = time.time_ns()
    return cls.fromtimestamp(now_ns // 1_000_000_000, tz).replace(microsecond=now_ns % 1_000_000_000 // 1000)


def now(cls: Any, tz: dt.tzinfo | None = None) -> Any:
    """Return the time now, in ``tz``."""
    return _instant(cls, tz)


def utcnow(cls: Any) -> Any:
    """Return the time now in UTC, without a zone."""
    return _instant(cls, dt.UTC).replace(tzinfo=None)


def today(cls: Any) -> Any:
    """Return the time now."""
    return _instant(cls, None)


def date_today(cls: Any) -> Any:
    """Return today's date."""
    return cls.fromtimestamp(time.time())


_NOW = {
    ("datetime", "now"): now,
    ("datetime", "utcnow"): utcnow,
    ("datetime", "today"): today,
    ("date", "today"): date_today,
}
