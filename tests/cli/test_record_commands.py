"""`record -- COMMAND`: what can be recorded, how what cannot is refused; real pytest, real uvicorn."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from replay.cli.arguments import Parser
from replay.cli.commands import record
from replay.errors import UsageError
from replay.options import RecordOptions
from tests.conftest import finish as wait_until_over
from tests.conftest import start_replay as start

PYTHON = sys.executable
RUN_LIMIT_S = 60.0


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder with a script the current one."""
    monkeypatch.chdir(tmp_path)
    for name in ("PYTEST_ADDOPTS", "WEB_CONCURRENCY", "UVICORN_WORKERS", "UVICORN_RELOAD"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "app.py").write_text("print('hello')\n")
    return tmp_path


def parse(*words: str) -> RecordOptions:
    parser = Parser(prog="replay record")
    record.configure(parser)
    return record.options_of(parser.parse_before_program(words))


def refusal(*words: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(*words)
    hint = caught.value.hint
    return caught.value.message + (f" | {hint}" if hint else "")


def script(path: Path, start: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(start)
    path.chmod(0o755)
    return path


# -- what is taken ------------------------------------------------------------------------------------------


def test_a_script_beside_this_python_needs_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    options = parse("--", "pytest", "-k", "x")
    assert options.target == "command"
    assert options.argv == (str(Path(PYTHON).with_name("pytest")), "-k", "x")


@pytest.mark.parametrize(
    ("words", "target", "argv"),
    [
        ("{python} app.py -n 4", "script", "app.py -n 4"),
        ("{python} -m json.tool x", "module", "json.tool x"),
        ("{python} -mjson.tool", "module", "json.tool"),
        ("python app.py", "script", "app.py"),
        ("python3 app.py", "script", "app.py"),
    ],
)
def test_this_python(words: str, target: str, argv: str) -> None:
    options = parse("--", *words.format(python=PYTHON).split())
    assert (options.target, options.argv) == (target, tuple(argv.split()))


@pytest.mark.parametrize(
    "start",
    [
        f"#!{PYTHON}\n",
        f"#!{PYTHON} -I\n",
        f"#!/usr/bin/env {PYTHON}\n",
        f"#!/usr/bin/env -S {PYTHON} -u\n",
        "#!/usr/bin/env python3\n",
        f"#!/bin/sh\n'''exec' \"{PYTHON}\" \"$0\" \"$@\"\n' '''\n",
        f"#!/bin/sh\n'''exec' {PYTHON} \"$0\" \"$@\"\n' '''\n",
    ],
)
def test_how_scripts_name_their_python(folder: Path, monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.path.dirname(PYTHON)}:/usr/bin")
    path = script(folder / "bin" / "tool", start + "print()\n")
    assert parse("--", "tool", "x").argv == (str(path), "x")
    assert parse("--", "bin/tool").argv == ("bin/tool",)


def test_a_relocatable_script_takes_the_python_beside_it(folder: Path) -> None:
    start = "#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python3' \"$0\" \"$@\"\n' '''\n"
    script(folder / "bin" / "tool", start)
    assert refusal("--", "bin/tool").startswith(
        f"bin/tool runs in another Python ({folder}/bin/python3) than"
    )


@pytest.mark.parametrize(
    "words",
    [
        "pytest -n 0",
        "pytest -n 4 -n 0",
        "pytest tests -k n4 -- -n 4",
        "uvicorn app:app --workers 1",
        "{python} -m uvicorn app:app",
        "{python} -m pytest --numprocesses=0",
    ],
)
def test_one_process_is_fine(words: str) -> None:
    assert parse("--", *words.format(python=PYTHON).split()).target in ("command", "module")


# -- what is refused ----------------------------------------------------------------------------------------

XDIST = "(pytest-xdist) runs the tests in worker processes, which are not recorded"
ONE = "`-n 0` runs them in one process"
WORKERS = "runs the application in worker processes, which are not recorded"
CHILD = "runs the application in a child process, which is not recorded"


def test_what_works_in_other_processes_is_refused_by_name() -> None:
    said = {
        "-- pytest -n 4": f"pytest -n 4 {XDIST} | {ONE}",
        "-- pytest -nauto tests": f"pytest -n auto {XDIST} | {ONE}",
        "-- pytest --numprocesses=2": f"pytest -n 2 {XDIST} | {ONE}",
        "-- py.test -n 0 -n 3": f"pytest -n 3 {XDIST} | {ONE}",
        "-m pytest -n 4": f"pytest -n 4 {XDIST} | {ONE}",
        f"-- {PYTHON} -m pytest -n 4": f"pytest -n 4 {XDIST} | {ONE}",
        "-- pytest --forked": "pytest --forked runs each test in a child process, which is not recorded"
        " | take `--forked` out",
        "-- uvicorn app:app --reload": f"uvicorn --reload {CHILD} | leave `--reload` out",
        "-- uvicorn app:app --workers 4": f"uvicorn --workers 4 {WORKERS}"
        " | `--workers 1` runs it in one process",
        "-m uvicorn app:app --workers=2": f"uvicorn --workers 2 {WORKERS}"
        " | `--workers 1` runs it in one process",
        "-- hypercorn app:app": f"hypercorn without `--workers 0` {WORKERS}"
        " | `--workers 0` runs it in one process",
        "-- hypercorn -w 2 app:app": f"hypercorn --workers 2 {WORKERS}"
        " | `--workers 0` runs it in one process",
        "-- hypercorn --reload app:app": f"hypercorn --reload {CHILD}"
        " | `--workers 0`, without `--reload`, runs it in one process",
        "-- fastapi dev": "fastapi dev reloads: it runs the application in a child process, which is not"
        " recorded | `fastapi run`, or `fastapi dev --no-reload`",
        "-- fastapi run --workers 3": f"fastapi --workers 3 {WORKERS} | `--workers 1` runs it in one process",
        "-- gunicorn app:app": f"gunicorn {WORKERS}"
        " | one process can be recorded, as with `replay record -- uvicorn app:app`",
    }
    assert {words: refusal(*words.split()) for words in said} == said


def test_workers_asked_for_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    assert refusal("--", "uvicorn", "app:app").startswith(f"uvicorn with WEB_CONCURRENCY=3 {WORKERS}")
    assert parse("--", "uvicorn", "app:app", "--workers", "1").argv[1:] == ("app:app", "--workers", "1")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pytest.ini", "[pytest]\naddopts = -q -n 4\n"),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = ["-q", "-n", "4"]\n'),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "-q -n 4"\n'),
        ("pyproject.toml", '[tool.pytest]\naddopts = ["-n4"]\n'),
        ("tox.ini", "[pytest]\naddopts = -n4\n"),
        ("setup.cfg", "[tool:pytest]\naddopts =\n    -q\n    -n 4\n"),
    ],
)
def test_workers_asked_for_in_settings(folder: Path, file: str, text: str) -> None:
    (folder / file).write_text(text)
    (folder / "tests").mkdir()
    assert refusal("--", "pytest") == f"pytest -n 4 from {file} {XDIST} | {ONE}"
    assert refusal("--", "pytest", "tests::x") == f"pytest -n 4 from {file} {XDIST} | {ONE}"
    assert parse("--", "pytest", "-n", "0").argv[1:] == ("-n", "0")
    assert parse("--", "pytest", "-o", "addopts=").argv[1:] == ("-o", "addopts=")


