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
from replay.runtime.worlds.simulated.handles import Handles
from replay.runtime.worlds.simulated.store import Store
from replay.runtime.worlds.simulated.tree import Tree

START_NS = 1_700_000_000 * 10**9


class Refused(Exception):  # noqa: N818 - as the outcome says
    """The run would end here."""


class Overlay:
    """``os`` as a simulated run has it, here: ``overlay.mkdir(...)``."""

    def __init__(self, path: Path, faults: list[dict[str, Any]]) -> None:
        self.now_ns = START_NS
        self.store = Store(str(path))
        self.tree = Tree(self.store, lambda: self.now_ns)
        handles = Handles(
            self.tree,
            Descriptors(),
            Disk(faults),
            wait=self._wait,
            draw=lambda size: b"r" * size,
            refuse=self._refuse,
        )
        self.files = Files(handles)
        self._table = self.files.table()
        self.waited: Callable[[], object] = lambda: pytest.fail("nobody ends this wait")

    def _wait(self, is_ready: Callable[[], bool]) -> None:
        self.waited()

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
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the caller looks at the number
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

NAMES = """
    a b c d l m h d/a d/b d/e d/e/a d/e/f l/a l/e l/. m/a d/.. d/../a a/ c/ d/ l/ d/e/../b a/b c/d x/y
    """.split()  # noqa: SIM905 - a list of words reads better as words
ACTIONS = """
    open open read stat lstat listdir rename rename link symlink chmod truncate access utime scandir mkdir
    mkdir rmdir unlink remove readlink
    """.split()  # noqa: SIM905 - see above
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

    name = draw.choice(ACTIONS)
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
    return (
        found.st_mode,
        found.st_uid,
        found.st_gid,
        *(() if is_folder else (found.st_size, found.st_nlink)),
    )


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


# -- what is open ------------------------------------------------------------------------------------


def test_a_file_that_is_only_read_is_the_real_one(tmp_path: Path, overlay: Overlay) -> None:
    (tmp_path / "a").write_bytes(b"real")
    assert overlay.read_file(tmp_path / "a") == b"real"
    assert overlay.stat(tmp_path / "a") == os.stat(tmp_path / "a")
    assert not Path(overlay.store.path).exists()


def test_a_file_is_copied_when_it_is_opened_for_writing_and_keeps_its_number(
    tmp_path: Path, overlay: Overlay
) -> None:
    (tmp_path / "a").write_bytes(b"real")
    before = os.stat(tmp_path / "a")
    overlay.write_file(tmp_path / "a", b" and more", os.O_APPEND)
    assert overlay.read_file(tmp_path / "a") == b"real and more"
    assert (tmp_path / "a").read_bytes() == b"real"
    found = overlay.stat(tmp_path / "a")
    assert (found.st_ino, found.st_dev, found.st_size) == (before.st_ino, before.st_dev, 13)
    assert found.st_mtime_ns == START_NS
    assert stat.S_IMODE(Path(overlay.store.path).stat().st_mode) == 0o700


def test_who_has_a_file_open_sees_what_others_write(tmp_path: Path, overlay: Overlay) -> None:
    (tmp_path / "a").write_bytes(b"one")
    reader = overlay.open(tmp_path / "a", os.O_RDONLY)
    second = overlay.dup(reader)
    assert overlay.read(reader, 2) == b"on"
    overlay.write_file(tmp_path / "a", b"two", os.O_APPEND)
    assert overlay.read(second, 10) == b"etwo"
    assert overlay.read(reader, 10) == b""  # both have one position
    assert (tmp_path / "a").read_bytes() == b"one"


def test_a_removed_file_lives_as_long_as_it_is_open(tmp_path: Path, overlay: Overlay) -> None:
    number = overlay.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    overlay.unlink(tmp_path / "a")
    overlay.write(number, b"held")
    assert (overlay.fstat(number).st_nlink, overlay.fstat(number).st_size) == (0, 4)
    assert len(os.listdir(overlay.store.path)) == 1
    overlay.close(number)
    assert os.listdir(overlay.store.path) == []


def test_names_of_one_real_file_stay_names_of_one_file(tmp_path: Path, overlay: Overlay) -> None:
    fill(tmp_path)
    overlay.write_file(tmp_path / "a", b"changed")
    assert overlay.read_file(tmp_path / "h") == b"changed"
    overlay.unlink(tmp_path / "a")
    assert overlay.stat(tmp_path / "h").st_nlink == 1


