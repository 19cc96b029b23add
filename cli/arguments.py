"""The parser that each command fills in: argparse, whose errors are ours to print."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from replay.errors import UsageError

PROGRAM: Final = "program"
"""The name under which `parse_before_program` leaves what follows a command's own options."""


def add_timeout(parser: Parser, help: str) -> None:  # noqa: A002 - as argparse calls it
    """Add ``--timeout``, a number of seconds."""
    parser.add_argument("--timeout", metavar="S", type=float, help=help)


def timeout_of(args: argparse.Namespace) -> float | None:
    """Return the seconds of ``--timeout``; None if there is no limit.

    Raises:
      UsageError: it is no length of time.
    """
    timeout_s: float | None = args.timeout
    if timeout_s is not None and not 0 < timeout_s < float("inf"):
        raise UsageError(f"--timeout must be a number of seconds above 0, not {timeout_s:g}")
    return timeout_s


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UsageError`, and takes no abbreviated options.

    Abbreviations would let a script's options change meaning when we add one of ours.
    """

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Raise the error instead of printing the usage and leaving."""
        raise UsageError(message, hint=f"`{self.prog} --help` shows what it takes")

    def parse_before_program(self, argv: Sequence[str], *, or_after: bool = False) -> argparse.Namespace:
        """Parse options up to the first token of a program's own command line, as python does.

        argparse cannot: its REMAINDER swallows options that stand before, and drops a ``--`` that
        belongs to the program. The first word that is no option, ``-m`` (with its value attached, as in
        ``-mpytest``, or not) or ``--`` ends our own options; it and all that follows is left in
        ``program``, untouched.

        Args:
          or_after: our own options may also stand right behind the program's name, up to the first word that
            is none of them, or a ``--``, which is dropped. Not behind a command that itself follows a ``--``.
        """
        at = 0
        while at < len(argv):
            word = argv[at]
            if word in ("-", "--") or word.startswith("-m") or not word.startswith("-"):
                break
            at += 1 + self._takes_next(word)
        named = after = at
        if or_after and argv[at : at + 1] not in ([], ["--"]):
            named = min(len(argv), at + (2 if argv[at] == "-m" else 1))
            after = self._end_of_options(argv, named)
        args = self.parse_args([*argv[:at], *argv[named:after]])
        if named > at and argv[after : after + 1] == ["--"]:
            after += 1
        setattr(args, PROGRAM, (*argv[at:named], *argv[after:]))
        return args

    def _end_of_options(self, argv: Sequence[str], at: int) -> int:
        """Return where the words end that are options of ours and their values."""
        while at < len(argv) and argv[at].partition("=")[0] in self._option_string_actions:
            at += 1 + self._takes_next(argv[at])
        return min(at, len(argv))

    def _takes_next(self, word: str) -> bool:
        """Say whether an option's value is the next token; unknown options are left to argparse."""
        action = self._option_string_actions.get(word)
        return action is not None and action.nargs is None
