"""The errors that `replay` raises at whoever uses it: a bad file, a bad call."""

from __future__ import annotations


class ReplayError(Exception):
    """Something that `replay` cannot do, with the reason and, where there is one, a way out.

    Args:
      message: one sentence without a final stop, with the names of the files concerned.
      hint: what to do about it, or None.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UnreadableRecording(ReplayError):  # noqa: N818 - the name says what the file is
    """The file cannot be opened as a recording: it is something else, of another version, or damaged."""


class UsageError(ReplayError):
    """The caller asked for something that makes no sense; nothing was done."""
