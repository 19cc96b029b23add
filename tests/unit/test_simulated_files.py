"""The files of the simulated world do what real ones do, and the real ones stay as they are."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import random
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from replay.runtime.worlds.simulated import store
from replay.runtime.worlds.simulated.descriptors import Descriptors
from replay.runtime.worlds.simulated.disk import Disk
from replay.runtime.worlds.simulated.files import Files
from replay.runtime.worlds.simulated.store import Store
from replay.runtime.worlds.simulated.tree import Tree

START_NS = 1_700_000_000 * 10**9


class Refused(Exception):
    """The run would end here."""


class Overlay:
    """``os`` as a simulated run has it, here: ``overlay.mkdir(...)``."""

    def __init__(self, path: Path, faults: list[dict[str, Any]]) -> None:
        self.now_ns = START_NS
        self.store = Store(str(path))
        self.tree = Tree(self.store, lambda: self.now_ns)
        self.files = Files(
            self.tree,
            Descriptors(),
            Disk(faults),
            wait=lambda is_ready: self.waited(),
            draw=lambda size: b"r" * size,
            refuse=self._refuse,
        )
        self._table = self.files.table()
        self.waited: Callable[[], object] = lambda: pytest.fail("nobody ends this wait")

    @staticmethod
    def _refuse(what: str) -> NoReturn:
        raise Refused(what)

    def __getattr__(self, name: str) -> Any:
        make = self._table.get(f"os.{name}")
        return getattr(os, name) if make is None else make(getattr(os, name))

    def door(self, name: str, real: Any) -> Any:
        return self._table[name](real)

    def write_file(self, path: Any, data: bytes, flags: int = os.O_TRUNC) -> None:
        number = self.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o644)
        self.write(number, data)
        self.close(number)

    def read_file(self, path: Any) -> bytes:
        number = self.open(path, os.O_RDONLY)
        data: bytes = self.read(number, 1 << 20)
        self.close(number)
        return data


def overlays(tmp_path: Path, faults: list[dict[str, Any]]) -> Iterator[Overlay]:
    made = Overlay(tmp_path / "overlay", faults)
    yield made
    for number in list(made.files._opened):
        made.close(number)
    store.remove(made.store.path)
    assert not (tmp_path / "overlay").exists()


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[Overlay]:
    yield from overlays(tmp_path, [])


def error_of(call: Callable[[], object]) -> tuple[int | None, object, object]:
    with pytest.raises(OSError) as caught:
        call()
    return caught.value.errno, caught.value.filename, caught.value.filename2


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return all that is really in a folder."""
    return {
        str(one.relative_to(folder)): (
            one.lstat().st_mode,
            one.lstat().st_mtime_ns,
            os.readlink(one).encode() if one.is_symlink() else b"" if one.is_dir() else one.read_bytes(),
        )
        for one in sorted(folder.rglob("*"))
    }


def fill(folder: Path) -> None:
    (folder / "d" / "e").mkdir(parents=True)
    (folder / "a").write_bytes(b"first")
    (folder / "d" / "b").write_bytes(b"second")
    (folder / "d" / "e" / "a").write_bytes(b"third")
    (folder / "l").symlink_to("d")
    (folder / "m").symlink_to("nothing")
    os.link(folder / "a", folder / "h")


# -- the same as the real system does ----------------------------------------------------------------

NAMES = "a b c d l m h d/a d/b d/e d/e/a d/e/f l/a l/e l/. m/a d/.. d/../a a/ c/ d/ d/e/../b a/b c/d x/y l/".split()  # noqa: SIM905 - reads better
FLAGS = (
    os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_EXCL,
    os.O_WRONLY | os.O_TRUNC, os.O_RDONLY | os.O_DIRECTORY, os.O_RDONLY | os.O_NOFOLLOW,
    os.O_WRONLY | os.O_CREAT | os.O_APPEND,
)  # fmt: skip


