"""`record` where its file cannot be written: the program runs all the same, and what is said is the truth."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from replay.recording.container import WINDOW_END
from tests.conftest import Done, finish, start_replay

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


def record(*words: str, room: int) -> Done:
    """Run `replay record` where no file may become larger than ``room`` bytes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    return finish(start_replay("record", "-o", "run.rec", *words, preexec_fn=limit))


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
