"""What is not recorded is named: once on stderr while recording, in `info`, and where a replay diverges."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zipfile
from pathlib import Path

import pytest

from replay.runtime import unrecorded
from replay.runtime.boundary import databases
from tests.conftest import Done, run_replay


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def remarks(source: str, *args: str, code: int = 0) -> list[str]:
    """Record a program; return what was said of it, which must also be what `info` says."""
    Path("app.py").write_text(source)
    ran = run_replay("record", "app.py", *args)
    assert ran.returncode == code, ran.stderr
    lines = [line.removeprefix("replay: ") for line in ran.stderr.splitlines() if line.startswith("replay: ")]
    assert [line.split()[0] for line in lines[-2:]] == ["recorded", "next:"]
    info = json.loads(run_replay("info", "--json", "run.rec").stdout)
    notes = [note["text"] for note in info["notes"]]
    # The tracker that multiprocessing starts ends after the program: that is said in the recording alone.
    assert [text for text in notes if not text.startswith("a child process outlived")] == lines[:-2]
    return lines[:-2]


def replayed() -> Done:
    Path("app.py").unlink()
    return run_replay("play", "run.rec")


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import sqlite3", []),
        ("import sqlite3\nfor _ in range(3): sqlite3.connect(':memory:').close()", [unrecorded.SQLITE]),
        ("import sqlite3\nsqlite3.Connection(':memory:').close()", [unrecorded.SQLITE]),
        ("import os\nif not os.fork(): os._exit(0)\nos.wait()", [unrecorded.FORK]),
        ("import os\nos.system('true')\nos.system('true')", [unrecorded.CHILD]),
        (
            "import os\npid = os.posix_spawn('/bin/true', ['true'], {})\nos.waitpid(pid, 0)",
            [unrecorded.CHILD],
        ),
        ("import multiprocessing, concurrent.futures.process", []),
        ("import ctypes, uuid", []),
        ("import ctypes\nprint(ctypes.CDLL(None).abs(-3), ctypes.CDLL(None).abs(-4))", [unrecorded.CTYPES]),
        ("import subprocess\nsubprocess.run(['true'], check=True)", [unrecorded.CHILD]),
        (
            "import contextlib, os\nwith contextlib.suppress(OSError): os.pwrite(1, b'', 0)",
            [unrecorded.PLACED.format("pwrite")],
        ),
        ("import ctypes.util\nctypes.util.find_library('pthread')", []),
        ("import asyncio, ssl, threading, logging, http.client", []),
        ("import trio\nasync def main(): await trio.sleep(0)\ntrio.run(main)", []),
    ],
)
def test_it_is_named_once_when_it_is_used(source: str, said: list[str]) -> None:
    assert remarks(source) == said


MULTIPROCESSING_APP = """
import multiprocessing, sys

def work(): pass

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    for _ in range(2):
        process = context.Process(target=work)
        process.start()
        process.join()
"""


@pytest.mark.sampled
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_is_named_by_its_own_name(method: str) -> None:
    assert remarks(MULTIPROCESSING_APP, method) == [unrecorded.MULTIPROCESSING]


def fake(module: str, text: str = "") -> None:
    """Put a module where the program finds it, in the place of an extension that is not installed here."""
    *parents, name = module.split(".")
    folder = Path()
    for parent in parents:
        folder /= parent
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()
    (folder / f"{name}.py").write_text(text)


def watched_at_import() -> list[unrecorded.Row]:
    installed = {"subinterpreters"}
    return [row for row in unrecorded.TABLE if row.name not in installed and not row.use]


@pytest.mark.more
def test_each_extension_is_named_when_it_is_imported() -> None:
    rows = watched_at_import()
    for row in rows:
        fake(row.module)
    names = [row.module for row in rows]
    assert remarks(f"import importlib.util\nfor name in {names}: importlib.util.find_spec(name)") == []
    found = remarks(f"import importlib\nfor name in {names} * 2: importlib.import_module(name)")
    assert found == list(dict.fromkeys(f"{row.name}: {row.text}" for row in rows))
    assert replayed().returncode == 0


@pytest.mark.more
def test_a_class_is_named_when_an_object_of_it_is_made() -> None:
    fake(
        "pycares",
        "class Channel:\n    def __init__(self, servers):\n        1 / servers",
    )
    assert remarks("import pycares\nclass Ours(pycares.Channel): pass") == []
    source = "import pycares\nprint(isinstance(pycares.Channel(1), pycares.Channel))\npycares.Channel(0)"
    assert remarks(source, code=1) == ["pycares (aiodns): its look-ups of names are not recorded"]
    assert "unrecorded.py" not in run_replay("record", "app.py").stderr


@pytest.mark.more
def test_a_module_that_cannot_be_imported_is_not_named() -> None:
    fake("plyvel", "raise ImportError('no leveldb')")
    source = "import traceback\ntry: import plyvel\nexcept ImportError: traceback.print_exc()"
    assert remarks(source) == []
    assert "runtime" not in run_replay("record", "app.py").stderr


@pytest.mark.more
def test_modules_of_one_zip_file_are_told_apart() -> None:
    with zipfile.ZipFile("modules.zip", "w") as archive:
        archive.writestr("plyvel.py", "")
        archive.writestr("other.py", "")
    start = (
        "import sys, importlib.util\nsys.path.insert(0, 'modules.zip')\nimportlib.util.find_spec('plyvel')\n"
    )
    assert remarks(start + "import other") == []
    said = ["plyvel: its files are read and written by C code, and are not recorded"]
    assert remarks(start + "import other, plyvel") == said


@pytest.mark.more
def test_a_line_does_not_go_into_what_the_program_made_of_its_stderr(folder: Path) -> None:
    source = """
