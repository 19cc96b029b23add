"""A simulated run finds the files that there are, changes none of them, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from replay.errors import ReplayError
from replay.simulation import Outcome, Simulation
from tests.conftest import environment, run_replay
from tests.replays import peers

PROGRAM = """
import asyncio, fcntl, glob, logging, mmap, os, pathlib, shutil, sqlite3, stat, tempfile, threading, time

def refused(call, *args, **named):
    try:
        print("no error", call(*args, **named))
    except (OSError, sqlite3.Error) as error:
        print(repr(error), getattr(error, "filename", None), getattr(error, "filename2", None))

# Reading, writing, appending; what others write is seen.
reader = open("given.txt")
print(reader.read())
with open("given.txt", "a") as file:
    file.write("appended\\n")
print(reader.read(), os.stat("given.txt").st_size)
before = os.stat("given.txt")
time.sleep(0.01)
pathlib.Path("given.txt").write_text("new\\n")
after = os.stat("given.txt")
print(after.st_mtime > before.st_mtime, after.st_ino == before.st_ino, after.st_nlink, oct(after.st_mode))

# Names.
os.makedirs("out/deep", exist_ok=True)
os.rename("given.txt", "out/deep/taken.txt")
refused(open, "given.txt")
os.symlink("deep/taken.txt", "out/link")
os.link("out/deep/taken.txt", "out/hard")
print(os.readlink("out/link"), open("out/link").read(), os.stat("out/hard").st_nlink)
print(os.path.relpath(os.path.realpath("out/link"), os.getcwd()))
refused(os.rmdir, "out")
refused(os.mkdir, "out")
refused(os.rename, "out", "out/deep/inside")
refused(os.rename, "out/none", "other")
refused(os.listdir, "out/hard")
refused(os.unlink, "out/deep")
refused(os.symlink, "x", "out/link")
refused(os.open, "out/link", os.O_RDONLY | os.O_NOFOLLOW)
shutil.copytree("tree", "copy")
print(sorted(glob.glob("copy/**", recursive=True)))
shutil.rmtree("tree")
print(os.path.exists("tree"), sorted(os.listdir()))
shutil.move("copy", "tree")
print([(folder, sorted(folders), sorted(files)) for folder, folders, files in sorted(os.walk("tree"))])
print(sorted(entry.name for entry in os.scandir("tree") if entry.is_dir()))
os.chdir("out/deep")
print(sorted(os.listdir()), os.path.basename(os.getcwd()))
print(sorted(str(one) for one in pathlib.Path("..").rglob("*")))
os.chdir("../..")

# Temporary files, logs.
with tempfile.TemporaryDirectory() as folder:
    pathlib.Path(folder, "inside").write_text("1")
    print(os.listdir(folder), oct(os.stat(folder).st_mode))
print(os.path.exists(folder))
with tempfile.NamedTemporaryFile("w+") as file, tempfile.TemporaryFile() as nameless:
    file.write("named")
    file.flush()
    nameless.write(b"nameless")
    print(open(file.name).read(), nameless.seek(0), nameless.read(), os.path.exists(file.name))
logging.basicConfig(filename="app.log", level=logging.INFO, format="%(message)s")
logging.info("logged")
print(open("app.log").read())

# What C code reads and writes.
with open("mapped", "w+b") as file:
    file.write(b"x" * 100)
    file.flush()
    with mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:3] = b"abc"
    print(open("mapped", "rb").read(5))
database = sqlite3.connect("words.db")
database.execute("pragma journal_mode=wal")
database.execute("create table words (word)")
database.execute("insert into words values ('one')")
database.commit()
print(sorted(glob.glob("words*")), os.path.getsize("words.db") > 0)
with sqlite3.connect("file:words.db?mode=ro", uri=True) as second:
    print(second.execute("select * from words").fetchall())
    refused(second.execute, "insert into words values (2)")
second.close()
database.execute("attach ? as other", ("other.db",))
database.execute("create table other.more (a)")
database.commit()
database.execute("vacuum into 'vacuumed.db'")
database.close()
print(sorted(glob.glob("*.db")))
refused(sqlite3.connect, "no/such.db")

# Locks between threads, and sockets with names.
def second_holder():
    with open("lock", "w") as mine:
        fcntl.flock(mine, fcntl.LOCK_EX)
        print("the other has it")

with open("lock", "w") as mine:
    fcntl.flock(mine, fcntl.LOCK_EX)
    thread = threading.Thread(target=second_holder)
    thread.start()
    time.sleep(0.01)
    print("let go")
    fcntl.flock(mine, fcntl.LOCK_UN)
thread.join()

async def answer(reader, writer):
    writer.write(await reader.readline())
    writer.close()

async def main():
    for _ in range(2):
        server = await asyncio.start_unix_server(answer, "sock")
        print(stat.S_ISSOCK(os.stat("sock").st_mode), "sock" in os.listdir())
        reader, writer = await asyncio.open_unix_connection("./tree/../sock")
        writer.write(b"hello\\n")
        print(await reader.readline())
        writer.close()
        server.close()
        await server.wait_closed()
    if os.path.exists("sock"):
        os.unlink("sock")
    try:
        await asyncio.open_unix_connection("sock")
    except OSError as error:
        print(repr(error))

