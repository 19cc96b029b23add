"""A secret is nowhere in the recording, and the replay, which sees placeholders, is the same run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from replay.recording.reader import RecordingFile
from replay.recording.recording import Recording
from tests.conftest import environment, run_replay
from tests.replays.harness import Ran, show
from tests.replays.projects import Project

SECRET = "hunter2-Swordfish/ß!"
"""With letters that are no ASCII, and with what regular expressions take for something else."""
KEY = "sk-12ab34cd56ef"


def spells(secret: str) -> list[bytes]:
    """Return how a secret could lie in a file."""
    return [secret.encode(), repr(secret.encode())[2:-1].encode(), secret.encode("latin-1", "replace")]


def must_be_kept_out(project: Project, *secrets: str) -> None:
    """Fail if a secret is in the recording, packed or unpacked."""
    content = project.content()
    for secret in secrets:
        for spelling in spells(secret):
            assert spelling not in content


def must_replay(project: Project, recorded: Ran, *secrets: str, play: tuple[str, ...] = ()) -> Ran:
    """Replay without the project; fail unless all goes as it went, but for the secrets."""
    assert recorded.exit_code == 0, show(recorded)
    replayed = project.play(*play)
    assert replayed.exit_code == 0, show(replayed)
    for observed, expected in ((replayed.stdout, recorded.stdout), (replayed.stderr, b"")):
        if expected:
            assert len(observed) == len(expected)
            assert observed != expected, "the secret was printed, so the replay prints a placeholder"
        for secret in secrets:
            assert secret.encode() not in observed
    return replayed


NETWORK = """
import asyncio, os, subprocess, sys

async def serve(reader, writer):
    line = await reader.readline()
    writer.write(b"you said " + line)
    await writer.drain()
    writer.close()

async def main():
    secret = {secret}
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"AUTH " + secret.encode() + b"\\n")
    print((await reader.read()).decode(), len(secret))
    writer.close()
    server.close()

asyncio.run(main())
"""


@pytest.mark.sampled
@pytest.mark.parametrize("origin", ["environment", "argument", "source", "file", "input"])
def test_a_secret_that_goes_over_the_network(tmp_path: Path, origin: str) -> None:
    expressions = {
        "environment": "os.environ['SERVICE_LOGIN']",
        "argument": "sys.argv[1]",
        "source": repr(SECRET),
        "file": "open('config').read().partition('=')[2].strip()",
        "input": "subprocess.check_output(['cat', 'config'], text=True)[6:-1]",
    }
    text = NETWORK.replace("{secret}", expressions[origin])
    project = Project.of(tmp_path, {"app.py": text, "config": f"login={SECRET}\n"})
    env = {"SERVICE_LOGIN": SECRET} if origin == "environment" else {}
    argv = ("app.py", SECRET) if origin == "argument" else ("app.py",)
    options = ("--redact-env", "SERVICE_LOGIN") if origin == "environment" else ("--redact", "hunter2-.*ß!")
    recorded = project.record(*argv, options=options, env=env)
    must_be_kept_out(project, SECRET)
    assert b"replay: redacted 1 secret in " in recorded.stderr
    project.remove()
    must_replay(project, recorded, SECRET)


@pytest.mark.more
def test_a_pattern_with_a_group(tmp_path: Path) -> None:
    text = f"""
import os, socket, sys
left, right = socket.socketpair()
left.sendall(b"password={KEY}; other=1")
data = right.recv(100).decode()
password = dict(part.split("=") for part in data.split("; "))["password"]
buffer = bytearray(100)
left.sendall(b"again " + password.encode())
count = right.recv_into(buffer)
left.sendmsg([b"more ", password.encode()])
print(password, buffer[:count], right.recvfrom(100), len(password))
sys.stderr.write(password[:0])
with open("out", "w") as file:
    file.write(password)
print(open("out").read(), os.path.exists(password))
"""
    text = text.replace(KEY, "{}").replace("{}", KEY[:4] + '" b"' + KEY[4:], 1)
    project = Project.of(tmp_path, {"app.py": text})
    recorded = project.record("app.py", options=("--redact", r"password=([\w-]+)"))
    must_be_kept_out(project, KEY)
    project.remove()
    must_replay(project, recorded, KEY)


def test_exceptions_names_and_tracebacks(tmp_path: Path) -> None:
    text = """
import asyncio, os, sys, traceback

async def work(secret):
    raise ValueError("cannot log in with " + secret)

async def main():
    secret = os.environ["API_TOKEN"]
    task = asyncio.create_task(work(secret), name="as " + secret)
    try:
        await task
    except ValueError:
        print(traceback.format_exc().count("cannot log in with"))
    print(task.get_name())
    try:
        open("/nowhere/" + secret)
    except OSError as error:
        print(error)