import os, sqlite3
kept = os.dup(2)
os.dup2(os.open("log", os.O_CREAT | os.O_WRONLY), 2)
sqlite3.connect(":memory:")
os.write(2, b"mine")
os.dup2(kept, 2)
"""
    assert remarks(source) == [unrecorded.SQLITE]
    assert (folder / "log").read_text() == "mine"


def test_a_divergence_names_what_was_not_recorded() -> None:
    source = """
import sqlite3
database = sqlite3.connect(":memory:")
print(*database.execute("select random(), random()"))
"""
    assert remarks(source) == [unrecorded.SQLITE]
    ran = replayed()
    assert ran.returncode == 93
    assert f"  likely    {unrecorded.SQLITE}\n" in ran.stderr


# -- uvloop, the real one -----------------------------------------------------------------------------------

UVLOOP_APP = """
import asyncio, random, sys, warnings
warnings.simplefilter("ignore")
import uvloop

async def answer(reader, writer):
    writer.write(await reader.readline())
    writer.close()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"%r\\n" % random.random())
    print(port, await reader.readline(), isinstance(asyncio.get_running_loop(), uvloop.Loop))
    writer.close()
    server.close()

match sys.argv[1]:
    case "install":
        uvloop.install()
        asyncio.run(main())
    case "run":
        uvloop.run(main())
    case "new_event_loop":
        loop = uvloop.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    case "policy":
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        asyncio.run(main())
    case "runner":
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
    case "class":
        loop = uvloop.Loop()
        loop.run_until_complete(main())
        loop.close()
"""


@pytest.mark.sampled
@pytest.mark.parametrize(
    "way",
    [
        "install",
        "run",
        *(
            pytest.param(way, marks=pytest.mark.slow)
            for way in ("new_event_loop", "policy", "runner", "class")
        ),
    ],
)
def test_uvloop_is_replaced_by_our_loop(way: str) -> None:
    pytest.importorskip("uvloop")
    assert remarks(UVLOOP_APP, way) == [unrecorded.UVLOOP]
    first = run_replay("record", "app.py", way)
    assert first.stdout.endswith(" True\n")
    again = replayed()
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, "")


@pytest.mark.more
def test_uvloop_that_nobody_asks_for_is_not_named() -> None:
    pytest.importorskip("uvloop")
    assert remarks("import asyncio\nasync def main(): pass\nasyncio.run(main())") == []
    assert remarks("import uvloop, asyncio\nasync def main(): pass\nasyncio.run(main())") == []


@pytest.mark.more
def test_without_uvloop_the_import_fails_as_it_does() -> None:
    source = (
        "import sys\nsys.path[:] = [one for one in sys.path if 'site-packages' not in one]\nimport uvloop"
    )
    assert remarks(source, code=1) == []
    assert "ModuleNotFoundError: No module named 'uvloop'\n" in run_replay("record", "app.py").stderr


@pytest.mark.more
@pytest.mark.parametrize("loop", ["uvloop", "auto"])
def test_uvicorn_with_uvloop(loop: str) -> None:
    pytest.importorskip("uvloop")
    pytest.importorskip("uvicorn")
    Path("site_.py").write_text(
        """
