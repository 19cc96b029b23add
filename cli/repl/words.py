"""What follows a command of the debugger, parsed as options of the command line are."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from typing import Any

from replay.cli.arguments import Parser
from replay.cli.text import printable
from replay.errors import UsageError


class Words(Parser):
    """Parses what follows a command, as options of the command line are."""

    def __init__(self, name: str, configure: Callable[[Parser], Any]) -> None:
        super().__init__(prog=name, add_help=False)
        configure(self)

    def of(self, text: str) -> argparse.Namespace:
        """Return what a text says.

        Raises:
          UsageError: it makes no sense.
        """
        try:
            return self.parse_args(shlex.split(text))
        except ValueError as problem:
            raise UsageError(f"{printable(str(problem)).lower()}: {text!r:.60}") from None
        except UsageError as problem:
            raise UsageError(problem.message, hint=f"`help {self.prog}` shows what it takes") from None