def operation(draw: random.Random) -> Callable[[Any, str], object]:
    """Return something to do with files: in ``system``, below ``root``."""
    one, other = (draw.choice(NAMES) for _ in range(2))
    number = draw.randrange(1 << 16)

    def use(system: Any, root: str) -> object:
        path, second = f"{root}/{one}", f"{root}/{other}"
        match name:
            case "open":
                fd = system.open(path, FLAGS[number % len(FLAGS)], 0o666)
                try:
                    found = told(system.fstat(fd))
                    if stat.S_ISREG(found[0]) and FLAGS[number % len(FLAGS)] & os.O_ACCMODE != os.O_RDONLY:
                        system.write(fd, b"%d" % number)
                    return found
                finally:
                    system.close(fd)
            case "read":
                fd = system.open(path, os.O_RDONLY)
                try:
                    return system.read(fd, 100)
                finally:
                    system.close(fd)
            case "stat" | "lstat":
                return told(getattr(system, name)(path))
            case "listdir":
                return sorted(system.listdir(path))
            case "rename" | "link":
                return getattr(system, name)(path, second)
            case "symlink":
                return system.symlink(other, path)
            case "chmod":
                return system.chmod(path, number & 0o777 | 0o700)
            case "truncate":
                return system.truncate(path, number % 20)
            case "access":
                return system.access(path, number & 7)
            case "utime":
                system.utime(path, ns=(number, number * 7))
                return system.stat(path).st_mtime_ns
            case "scandir":
                rows = scanned(system, path)
                return sorted((row[0], os.path.relpath(row[1], root), *row[2:5]) for row in rows)
            case _:
                return getattr(system, name)(path)

    name = draw.choice(
        "open open read stat lstat listdir rename rename link symlink chmod truncate access utime scandir mkdir mkdir"
        " rmdir unlink remove readlink".split()
    )
    use.__qualname__ = f"{name} {one} {other} {number}"
    return use


def scanned(system: Any, path: str) -> list[Any]:
    if system is not os:
        return list(system.scandir(path))
    with os.scandir(path) as entries:
        return [
            (one.name, one.path, is_so(one.is_dir), is_so(one.is_file), one.is_symlink()) for one in entries
        ]


def is_so(question: Callable[[], bool]) -> bool:
    with contextlib.suppress(OSError):
        return question()
    return False


def told(found: os.stat_result) -> tuple[int, ...]:
    is_folder = stat.S_ISDIR(found.st_mode)
    return (found.st_mode, found.st_uid, found.st_gid, *(() if is_folder else (found.st_size, found.st_nlink)))


def outcome(use: Callable[[Any, str], object], system: Any, root: str) -> object:
    try:
        return use(system, root)
    except OSError as error:
        names = [one and os.path.relpath(one, root) for one in (error.filename, error.filename2)]
        return [errno.errorcode[error.errno or 0], str(error.strerror), *names]


def whole(system: Any, root: str, path: str = "") -> list[object]:
    """Return all that is in a folder, as ``system`` sees it."""
    found: list[object] = []
    for name in sorted(system.listdir(f"{root}{path}")):
        one = f"{path}/{name}"
        entry = system.lstat(root + one)
        found.append((one, told(entry)))
        if stat.S_ISDIR(entry.st_mode):
            found += whole(system, root, one)
        elif stat.S_ISLNK(entry.st_mode):
            found.append(system.readlink(root + one))
        else:
            fd = system.open(root + one, os.O_RDONLY)
            found.append(system.read(fd, 1000))
            system.close(fd)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_done_the_outcome_is_that_of_the_real_system(
    seed: int, tmp_path: Path, overlay: Overlay
) -> None:
    draw = random.Random(seed)
    real, seen = tmp_path / "real", tmp_path / "seen"
    for folder in (real, seen):
        folder.mkdir()
        fill(folder)
    before = snapshot(seen)
    done = []
    for _ in range(60):
        use = operation(draw)
        done.append(use.__qualname__)
        expected = outcome(use, os, str(real))
        assert outcome(use, overlay, str(seen)) == expected, done
    assert whole(overlay, str(seen)) == whole(os, str(real)), done
    assert snapshot(seen) == before
