"""The program's source: recorded as it is imported, imported from the recording at replay.

The import system is CPython's own in both runs. While recording, what it loads of the program goes
into the recording too. At replay it looks at folders that are made of the recording: the module
``_os`` of ``importlib._bootstrap_external`` is one of ours, which shows the standard library and the
installed distributions as they are here, and in the program's folders exactly what the recorded
program imported from them, whatever is there now. Finders, namespace packages, specs, reloading and zip
files then work by themselves.

What the program reads for itself, its source included (``linecache``, ``inspect``), comes by the doors
of files like everything it reads.
"""

from __future__ import annotations

import hashlib
import importlib._bootstrap_external
import importlib.machinery
import io
import os
import posix
import site
import sys
import sysconfig
import threading
import types
import warnings
import zipimport
from collections.abc import Callable, Iterable
from typing import Any, Final

from replay.recording.distributions import Owners, site_folders
from replay.recording.events import Kind
from replay.recording.sources import ARCHIVE, CACHED, DISTRIBUTION, EXTENSION, FOLDER, MEMBER, Source, Sources
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import replace
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip

external: Final[Any] = importlib._bootstrap_external
_SOURCE_KEY: Final = -Kind.SOURCE
_FOUND_KEY: Final = -Kind.FOUND

# The import system's own view of the outside, held before the boundary is in place.
_open = io.open
_stat, _listdir, _getcwd = posix.stat, posix.listdir, posix.getcwd

_SourceFileLoader = importlib.machinery.SourceFileLoader
_ExtensionFileLoader = importlib.machinery.ExtensionFileLoader
_SourcelessFileLoader = importlib.machinery.SourcelessFileLoader
_PathFinder = importlib.machinery.PathFinder


