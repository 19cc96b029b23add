"""What is not recorded, and is said to be: once on stderr while recording, and as a NOTE in the recording.

A module is watched from its import on, and named when it is imported; or, where it is often imported and
seldom used, when a certain function of it is first called. Then the function is put back, so that nothing
of ours stays in the way of the program.

The import system is the place to watch from. Its ``PathFinder`` is wrapped in any case (``sources``), so
that the program sees no finder of ours in ``sys.meta_path``, and code that imports nothing pays nothing. An
audit hook would be called for every frame that somebody looks at, forever; looking through ``sys.modules``
now and then would find a module too late to put anything of it in place. What is replaced in an imported
module (uvloop's event loop) is replaced by the same watch, in a replay too.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import PathFinder
from types import FrameType
from typing import Any, Final

from replay.runtime.boundary import extensions, snapshots, watchdogs
from replay.runtime.boundary.databases import SCRIPTS, Databases
from replay.runtime.boundary.install import Installer
from replay.runtime.boundary.table import Door, replace
from replay.runtime.divergence import is_users
from replay.runtime.report import tell, untold
from replay.runtime.streams import current
from replay.runtime.tracebacks import strip, unseen
from replay.runtime.trio_.install import install as watch_trio

_OWN_SOCKETS: Final = "its connections are made by C code, past the recorder, and are not recorded"
_OWN_THREADS: Final = "threads and connections of its own, past the interpreter, are not recorded"
_OWN_FILES: Final = "its files are read and written by C code, and are not recorded"
_OWN_ENTROPY: Final = "the keys, signatures and paddings that it makes at random are not recorded"
_OWN_LOOP: Final = "its event loop is not recorded yet; asyncio's is"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is not recorded.

    Args:
      module: names it when it is imported.
      name: what it is called in the message.
      text: what of it is not recorded.
      use: the function of the module whose call is what counts, where importing it says little.
    """

    module: str
    name: str
    text: str
    use: str = ""


TABLE: Final = (
    Row("curio.kernel", "curio", _OWN_LOOP),
    Row("gevent.hub", "gevent", _OWN_LOOP),
    Row("eventlet.hubs", "eventlet", _OWN_LOOP),
    Row("rloop", "rloop", _OWN_LOOP),
    Row("zuvloop", "zuvloop", _OWN_LOOP),
    Row("psycopg.pq", "psycopg", _OWN_SOCKETS + " (libpq; asyncpg's are)"),
    Row("psycopg2._psycopg", "psycopg2", _OWN_SOCKETS + " (libpq; asyncpg's are)"),
    Row("_pygresql", "PyGreSQL", _OWN_SOCKETS + " (libpq; asyncpg's are)"),
    Row("MySQLdb._mysql", "mysqlclient", _OWN_SOCKETS),
    Row("_mysql_connector", "mysql-connector-python", _OWN_SOCKETS),
    Row("pymssql._mssql", "pymssql", _OWN_SOCKETS),
    Row("pyodbc", "pyodbc", _OWN_SOCKETS),
    Row("oracledb.thick_impl", "oracledb (thick)", _OWN_SOCKETS),
    Row("pycurl", "pycurl", _OWN_SOCKETS),
    Row("ldap._ldap", "python-ldap", _OWN_SOCKETS),
    Row("_ldap", "python-ldap", _OWN_SOCKETS),
    Row("pycares", "pycares (aiodns)", "its look-ups of names are not recorded", use="Channel"),
    Row("grpc._cython.cygrpc", "grpcio", _OWN_THREADS),
    Row("zmq.backend", "pyzmq", _OWN_THREADS),
    Row("confluent_kafka.cimpl", "confluent_kafka", _OWN_THREADS),
    Row("pulsar", "pulsar-client", _OWN_THREADS),
    Row("cassandra.io.libevwrapper", "cassandra-driver (libev)", _OWN_THREADS),
    Row("couchbase.pycbc_core", "couchbase", _OWN_THREADS),
    Row("watchfiles._rust_notify", "watchfiles", "what it watches is not recorded"),
    Row("_curses", "curses", "what it reads from a terminal and draws there is not recorded", use="initscr"),
    Row("_tkinter", "tkinter", "what comes from its windows is not recorded", use="create"),
    Row("_gdbm", "dbm.gnu", _OWN_FILES, use="open"),
    Row("_dbm", "dbm.ndbm", _OWN_FILES, use="open"),
    Row("lmdb", "lmdb", _OWN_FILES),
    Row("plyvel", "plyvel", _OWN_FILES),
    Row("rocksdict", "rocksdict", _OWN_FILES),
    Row("duckdb", "duckdb", "its files, threads, clock and random numbers are not recorded", use="connect"),
    Row("cryptography.hazmat.bindings._rust", "cryptography", _OWN_ENTROPY),
    Row("nacl._sodium", "PyNaCl", _OWN_ENTROPY),
    Row(
        "psutil._psutil_linux",
        "psutil",
        "what its C code asks the system (addresses, users, disks) is not recorded",
    ),
    Row("torch._C", "torch", "its threads and its random numbers are not recorded"),
    Row("_interpreters", "subinterpreters", "what runs in them is not recorded"),
    Row("_xxsubinterpreters", "subinterpreters", "what runs in them is not recorded"),
)
"""By module; each is said as ``name: text``."""