asyncio.run(main())
"""
    project = Project.of(tmp_path, {"app.py": text})
    recorded = project.record("app.py", env={"API_TOKEN": SECRET})
    must_be_kept_out(project, SECRET)
    assert b"replay: redacted 1 secret in " in recorded.stderr
    assert b"environ 1" in recorded.stderr
    project.remove()
    must_replay(project, recorded, SECRET)


@pytest.mark.more
def test_what_is_made_of_a_secret_and_matches_too(tmp_path: Path) -> None:
    """Its bytes are others at replay, made of placeholders; it gets the same placeholder as then."""
    text = """
import hashlib, os, socket
left, right = socket.socketpair()
for n in range(3):
    token = "tok_" + hashlib.sha256(os.environb[b"SIGNING_KEY"] + bytes([n])).hexdigest()
    left.sendall(b"Bearer " + token.encode())
    print("sent", token, right.recv(100) == b"Bearer " + token.encode())
print("last", "tok_" + hashlib.sha256(os.environb[b"SIGNING_KEY"]).hexdigest())
"""
    text = text.replace(' == b"Bearer " + token.encode()', "[:7]")
    project = Project.of(tmp_path, {"app.py": text})
    recorded = project.record(
        "app.py", options=("--redact", r"tok_[0-9a-f]{64}"), env={"SIGNING_KEY": SECRET}
    )
    must_be_kept_out(project, SECRET)
    project.remove()
    must_replay(project, recorded, SECRET)


@pytest.mark.more
def test_a_program_that_looks_into_a_secret(tmp_path: Path) -> None:
    text = "import os, zlib\nprint(zlib.crc32(os.environb[b'API_TOKEN']), flush=True)\n"
    project = Project.of(tmp_path, {"app.py": text})
    project.record("app.py", env={"API_TOKEN": SECRET})
    replayed = project.play()
    assert replayed.exit_code == 93
    assert LIKELY in replayed.stderr


LIKELY = (
    b"  likely    secrets were redacted, and a replay has placeholders:"
    b" the program may have looked into one, or made another out of it\n"
)
DERIVED = {
    "an argument": "import sys\nprint(sys.argv[1].upper(), flush=True)\n",
    "input": "import socket\na, b = socket.socketpair()\na.sendall(b'x')\n"
    "print(open('config').read().upper(), flush=True)\n",
    "a limb that is not taken": "import os, time\n"
    "if os.environ['SERVICE_LOGIN'].startswith('hunter'):\n    time.time()\nprint(1)\n",
}


@pytest.mark.sampled
@pytest.mark.parametrize("what", DERIVED)
@pytest.mark.parametrize("ending", ["", "import os; os._exit(0)\n"])
def test_what_is_made_of_a_secret_names_redaction(tmp_path: Path, what: str, ending: str) -> None:
    project = Project.of(tmp_path, {"app.py": DERIVED[what] + ending, "config": SECRET})
    recorded = project.record(
        *("app.py", SECRET),
        options=("--redact-env", "SERVICE_LOGIN", "--redact", "hunter2-.*ß!"),
        env={"SERVICE_LOGIN": SECRET},
    )
    assert recorded.exit_code == 0, show(recorded)
    replayed = project.play()
    assert replayed.exit_code == 93, show(replayed)
    assert replayed.stderr.count(LIKELY) == 1, show(replayed)


@pytest.mark.more
def test_nothing_found_to_redact_is_no_cause(tmp_path: Path) -> None:
    text = "import ctypes\nprint(ctypes.CDLL(None).access(b'leak', 0), flush=True)\n"
    project = Project.of(tmp_path, {"app.py": text, "leak": ""})
    project.record("app.py", options=("--redact", "tok_[0-9]+"))
    project.remove()
    replayed = project.play()
    assert replayed.exit_code == 93, show(replayed)
    assert b"redacted" not in replayed.stderr


@pytest.mark.sampled
@pytest.mark.parametrize("ending", ["", "import os; os._exit(0)\n", "raise SystemExit(1)\n"])
def test_info_counts_what_was_redacted_once(tmp_path: Path, ending: str) -> None:
    """Known beforehand, met on the way in, and read by name."""
    text = "import os, sys\nopen('config').read()\nos.environ['API_TOKEN']\nprint(sys.argv[1], flush=True)\n"
    project = Project.of(tmp_path, {"app.py": text + ending, "config": KEY})
    recorded = project.record(
        *("app.py", SECRET),
        options=("--redact-env", "SERVICE_LOGIN", "--redact", "sk-[0-9a-f]{12}"),
        env={"SERVICE_LOGIN": SECRET, "API_TOKEN": "another secret"},
    )
    said = b"replay: redacted 3 secrets in "
    assert said in recorded.stderr, show(recorded)
    with Recording.open(project.recording) as recording:
        assert recording.survey().secrets_count == 3


def test_the_header_keeps_no_pattern_that_is_the_secret(tmp_path: Path) -> None:
    project = Project.of(tmp_path, {"app.py": "print(1)\n"})
    project.record("app.py", options=("--redact", "hunter2", "--redact", r"tok_\w+", "--redact-env", "NAME"))
    must_be_kept_out(project, "hunter2")
    with RecordingFile.open(project.recording) as file:
        assert file.header["redaction"] == {"patterns": [r"tok_\w+"], "patterns_count": 2, "names": ["NAME"]}


@pytest.mark.more
def test_edits_are_found_in_redacted_source(tmp_path: Path) -> None:
    text = "password = 'hunter2hunter2'\nprint(len(password))\n"
    project = Project.of(tmp_path, {"app.py": text})
    recorded = project.record("app.py", options=("--redact", "hunter2hunter2"))
    assert recorded.exit_code == 0, show(recorded)
    assert project.play().stdout == recorded.stdout
    project.write("app.py", text.replace("hunter2hunter2", "another secret"))
    assert project.play().stdout == recorded.stdout
    project.write("app.py", text.replace("len", "list"))
    assert project.play().exit_code == 92


@pytest.mark.more
def test_a_secret_in_two_reads_is_recorded_in_two_pieces(tmp_path: Path) -> None:
    """This is what cannot be caught: neither piece matches. What is made of both is redacted again."""
    text = f"""
