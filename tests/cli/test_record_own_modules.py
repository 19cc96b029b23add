"""Modules of the program that are called as parts of ours are: `runtime`, `cli`, and `replay` itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipapp
from pathlib import Path

import pytest

from tests.conftest import run_replay

PROGRAM = """
import asyncio, random, signal, threading
import cli, runtime

async def main():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, print, "a signal")
    signal.raise_signal(signal.SIGUSR1)
    await asyncio.sleep(0.001)
    loop.remove_signal_handler(signal.SIGUSR1)
    await asyncio.to_thread(print, cli.NAME, runtime.NAME, random.random())
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(3)))

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with a program and two modules of its own the current one."""
    monkeypatch.chdir(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    (work / "app.py").write_text(PROGRAM)
    (work / "runtime.py").write_text("NAME = 'my runtime'\n")
    (work / "cli.py").write_text("NAME = 'my cli'\n")
    return work


def record_and_play(folder: Path, *words: str) -> list[str]:
    """Return what the program printed, in both runs, and before it the line that `record` said of it."""
    recorded = run_replay("record", *words)
    assert recorded.returncode == 0, recorded.stderr
    if folder.is_dir():
        shutil.rmtree(folder)
    else:
        folder.unlink()
    played = run_replay("play", "run.rec")
    assert (played.returncode, played.stdout, played.stderr) == (0, recorded.stdout, "")
    assert len(recorded.stdout.splitlines()) > 1
    lines = recorded.stderr.splitlines()
    assert [line.split()[1] for line in lines[-2:]] == ["recorded", "next:"]
    return lines[:-2] + recorded.stdout.splitlines()


def test_a_programs_own_runtime_and_cli(folder: Path) -> None:
    signalled, printed = record_and_play(folder, "work/app.py")
    assert signalled == "a signal"
    assert printed.startswith("my cli my runtime 0.")


def test_a_programs_own_replay(folder: Path) -> None:
    (folder / "replay.py").write_text("def again(): return 'my replay'\n")
    (folder / "app.py").write_text("import replay, sys\nprint(replay.again(), replay.__file__)" + PROGRAM)
    said, *printed = record_and_play(folder, "work/app.py")
    assert said == f"replay: `import replay` in the program is its own {folder}/replay.py"
    assert printed[0] == f"my replay {folder}/replay.py"
    assert printed[1] == "a signal"


@pytest.mark.more
def test_a_programs_own_package_replay_with_a_runtime_in_it(folder: Path) -> None:
    for name in ("replay", "replay/runtime"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("")
    (folder / "replay" / "runtime" / "again.py").write_text("def again(): return 'my replay'\n")
    (folder / "app.py").write_text(
        "from replay.runtime.again import again\nimport sys\n"
        "print(again(), [one for one in sys.modules if one.startswith('replay')])" + PROGRAM
    )
    said, *printed = record_and_play(folder, "work/app.py")
    assert said == f"replay: `import replay` in the program is its own {folder}/replay/__init__.py"
    assert printed[0] == "my replay ['replay', 'replay.runtime', 'replay.runtime.again']"


@pytest.mark.more
def test_a_zip_file_with_a_replay_in_it(folder: Path) -> None:
    (folder / "replay.py").write_text("def again(): return 'my replay'\n")
    (folder / "__main__.py").write_text("import replay\nprint(replay.again())\nprint(replay.__file__)\n")
    zipapp.create_archive(folder, "app.pyz")
    archive = folder.parent / "app.pyz"
    said, *printed = record_and_play(archive, "app.pyz")
    assert said == f"replay: `import replay` in the program is its own {archive}/replay.py"
    assert printed == ["my replay", f"{archive}/replay.py"]


def test_it_may_fail_as_it_does(folder: Path) -> None:
    (folder / "replay.py").write_text("def again(): raise ValueError('mine')\n")
    (folder / "app.py").write_text("import replay\nreplay.again()")
    recorded = run_replay("record", "work/app.py")
    assert recorded.returncode == 1
    plain = subprocess.run(
        [sys.executable, "work/app.py"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert "ValueError: mine" in plain.stderr
    assert recorded.stderr.splitlines()[1:-2] == plain.stderr.splitlines()


@pytest.mark.more
@pytest.mark.parametrize("what", ["a folder of data", "nothing of the kind"])
def test_what_is_no_module_is_not_named(folder: Path, what: str) -> None:
    if what == "a folder of data":
        (folder / "replay").mkdir()
        (folder / "replay" / "data.txt").touch()
    (folder / "app.py").write_text("import replay\nprint(replay.__doc__[:8])\nprint()\n")
    assert record_and_play(folder, "work/app.py")[0] == "A flight"