FORK: Final = "os.fork: what the child process does and prints is not recorded"
MULTIPROCESSING: Final = "multiprocessing: what its processes do and print is not recorded"
CHILD: Final = "child processes: what they do is not recorded, what they print and write to pipes is"
PLACED: Final = "os.{}: what it writes to a place of stdout or stderr is not shown at replay"
MMAP: Final = "mmap: what others write into a mapped file is not recorded"
FAULTHANDLER: Final = "faulthandler: the tracebacks that it writes are not recorded"
SQLITE: Final = (
    "sqlite3: its own clock (`datetime('now')`), its `random()`, and what others write into its files"
    " are not recorded"
)
SQLITE_SCRIPT: Final = f"sqlite3: {SCRIPTS}"
CTYPES: Final = "ctypes: what C libraries do when called through it is not recorded"
UVLOOP: Final = "uvloop: the program gets replay's own event loop in its place"


class _Remarks:
    """What was said already."""

    world: Any = None
    outputs: Any = None
    said: Final[set[str]] = set()


def say(text: str) -> None:
    """Name something that is not recorded: in the recording, and on stderr, once."""
    world = _Remarks.world
    if world is None or current.stream is None or text in _Remarks.said:
        return
    _Remarks.said.add(text)
    world.note(text)
    # The program may have given descriptor 2 to something else; then the end of the run is early enough.
    if _Remarks.outputs.target(2) == 2:
        tell(text)
    else:
        untold.append(text)


_ASK_THE_SYSTEM: Final = frozenset(("ctypes.util", "platform", "uuid"))
"""Modules that start children to learn what is the same in each run, such as where a library is."""


def say_child(frame: FrameType | None, text: str) -> None:
    """Name a child process that ``frame`` starts, or what starts it."""
    module = "subprocess"
    while (module == "subprocess" or module.startswith("replay.")) and frame is not None:
        module = str(frame.f_globals.get("__name__"))
        frame = frame.f_back
    if module.startswith("multiprocessing."):
        say(MULTIPROCESSING)
    elif module not in _ASK_THE_SYSTEM:
        say(text)


def install(boundary: Installer) -> None:
    """Watch what is imported from now on, and what is imported already."""
    snapshots.install(boundary, functools.partial(say, MMAP))
    watchdogs.install(boundary, functools.partial(say, FAULTHANDLER))
    databases = Databases(boundary, functools.partial(say, SQLITE), functools.partial(say, SQLITE_SCRIPT))
    actions: dict[str, Callable[[Any], None]] = {
        "ctypes.util": _watch_libraries(boundary),
        "uvloop": _replace_uvloop,
        "_sqlite3": databases.install,
        "trio": watch_trio(boundary),
        **extensions.watched(boundary),
    }
    if not boundary.is_replay:
        _Remarks.world, _Remarks.outputs = boundary.world, boundary.outputs
        for row in TABLE:
            actions[row.module] = functools.partial(_name, row)
        boundary.at_start(_watch_ctypes)
    _watch_imports(actions)
    for module, action in actions.items():
        if module in sys.modules:
            boundary.at_start(functools.partial(action, sys.modules[module]))


