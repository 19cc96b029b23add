"""`record` where its file cannot be written: the program runs all the same, and what is said is the truth."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path
from typing import Any

import pytest

from replay.recording.container import WINDOW_END
from tests.conftest import Child, Done, environment, finish, start_replay

PROGRAM = """
import asyncio, os, sys

async def main():
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    print("read", await reader.read(), await asyncio.to_thread(lambda: 5), flush=True)
    if "much" in sys.argv:
        for _ in range(1000):
            os.urandom(1000)
    else:
        child = await asyncio.create_subprocess_exec("echo", "from a child")
        await child.wait()
    if "long" in sys.argv:
        await asyncio.sleep(30)
    raise SystemExit(3)

asyncio.run(main())
"""
READ = "read b'' 5\n"
SAID = f"{READ}from a child\n"
NOTHING_WRITTEN = "replay: the recording cannot be written (File too large); the program runs, unrecorded"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text(PROGRAM)
    return tmp_path


def start_record(*words: str, room: int, **settings: Any) -> Child:
    """Start `replay record` where no file may become larger than ``room`` bytes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    # Python 3.11 leaves half a file where there is no room for its bytecode, and fails to read it later.
    env = {**environment(), "PYTHONDONTWRITEBYTECODE": "1"}
    return start_replay("record", "-o", "run.rec", *words, preexec_fn=limit, env=env, **settings)


def record(*words: str, room: int) -> Done:
    """Record a program where there is so little room."""
    return finish(start_record(*words, room=room))


def test_without_room_for_a_file_the_program_runs_unrecorded(folder: Path) -> None:
    done = record("app.py", room=4096)
    assert (done.returncode, done.stdout) == (3, SAID)
    assert done.stderr == f"{NOTHING_WRITTEN}\n"
    assert [path.name for path in folder.iterdir() if ".rec" in path.name] == []


def test_an_older_recording_is_left_as_it_was() -> None:
    assert finish(start_replay("record", "-o", "run.rec", "app.py")).returncode == 3
    before = Path("run.rec").read_bytes()
    done = record("app.py", room=4096)
    assert (done.returncode, done.stdout) == (3, SAID)
    assert done.stderr == f"{NOTHING_WRITTEN}; run.rec is left as it was\n"
    assert Path("run.rec").read_bytes() == before


@pytest.mark.more
def test_an_unrecorded_program_is_stopped_in_time_too() -> None:
    done = record("--timeout", "1", "app.py", "long", room=4096)
    assert (done.returncode, done.stdout) == (124, SAID)
    place = Path("app.py").resolve()
    line = 1 + PROGRAM.split("\n").index("asyncio.run(main())")
    assert done.stderr.splitlines() == [
        NOTHING_WRITTEN,
        f"replay: stopped after 1 s, at {place}:{line} in <module>",
    ]


def test_a_disk_that_becomes_full_keeps_what_there_was() -> None:
    done = record("app.py", "much", room=WINDOW_END + 100_000)
    assert (done.returncode, done.stdout) == (3, READ)
    assert done.stderr == (
        "replay: recording stopped here ([Errno 27] File too large); the program goes on, unrecorded\n"
    )
    played = finish(start_replay("play", "run.rec"))
    assert (played.returncode, played.stdout) == (137, READ)
    told = finish(start_replay("info", "run.rec"))
    assert "File too large" in told.stdout
    assert told.returncode == 0


PLAINLY = """
import gc, os, subprocess, sys, threading, time

class Cyclic:
    def __init__(self):
        self.own = self

    def __del__(self):
        found.append(1)

found = []
sys.stdout.reconfigure(line_buffering=True)
gc.disable()
for _ in range(10_000):
    Cyclic()
print("collected", len(found))
gc.enable()
for _ in range(10_000):
    Cyclic()
print("collected some", len(found) > 0)
if os.fork() == 0:
    os._exit(0)
print("child", os.wait()[1])
subprocess.run(["echo", "of a child"], preexec_fn=print)
total = 0

def count():
    global total
    while True:
        total += 1
        time.sleep(0.0001)

threading.Thread(target=count, daemon=True).start()
time.sleep(0.01)
sys.stdout.write("an open line")
"""
PLAIN = "collected 0\ncollected some True\nchild 0\n\nof a child\n"


def test_what_a_program_does_unrecorded_is_what_it_does_plainly(folder: Path) -> None:
    (folder / "app.py").write_text(PLAINLY)
    done = record("app.py", room=4096)
    assert (done.returncode, done.stdout) == (0, f"{PLAIN}an open line")
    assert done.stderr == f"{NOTHING_WRITTEN}\n"


def test_our_line_does_not_begin_in_the_middle_of_an_open_one(folder: Path) -> None:
    (folder / "app.py").write_text("import time\nprint('open', end='', flush=True)\ntime.sleep(30)\n")
    with (folder / "both").open("w+") as both:
        child = start_record("--timeout", "0.5", "app.py", room=4096, stdout=both, stderr=both)
        assert child.wait(30) == 124
        both.seek(0)
        said = both.read().splitlines()
    assert said[:2] == [NOTHING_WRITTEN, "open"]
    assert said[2].startswith("replay: stopped after 0.5 s, at ")


def test_runs_until_one_fails_are_no_use_without_a_recording() -> None:
    done = record("--until-failure", "3", "app.py", room=4096)
    assert (done.returncode, done.stdout) == (92, "")
    assert done.stderr.splitlines() == [
        "replay: run 1 of 3",
        "replay: the recording cannot be written: File too large",
        "replay: run 1 left no recording, so it is the last",
    ]


@pytest.mark.more
def test_a_folder_that_takes_no_further_file(folder: Path) -> None:
    disk = folder / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=2", "none", disk], capture_output=True
    ).returncode:
        pytest.skip("may not mount a small disk")
    try:
        (disk / "one").touch()
        done = finish(start_replay("record", "-o", disk / "run.rec", "app.py"))
    finally:
        subprocess.run(["umount", disk], check=True)
    assert (done.returncode, done.stdout) == (3, SAID)
    assert "the recording cannot be written (No space left on device)" in done.stderr