asyncio.run(main())
print(sorted(os.listdir()))
"""


def fill(folder: Path) -> None:
    (folder / "tree" / "sub").mkdir(parents=True)
    (folder / "given.txt").write_text("given\n")
    (folder / "tree" / "a").write_text("a")
    (folder / "tree" / "sub" / "b").write_text("b")
    (folder / "prog.py").write_text(PROGRAM)


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    found = {}
    for one in folder.rglob("*"):
        about = one.lstat()
        content = b"" if stat.S_ISDIR(about.st_mode) else one.read_bytes()
        found[str(one.relative_to(folder))] = (about.st_mode, about.st_mtime_ns, content)
    return found


def simulate(folder: Path, recording: Path | None = None) -> Outcome:
    with Simulation.start("script", ("prog.py",), folder=str(folder)) as simulation:
        outcome = simulation.run({"kind": "fifo"}, recording=recording and str(recording))
        assert not os.path.exists(simulation._overlay)
    return outcome


def run_plainly(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "prog.py"], cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_program_does_what_it_does_outside_and_the_disk_stays_as_it_is(tmp_path: Path) -> None:
    plain, simulated = tmp_path / "plain", tmp_path / "simulated"
    for folder in (plain, simulated):
        fill(folder)
    before = snapshot(simulated)
    first, second = tmp_path / "first.rec", tmp_path / "second.rec"
    outcome = simulate(simulated, first)
    assert outcome.failure is None, outcome.output
    assert outcome.output == run_plainly(plain)
    assert snapshot(simulated) == before
    simulate(simulated, second)
    assert first.read_bytes() == second.read_bytes()
    played = run_replay("play", first, cwd=simulated)
    assert (played.returncode, played.stdout) == (0, outcome.output)
    assert snapshot(simulated) == before


def program(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "prog.py").write_text(text)
    return folder


WRITES = "import os, signal, time\nfile = open('written', 'w')\nfile.write('x' * 100_000)\nfile.flush()\n"


def test_a_run_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = program(tmp_path / "run", WRITES + "os.kill(os.getpid(), signal.SIGKILL)\n")
    outcome = simulate(folder)  # looks for what is left
    assert outcome.failure is not None
    assert os.listdir(folder) == ["prog.py"]


def test_a_simulation_that_is_ended_in_the_middle_of_a_run_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = program(tmp_path / "run", WRITES + "while True: time.sleep(1)\n")
    problems = []
    with Simulation.start("script", ("prog.py",), folder=str(folder)) as simulation:

        def run() -> None:
            with pytest.raises(ReplayError) as caught:
                simulation.run({"kind": "fifo"})
            problems.append(caught.value)

        thread = threading.Thread(target=run)
        thread.start()
        while not os.path.exists(simulation._overlay):
            assert thread.is_alive()
        os.killpg(simulation._child.pid, 9)
        thread.join()
    assert len(problems) == 1
    assert not os.path.exists(simulation._overlay)


def test_what_a_program_imports_leaves_no_bytecode(tmp_path: Path) -> None:
    folder = program(tmp_path / "run", "import other\nprint(other.NAME)\n")
    (folder / "other.py").write_text("NAME = 'other'\n")
    assert simulate(folder).output == "other\n"
    assert sorted(os.listdir(folder)) == ["other.py", "prog.py"]


def test_a_library_that_writes_files_by_itself_ends_the_run(tmp_path: Path) -> None:
    folder = program(tmp_path / "run", "import _gdbm\n_gdbm.open('words', 'c')\n")
    (folder / "_gdbm.py").write_text("def open(name, flag): __import__('posix').mkdir(name)\n")
    outcome = simulate(folder)
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.detail) == ("refused", "what dbm.gnu writes")
    assert sorted(os.listdir(folder)) == ["_gdbm.py", "prog.py"]


def test_a_script_of_sqlite_that_opens_another_file_ends_the_run(tmp_path: Path) -> None:
    text = "import sqlite3\nsqlite3.connect(':memory:').executescript(\"attach 'x.db' as x\")\n"
    outcome = simulate(program(tmp_path / "run", text))
    assert (outcome.how, outcome.detail) == ("refused", "ATTACH in a script")
    assert os.listdir(tmp_path / "run") == ["prog.py"]


def test_a_database_is_copied_with_its_log(tmp_path: Path) -> None:
    text = (
        "import sqlite3\nwith sqlite3.connect('words.db') as words:\n"
        "    words.execute(\"insert into words values ('here')\")\n"
        "    print(words.execute('select * from words').fetchall())\n"
    )
    folder = program(tmp_path / "run", text)
    with contextlib.closing(sqlite3.connect(folder / "words.db")) as words:
        words.execute("pragma journal_mode=wal")
        words.execute("create table words (word)")
        words.execute("insert into words values ('outside')")
        words.commit()
        before = (folder / "words.db").read_bytes(), (folder / "words.db-wal").read_bytes()
        assert b"outside" not in before[0]  # it is in the log alone
        assert simulate(folder).output == "[('outside',), ('here',)]\n"
        assert ((folder / "words.db").read_bytes(), (folder / "words.db-wal").read_bytes()) == before
        assert words.execute("select * from words").fetchall() == [("outside",)]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_certificate_that_the_program_has_written_is_loaded(tmp_path: Path) -> None:
    text = (
        "import os, pathlib, ssl\n"
        "pathlib.Path('copy.pem').write_bytes(pathlib.Path('cert.pem').read_bytes())\n"
        "context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n"
        "context.load_verify_locations('copy.pem')\n"
        "print(context.cert_store_stats()['x509'])\n"
        "context.keylog_filename = 'keys.log'\n"
        "print(sorted(os.listdir()), context.keylog_filename)\n"
        "try:\n    context.load_verify_locations('none.pem')\n"
        "except OSError as error:\n    print(repr(error))\n"
    )
    folder = program(tmp_path / "run", text)
    (folder / "cert.pem").write_bytes(peers.certificate()[0])
    assert simulate(folder).output.splitlines() == [
        "1",
        "['cert.pem', 'copy.pem', 'keys.log', 'prog.py'] keys.log",
        "FileNotFoundError(2, 'No such file or directory')",
    ]
    assert sorted(os.listdir(folder)) == ["cert.pem", "prog.py"]
