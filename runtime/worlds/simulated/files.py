"""What the program asks of files: it reads what is really there, and what it writes goes to an overlay.

A file that is opened for writing is copied into the run's own folder (``store``) before, and opened there:
the descriptor is real, so that reading, writing and mapping it need no more of us. What is in which folder,
who may, and what is told of it is in memory (``tree``). Nothing on the real disk changes.
"""

from __future__ import annotations

import errno
import importlib.machinery
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from replay.runtime.worlds.simulated.by_name import ByName
from replay.runtime.worlds.simulated.description import fail
from replay.runtime.worlds.simulated.entropy import PID
from replay.runtime.worlds.simulated.handles import ONCE, Handles, Opened, constant
from replay.runtime.worlds.simulated.store import NO_ATIME
from replay.runtime.worlds.simulated.tree import PASS, READ, WRITE, Folder, Node, Place

Real = Callable[..., Any]

_TEMPORARY: Final = getattr(os, "O_TMPFILE", 0)
_SELF: Final = re.compile(
    rf"/dev/(stdin|stdout|stderr)|(?:/dev/fd|/proc/(?:self|thread-self|{PID})/fd)/(\d+)"
)
_STANDARD: Final = {"stdin": 0, "stdout": 1, "stderr": 2}
_NAMES_UTIME: Final = sys.version_info >= (3, 13)
"""Whether the error of ``utime`` says what it was about."""
_PERMISSIONS: Final = 0o7777
_MOST_NAME_BYTES: Final = 255
_MOST_LINK_BYTES: Final = 4095

_HARMLESS_DEVICES: Final = ((1, 3), (1, 5), (1, 7), (5, 0))
"""``/dev/null``, ``zero``, ``full``; and ``tty``, which the process has none of."""
_RANDOM_DEVICES: Final = ((1, 8), (1, 9))

_STABLE: Final = re.compile(
    r"(?!/proc/)|/proc/(version|filesystems|mounts|sys/(?!kernel/random/|fs/).*"
    r"|self/+(comm|cgroup|mounts|mountinfo|limits|exe|cwd|root))$"
)
"""Files whose content does not vary from run to run, as far as that is known by name."""

_FREE_BLOCKS, _BLOCKS, _BLOCK_BYTES, _FREE_INODES = 1 << 23, 1 << 24, 4096, 1 << 22
"""Of the simulated disk: 64 GiB, and half of it free."""

_open, _close, _fstat, _ftruncate = os.open, os.close, os.fstat, os.ftruncate
_chdir, _pathconf, _umask = os.chdir, os.pathconf, os.umask
_geteuid, _getegid, _getgroups = os.geteuid, os.getegid, os.getgroups

_Path = str | bytes | os.PathLike[Any]


