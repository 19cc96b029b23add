"""How a task of trio ended, in the form of an END event."""

from __future__ import annotations

import sys
from typing import Any


def outcome_of(number: int, outcome: Any) -> Any:
    """Return how the task of this id ended, from its ``outcome``."""
    error: BaseException | None = getattr(outcome, "error", None)
    if error is None:
        return number
    if _is_cancelled(error, sys.modules["trio"].Cancelled):
        return [number, 1]
    first = error.args[0] if error.args else ""
    return [
        number,
        f"{type(error).__module__}.{type(error).__qualname__}",
        first if type(first) is str else "",
    ]


def _is_cancelled(error: BaseException, cancelled: type[BaseException]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_cancelled(one, cancelled) for one in error.exceptions)
    return isinstance(error, cancelled)