def _unseen(function: Callable[..., Any], name: str) -> Any:
    """Return a function that leaves no frame in tracebacks: those of imports are as without us."""

    def unseen(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            strip(error)
            raise

    unseen.__name__ = name
    return unseen


class Places:
    """Tells the program's files from the interpreter's, the installed ones, and ours."""

    def __init__(self) -> None:
        paths = sysconfig.get_paths()
        library = {paths["stdlib"], paths["platstdlib"], os.path.dirname(os.__file__)}
        for module in ("_json", "_ctypes", "_socket"):
            file = getattr(sys.modules.get(module), "__file__", None)
            if file:
                library.add(os.path.dirname(file))
        sites = {paths["purelib"], paths["platlib"], *site.getsitepackages(), *site_folders(sys.path)}
        if site.ENABLE_USER_SITE:
            sites.add(site.getusersitepackages())
        package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        ours = {package, os.path.dirname(os.path.realpath(__file__))}
        for folder in sys.modules["replay"].__path__:
            ours |= {folder, os.path.realpath(folder)}
            ours |= {os.path.realpath(os.path.join(folder, part)) for part in ("runtime", "cli")}
        self._library = _prefixes(library)
        self._sites = _prefixes(sites)
        self._ours = _prefixes(ours)
        self._owners: dict[str, Owners] = {}

    def is_ours(self, path: str) -> bool:
        """Whether the file is part of this package."""
        return path.startswith(self._ours)

    def is_real(self, path: str) -> bool:
        """Whether the path is outside the program's own folders: it is there at replay too."""
        slashed = path + "/"
        return slashed.startswith((*self._sites, *self._library, *self._ours))

    def owner(self, path: str) -> tuple[str, str] | None:
        """Return name and version of the installed distribution that a file belongs to."""
        for folder in self._sites:
            if path.startswith(folder):
                owners = self._owners.get(folder)
                if owners is None:
                    owners = self._owners[folder] = Owners(folder.rstrip("/"))
                return owners.owner(path[len(folder) :].partition("/")[0])
        return None

    def is_program(self, path: str) -> bool:
        """Whether the file is part of the program: of no installed distribution, nor of Python."""
        if path.startswith(self._ours) or not path.startswith("/"):
            return False
        if path.startswith(self._sites):
            return self.owner(path) is None
        return not path.startswith(self._library)


def _prefixes(folders: Iterable[str]) -> tuple[str, ...]:
    both = {*folders, *map(os.path.realpath, folders)}
    return tuple(sorted((folder.rstrip("/") + "/" for folder in both), key=len, reverse=True))


def read_file(path: str) -> bytes:
    """Return the bytes of a file, past the doors."""
    with _open(path, "rb") as file:
        return file.read()


class _Loading(threading.local):
    """The source file that the running thread is loading, and its text as far as it was read."""

    path: str | None = None
    text: bytes | None = None


class Recorder:
    """Puts what is imported of the program into the recording."""

    def __init__(self, boundary: Installer) -> None:
        self._world = boundary.world
        self._places = Places()
        self._loads: dict[str, int] = {}
        self._known: dict[str, bytes] = {}
        self._found: set[tuple[str, ...]] = set()
        self._misses: dict[str, int] = {}

    # -- events ---------------------------------------------------------------------------------

    def source(self, name: str, path: str, text: bytes, *, is_package: bool = False) -> None:
        """Put a source file into the recording, unless it is there already with this text."""
        stream = current.stream
        digest = hashlib.sha256(text).digest()
        if stream is None or self._known.get(path) == digest:
            return
        self._known[path] = digest
        redactor = self._world.redactor
        spans: list[list[int]] = []
        if redactor is not None:
            text, spans = redactor.with_spans(text)
        loads, misses = self._loads.get(path, 0), self._misses.pop(name, 0)
        sha256 = hashlib.sha256(text).hexdigest()
        stream.append(_SOURCE_KEY)
        stream.append(Source(name, is_package, path, sha256, text, loads, misses, spans).as_value())

    def found(self, what: str, *details: Any) -> None:
        """Put another fact into the recording, once."""
        stream = current.stream
        mark = (what, *[str(one) for one in details if type(one) in (int, str)])
        if stream is None or mark in self._found:
            return
        self._found.add(mark)
        stream.append(_FOUND_KEY)
        stream.append([what, *details])

    # -- what the import system does ------------------------------------------------------------

    def looked_for(self, name: str, spec: Any) -> None:
        """A module was looked for on ``sys.path``, or on the path of its package."""
        places = self._places
        if spec is None:
            self._misses[name] = self._misses.get(name, 0) + 1
        elif spec.loader is None:
            for portion in spec.submodule_search_locations or ():
                if not places.is_real(portion):
                    self.found(FOLDER, portion)
        elif type(spec.origin) is str and spec.origin.startswith("/"):
            self._located(name, spec)

    def _located(self, name: str, spec: Any) -> None:
        path = spec.origin
        places = self._places
        if places.is_ours(path):
            return
        if not places.is_program(path):
            owner = places.owner(path)
            if owner is not None:
                self.found(DISTRIBUTION, *owner)
        elif isinstance(spec.loader, _SourceFileLoader):
            # Now, since whoever asks may load it with a loader of its own (pytest does).
            if path not in self._known:
                self.source(
                    name, path, read_file(path), is_package=spec.submodule_search_locations is not None
                )
        elif isinstance(spec.loader, (_ExtensionFileLoader, _SourcelessFileLoader)):
            self.found(EXTENSION, path, hashlib.sha256(read_file(path)).hexdigest())

    def get_code(self, load: Callable[[Any, str], Any], loader: Any, name: str) -> Any:
        """Load a module's code, from its source or from the cache, and keep its source."""
        path = loader.get_filename(name)
        if current.stream is None or not self._places.is_program(path):
            return load(loader, name)
        outer = loading.path, loading.text
        loading.path, loading.text = path, None
        try:
            return load(loader, name)
        finally:
            text = loading.text
            loading.path, loading.text = outer
            self._loaded(loader, name, path, text)

    def _loaded(self, loader: Any, name: str, path: str, text: bytes | None) -> None:
        loads = self._loads.get(path, 0)
        try:
            self.source(
                name, path, read_file(path) if text is None else text, is_package=loader.is_package(name)
            )
        except OSError:
            return
        if text is None:
            self.found(CACHED, path, loads)
        self._loads[path] = loads + 1

    def open_code(self, path: Any) -> None:
        """A file is about to be read as code, by its path."""
        try:
            where = os.path.join(_getcwd(), os.fsdecode(path))
            if self._places.is_program(where):
                self.source("", where, read_file(where))
        except (OSError, TypeError):
            return

    def read_script(self, path: str) -> bytes:
        """Return the text of the script."""
        text = read_file(path)
        self.source("__main__", path, text)
        self._loads[path] = 1
        return text

    def read_directory(self, read: Callable[[str], Any], archive: str) -> Any:
        """Read the table of contents of a zip file."""
        entries = read(archive)
        if current.stream is not None and not self._places.is_real(archive):
            self.found(ARCHIVE, archive, [[name, *entry] for name, entry in entries.items()])
        return entries

    def read_member(self, read: Callable[[str, Any], bytes], archive: str, entry: Any) -> bytes:
        """Read something out of a zip file."""
        data = read(archive, entry)
        if current.stream is not None and not self._places.is_real(archive):
            path = entry[0]
            if path.endswith(".py"):
                self.source("", path, data)
            else:
                self.found(MEMBER, archive, path, data)
        return data


loading = _Loading()


def record(boundary: Installer) -> Callable[[str], bytes]:
    """Record what is imported of the program from now on; return what reads the script."""
    recorder = Recorder(boundary)
    places = recorder._places
    _spare_open_code()
    load = _SourceFileLoader.get_code
    get_data = _SourceFileLoader.get_data
    find = _PathFinder.find_spec.__func__  # type: ignore[attr-defined]
    read_directory, read_member = zipimport._read_directory, zipimport._get_data  # type: ignore[attr-defined]

    def get_code(self: Any, fullname: str) -> Any:
        return recorder.get_code(load, self, fullname)

    def get_data_(self: Any, path: str) -> bytes:
        if loading.path is not None:
            data = get_data(self, path)
            if path == loading.path:
                loading.text = data
            return data
        return _data(places, get_data, self, path)

    def find_spec(cls: Any, fullname: str, path: Any = None, target: Any = None) -> Any:
        spec = find(cls, fullname, path, target)
        if current.stream is not None:
            recorder.looked_for(fullname, spec)
        return spec

    _SourceFileLoader.get_code = _unseen(get_code, "get_code")  # type: ignore[method-assign]
    _SourceFileLoader.get_data = _unseen(get_data_, "get_data")  # type: ignore[method-assign]
    _PathFinder.find_spec = classmethod(_unseen(find_spec, "find_spec"))  # type: ignore[method-assign, assignment]
    io.open_code = _open_code(recorder)
    zipimport._read_directory = lambda archive: recorder.read_directory(read_directory, archive)  # type: ignore[attr-defined]
    zipimport._get_data = lambda archive, entry: recorder.read_member(read_member, archive, entry)  # type: ignore[attr-defined]
    return recorder.read_script


def _open_code(recorder: Recorder) -> Any:
    open_code_of_c = io.open_code

    def open_code(path: str) -> Any:
        recorder.open_code(path)
        try:
            return open_code_of_c(path)
        except BaseException as error:
            strip(error)
            raise

    return open_code


def _data(places: Places, get_data: Callable[[Any, str], bytes], loader: Any, path: str) -> bytes:
    """Read a file that the program asks a loader for: of its own, by the doors of files."""
    if current.stream is None or not places.is_program(path):
        return get_data(loader, path)
    try:
        with open(path, "rb") as file:
            data: bytes = file.read()
            return data
    except BaseException as error:
        strip(error)
        raise


def _spare_open_code() -> None:
    """Let the import system open code past the doors: ``open_code`` of C looks for ``io.open``."""
    own: Any = types.ModuleType("_io")
    own.__dict__.update(vars(external._io))
    own.open_code = lambda path: _open(path, "rb")
    external._io = own
    zipimport._io = own  # type: ignore[attr-defined]


class Replayer:
    """Shows the import system the program's folders as the recording has them.

    Args:
      sources: what the recording holds.
      current: run what is on disk, where there is something.
    """

    def __init__(self, sources: Sources, cwd: str, *, current: bool) -> None:
        self._sources = sources
        self._current = current
        self._cwd = cwd
        self.places = Places()
        self._loads: dict[str, int] = {}
        self._misses = {
            versions[0].name: versions[0].misses for versions in sources.files.values() if versions[0].misses
        }
        self._folders = sources.parents()
        self._files = {*sources.files, *sources.extensions, *sources.archives}
        self._children: dict[str, set[str]] = {}
        inside = tuple(f"{archive}/" for archive in sources.archives)
        self._files = {path for path in self._files if not path.startswith(inside)}
        for path in (*self._folders, *self._files):
            folder, _, name = path.rpartition("/")
            self._children.setdefault(folder or "/", set()).add(name)

    # -- the folders ----------------------------------------------------------------------------

    def stat(self, path: Any, **options: Any) -> os.stat_result:
        """Return what the import system sees of a path."""
        where = os.fspath(path)
        if not isinstance(where, str) or not where.startswith("/"):
            where = os.path.join(self._cwd, os.fsdecode(where))
        where = where.rstrip("/") or "/"
        if where in self._files and where not in self._sources.extensions:
            return _fake_stat(0o100644)
        if self.places.is_real(where) or self._current or where in self._sources.extensions:
            try:
                return _stat(path, **options)
            except OSError:
                if where not in self._folders:
                    raise
        if where in self._folders:
            return _fake_stat(0o040755)
        raise FileNotFoundError(2, "No such file or directory", path)

    def listdir(self, path: Any = ".") -> list[str]:
        """Return what the import system sees in a folder."""
        where = os.path.join(self._cwd, os.fsdecode(path)).rstrip("/") or "/"
        found = set(self._children.get(where, ()))
        if self.places.is_real(where) or self._current:
            try:
                found.update(_listdir(path))
            except OSError:
                if not found:
                    raise
        return sorted(found)

    def getcwd(self) -> str:
        """Return the folder that the recorded program was in."""
        return self._cwd

    def moved(self, path: Any) -> None:
        """The program went to another folder."""
        self._cwd = os.path.normpath(os.path.join(self._cwd, os.fsdecode(path)))

    # -- loading --------------------------------------------------------------------------------

    def take(self, path: str) -> Source | None:
        """Return the version of a source that is loaded now; None if it is not the program's."""
        versions = self._sources.files.get(path)
        if versions is None:
            return None
        loads = self._loads.get(path, 0)
        if current.stream is not None:
            self._loads[path] = loads + 1
        return next(one for one in reversed(versions) if one.loads <= loads or one is versions[0])

    def text(self, source: Source) -> bytes:
        """Return the text to run of a source."""
        if self._current:
            try:
                return read_file(source.path)
            except OSError:
                pass
        return source.text

    def is_missing(self, name: str) -> bool:
        """Whether a module is not there yet, as the recorded program looked for it too early."""
        left = self._misses.get(name, 0)
        if left:
            self._misses[name] = left - 1
        return left > 0

    def get_code(self, load: Callable[[Any, str], Any], loader: Any, name: str) -> Any:
        """Return a module's code."""
        path = loader.get_filename(name)
        loads = self._loads.get(path, 0)
        source = self.take(path)
        if source is None and self.places.is_real(path):
            return load(loader, name)
        outer = loading.path, loading.text
        loading.path, loading.text = path, None if source is None else self.text(source)
        filters = warnings.filters
        if (path, loads) in self._sources.cached:
            # The recorded run had the code from a cache; what the compiler warns of is no part of it.
            warnings.filters = [("ignore", None, Warning, None, 0)]
        try:
            return load(loader, name)
        finally:
            warnings.filters = filters
            loading.path, loading.text = outer

    def read_script(self, path: str) -> bytes:
        """Return the text of the script."""
        source = self.take(path)
        if source is None:
            raise FileNotFoundError(2, "the recording holds no such script", path)
        return self.text(source)

    def read_directory(self, read: Callable[[str], Any], archive: str) -> Any:
        """Return the table of contents of a zip file."""
        entries = self._sources.archives.get(archive)
        if entries is None:
            return read(archive)
        return {name: tuple(entry) for name, *entry in entries}

    def read_member(self, read: Callable[[str, Any], bytes], archive: str, entry: Any) -> bytes:
        """Return something out of a zip file."""
        if archive not in self._sources.archives:
            return read(archive, entry)
        path = entry[0]
        source = self._sources.newest(path)
        if source is not None:
            return source.text
        data = self._sources.members.get((archive, path))
        if data is None:
            raise OSError(f"the recording does not hold {path}")
        return data


def _fake_stat(mode: int) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, 0, 0, 0, 0, 0, 0))


