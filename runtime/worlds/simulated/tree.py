"""The files and folders that the program sees: those of the real system, and what it has made of them.

A tree of nodes in memory. A folder knows what was put into it and what was taken away; the rest of it is
looked up where it really is. A node that was changed has its own metadata; one whose content was changed has
that in the store. A name is looked up as Linux does it: symbolic links, ``..``, who may pass.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from replay.runtime.worlds.simulated.description import fail
from replay.runtime.worlds.simulated.entropy import PID
from replay.runtime.worlds.simulated.store import Store, exists, open_quietly

READ: Final = os.R_OK
WRITE: Final = os.W_OK
PASS: Final = os.X_OK

_MOST_LINKS: Final = 40
_MOST_PATH_BYTES: Final = 4096
_MOST_NAME_BYTES: Final = 255
_FIRST_INODE: Final = 1 << 40
_BLOCK_BYTES: Final = 4096
_SECTOR_BYTES: Final = 512

_DOTS: Final = (".", "..")

_PROC: Final = "/proc"

_lstat, _readlink, _listdir, _close, _access = os.lstat, os.readlink, os.listdir, os.close, os.access
_statvfs, _read, _getcwdb = os.statvfs, os.read, os.getcwdb
_geteuid, _getegid, _getgroups = os.geteuid, os.getegid, os.getgroups
_listxattr, _getxattr = getattr(os, "listxattr", None), getattr(os, "getxattr", None)


class Node:
    """A file, a link, a device; ``Folder`` is one too.

    Attributes:
      real: where its content is; of a folder, what it had before the run. None if there is nothing.
      is_own: its content is in the store.
      is_changed: what is said here of it counts, not what the system says.
      is_foreign: C code may write to its content.
      target: of a symbolic link.
      xattrs: its extended attributes; None where they are the real one's.
    """

    def __init__(self, found: os.stat_result, real: str | None) -> None:
        self.mode = found.st_mode
        self.inode = found.st_ino
        self.device = found.st_dev
        self.links = found.st_nlink
        self.uid = found.st_uid
        self.gid = found.st_gid
        self.atime_ns = found.st_atime_ns
        self.mtime_ns = found.st_mtime_ns
        self.ctime_ns = found.st_ctime_ns
        self.rdev = found.st_rdev
        self.real = real
        self.is_own = False
        self.is_changed = False
        self.is_foreign = False
        self.checksum = 0
        self.target: str | None = None
        self.xattrs: dict[str, bytes] | None = None

    @property
    def kind(self) -> int:
        """Return its kind, as ``stat.S_IFMT``."""
        return stat.S_IFMT(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return self.kind == stat.S_IFLNK


class Folder(Node):
    """A folder.

    Attributes:
      entries: what was put into it or looked up, by name; None for what was taken away.
      beside: where C code may make something that is in this folder, by name.
      is_passable: it was found that names may be looked up in it.
      is_gone: it was removed.
    """

    def __init__(self, found: os.stat_result, real: str | None, parent: Folder | None, name: str) -> None:
        super().__init__(found, real)
        self.parent = parent or self
        self.name = name
        self.entries: dict[str, Node | None] = {}
        self.beside: dict[str, str] = {}
        self.is_passable = False
        self.is_gone = False


class Place(NamedTuple):
    """Where a path leads.

    Attributes:
      folder: where it is.
      name: what it is called there; empty, ``.`` or ``..`` if the path ends so.
      node: what is there; None if nothing.
      wants_folder: the path says that it is one.
    """

    folder: Folder
    name: str
    node: Node | None
    wants_folder: bool


class Tree:
    """All of them.

    Args:
      store: keeps contents.
      now_ns: tells the time of day, in nanoseconds since 1970.
    """

    def __init__(self, store: Store, now_ns: Callable[[], int]) -> None:
        self.store = store
        self._now_ns = now_ns
        self.root = Folder(_lstat("/"), "/", None, "")
        self.hidden: set[str] = {store.path}
        self._known: dict[tuple[int, int], Node] = {}
        self._inodes_count = 0
        self._cwd: Folder | None = None

    # -- looking up -----------------------------------------------------------------------------

    @property
    def cwd(self) -> Folder:
        """Return the current folder."""
        if self._cwd is None:
            found = self.find(os.fsdecode(_getcwdb()), self.root).node
            assert isinstance(found, Folder)
            self._cwd = found
        return self._cwd

    @cwd.setter
    def cwd(self, folder: Folder) -> None:
        self._cwd = folder

    def find(self, path: str, base: Folder, *, follows: bool = True, is_name: bool = False) -> Place:
        """Return where a path leads.

        Args:
          base: where it begins, if it is relative.
          follows: what a symbolic link at its end leads to.
          is_name: its last part is a name to be made or removed, even if a slash follows.

        Raises:
          OSError: it leads nowhere; only what its last part names may be missing.
        """
        if not path:
            raise fail(errno.ENOENT)
        if len(os.fsencode(path)) >= _MOST_PATH_BYTES:
            raise fail(errno.ENAMETOOLONG)
        folder = self.root if path.startswith("/") else base
        wants_folder = path.endswith("/")
        parts = _parts(path)
        links_count = 0
        while parts:
            name = parts.pop()
            if folder.is_changed or not folder.is_passable:
                self.check(folder, PASS)
                folder.is_passable = True
            if name in _DOTS:
                folder = folder.parent if name == ".." else folder
                continue
            node = self.child(folder, name)
            if node is not None and node.is_link and (parts or ((follows or wants_folder) and not is_name)):
                links_count += 1
                if links_count > _MOST_LINKS:
                    raise fail(errno.ELOOP)
                target = self.target(node)
                if target.startswith("/"):
                    folder = self.root
                wants_folder = wants_folder or (target.endswith("/") and not parts)
                parts += _parts(target)
                continue
            if not parts:
                if node is not None and wants_folder and not is_name and not isinstance(node, Folder):
                    raise fail(errno.ENOTDIR)
                return Place(folder, name, node, wants_folder)
            if node is None:
                raise fail(errno.ENOENT)
            if not isinstance(node, Folder):
                raise fail(errno.ENOTDIR)
            folder = node
        final = path.rstrip("/").rpartition("/")[2]
        return Place(folder.parent, final if final in ("", *_DOTS) else folder.name, folder, True)

    def child(self, folder: Folder, name: str) -> Node | None:
        """Return what is called so in a folder; None if there is nothing."""
        if len(os.fsencode(name)) > _MOST_NAME_BYTES:
            raise fail(errno.ENAMETOOLONG)
        known = folder.entries.get(name)
        if known is not None and not (known.is_foreign and not exists(known.real or "")):
            return known
        beside = folder.beside.get(name)
        if beside is not None and exists(beside):
            return self._adopt(folder, name, beside)
        if folder.real is None or name in folder.entries:
            return None
        real = f"{folder.real.rstrip('/')}/{name}"
        if real in self.hidden:
            return None
        if folder.real.startswith(_PROC):
            return self._process(folder, name, real)
        try:
            found = _lstat(real)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISDIR(found.st_mode):
            made = folder.entries[name] = Folder(found, real, folder, name)
            return made
        return self._known.get((found.st_dev, found.st_ino)) or Node(found, real)

    def _adopt(self, folder: Folder, name: str, path: str) -> Node:
        """Take over what C code has made."""
        node = self.new(folder, stat.S_IFREG | 0o644)
        node.real, node.is_own, node.is_foreign = path, True, True
        folder.entries[name] = node
        self.changed(folder)
        return node

    def _process(self, folder: Folder, name: str, real: str) -> Node | None:
        """Look something up in ``/proc``: there is one process, and nothing that is told varies."""
        if folder.real == _PROC and name == str(PID):
            real = f"{_PROC}/self/"
        elif folder.real == _PROC and name.isdigit():
            return None
        try:
            found = _lstat(real)
        except (FileNotFoundError, NotADirectoryError):
            return None
        is_folder = stat.S_ISDIR(found.st_mode)
        node = Folder(found, real.rstrip("/"), folder, name) if is_folder else Node(found, real)
        node.inode = zlib.crc32(real.encode(errors="surrogateescape"))
        node.atime_ns = node.mtime_ns = node.ctime_ns = 0
        node.is_changed = True
        if real == f"{_PROC}/self":
            node.target = str(PID)
        elif real == f"{_PROC}/thread-self":
            node.target = f"{PID}/task/{PID}"
        if isinstance(node, Folder):
            folder.entries[name] = node
        return node

    def target(self, node: Node) -> str:
        """Return what a symbolic link says."""
        if node.target is None:
            assert node.real is not None
            node.target = _readlink(node.real)
        return node.target

    def names(self, folder: Folder) -> list[str]:
        """Return what is in a folder, in order."""
        found: set[str] = set()
        if folder.real == _PROC:
            found = {"self", str(PID)}
        elif folder.real is not None:
            number = open_quietly(folder.real, os.O_RDONLY | os.O_DIRECTORY)
            try:
                found.update(_listdir(number))
            finally:
                _close(number)
            found -= folder.entries.keys()
            if any(one.startswith(folder.real) for one in self.hidden):
                found = {name for name in found if f"{folder.real.rstrip('/')}/{name}" not in self.hidden}
        found |= folder.entries.keys() | folder.beside.keys()
        return sorted(name for name in found if self._is_there(folder, name))

    def _is_there(self, folder: Folder, name: str) -> bool:
        if name in folder.entries or name in folder.beside:
            return self.child(folder, name) is not None
        return True

    def path(self, folder: Folder) -> str:
        """Return the path of a folder.

        Raises:
          OSError: it was removed.
        """
        parts: list[str] = []
        while folder is not self.root:
            if folder.is_gone:
                raise fail(errno.ENOENT)
            parts.append(folder.name)
            folder = folder.parent
        return "/" + "/".join(reversed(parts))

    def path_of(self, place: Place) -> str:
        """Return the path of what is at a place, for people."""
        if isinstance(place.node, Folder):
            return self.path(place.node)
        return f"{self.path(place.folder).rstrip('/')}/{place.name}"

    # -- who may --------------------------------------------------------------------------------

    def check(self, node: Node, wanted: int) -> None:
        """Raise if the process may not do this with a node."""
        if node.is_changed or node.real is None:
            if wanted & ~self.allowed(node):
                raise fail(errno.EACCES)
        elif not _access(node.real, wanted, effective_ids=True):
            if wanted & WRITE and _statvfs(node.real).f_flag & os.ST_RDONLY:
                raise fail(errno.EROFS)
            raise fail(errno.EACCES)

    @staticmethod
    def allowed(node: Node) -> int:
        """Return what the bits of a node's mode let this process do."""
        uid = _geteuid()
        if uid == 0:
            return READ | WRITE | (PASS if node.mode & 0o111 or isinstance(node, Folder) else 0)
        if uid == node.uid:
            return node.mode >> 6 & 7
        if node.gid == _getegid() or node.gid in _getgroups():
            return node.mode >> 3 & 7
        return node.mode & 7

    def check_removal(self, folder: Folder, node: Node) -> None:
        """Raise if the process may not take a node out of a folder."""
        self.check(folder, WRITE | PASS)
        uid = _geteuid()
        if uid and folder.mode & stat.S_ISVTX and uid not in (node.uid, folder.uid):
            raise fail(errno.EPERM)

    @staticmethod
    def check_owner(node: Node) -> None:
        """Raise if a node is somebody else's."""
        if _geteuid() not in (0, node.uid):
            raise fail(errno.EPERM)

    # -- changing -------------------------------------------------------------------------------

    def new(self, folder: Folder, mode: int, name: str = "") -> Node:
        """Return a new node, that is in no folder yet."""
        self._inodes_count += 1
        now_ns = self._now_ns()
        gid = folder.gid if folder.mode & stat.S_ISGID else _getegid()
        first = (mode, _FIRST_INODE + self._inodes_count, folder.device, 1, _geteuid(), gid, 0, 0, 0, 0)
        found = os.stat_result(first)
        is_folder = stat.S_ISDIR(mode)
        node = Folder(found, None, folder, name) if is_folder else Node(found, None)
        node.atime_ns = node.mtime_ns = node.ctime_ns = now_ns
        node.rdev = 0
        node.is_changed = True
        node.xattrs = {}
        return node

    def put(self, place: Place, node: Node) -> None:
        """Put a node where there is nothing.

        Raises:
          OSError: the process may not, or the folder is gone.
        """
        if place.folder.is_gone:
            raise fail(errno.ENOENT)
        self.check(place.folder, WRITE | PASS)
        place.folder.entries[place.name] = node
        self.changed(place.folder)

    def take(self, folder: Folder, name: str) -> None:
        """Take a node out of its folder."""
        folder.beside.pop(name, None)
        if folder.real is None:
            del folder.entries[name]
        else:
            folder.entries[name] = None
        self.changed(folder)

    def forget(self, node: Node) -> None:
        """A name of a node is gone."""
        self.changed(node, content=False)
        node.links -= 1

    def keep(self, node: Node) -> None:
        """Remember a node: it is not only what the system says of it."""
        if not node.is_changed:
            node.is_changed = True
            if not isinstance(node, Folder):
                self._known[node.device, node.inode] = node

    def opened(self, node: Node) -> None:
        """Remember a node that is open: what becomes of it is seen by who has it."""
        if not node.is_changed and not isinstance(node, Folder):
            self._known[node.device, node.inode] = node

    def changed(self, node: Node, *, content: bool = True) -> None:
        """Note the time of a change: of what it holds, or only of what is said of it."""
        self.keep(node)
        node.ctime_ns = self._now_ns()
        if content:
            node.mtime_ns = node.ctime_ns

    def own(self, node: Node, *, is_emptied: bool = False) -> bool:
        """Have the content of a file in the store; whether it was not yet."""
        if node.is_own:
            return False
        xattrs = self.xattrs(node)
        node.real = self.store.make() if is_emptied or node.real is None else self.store.copy(node.real)
        self.keep(node)
        node.xattrs = xattrs
        node.is_own = True
        return True

    def xattrs(self, node: Node) -> dict[str, bytes]:
        """Return the extended attributes of a node."""
        if node.xattrs is None:
            node.xattrs = _real_xattrs(node.real) if node.real else {}
        return node.xattrs

    # -- telling --------------------------------------------------------------------------------

    def stat(self, node: Node) -> os.stat_result:
        """Return what the system would say of a node."""
        if not node.is_changed:
            assert node.real is not None
            return _lstat(node.real)
        size = self._size(node)
        links = node.links
        if isinstance(node, Folder) and node.real is None:
            links = 2 + sum(isinstance(one, Folder) for one in node.entries.values())
        times = (node.atime_ns, node.mtime_ns, node.ctime_ns)
        whole = [one // 10**9 for one in times]
        floats = [one // 10**9 + 1e-9 * (one % 10**9) for one in times]
        blocks = -(-size // _BLOCK_BYTES) * _BLOCK_BYTES // _SECTOR_BYTES if node.kind == stat.S_IFREG else 0
        first = (node.mode, node.inode, node.device, links, node.uid, node.gid, size)
        return os.stat_result((*first, *whole, *floats, *times, _BLOCK_BYTES, blocks, node.rdev))

    def _size(self, node: Node) -> int:
        if isinstance(node, Folder):
            return _BLOCK_BYTES
        if node.is_link:
            return len(os.fsencode(self.target(node)))
        if node.real is None:
            return 0
        try:
            size = _lstat(node.real).st_size
        except FileNotFoundError:  # what C code had made, and has removed
            return 0
        if node.is_foreign:
            self._look(node)
        return size

    def _look(self, node: Node) -> None:
        """Note the change of a file that C code writes to: the system's times are other ones."""
        assert node.real is not None
        checksum = 0
        number = open_quietly(node.real, os.O_RDONLY)
        try:
            while data := _read(number, 1 << 20):
                checksum = zlib.crc32(data, checksum)
        finally:
            _close(number)
        if checksum != node.checksum:
            if node.checksum:
                self.changed(node)
            node.checksum = checksum


def _parts(path: str) -> list[str]:
    """Return the parts of a path, the last first."""
    return [part for part in reversed(path.split("/")) if part]


def _real_xattrs(path: str) -> dict[str, bytes]:
    if _listxattr is None or _getxattr is None:
        return {}
    try:
        names: Iterable[str] = _listxattr(path, follow_symlinks=False)
        return {name: _getxattr(path, name, follow_symlinks=False) for name in names}
    except OSError:
        return {}