class Files:
    """The calls.

    Args:
      handles: what is open, and what there is to be opened.
    """

    def __init__(self, handles: Handles) -> None:
        self.handles = handles
        self._tree = handles.tree
        self.disk = handles.disk
        self._descriptors = handles.descriptors
        self._opened = handles.opened
        self._refuse = handles.refuse
        self.by_name = ByName(self._tree, handles, self._find, self._refuse)
        self._mask: int | None = None

    def table(self) -> dict[str, Callable[[Real], Real]]:
        """Return, by door, what makes the answer out of the real function."""
        found = {**self.handles.table(), **self.by_name.table()}
        for count, names in enumerate((self._without_path(), self._of_one_path(), self._of_two_paths())):
            for name, answer in names.items():
                found[f"os.{name}"] = constant(_naming(answer, count))
        return found

    def _without_path(self) -> dict[str, Real]:
        return {
            "fchdir": self.change_folder,
            "fchmod": self.change_mode,
            "fchown": self.change_owner,
            "fstat": self.stat_open,
            "fstatvfs": self.stat_disk,
            "getcwd": self.folder,
            "getcwdb": lambda: os.fsencode(self.folder()),
            "sync": lambda: None,
            "umask": self.mask,
            **({} if _NAMES_UTIME else {"utime": self.set_times}),
        }

    def _of_one_path(self) -> dict[str, Real]:
        return {
            "access": self.access,
            "chdir": self.change_folder,
            "chmod": self.change_mode,
            "chown": self.change_owner,
            "getxattr": self.attribute,
            "lchown": self.change_owner_of_link,
            "listdir": self.listing,
            "listxattr": self.attributes,
            "lstat": self.stat_link,
            "mkdir": self.make_folder,
            "mkfifo": self.make_fifo,
            "mknod": self.make_node,
            "open": self.open,
            "pathconf": self.limit,
            "readlink": self.read_link,
            "remove": self.remove,
            "removexattr": self.remove_attribute,
            "rmdir": self.remove_folder,
            "scandir": self.scan,
            "setxattr": self.set_attribute,
            "stat": self.stat,
            "statvfs": self.stat_disk,
            "truncate": self.truncate,
            "unlink": self.remove,
            **({"utime": self.set_times} if _NAMES_UTIME else {}),
        }

    def _of_two_paths(self) -> dict[str, Real]:
        return {
            "link": self.link,
            "rename": self.rename,
            "replace": self.rename,
            "symlink": self.make_link,
        }

    # -- paths and descriptors ------------------------------------------------------------------

    def _base(self, number: int | None) -> Folder:
        if number is None:
            return self._tree.cwd
        opened = self._opened.get(number)
        if opened is None:
            _fstat(number)
            raise fail(errno.ENOTDIR)
        if not isinstance(opened.node, Folder):
            raise fail(errno.ENOTDIR)
        return opened.node

    def _find(self, path: _Path, number: int | None = None, *, follows: bool = True) -> Place:
        text = _text(path)
        base = self._tree.root if text.startswith("/") else self._base(number)
        return self._tree.find(text, base, follows=follows)

    def _name(self, path: _Path, number: int | None = None) -> Place:
        """Return the place of a name that is to be made or removed."""
        text = _text(path)
        base = self._tree.root if text.startswith("/") else self._base(number)
        return self._tree.find(text, base, follows=False, is_name=True)

    def _node(self, path: _Path | int, number: int | None = None, *, follows: bool = True) -> Node | None:
        """Return what a path or a descriptor leads to; None for a descriptor of something else.

        Raises:
          OSError: there is nothing.
        """
        if isinstance(path, int):
            opened = self._opened.get(path)
            if opened is None:
                _fstat(path)
                return None
            return opened.node
        own = self._own_descriptor(_text(path)) if follows else None
        if own is not None:
            return self._node(own)
        node = self._find(path, number, follows=follows).node
        if node is None:
            raise fail(errno.ENOENT)
        return node

    def _file(self, path: _Path | int, number: int | None = None, *, follows: bool = True) -> Node:
        """Return a node that may be changed."""
        node = self._node(path, number, follows=follows)
        if node is None:
            raise fail(errno.EPERM)
        return node

    @staticmethod
    def _own_descriptor(text: str) -> int | None:
        found = _SELF.fullmatch(text)
        return None if found is None else _STANDARD.get(found[1], 0) if found[1] else int(found[2])

    # -- opening --------------------------------------------------------------------------------

    def open(self, path: _Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """Open a file."""
        text = _text(path)
        own = self._own_descriptor(text)
        if own is not None:
            return self._open_again(own, text, flags)
        if flags & _TEMPORARY == _TEMPORARY and _TEMPORARY:
            return self._open_nameless(text, flags, mode, dir_fd)
        if flags & os.O_CREAT and text.endswith("/"):
            self._name(text, dir_fd)
            raise fail(errno.EISDIR)
        is_new = bool(flags & os.O_CREAT and flags & os.O_EXCL)
        place = self._find(path, dir_fd, follows=not flags & os.O_NOFOLLOW and not is_new)
        node = place.node
        if node is None:
            if not flags & os.O_CREAT:
                raise fail(errno.ENOENT)
            if place.wants_folder:  # says the link that led here
                raise fail(errno.EISDIR)
            node = self._tree.new(place.folder, stat.S_IFREG | (mode & _PERMISSIONS & ~self.current_mask))
            self.disk.check(self._tree.path_of(place))
            self._tree.put(place, node)
        else:
            if is_new:
                raise fail(errno.EEXIST)
            if node.is_link:
                raise fail(errno.ELOOP)
            if isinstance(node, Folder) and (flags & os.O_ACCMODE != os.O_RDONLY or flags & os.O_CREAT):
                raise fail(errno.EISDIR)
            if flags & os.O_DIRECTORY and not isinstance(node, Folder):
                raise fail(errno.ENOTDIR)
            self.disk.check(self._tree.path_of(place))
            self._check_open(node, flags)
        return self._open_node(node, self._tree.path_of(place), flags)

    def _check_open(self, node: Node, flags: int) -> None:
        how = flags & os.O_ACCMODE
        wanted = {os.O_RDONLY: READ, os.O_WRONLY: WRITE}.get(how, READ | WRITE)
        self._tree.check(node, wanted | (WRITE if flags & os.O_TRUNC else 0))

    def _open_node(self, node: Node, path: str, flags: int) -> int:
        """Return a new descriptor of a node that may be opened so."""
        kind = node.kind
        opened = Opened(node, path, flags)
        kept = flags & ~ONCE & ~_TEMPORARY | os.O_CLOEXEC
        if isinstance(node, Folder):
            number = _open(node.real or self._tree.store.folder(), kept | os.O_DIRECTORY)
        elif kind == stat.S_IFREG:
            if flags & os.O_ACCMODE != os.O_RDONLY or flags & os.O_TRUNC:
                self.handles.own(node, is_emptied=bool(flags & os.O_TRUNC))
            elif node.real is None:
                self._tree.own(node)
            elif not _STABLE.match(node.real):
                self._refuse(f"os.open of {path}")
            assert node.real is not None
            if flags & os.O_TRUNC:
                self._tree.changed(node)
                kept |= os.O_TRUNC
            try:
                number = _open(node.real, kept | (0 if node.is_own else NO_ATIME))
            except PermissionError:
                number = _open(node.real, kept)
            self._tree.opened(node)
        elif kind == stat.S_IFSOCK:
            raise fail(errno.ENXIO)
        else:
            number = self._open_device(opened, kept)
        self._opened[number] = opened
        return number

    def _open_device(self, opened: Opened, flags: int) -> int:
        node = opened.node
        device = os.major(node.rdev), os.minor(node.rdev)
        opened.is_random = device in _RANDOM_DEVICES
        if node.kind != stat.S_IFCHR or not (opened.is_random or device in _HARMLESS_DEVICES):
            self._refuse(f"os.open of {opened.path}")
        assert node.real is not None
        return _open(node.real, flags)

    def _open_nameless(self, text: str, flags: int, mode: int, dir_fd: int | None) -> int:
        folder = self._find(text, dir_fd).node
        if folder is None:
            raise fail(errno.ENOENT)
        if not isinstance(folder, Folder):
            raise fail(errno.ENOTDIR)
        if flags & os.O_ACCMODE == os.O_RDONLY:
            raise fail(errno.EINVAL)
        self._tree.check(folder, WRITE | PASS)
        node = self._tree.new(folder, stat.S_IFREG | (mode & _PERMISSIONS & ~self.current_mask))
        node.links = 0
        return self._open_node(node, f"{self._tree.path(folder)}/#{node.inode}", flags)

    def _open_again(self, own: int, text: str, flags: int) -> int:
        """Open what a descriptor has open, by the name that the system has for that."""
        opened = self._opened.get(own)
        if opened is not None:
            self._check_open(opened.node, flags)
            return self._open_node(opened.node, opened.path, flags)
        if self._descriptors.find(own) is not None:
            self._refuse(f"os.open of {text}")
        return _open(f"/proc/self/fd/{own}", flags)

    def truncate(self, path: _Path | int, length: int) -> None:
        """Cut a file, or make it longer."""
        if isinstance(path, int):
            self.handles.truncate(path, length)
            return
        node = self._file(path)
        if isinstance(node, Folder):
            raise fail(errno.EISDIR)
        if node.kind != stat.S_IFREG or length < 0:
            raise fail(errno.EINVAL)
        self._tree.check(node, WRITE)
        self.handles.own(node)
        assert node.real is not None
        number = _open(node.real, os.O_WRONLY | os.O_CLOEXEC)
        try:
            _ftruncate(number, length)
        finally:
            _close(number)
        self._tree.changed(node)

    # -- folders --------------------------------------------------------------------------------

    def folder(self) -> str:
        """Return the current folder."""
        return self._tree.path(self._tree.cwd)

    def change_folder(self, path: _Path | int) -> None:
        """Make another folder the current one."""
        node = self._node(path)
        if not isinstance(node, Folder):
            raise fail(errno.ENOTDIR)
        self._tree.check(node, PASS)
        self._tree.cwd = node
        if node.real is not None:
            _chdir(node.real)  # the import system looks there

    def listing(self, path: _Path | int | None = None) -> list[Any]:
        """Return what is in a folder, in order."""
        found = self._names(path)
        return [os.fsencode(one) for one in found] if isinstance(path, bytes) else found

    def _names(self, path: _Path | int | None) -> list[str]:
        node = self._node("." if path is None else path)
        if not isinstance(node, Folder):
            raise fail(errno.ENOTDIR)
        if node.real is not None and node.real.startswith("/proc/self") and node.real.endswith("/fd"):
            return sorted(str(one) for one in {0, 1, 2, *self._opened, *self._descriptors.numbers()})
        self.disk.check(self._tree.path(node))
        self._tree.check(node, READ)
        return self._tree.names(node)

    def scan(self, path: _Path | int | None = None) -> Any:
        """Return what ``scandir`` says of each entry, as rows."""
        names = self._names(path)
        folder = self._node("." if path is None else path)
        assert isinstance(folder, Folder)
        before = "." if path is None else path if isinstance(path, int) else os.fspath(path)
        rows = []
        for name in names:
            node = self._tree.child(folder, name)
            if node is None:
                continue
            kind = node.kind
            if node.is_link:
                try:
                    at_end = self._tree.find(name, folder).node
                except OSError:
                    at_end = None
                kind = 0 if at_end is None else at_end.kind
            called: Any = os.fsencode(name) if isinstance(before, bytes) else name
            whole = called if isinstance(before, int) else os.path.join(before, called)
            rows.append(
                (
                    called,
                    whole,
                    kind == stat.S_IFDIR,
                    kind == stat.S_IFREG,
                    node.is_link,
                    node.inode,
                )
            )
        return rows

    def _vacant(self, path: _Path, dir_fd: int | None, *, is_folder: bool = False) -> Place:
        """Return the place for something new."""
        place = self._name(path, dir_fd)
        if place.node is not None:
            raise fail(errno.EEXIST)
        if place.wants_folder and not is_folder:
            raise fail(errno.ENOENT)
        return place

    def make_folder(self, path: _Path, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        """Make a folder."""
        place = self._vacant(path, dir_fd, is_folder=True)
        setgid = place.folder.mode & stat.S_ISGID
        bits = mode & 0o1777 & ~self.current_mask
        node = self._tree.new(place.folder, stat.S_IFDIR | bits | setgid, place.name)
        assert isinstance(node, Folder)
        node.parent = place.folder
        self._tree.put(place, node)

    def remove_folder(self, path: _Path, *, dir_fd: int | None = None) -> None:
        """Remove an empty folder."""
        place = self._name(path, dir_fd)
        node = place.node
        if node is None:
            raise fail(errno.ENOENT)
        if place.name in (".", "..", ""):
            raise fail({".": errno.EINVAL, "..": errno.ENOTEMPTY}.get(place.name, errno.EBUSY))
        self._tree.check_removal(place.folder, node)
        if not isinstance(node, Folder):
            raise fail(errno.ENOTDIR)
        self._check_empty(node)
        self._tree.take(place.folder, place.name)
        self._gone(node)

    def _check_empty(self, folder: Folder) -> None:
        try:
            names = self._tree.names(folder)
        except PermissionError:  # a real one that may not be read: most hold something
            names = ["?"]
        if names:
            raise fail(errno.ENOTEMPTY)

    @staticmethod
    def _gone(folder: Folder) -> None:
        folder.is_gone = True
        folder.real = None
        folder.entries.clear()
        folder.beside.clear()

    # -- names ----------------------------------------------------------------------------------

    def remove(self, path: _Path, *, dir_fd: int | None = None) -> None:
        """Remove the name of a file."""
        place = self._name(path, dir_fd)
        node = place.node
        if node is None:
            raise fail(errno.ENOENT)
        if place.wants_folder:
            raise fail(errno.EISDIR if isinstance(node, Folder) else errno.ENOTDIR)
        self._tree.check_removal(place.folder, node)
        if isinstance(node, Folder):
            raise fail(errno.EISDIR)
        self._unlink(place, node)

    def _unlink(self, place: Place, node: Node) -> None:
        self._tree.take(place.folder, place.name)
        self._tree.forget(node)
        self.handles.drop(node)

    def rename(
        self, src: _Path, dst: _Path, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        """Give something another name, and its place to no other any more."""
        old = self._name(src, src_dir_fd)
        new = self._name(dst, dst_dir_fd)
        node, other = old.node, new.node
        if old.name in (".", "..", "") or new.name in (".", "..", ""):
            raise fail(errno.EBUSY)
        if node is None:
            raise fail(errno.ENOENT)
        if (old.wants_folder or new.wants_folder) and not isinstance(node, Folder):
            raise fail(errno.ENOTDIR)
        if old.folder.device != new.folder.device:
            raise fail(errno.EXDEV)
        if isinstance(node, Folder) and _is_within(new.folder, node):
            raise fail(errno.EINVAL)
        if isinstance(other, Folder) and _is_within(old.folder, other):
            raise fail(errno.ENOTEMPTY)
        if other is node or (other is not None and other.inode == node.inode and other.device == node.device):
            return
        self._tree.check_removal(old.folder, node)
        if other is None:
            self._tree.check(new.folder, WRITE | PASS)
            if new.folder.is_gone:
                raise fail(errno.ENOENT)
        else:
            self._tree.check_removal(new.folder, other)
            if isinstance(node, Folder) and not isinstance(other, Folder):
                raise fail(errno.ENOTDIR)
            if isinstance(other, Folder) and not isinstance(node, Folder):
                raise fail(errno.EISDIR)
        if isinstance(node, Folder) and old.folder is not new.folder:
            self._tree.check(node, WRITE)  # its `..` becomes another
        if other is not None:
            if isinstance(other, Folder):
                self._check_empty(other)
                self._tree.take(new.folder, new.name)
                self._gone(other)
            else:
                self._unlink(new, other)
        self._tree.changed(node, content=False)
        self._tree.take(old.folder, old.name)
        new.folder.entries[new.name] = node
        self._tree.changed(new.folder)
        if isinstance(node, Folder):
            node.parent, node.name = new.folder, new.name

    def link(
        self,
        src: _Path,
        dst: _Path,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """Give a file a second name."""
        # Where no folder is given it is `link` that is called, which does not follow.
        follows = follow_symlinks and (src_dir_fd is not None or dst_dir_fd is not None)
        node = self._file(src, src_dir_fd, follows=follows)
        place = self._vacant(dst, dst_dir_fd)
        if node.device != place.folder.device:
            raise fail(errno.EXDEV)
        self._tree.check(place.folder, WRITE | PASS)
        if isinstance(node, Folder):
            raise fail(errno.EPERM)
        self._tree.put(place, node)
        self._tree.changed(node, content=False)
        node.links += 1

    def make_link(
        self, src: _Path, dst: _Path, target_is_directory: bool = False, *, dir_fd: int | None = None
    ) -> None:
        """Make a symbolic link."""
        target = _text(src)
        if not target:
            raise fail(errno.ENOENT)
        if len(os.fsencode(target)) > _MOST_LINK_BYTES:
            raise fail(errno.ENAMETOOLONG)
        place = self._vacant(dst, dir_fd)
        node = self._tree.new(place.folder, stat.S_IFLNK | 0o777)
        node.target = target
        self._tree.put(place, node)

    def read_link(self, path: _Path, *, dir_fd: int | None = None) -> Any:
        """Return what a symbolic link says."""
        text = _text(path)
        own = self._own_descriptor(text)
        opened = None if own is None else self._opened.get(own)
        if opened is not None:
            target = opened.path
        else:
            node = self._find(text, dir_fd, follows=False).node
            if node is None:
                raise fail(errno.ENOENT)
            if not node.is_link:
                raise fail(errno.EINVAL)
            target = self._tree.target(node)
        return os.fsencode(target) if isinstance(os.fspath(path), bytes) else target

    def make_fifo(self, path: _Path, mode: int = 0o666, *, dir_fd: int | None = None) -> None:
        """Make a FIFO."""
        self.make_node(path, stat.S_IFIFO | mode, dir_fd=dir_fd)

    def make_node(
        self, path: _Path, mode: int = 0o600, device: int = 0, *, dir_fd: int | None = None
    ) -> None:
        """Make a file, a FIFO or a socket that nobody listens at."""
        kind = stat.S_IFMT(mode) or stat.S_IFREG
        place = self._vacant(path, dir_fd)
        if kind not in (stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK):
            raise fail(errno.EPERM)
        self._tree.put(place, self._tree.new(place.folder, kind | (mode & _PERMISSIONS & ~self.current_mask)))

    def bind(self, path: _Path) -> int:
        """Make the node of a socket that is bound to a path; return its number.

        Raises:
          OSError: it cannot be made there.
        """
        place = self._name(path)
        if place.node is not None:
            raise fail(errno.EADDRINUSE)
        node = self._tree.new(place.folder, stat.S_IFSOCK | (0o777 & ~self.current_mask))
        self._tree.put(place, node)
        return node.inode

    def bound(self, path: _Path) -> int:
        """Return the number of the node that a socket was bound to.

        Raises:
          OSError: there is none.
        """
        node = self._file(path)
        if node.kind != stat.S_IFSOCK:
            raise fail(errno.ECONNREFUSED)
        self._tree.check(node, WRITE)
        return node.inode

    # -- what is told of them ---------------------------------------------------------------------

    def stat(
        self, path: _Path | int, *, dir_fd: int | None = None, follow_symlinks: bool = True
    ) -> os.stat_result:
        """Return what there is to say of something."""
        node = self._node(path, dir_fd, follows=follow_symlinks)
        if node is None:
            assert isinstance(path, int) or follow_symlinks
            own = path if isinstance(path, int) else self._own_descriptor(_text(path))
            assert own is not None
            return _fstat(own)
        return self._tree.stat(node)

    def stat_link(self, path: _Path, *, dir_fd: int | None = None) -> os.stat_result:
        """Return what there is to say of something, if it is a symbolic link of that."""
        return self.stat(path, dir_fd=dir_fd, follow_symlinks=False)

    def stat_open(self, fd: int) -> os.stat_result:
        """Return what there is to say of what is open."""
        return self.stat(fd)

    def access(
        self,
        path: _Path,
        mode: int,
        *,
        dir_fd: int | None = None,
        effective_ids: bool = False,
        follow_symlinks: bool = True,
    ) -> bool:
        """Return whether the process may do this."""
        try:
            node = self._node(path, dir_fd, follows=follow_symlinks)
            if node is not None:
                self._tree.check(node, mode)
        except OSError:
            return False
        return True

    def change_mode(
        self, path: _Path | int, mode: int, *, dir_fd: int | None = None, follow_symlinks: bool = True
    ) -> None:
        """Say who may."""
        node = self._file(path, dir_fd, follows=follow_symlinks)
        if node.is_link:
            raise fail(errno.ENOTSUP)
        self._tree.check_owner(node)
        self._tree.changed(node, content=False)
        node.mode = node.kind | (mode & _PERMISSIONS)

    def change_owner(
        self,
        path: _Path | int,
        uid: int,
        gid: int,
        *,
        dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """Say whose it is."""
        node = self._file(path, dir_fd, follows=follow_symlinks)
        uid, gid = node.uid if uid == -1 else uid, node.gid if gid == -1 else gid
        may = _geteuid() == 0 or (
            uid == node.uid == _geteuid() and gid in (node.gid, _getegid(), *_getgroups())
        )
        if not may:
            raise fail(errno.EPERM)
        self._tree.changed(node, content=False)
        node.uid, node.gid = uid, gid

    def change_owner_of_link(self, path: _Path, uid: int, gid: int) -> None:
        """Say whose something is, if it is a symbolic link the link."""
        self.change_owner(path, uid, gid, follow_symlinks=False)

    def set_times(
        self,
        path: _Path | int,
        times: tuple[float, float] | None = None,
        *,
        ns: tuple[int, int] | None = None,
        dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """Say when it was read and changed."""
        if times is not None and ns is not None:
            raise ValueError("utime: you may specify either 'times' or 'ns' but not both")
        given = ns if ns is not None else None if times is None else (_in_ns(times[0]), _in_ns(times[1]))
        node = self._file(path, dir_fd, follows=follow_symlinks)
        if given is not None:
            self._tree.check_owner(node)
        elif _geteuid() != node.uid:
            self._tree.check(node, WRITE)
        self._tree.changed(node, content=False)
        node.atime_ns, node.mtime_ns = given or (node.ctime_ns, node.ctime_ns)

    @property
    def current_mask(self) -> int:
        """Return the bits that new files do not get."""
        if self._mask is None:
            self._mask = _umask(0)
            _umask(self._mask)
        return self._mask

    def mask(self, mask: int, /) -> int:
        """Set the bits that new files do not get; return what they were."""
        before = self.current_mask
        self._mask = mask & 0o777
        return before

    def stat_disk(self, path: _Path | int) -> os.statvfs_result:
        """Return what there is to say of the disk: always the same."""
        self._node(path)
        inodes = 2 * _FREE_INODES
        first = (
            _BLOCK_BYTES,
            _BLOCK_BYTES,
            _BLOCKS,
            _FREE_BLOCKS,
            _FREE_BLOCKS,
            inodes,
            _FREE_INODES,
            _FREE_INODES,
        )
        return os.statvfs_result((*first, 0, _MOST_NAME_BYTES, 0))

    def limit(self, path: _Path | int, name: str | int) -> int:
        """Return a limit of the system for something."""
        self._node(path)
        return _pathconf("/", name)

    def attributes(self, path: _Path | int | None = None, *, follow_symlinks: bool = True) -> list[str]:
        """Return the names of extended attributes."""
        return sorted(self._attributes_of("." if path is None else path, follow_symlinks))

    def _attributes_of(self, path: _Path | int, follows: bool) -> dict[str, bytes]:
        node = self._file(path, follows=follows)
        return self._tree.xattrs(node)

    def attribute(self, path: _Path | int, attribute: Any, *, follow_symlinks: bool = True) -> bytes:
        """Return an extended attribute."""
        found = self._attributes_of(path, follow_symlinks).get(_text(attribute))
        if found is None:
            raise fail(errno.ENODATA)
        return found

    def set_attribute(
        self, path: _Path | int, attribute: Any, value: Any, flags: int = 0, *, follow_symlinks: bool = True
    ) -> None:
        """Set an extended attribute."""
        held, name = self._changing(path, attribute, follow_symlinks)
        if flags & os.XATTR_CREATE and name in held:
            raise fail(errno.EEXIST)
        if flags & os.XATTR_REPLACE and name not in held:
            raise fail(errno.ENODATA)
        held[name] = bytes(value)

    def remove_attribute(self, path: _Path | int, attribute: Any, *, follow_symlinks: bool = True) -> None:
        """Remove an extended attribute."""
        held, name = self._changing(path, attribute, follow_symlinks)
        if name not in held:
            raise fail(errno.ENODATA)
        del held[name]

    def _changing(self, path: _Path | int, attribute: Any, follows: bool) -> tuple[dict[str, bytes], str]:
        name = _text(attribute)
        node = self._file(path, follows=follows)
        if not name.startswith("user."):
            raise fail(errno.EPERM if "." in name else errno.ENOTSUP)
        if node.kind not in (stat.S_IFREG, stat.S_IFDIR):
            raise fail(errno.EPERM)
        self._tree.check(node, WRITE)
        node.xattrs = self._tree.xattrs(node)
        self._tree.changed(node, content=False)
        return node.xattrs, name


def keep_caches() -> None:
    """Let the import system write no bytecode any more: it does so by itself."""

    def set_data(self: Any, path: str, data: bytes, *, _mode: int = 0o666) -> None:
        """Leave nothing behind."""

    importlib.machinery.SourceFileLoader.set_data = set_data  # type: ignore[method-assign, assignment]


def _text(path: Any) -> str:
    """Return a path as text."""
    text = os.fsdecode(path)
    if "\0" in text:
        raise ValueError("embedded null byte")
    return text


def _in_ns(seconds: float) -> int:
    """Return nanoseconds, rounded down as ``utime`` does."""
    whole, part = divmod(seconds, 1)
    return int(whole) * 10**9 + int(part * 1e9)


def _is_within(folder: Folder, other: Folder) -> bool:
    """Whether a folder is another one, or somewhere in it."""
    while folder is not other:
        if folder.parent is folder:
            return False
        folder = folder.parent
    return True


def _naming(answer: Real, count: int) -> Real:
    """Return what answers, and names in its errors the paths that it was given."""

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return answer(*args, **kwargs)
        except OSError as error:
            number = error.errno
        given = [*args, *(kwargs[key] for key in ("path", "src", "dst") if key in kwargs)][:count]
        names: Iterable[Any] = [
            None if isinstance(one, int) or one is None else os.fspath(one) for one in given
        ]
        first, second = (*names, None, None)[:2]
        assert number is not None
        if second is not None:
            raise OSError(number, os.strerror(number), first, None, second)
        if first is not None:
            raise OSError(number, os.strerror(number), first)
        raise fail(number)

    return call