def test_a_folder_that_is_moved_takes_along_what_is_really_in_it(tmp_path: Path, overlay: Overlay) -> None:
    fill(tmp_path)
    overlay.rename(tmp_path / "d", tmp_path / "moved")
    overlay.write_file(tmp_path / "moved" / "e" / "new", b"")
    assert overlay.listdir(tmp_path / "moved" / "e") == ["a", "new"]
    assert overlay.read_file(tmp_path / "moved" / "e" / "a") == b"third"
    assert error_of(lambda: overlay.stat(tmp_path / "d"))[0] == errno.ENOENT
    overlay.mkdir(tmp_path / "d")
    assert overlay.listdir(tmp_path / "d") == []


def test_folders_are_used_by_their_descriptors(tmp_path: Path, overlay: Overlay) -> None:
    fill(tmp_path)
    number = overlay.open(tmp_path / "d", os.O_RDONLY | os.O_DIRECTORY)
    overlay.mkdir("new", dir_fd=number)
    assert overlay.listdir(number) == ["b", "e", "new"]
    assert [row[:3] for row in overlay.scandir(number)] == [
        ("b", "b", False),
        ("e", "e", True),
        ("new", "new", True),
    ]
    assert overlay.stat("b", dir_fd=number).st_size == 6
    overlay.rename("b", "c", src_dir_fd=number, dst_dir_fd=number)
    overlay.fchdir(number)
    assert overlay.getcwd() == str(tmp_path / "d")
    assert overlay.read_file("c") == b"second"
    file = overlay.open("c", os.O_RDONLY)
    assert error_of(lambda: overlay.stat("x", dir_fd=file)) == (errno.ENOTDIR, "x", None)
    assert error_of(lambda: overlay.stat("x", dir_fd=999)) == (errno.EBADF, "x", None)


@pytest.fixture
def _here() -> Iterator[None]:
    before = os.getcwd()
    yield
    os.chdir(before)


@pytest.mark.usefixtures("_here")
def test_the_current_folder_may_be_one_that_is_not_really_there(tmp_path: Path, overlay: Overlay) -> None:
    overlay.mkdir(tmp_path / "one")
    overlay.chdir(tmp_path / "one")
    overlay.write_file("file", b"here")
    assert overlay.listdir() == ["file"]
    overlay.rename(tmp_path / "one", tmp_path / "two")
    assert overlay.getcwd() == str(tmp_path / "two")
    assert overlay.getcwdb() == os.fsencode(tmp_path / "two")
    assert overlay.read_file("../two/file") == b"here"
    overlay.unlink("file")
    overlay.rmdir(tmp_path / "two")
    assert error_of(overlay.getcwd) == (errno.ENOENT, None, None)
    assert error_of(lambda: overlay.open("file", os.O_CREAT | os.O_WRONLY)) == (errno.ENOENT, "file", None)


def test_a_file_may_have_no_name(tmp_path: Path, overlay: Overlay) -> None:
    number = overlay.open(tmp_path, os.O_TMPFILE | os.O_RDWR, 0o600)
    overlay.write(number, b"nameless")
    again = overlay.open(f"/proc/self/fd/{number}", os.O_RDONLY)
    assert overlay.pread(again, 100, 4) == b"less"
    assert overlay.listdir(tmp_path) == []


def test_what_has_two_descriptors_is_followed(tmp_path: Path, overlay: Overlay) -> None:
    one = overlay.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    other = overlay.open(tmp_path / "b", os.O_WRONLY | os.O_CREAT)
    overlay.dup2(one, other)
    third = overlay.door("fcntl.fcntl", fcntl.fcntl)(one, fcntl.F_DUPFD_CLOEXEC, 0)
    overlay.now_ns += 7
    overlay.write(other, b"xyz")
    assert overlay.stat(tmp_path / "a").st_mtime_ns == START_NS + 7
    assert overlay.stat(tmp_path / "b").st_size == 0
    assert overlay.fstat(third).st_ino == overlay.stat(tmp_path / "a").st_ino
    overlay.closerange(min(one, other, third), max(one, other, third) + 1)
    assert error_of(lambda: overlay.fstat(third))[0] == errno.EBADF