def replay(sources: Sources, header: dict[str, Any], *, current_files: bool) -> Callable[[str], bytes]:
    """Import the program from a recording from now on; return what reads the script."""
    replayer = Replayer(sources, header["cwd"], current=current_files)
    _spare_open_code()
    own: Any = types.ModuleType("posix")
    own.__dict__.update(vars(posix))
    own.stat, own.listdir, own.getcwd = replayer.stat, replayer.listdir, replayer.getcwd
    external._os = own
    load = _SourceFileLoader.get_code
    get_data, path_stats = _SourceFileLoader.get_data, _SourceFileLoader.path_stats
    find = _PathFinder.find_spec.__func__  # type: ignore[attr-defined]
    read_directory, read_member = zipimport._read_directory, zipimport._get_data  # type: ignore[attr-defined]

    def get_code(self: Any, fullname: str) -> Any:
        return replayer.get_code(load, self, fullname)

    def get_data_(self: Any, path: str) -> bytes:
        if loading.path is not None:
            return get_data(self, path) if loading.text is None else loading.text
        return _data(replayer.places, get_data, self, path)

    def path_stats_(self: Any, path: str) -> Any:
        if loading.path == path:
            raise FileNotFoundError(2, "a replay uses no cache", path)
        return path_stats(self, path)

    def find_spec(cls: Any, fullname: str, path: Any = None, target: Any = None) -> Any:
        if current.stream is not None and replayer.is_missing(fullname):
            return None
        return find(cls, fullname, path, target)

    def set_data(self: Any, path: str, data: bytes, *, _mode: int = 0o666) -> None:
        """A replay leaves nothing behind, and no cache either."""

    _SourceFileLoader.get_code = _unseen(get_code, "get_code")  # type: ignore[method-assign]
    _SourceFileLoader.get_data = _unseen(get_data_, "get_data")  # type: ignore[method-assign]
    _SourceFileLoader.path_stats = _unseen(path_stats_, "path_stats")  # type: ignore[method-assign]
    _SourceFileLoader.set_data = _unseen(set_data, "set_data")  # type: ignore[method-assign]
    _PathFinder.find_spec = classmethod(_unseen(find_spec, "find_spec"))  # type: ignore[method-assign, assignment]
    zipimport._read_directory = lambda archive: replayer.read_directory(read_directory, archive)  # type: ignore[attr-defined]
    zipimport._get_data = lambda archive, entry: replayer.read_member(read_member, archive, entry)  # type: ignore[attr-defined]
    _watch_folder(replayer)
    sys.path_importer_cache.clear()
    return replayer.read_script


def _watch_folder(replayer: Replayer) -> None:
    chdir = os.chdir

    def chdir_(path: Any) -> None:
        try:
            chdir(path)
        except BaseException as error:
            strip(error)
            raise
        if not isinstance(path, int):
            replayer.moved(path)

    replace(os, "chdir", chdir_)