def _watch_libraries(boundary: Installer) -> Callable[[Any], None]:
    """Make finding a library one door: it starts children, which is nothing that the program did."""
    found: list[Callable[[str], str | None]] = []
    door = boundary.bind(Door("ctypes.find_library"), lambda name: found[0](name))

    def imported(module: Any) -> None:
        found.append(module.find_library)
        boundary.replace(module, "find_library", unseen(door))

    return imported


def _watch_imports(actions: dict[str, Callable[[Any], None]]) -> None:
    find = PathFinder.find_spec.__func__  # type: ignore[attr-defined]

    def find_spec(cls: Any, fullname: str, path: Any = None, target: Any = None) -> Any:
        try:
            spec = find(cls, fullname, path, target)
        except BaseException as error:
            strip(error)
            raise
        action = actions.get(fullname)
        if action is not None and spec is not None and spec.loader is not None:
            _after_loading(spec.loader, fullname, action)
        return spec

    PathFinder.find_spec = classmethod(find_spec)  # type: ignore[method-assign, assignment]


def _after_loading(loader: Any, name: str, action: Callable[[Any], None]) -> None:
    """Do ``action(module)`` when this loader has run the module; looking for a module is not loading it."""
    load = loader.exec_module

    def exec_module(module: Any) -> None:
        is_it = module.__name__ == name  # a zip file has one loader for all of its modules
        if is_it:
            vars(loader).pop("exec_module", None)
        try:
            load(module)
        except BaseException as error:
            strip(error)
            raise
        if is_it:
            action(module)

    loader.exec_module = exec_module


def _name(row: Row, module: Any) -> None:
    def named() -> None:
        say(f"{row.name}: {row.text}")
        if row.text == _OWN_FILES and current.stream is not None:
            _Remarks.world.give_up(f"what {row.name} writes")

    if row.use and hasattr(module, row.use):
        _at_first_call(module, row.use, named)
    else:
        named()


def _at_first_call(owner: Any, name: str, named: Callable[[], None]) -> None:
    """Say what it is when ``owner.name`` is called; a class is called when an object of it is made."""
    if isinstance(getattr(owner, name), type):
        owner, name = getattr(owner, name), "__init__"
    function = getattr(owner, name)

    @functools.wraps(function)
    def first(*args: Any, **kwargs: Any) -> Any:
        setattr(owner, name, function)
        named()
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            strip(error)
            raise

    replace(owner, name, first)


def _watch_ctypes() -> None:
    """Libraries are opened by ``CDLL``; ``pythonapi`` is one too, but made when ctypes is imported."""
    open_library = ctypes.CDLL.__init__

    @functools.wraps(open_library)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        # Installed libraries often open one at import, for something that is the same in each run.
        if is_users(sys._getframe(1)):
            ctypes.CDLL.__init__ = open_library  # type: ignore[method-assign]
            say(CTYPES)
        try:
            open_library(self, *args, **kwargs)
        except BaseException as error:
            strip(error)
            raise

    ctypes.CDLL.__init__ = __init__  # type: ignore[method-assign]


def _replace_uvloop(module: Any) -> None:
    """Put our loop in the place of uvloop's, for all of its ways to make one."""

    class Loop(asyncio.SelectorEventLoop):
        """A loop of ours, for a program that asks for uvloop's."""

        def __init__(self) -> None:
            say(UVLOOP)
            super().__init__()

    Loop.__qualname__, Loop.__module__ = "Loop", module.__name__
    module.Loop = Loop
    inner = getattr(module, "loop", None)
    if inner is not None:
        inner.Loop = Loop
