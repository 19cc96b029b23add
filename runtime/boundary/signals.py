"""Doors of signals: the program's handlers go into a table, and are run where replay finds the place."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from replay.runtime import real
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, nothing
from replay.runtime.signals import DEFAULTS, Handler, signals
from replay.runtime.tracebacks import strip

_ANSWERS = ("alarm", "setitimer", "getitimer", "sigpending", "pthread_sigmask", "siginterrupt")
_WAITS = ("sigwait", "sigwaitinfo", "sigtimedwait")

_NUMBERS = sorted(map(int, signal.valid_signals()))
"""Each call of that makes 64 enum members."""

_ENDING = frozenset(
    (
        signal.SIGALRM,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGVTALRM,
        signal.SIGXCPU,
    )
)
"""End the process where the program leaves them at their default; the recording is ended first."""


class _State:
    set_real: Callable[..., object] = staticmethod(real.set_handler)


def install(boundary: Installer, initial: dict[str, int]) -> None:
    """Put the doors of signals in place.

    Args:
      initial: by number, what each signal was set to when the program began: 0 default, 1 ignored.
    """
    for number, disposition in initial.items():
        signals.handlers[int(number)] = signal.Handlers(disposition)
    if str(int(signal.SIGINT)) not in initial:
        signals.handlers[signal.SIGINT] = signal.default_int_handler
    if boundary.is_replay:
        real.set_handler(signal.SIGINT, boundary.world.interrupt)
    else:
        if signals.handlers[signal.SIGINT] is signal.default_int_handler:
            real.set_handler(signal.SIGINT, signals.catch)
        os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_be_forked)
    _State.set_real = boundary.bind(
        Door("signal.signal", effect=True, captured=lambda result, args, kwargs: None), real.set_handler
    )
    boundary.replace(signal, "signal", set_handler)
    boundary.replace(signal, "getsignal", get_handler)
    # What the interpreter writes there comes in as anything does that others write.
    boundary.door(Door("signal.set_wakeup_fd", effect=True), signal, "set_wakeup_fd")
    for name in _ANSWERS:
        boundary.door(Door(f"signal.{name}", effect=name in ("alarm", "setitimer")), signal, name)
    for name in _WAITS:
        boundary.door(Door(f"signal.{name}", blocking=True), signal, name)
    boundary.replace(signal, "pause", _pause(boundary))
    for name in ("raise_signal", "pthread_kill", "pidfd_send_signal"):
        boundary.door(Door(f"signal.{name}", effect=True), signal, name)


def _pause(boundary: Installer) -> Callable[[], None]:
    """Return the wait for any signal: it is over when one was delivered, and not begun again."""
    wait = signal.pause

    def pause(*is_over: bool) -> None:
        if not is_over:
            wait()

    door = Door("signal.pause", blocking=True, request=nothing, resume=lambda args, elapsed_s: (True,))
    return boundary.bind(door, pause)


def initial_dispositions() -> dict[str, int]:
    """Return what each signal is set to at the start: 0 default, 1 ignored."""
    found = {}
    for number in _NUMBERS:
        handler = signal.getsignal(number)
        if handler in DEFAULTS:
            found[str(number)] = int(handler)  # pyright: ignore[reportArgumentType]
    return found


def set_handler(signalnum: int, handler: Handler) -> Handler:
    """Set the handler of a signal, and return the one before; as ``signal.signal``."""
    if not callable(handler) and handler not in DEFAULTS:
        raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
    if threading.current_thread() is not threading.main_thread():
        raise ValueError("signal only works in main thread of the main interpreter")
    number = int(signalnum)
    if number not in _NUMBERS:
        raise ValueError("signal number out of range")
    if number in (signal.SIGKILL, signal.SIGSTOP):
        raise OSError(22, "Invalid argument")
    try:
        _State.set_real(number, _real_handler(number, handler))
    except BaseException as error:
        strip(error)
        raise
    before = signals.handlers.get(number, signal.SIG_DFL)
    signals.handlers[number] = _as_enum(handler)
    return before


def _real_handler(number: int, handler: Handler) -> Handler:
    """Return what Python is to call for a handler that the program sets."""
    if callable(handler):
        return signals.catch
    if number in _ENDING and handler == signal.SIG_DFL:
        return signals.end_process
    return handler


def catch_endings() -> None:
    """Let the recording be ended by what ends the process; the program has not set anything yet."""
    for number in _ENDING:
        if signals.handlers.get(number) == signal.SIG_DFL:
            real.set_handler(number, signals.end_process)


_held: list[set[Any]] = []


def _hold() -> None:
    """Let what ends the process wait: what comes to a child before it is one would be lost."""
    _held.append(real.signal_mask(signal.SIG_BLOCK, _ENDING))


def _let_go() -> None:
    real.signal_mask(signal.SIG_SETMASK, _held.pop())


def _be_forked() -> None:
    """Go on without a recorder, in a forked child: handlers run at once, defaults are defaults."""
    signals.is_plain = True
    signals.pending.clear()
    for number in _ENDING:
        if real.get_handler(number) == signals.end_process:
            real.set_handler(number, signal.SIG_DFL)
    _let_go()


def get_handler(signalnum: int) -> Handler:
    """Return the handler of a signal; as ``signal.getsignal``."""
    if int(signalnum) not in _NUMBERS:
        raise ValueError("signal number out of range")
    return signals.handlers.get(int(signalnum), signal.SIG_DFL)


def _as_enum(handler: Handler) -> Handler:
    return signal.Handlers(handler) if handler in DEFAULTS else handler


def set_loop_handler(loop: Any, sig: int, callback: Any, args: tuple[Any, ...]) -> None:
    """Run ``callback(*args)`` in ``loop`` when ``sig`` comes in; the checks are asyncio's."""
    if asyncio.iscoroutine(callback) or asyncio.iscoroutinefunction(callback):
        raise TypeError("coroutines cannot be used with add_signal_handler()")
    loop._check_signal(sig)
    loop._check_closed()
    handle = asyncio.Handle(callback, args, loop, None)
    before = loop._signal_handlers.get(sig)
    loop._signal_handlers[sig] = handle

    def deliver(number: int, frame: Any) -> None:
        loop._handle_signal(number)

    try:
        set_handler(sig, deliver)
    except ValueError as error:
        if before is None:
            del loop._signal_handlers[sig]
        raise RuntimeError(str(error)) from None
    except OSError as error:
        del loop._signal_handlers[sig]
        if error.errno == 22:
            raise RuntimeError(f"sig {sig} cannot be caught") from None
        raise
    loop._wake_by_signals()


def remove_loop_handler(loop: Any, sig: int) -> bool:
    """Give ``sig`` back to its default; whether ``loop`` had a handler for it."""
    loop._check_signal(sig)
    if loop._signal_handlers.pop(sig, None) is None:
        return False
    set_handler(sig, signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL)
    if not loop._signal_handlers:
        loop._wake_by_signals_no_more()
    return True
