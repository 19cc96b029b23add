"""Doors of files: ``open`` and ``io.FileIO``, on the doors of ``os``.

The raw layer is the standard library's own Python version of ``FileIO``, which does everything by
``os``; buffers and text layers above it are the usual C ones. The import system does not come by
here: it has its own references.
"""

from __future__ import annotations

import _frozen_importlib_external
import _io
import _pyio  # type: ignore[import-not-found]
import builtins
import functools
import io
import os
import types
import warnings
from typing import Any

from replay.runtime.boundary.install import Installer
from replay.runtime.tracebacks import strip


class FileIO(_pyio.FileIO):  # type: ignore[misc]
    """A raw file whose calls come by the doors of ``os``."""

    def __init__(self, file: Any, mode: str = "r", closefd: bool = True, opener: Any = None) -> None:
        try:
            super().__init__(file, mode, closefd, opener)
        except BaseException as error:
            strip(error)
            raise

    def close(self) -> None:
        """Close the file."""
        try:
            super().close()
        except BaseException as error:
            strip(error)
            raise


FileIO.__module__ = "_io"


def open_(
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Any = None,
) -> Any:
    """Open file and return a stream; as the builtin."""
    try:
        return _open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    except BaseException as error:
        strip(error)
        raise


def _open(
    file: Any,
    mode: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
    closefd: bool,
    opener: Any,
) -> Any:
    if not isinstance(file, int):
        file = os.fspath(file)
    if not isinstance(mode, str):
        raise TypeError(f"open() argument 'mode' must be str, not {type(mode).__name__}")
    modes = set(mode)
    if modes - set("axrwb+t") or len(mode) > len(modes):
        raise ValueError(f"invalid mode: {mode!r}")
    text, binary = "t" in modes, "b" in modes
    if text and binary:
        raise ValueError("can't have text and binary mode at once")
    if len(modes & set("axrw")) != 1:
        raise ValueError("must have exactly one of create/read/write/append mode")
    if binary:
        for value, name in ((encoding, "an encoding"), (errors, "an errors"), (newline, "a newline")):
            if value is not None:
                raise ValueError(f"binary mode doesn't take {name} argument")
        if buffering == 1:
            warnings.warn(
                "line buffering (buffering=1) isn't supported in binary mode, "
                "the default buffer size will be used",
                RuntimeWarning,
                stacklevel=3,
            )
            buffering = -1
    raw = FileIO(file, "".join(one for one in mode if one not in "bt"), closefd, opener)
    result: Any = raw
    try:
        line_buffering = False
        if buffering == 1 or (buffering < 0 and raw.isatty()):
            buffering = -1
            line_buffering = True
        if buffering < 0:
            size = getattr(raw, "_blksize", 0)
            buffering = size if size > 1 else io.DEFAULT_BUFFER_SIZE
        if buffering == 0:
            if binary:
                return result
            raise ValueError("can't have unbuffered text I/O")
        if "+" in modes:
            result = io.BufferedRandom(raw, buffering)  # pyright: ignore[reportArgumentType]
        elif modes & set("axw"):
            result = io.BufferedWriter(raw, buffering)
        else:
            result = io.BufferedReader(raw, buffering)  # pyright: ignore[reportArgumentType]
        if binary:
            return result
        result = io.TextIOWrapper(result, io.text_encoding(encoding), errors, newline, line_buffering)
        result.mode = mode
    except BaseException:
        result.close()
        raise
    return result


def install(boundary: Installer) -> None:
    """Put the doors of files in place."""
    _spare_imports()
    builtins.open = io.open = boundary.replace(_io, "open", open_)
    boundary.replace(_io, "FileIO", FileIO)
    io.FileIO = FileIO  # type: ignore[misc]
    io.RawIOBase.register(FileIO)


def _spare_imports() -> None:
    """Give the import system a module ``_io`` of its own, with the real functions."""
    own = types.ModuleType("_io")
    own.__dict__.update(vars(_io))
    own.open_code = functools.partial(_io.open, mode="rb")  # type: ignore[attr-defined]  # _io's looks `open` up
    _frozen_importlib_external._io = own  # type: ignore[attr-defined]