def test_modes_are_those_that_the_mask_leaves(tmp_path: Path, overlay: Overlay) -> None:
    overlay.umask(0o27)
    overlay.mkdir(tmp_path / "d")
    overlay.close(overlay.open(tmp_path / "f", os.O_CREAT | os.O_WRONLY, 0o666))
    assert [stat.S_IMODE(overlay.stat(tmp_path / one).st_mode) for one in "df"] == [0o750, 0o640]
    assert overlay.umask(0o22) == 0o27


def test_numbers_and_times_do_not_depend_on_the_system(tmp_path: Path, overlay: Overlay) -> None:
    first = [
        overlay.write_file(tmp_path / name, b"x" * 5000) or overlay.stat(tmp_path / name) for name in "ab"
    ]
    assert first[1].st_ino - first[0].st_ino == 1
    assert {one.st_atime_ns for one in first} == {START_NS}
    assert (first[0].st_blocks, first[0].st_blksize, first[0].st_nlink) == (16, 4096, 1)
    assert first[0].st_mtime == START_NS / 1e9


def test_what_is_hidden_is_not_there(tmp_path: Path, overlay: Overlay) -> None:
    (tmp_path / "run.rec").touch()
    overlay.tree.hidden.add(str(tmp_path / "run.rec"))
    overlay.write_file(tmp_path / "a", b"")
    assert overlay.listdir(tmp_path) == ["a"]  # nor is the folder of the overlay
    assert error_of(lambda: overlay.stat(tmp_path / "run.rec"))[0] == errno.ENOENT


# -- what is not a plain file --------------------------------------------------------------------------


def test_devices(overlay: Overlay) -> None:
    number = overlay.open("/dev/null", os.O_RDWR)
    assert (overlay.write(number, b"gone"), overlay.read(number, 5)) == (4, b"")
    number = overlay.open("/dev/urandom", os.O_RDONLY)
    assert overlay.read(number, 3) == b"rrr"
    buffer = bytearray(2)
    assert (overlay.readv(number, [buffer]), buffer) == (2, b"rr")
    assert stat.S_ISCHR(overlay.fstat(number).st_mode)


def test_what_varies_or_is_not_simulated_ends_the_run(tmp_path: Path, overlay: Overlay) -> None:
    os.mkfifo(tmp_path / "fifo")
    overlay.mkfifo(tmp_path / "other")
    assert stat.S_ISFIFO(overlay.stat(tmp_path / "other").st_mode)
    for path in ("/proc/meminfo", "/proc/4711/status", tmp_path / "fifo", tmp_path / "other"):
        with pytest.raises(Refused, match=f"os.open of {path}"):
            overlay.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert overlay.read_file("/proc/version") == Path("/proc/version").read_bytes()
    assert overlay.listdir("/proc") == ["4711", "self"]
    assert overlay.readlink("/proc/self") == "4711"
    assert overlay.stat("/proc/self").st_mtime_ns == 0
    folder = overlay.open(tmp_path, os.O_RDONLY)
    with pytest.raises(Refused, match="a lock on a folder"):
        overlay.door("fcntl.flock", fcntl.flock)(folder, fcntl.LOCK_EX)


def test_sockets_have_their_names_here(tmp_path: Path, overlay: Overlay) -> None:
    number = overlay.files.bind(str(tmp_path / "sock"))
    assert stat.S_ISSOCK(overlay.stat(tmp_path / "sock").st_mode)
    assert overlay.files.bound(f"{tmp_path}/./sock") == number
    assert error_of(lambda: overlay.files.bind(str(tmp_path / "sock")))[0] == errno.EADDRINUSE
    assert error_of(lambda: overlay.open(tmp_path / "sock", os.O_RDWR))[0] == errno.ENXIO
    overlay.unlink(tmp_path / "sock")
    assert error_of(lambda: overlay.files.bound(str(tmp_path / "sock")))[0] == errno.ENOENT
    assert not (tmp_path / "sock").exists()


def test_extended_attributes_are_kept_beside(tmp_path: Path, overlay: Overlay) -> None:
    (tmp_path / "a").touch()
    overlay.setxattr(tmp_path / "a", "user.one", b"1")
    assert overlay.listxattr(tmp_path / "a") == ["user.one"]
    assert overlay.getxattr(str(tmp_path / "a"), b"user.one") == b"1"
    assert os.listxattr(tmp_path / "a") == []
    overlay.removexattr(tmp_path / "a", "user.one")
    assert error_of(lambda: overlay.getxattr(tmp_path / "a", "user.one"))[0] == errno.ENODATA


