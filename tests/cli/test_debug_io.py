"""What `io` tells of what went out: a recording has a checksum of it, and the replay the bytes."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from replay.runtime.debuggee.goal import MOST_BYTES
from replay.timeline.session import Session
from tests.cli.answers import recorded, said
from tests.conftest import run_replay
from tests.replays.peers import certificate

PROGRAM = """\
import os, socket

def pair(kind):
    left, right = socket.socketpair(socket.AF_UNIX, kind)
    return left, right

def receive(sock, size, got):
    while size:
        data = sock.recv(size)
        size -= len(data)
        got.append(data)

# More than fits at once, without waiting: what goes out is what `send` says.
left, right = pair(socket.SOCK_STREAM)
print(left.fileno())
left.setblocking(False)
data = bytes(range(256)) * 4000
while data:
    try:
        data = data[left.send(data):]
    except BlockingIOError:
        right.recv(1 << 20)

many = left, right
# In all the ways that there are.
left, right = pair(socket.SOCK_STREAM)
left.send(b"plain")
left.sendall(bytearray(b"all of it"))
left.sendmsg([b"in ", memoryview(b"pieces")])
got = []
receive(right, 23, got)
print(left.fileno())

udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
udp.sendto(b"datagram", udp.getsockname())
udp.recvfrom(100)

read, write = os.pipe()
os.write(write, b"through a pipe")
os.read(read, 100)
print(write)
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("io"), PROGRAM)


def descriptors(recording: Path) -> list[int]:
    """Return the descriptors that the program has printed."""
    (out,) = said(recording, "out --all")
    return [int(word) for one in out["data"] for word in one["text"].split()]


def sent(rows: list[dict[str, Any]]) -> list[bytes]:
    return [b64decode(row["sent"]["data"]["base64"]) for row in rows if row["sent"] and row["sent"]["size"]]


def test_what_was_sent_is_told(recording: Path) -> None:
    _, left, write = descriptors(recording)
    stream, pipe, every = said(recording, f"io {left}", f"io {write}", "io")
    assert sent(stream["data"]) == [b"plain", b"all of it", b"in pieces"]
    lines = [line.split(None, 2)[2] for line in stream["text"].splitlines()[-5:]]
    assert lines == [
        f"main               socket.send fd={left}   -> 5",
        f"main               socket.sendall fd={left} <- b'all of it'",
        f"main               socket.sendall fd={left} -> None",
        f"main               socket.sendmsg fd={left} <- b'in pieces'",
        f"main               socket.sendmsg fd={left} -> 9",
    ]
    assert sent(pipe["data"]) == [b"through a pipe"]
    (datagram,) = [row["sent"] for row in every["data"] if row["sent"] and row["sent"]["to"]]
    assert b64decode(datagram["data"]["base64"]) == b"datagram"
    assert datagram["to"].startswith("('127.0.0.1', ")
    assert "<- b'datagram' to ('127.0.0.1', " in every["text"]


def test_of_what_did_not_go_out_at_once_only_that_is_told_that_did(recording: Path) -> None:
    many = descriptors(recording)[0]
    (stream,) = said(recording, f"io {many}")
    rows = stream["data"]
    refused = [at for at, row in enumerate(rows) if row["kind"] == "error"]
    assert refused
    assert [row["sent"] for at, row in enumerate(rows) if at in refused or at + 1 in refused] == [None] * (
        2 * len(refused)
    )
    went = [row["sent"]["size"] for row in rows if row["sent"] is not None]
    assert sum(went) == 256 * 4000
    assert len(went) > 1
    assert " bytes)" in stream["text"]


def test_without_a_replay_there_is_a_checksum(recording: Path) -> None:
    done = run_replay("events", recording, "--kind", "socket.send,socket.sendall", "--json")
    events = json.loads(done.stdout)["events"]
    assert {event["kind"] for event in events if event["is_checksum"]} == {"socket.send"}
    assert [event["kind"] for event in events[-2:]] == ["effect", "socket.sendall"]
    told = run_replay("events", recording, "--kind", "socket.send").stdout.splitlines()
    assert " goes out, checksum " in told[0]
    assert told[-1].endswith(" -> 5")  # it may wait: that is told in two events


ON_TRIO = """\
import trio

async def main():
    left, right = trio.socket.socketpair()
    with left, right:
        await left.send(b"hello")
        print(await right.recv(10))

trio.run(main)
"""


@pytest.mark.more
def test_on_trio(tmp_path: Path) -> None:
    _, every = said(recorded(tmp_path, ON_TRIO), "goto end", "io")
    assert b"hello" in sent(every["data"])  # trio wakes its loop through a socket, too


OVER_TLS = """\
import asyncio, ssl

async def serve(reader, writer):
    writer.write(b"you said " + await reader.readline())
    writer.close()

async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain("cert.pem", "key.pem")
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    trusting = ssl.create_default_context(cafile="cert.pem")
    reader, writer = await asyncio.open_connection(
        *server.sockets[0].getsockname(), ssl=trusting, server_hostname="localhost"
    )
    writer.write(b"a word\\n")
    await reader.readline()
    writer.close()
    server.close()

asyncio.run(main())
"""


OVER_SOCKETS = """\
import socket, ssl, threading
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("cert.pem", "key.pem")
server = socket.create_server(("127.0.0.1", 0))

def serve():
    with context.wrap_socket(server.accept()[0], server_side=True) as tls:
        tls.sendall(b"you said " + tls.recv(100))

thread = threading.Thread(target=serve)
thread.start()
trusting = ssl.create_default_context(cafile="cert.pem")
with trusting.wrap_socket(socket.create_connection(server.getsockname()), server_hostname="localhost") as tls:
    tls.sendall(b"a word\\n")
    tls.recv(100)
thread.join()
"""


@pytest.mark.sampled
@pytest.mark.parametrize("program", [OVER_TLS, OVER_SOCKETS], ids=["asyncio", "threads"])
def test_over_tls_it_is_told_before_it_is_enciphered(tmp_path: Path, program: str) -> None:
    for name, text in zip(("cert.pem", "key.pem"), certificate(), strict=True):
        (tmp_path / name).write_bytes(text)
    (every,) = said(recorded(tmp_path, program), "io")
    rows = every["data"]
    plain = [row["sent"] for row in rows if row["name"] == "ssl.write" and row["sent"]]
    assert [b64decode(one["data"]["base64"]) for one in plain] == [b"a word\n", b"you said a word\n"]
    assert b"a word" not in b"".join(sent([row for row in rows if row["name"] == "socket.send"]))
    writes = [line for line in every["text"].splitlines() if " ssl.write connection=" in line]
    assert writes
    assert not any("SSLWantReadError" in line for line in writes)


MUCH = """\
import socket
left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
class Host(str):
    def __repr__(self):
        return 1 / 0
for _ in range(20_000):
    left.send(b"x" * 1000)
    right.recv(1000)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
udp.sendto(b"last", (Host("127.0.0.1"), udp.getsockname()[1]))
"""


@pytest.mark.more
def test_more_than_one_message_can_tell(tmp_path: Path) -> None:
    """Without any steps; and nothing of the program runs for it."""
    with Session(str(recorded(tmp_path, MUCH))) as session:
        *every, last = session.sent(MOST_BYTES).values()
    assert [one.size for one in every] == [1000] * 20_000
    assert sum(len(one.data) for one in every) > MOST_BYTES
    assert last.data == b"last"
    assert last.to.startswith("('127.0.0.1', ")