import os, signal

async def app(scope, receive, send):
    while True:
        kind = (await receive())["type"]
        await send({"type": kind + ".complete"})
        if kind == "lifespan.startup":
            os.kill(os.getpid(), signal.SIGINT)
        else:
            return
"""
    )
    ran = run_replay("record", "--", "uvicorn", "site_:app", "--loop", loop, "--port", "0")
    lines = ran.stderr.splitlines()
    assert lines.count(f"replay: {unrecorded.UVLOOP}") == 1
    assert "INFO:     Application shutdown complete." in lines
    again = run_replay("play", "run.rec")
    assert again.returncode == ran.returncode
    assert again.stderr.splitlines() == [line for line in lines if not line.startswith("replay: ")]


# -- files that C code opens --------------------------------------------------------------------------------


def test_a_replay_touches_no_database_and_no_mapped_file(folder: Path) -> None:
    source = """
import mmap, sqlite3
database = sqlite3.connect("app.db")
database.execute("insert into words values ('new')")
database.commit()
print(database.execute("select * from words").fetchall())
with open("data", "r+b") as file:
    mapping = mmap.mmap(file.fileno(), 0)
    mapping[:3] = b"new"
    print(mapping[:])
"""
    with contextlib.closing(sqlite3.connect("app.db")) as database:
        database.execute("create table words (word)")
        database.commit()
    Path("data").write_bytes(b"old data")
    kept = {name: Path(name).read_bytes() for name in ("app.db", "data")}
    assert remarks(source) == [unrecorded.SQLITE, unrecorded.MMAP]
    for name, data in kept.items():
        assert Path(name).read_bytes() != data
        Path(name).write_bytes(data)
    again = replayed()
    assert (again.returncode, again.stdout) == (0, "[('new',)]\nb'new data'\n")
    assert {name: Path(name).read_bytes() for name in kept} == kept


@pytest.mark.more
def test_an_attached_database_that_a_callback_sees_is_named_and_not_replayed(folder: Path) -> None:
    source = """
import sqlite3
database = sqlite3.connect(":memory:")
database.set_trace_callback(print)
database.set_trace_callback(None)
database.execute("attach 'one.db' as one")
database.set_trace_callback(lambda text: print(text, flush=True))
database.execute("attach 'other.db' as other")
"""
    assert remarks(source) == [unrecorded.SQLITE, unrecorded.SQLITE_SCRIPT]
    (folder / "other.db").unlink()
    again = replayed()
    assert (again.returncode, again.stdout) == (93, "")
    assert "  expected  another database, by ATTACH, whose content is not in the recording\n" in again.stderr
    assert not (folder / "other.db").exists()


@pytest.mark.sampled
@pytest.mark.parametrize("statement", ["ATTACH 'other.db' AS other", "VACUUM INTO 'other.db'"])
def test_a_script_that_opens_another_database_is_named_and_not_replayed(statement: str, folder: Path) -> None:
    source = f"""
import sqlite3
database = sqlite3.connect(":memory:")
database.executescript('''
    CREATE TABLE words (attach, vacuum); -- vacuum into
    INSERT INTO words VALUES ('; attach', '; vacuum into');
''')
print("before", flush=True)
database.executescript('''CREATE TABLE t (x); /* ; */ ; {statement};''')
"""
    assert remarks(source) == [unrecorded.SQLITE, unrecorded.SQLITE_SCRIPT]
    (folder / "other.db").unlink()
    again = replayed()
    assert (again.returncode, again.stdout) == (93, "before\n")
    word = statement.partition(" ")[0]
    assert f"  expected  another database, by {word}, whose content is not in the recording\n" in again.stderr
    assert f"  likely    {databases.SCRIPTS}\n" in again.stderr
    assert not (folder / "other.db").exists()


@pytest.mark.more
def test_a_replay_stops_at_a_file_that_was_too_large_to_keep() -> None:
    source = """
with open("data", "wb") as file:
    file.truncate(16_000_001)
import mmap
with open("data", "r+b") as file:
    mapping = mmap.mmap(file.fileno(), 0)
print(len(mapping))
"""
    assert remarks(source) == [unrecorded.MMAP]
    again = replayed()
    assert again.returncode == 93
    assert "  expected  a memory map of descriptor 3, whose content is not in the recording\n" in again.stderr
    assert "  likely    files above 16 MB that C code reads are not kept\n" in again.stderr