def test_the_environment_comes_after_the_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -n 4\n")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-n 0")
    assert parse("--", "pytest").argv[1:] == ()
    monkeypatch.setenv("PYTEST_ADDOPTS", "-n 2")
    assert refusal("--", "pytest") == f"pytest -n 2 from PYTEST_ADDOPTS {XDIST} | {ONE}"


def test_settings_that_pytest_itself_refuses_are_left_to_it(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.pytest\n")
    (folder / "tox.ini").write_text("no section")
    assert parse("--", "pytest").argv[1:] == ()


PYTHON_ONLY = "a Python program is recorded with `replay record app.py` or `replay record -m MODULE`"


def test_what_is_no_command_of_this_python(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{folder}/bin:/usr/bin:/bin")
    binary = folder / "bin" / "binary"
    script(binary, "").write_bytes(b"\x7fELF\0\0")
    script(folder / "bin" / "shell", "#!/bin/bash\necho\n")
    script(folder / "bin" / "perl", "#!/usr/bin/env perl\n")
    script(folder / "bin" / "bare", "print()\n")
    script(folder / "bin" / "other", "#!/opt/other/bin/python3.9\n")
    script(folder / "bin" / "python3.9", "#!/bin/sh\n")
    bin_ = f"{folder}/bin"
    said = {
        "-- binary": f"binary ({bin_}/binary) is a binary program: only Python programs can be recorded"
        f" | {PYTHON_ONLY}",
        "-- shell": f"shell ({bin_}/shell) is a script for /bin/bash: only Python programs can be recorded"
        f" | {PYTHON_ONLY}",
        "-- bin/perl": "bin/perl is a script for /usr/bin/env perl: only Python programs can be recorded"
        f" | {PYTHON_ONLY}",
        "-- bare": f"bare ({bin_}/bare) does not say what runs it (it has no `#!` line): only Python programs"
        f" can be recorded | {PYTHON_ONLY}",
        "-- ./app.py": "./app.py does not say what runs it (it has no `#!` line): only Python programs can be"
        " recorded | `replay record ./app.py`",
        "-- other": f"other ({bin_}/other) runs in another Python (/opt/other/bin/python3.9) than replay does"
        f" ({PYTHON}) | install other beside replay, or replay beside it: one interpreter runs both",
        "-- python3.9 app.py": f"python3.9 is another Python ({bin_}/python3.9) than the one that replay runs"
        f" in ({PYTHON}) | `replay record app.py` takes this one; to take the other, install replay there",
        f"-- {PYTHON}": f"no program after `-- {PYTHON}` | `replay record -- {PYTHON} app.py`",
        f"-- {PYTHON} -c pass": "a program given with `-c` cannot be recorded"
        " | put it in a file: a replay needs its source",
        f"-- {PYTHON} -m": "no module after `-m` | `replay record -m package.module`",
        f"-- {PYTHON} -X dev app.py": "options of Python are not taken here: -X"
        f" | give them to the Python that runs replay: `{PYTHON} -X -m replay record ...`",
        f"-- {PYTHON} none.py": "no such file: none.py",
        "-- pytset tests": "no such command: pytset | did you mean `replay record -- pytest`?",
        "-- zipfile": "no such command: zipfile | a module is recorded with `replay record -m zipfile`",
        "-- app.py": "no such command: app.py | a script is recorded with `replay record app.py`",
        "-- no-such-command-at-all": "no such command: no-such-command-at-all"
        f" | it is neither beside this Python ({PYTHON}) nor on the PATH",
    }
    assert {words: refusal(*words.split()) for words in said} == said


# -- real ones ----------------------------------------------------------------------------------------------

TESTS = """
import asyncio
import random
import socket
import time

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def talk():
    async def answer(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"%r\\n" % random.random())
    print(port, await reader.readline(), time.time())
    writer.close()
    server.close()


@pytest.mark.asyncio
async def test_by_pytest_asyncio():
    await talk()


@pytest.mark.anyio
async def test_by_anyio():
    await talk()


def test_a_file(tmp_path):
    (tmp_path / "x").write_text(str(time.time()))
    assert (tmp_path / "x").read_text() == "what it is not"
"""

SITE = """
import os, signal, time


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"it is %r" % time.time()})
    if scope["path"] == "/last":
        os.kill(os.getpid(), signal.SIGINT)
"""


def finish(child: subprocess.Popen[str], seen: str = "") -> tuple[int, str, str]:
    """Return exit code and output, without our own lines."""
    done = wait_until_over(child, RUN_LIMIT_S)
    lines = (seen + done.stderr).splitlines(keepends=True)
    return done.returncode, done.stdout, "".join(line for line in lines if not line.startswith("replay: "))


def test_real_pytest(folder: Path) -> None:
    (folder / "test_them.py").write_text(TESTS)
    recorded = finish(start("record", "--", "pytest", "-s", "-p", "no:cacheprovider", "test_them.py"))
    assert "1 failed, 2 passed" in recorded[1], recorded
    assert recorded[0] == 1
    for name in ("test_them.py", "app.py"):
        (folder / name).unlink()
    assert finish(start("play", "run.rec")) == recorded


@pytest.mark.more
def test_real_uvicorn(folder: Path) -> None:
    pytest.importorskip("uvicorn")
    (folder / "site_.py").write_text(SITE)
    child = start("record", "--", "uvicorn", "site_:app", "--port", "0")
    seen, port = wait_for(child, r"running on http://127\.0\.0\.1:(\d+)")
    answers = [ask(f"http://127.0.0.1:{port}/{page}") for page in ("first", "last")]
    recorded = finish(child, seen)
    assert all(text.startswith("it is ") for text in answers)
    assert recorded[0] == 0
    assert re.findall(r'"GET (\S+) HTTP/1.1" 200 OK', recorded[1]) == ["/first", "/last"]
    (folder / "site_.py").unlink()
    assert finish(start("play", "run.rec")) == recorded


def wait_for(child: subprocess.Popen[str], pattern: str) -> tuple[str, str]:
    """Read stderr up to what matches; return all that was read, and the first group."""
    assert child.stderr is not None
    seen = ""
    deadline = time.monotonic() + RUN_LIMIT_S
    while (found := re.search(pattern, seen)) is None:
        ready, _, _ = select.select([child.stderr], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(child.stderr.fileno(), 65536).decode() if ready else ""
        if not piece:
            child.kill()
            pytest.fail(f"never said {pattern}: {seen}{child.communicate()}")
        seen += piece
    return seen, found[1]


def ask(url: str) -> str:
    with urllib.request.urlopen(url, timeout=RUN_LIMIT_S) as answer:
        text: str = answer.read().decode()
        return text