def test_a_mapped_file_is_seen_to_change(tmp_path: Path, overlay: Overlay) -> None:
    (tmp_path / "a").write_bytes(b"x" * 10)
    number = overlay.open(tmp_path / "a", os.O_RDWR)
    made = overlay.door("mmap.mmap", mmap.mmap.__new__)(mmap.mmap, number, 10)
    before = overlay.stat(tmp_path / "a").st_mtime_ns
    overlay.now_ns += 5
    assert overlay.stat(tmp_path / "a").st_mtime_ns == before
    made[0] = 65
    assert overlay.stat(tmp_path / "a").st_mtime_ns == START_NS + 5
    made.close()
    assert overlay.read_file(tmp_path / "a") == b"Axxxxxxxxx"


def test_a_lock_is_waited_for_in_virtual_time(tmp_path: Path, overlay: Overlay) -> None:
    (tmp_path / "a").touch()
    lock = overlay.door("fcntl.flock", fcntl.flock)
    one, other = (overlay.open(tmp_path / "a", os.O_RDONLY) for _ in range(2))
    lock(one, fcntl.LOCK_EX)
    with pytest.raises(BlockingIOError):
        lock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    waits = []
    overlay.waited = lambda: waits.append(1) or lock(one, fcntl.LOCK_UN)
    lock(other, fcntl.LOCK_EX)
    assert waits == [1]
    with (tmp_path / "a").open() as real:
        fcntl.flock(real, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody outside is kept from it


def test_what_is_no_path_is_refused_as_by_the_system(overlay: Overlay) -> None:
    with pytest.raises(TypeError):
        overlay.stat(1.5)
    with pytest.raises(ValueError, match="null"):
        overlay.stat("a\0b")
    assert error_of(lambda: overlay.stat("")) == (errno.ENOENT, "", None)
    assert error_of(lambda: overlay.stat("x" * 300))[0] == errno.ENAMETOOLONG
    assert error_of(lambda: overlay.stat("/" + "x/" * 3000))[0] == errno.ENAMETOOLONG


# -- faults --------------------------------------------------------------------------------------------


def test_a_full_disk_takes_what_there_is_room_for(tmp_path: Path) -> None:
    generator = overlays(tmp_path, [{"disk_full": {"path": "*.log", "after_bytes": 10}}])
    overlay = next(generator)
    number = overlay.open(tmp_path / "app.log", os.O_RDWR | os.O_CREAT)
    assert overlay.write(number, b"12345678") == 8
    assert overlay.writev(number, [b"9", b"012"]) == 2
    with pytest.raises(OSError, match="No space left") as caught:
        overlay.write(number, b"more")
    assert caught.value.errno == errno.ENOSPC
    assert overlay.write(number, b"") == 0
    assert overlay.pread(number, 100, 0) == b"1234567890"
    overlay.write_file(tmp_path / "other", b"there is room for others")
    next(generator, None)


def test_a_broken_disk_fails_in_each_use(tmp_path: Path) -> None:
    generator = overlays(tmp_path, [{"reset": {"connection": "*"}}])
    overlay = next(generator)
    number = overlay.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    overlay.files.disk.add({"io_error": {"path": str(tmp_path / "a")}})
    overlay.files.disk.add({"io_error": {"path": "d/b", "errno": "EACCES"}})
    for use in (
        lambda: overlay.read(number, 1),
        lambda: overlay.pwrite(number, b"x", 0),
        lambda: overlay.fsync(number),
        lambda: overlay.open(tmp_path / "a", os.O_RDONLY),
    ):
        assert error_of(use)[0] == errno.EIO
    overlay.mkdir(tmp_path / "d")
    with pytest.raises(PermissionError):
        overlay.open(tmp_path / "d" / "b", os.O_CREAT | os.O_WRONLY)
    assert overlay.listdir(tmp_path / "d") == []
    with pytest.raises(ValueError, match="EWRONG"):
        overlay.files.disk.add({"io_error": {"path": "a", "errno": "EWRONG"}})
    next(generator, None)