import socket
left, right = socket.socketpair()
left.sendall({KEY[:6].encode()!r})
one = right.recv(100)
left.sendall({KEY[6:].encode()!r})
key = one + right.recv(100)
left.sendall(key)
print(len(right.recv(100)), key.decode())
"""
    project = Project.of(tmp_path, {"app.py": text})
    recorded = project.record("app.py", options=("--redact", r"sk-[0-9a-f]{12}"))
    must_be_kept_out(project, KEY)
    assert KEY[:6].encode() in project.content()
    project.remove()
    must_replay(project, recorded, KEY)


@pytest.mark.more
def test_a_recording_with_nothing_to_redact_says_nothing_of_it(tmp_path: Path) -> None:
    project = Project.of(tmp_path, {"app.py": "print(1)\n"})
    assert b"redacted" not in project.record("app.py").stderr
    found_nowhere = project.record("app.py", options=("--redact", "sk-[0-9]+"))
    assert b"replay: redacted 0 secrets, found nowhere" in found_nowhere.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_tls(tmp_path: Path) -> None:
    text = """
import asyncio, os, ssl, subprocess

subprocess.run(
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    " -keyout key.pem -out cert.pem -subj /CN=localhost".split(), capture_output=True, check=True)

async def serve(reader, writer):
    writer.write(b"you said " + await reader.readline())
    await writer.drain()
    writer.close()

async def main():
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here.load_cert_chain("cert.pem", "key.pem")
    there = ssl.create_default_context(cafile="cert.pem")
    there.check_hostname = False
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=here)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=there)
    writer.write(b"AUTH " + os.environb[b"API_TOKEN"] + b"\\n")
    print(await reader.read())
    writer.close()
    server.close()

asyncio.run(main())
"""
    project = Project.of(tmp_path, {"app.py": text})
    recorded = project.record("app.py", env={"API_TOKEN": KEY, "PATH": os.environ["PATH"]})
    must_be_kept_out(project, KEY)
    project.remove()
    must_replay(project, recorded, KEY)


NUMBERS = "num=1234; tok=0123456789abcdef0123456789abcdef 7 end"


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("pattern", "secret"),
    [
        (r"(?<=num=)\d+", "1234"),
        (r"\b\d\b", " 7 "),
        (r"[0-9a-f]{32}", "0123456789abcdef0123456789abcdef"),
        (r"[A-Za-z0-9]{20,}", "0123456789abcdef0123456789abcdef"),
        (r"\d{3}", "123"),
    ],
)
def test_a_secret_may_be_short_and_look_like_what_the_recorder_knows(
    pattern: str, secret: str, tmp_path: Path
) -> None:
    """As the checksums of sources do; these are in the recording as they are."""
    (tmp_path / "data").write_text(NUMBERS)
    (tmp_path / "app.py").write_text("print(open('data').read())\n")
    recorded = run_replay("record", "--redact", pattern, "app.py", cwd=tmp_path)
    assert recorded.stdout == f"{NUMBERS}\n"
    (tmp_path / "data").unlink()
    replayed = run_replay("play", "run.rec", cwd=tmp_path)
    assert (replayed.returncode, len(replayed.stdout)) == (0, len(recorded.stdout)), replayed.stderr
    assert secret not in replayed.stdout
    assert secret not in run_replay("events", "--full", "--kind", "os.read", "run.rec", cwd=tmp_path).stdout


def test_a_variable_that_is_too_short_to_be_found_again_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('runs')\n")
    done = run_replay(
        "record", "--redact-env", "PIN", "app.py", cwd=tmp_path, env={**environment(), "PIN": "739"}
    )
    assert (done.returncode, done.stdout) == (92, "")
    assert done.stderr.startswith(
        "replay: the value of PIN is too short to be redacted wherever it occurs: 3 of 4 bytes\n"
    )
