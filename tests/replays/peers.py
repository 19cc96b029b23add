"""What a program needs beside it while it is recorded: servers on ports of 127.0.0.1, and certificates."""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

START_LIMIT_S = 20.0
TOGGLE = "toggle"
SUPPORT = Path(__file__).resolve().parent.parent / "programs" / "support"


@dataclass
class Peer:
    """A running peer.

    Args:
      address: what stands for it among the program's arguments.
      received: what it was sent, where it keeps that.
    """

    address: str
    received: bytearray = field(default_factory=bytearray)


def start_peer(name: str, scratch: Path) -> contextlib.AbstractContextManager[Peer]:
    """Start a peer by its name; it is stopped, or deleted, at the end of the `with`."""
    return PEERS[name](scratch)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_until_open(port: int, child: subprocess.Popen[bytes]) -> None:
    """Return when something listens on a port; fail when the child ends first, or takes too long."""
    deadline = time.monotonic() + START_LIMIT_S
    while child.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    pytest.fail(f"no server on port {port} after {START_LIMIT_S:g} s: {child.args}")


@contextlib.contextmanager
def serving(argv: list[str], port: int, user: str | None = None) -> Iterator[Peer]:
    """Run a server until the end of the `with`."""
    child = subprocess.Popen(
        argv,
        user=user,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_open(port, child)
        yield Peer(f"127.0.0.1:{port}")
    finally:
        child.terminate()
        try:
            child.wait(START_LIMIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


# -- the peers ---------------------------------------------------------------------------------------------


@functools.cache
def certificate() -> tuple[bytes, bytes]:
    """Return a certificate for localhost and its key, made once."""
    with tempfile.TemporaryDirectory(prefix="certificate-") as folder:
        subprocess.run(
            shlex.split(
                "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
                " -keyout key.pem -out cert.pem -subj /CN=localhost/O=Example"
                " -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
            ),
            cwd=folder,
            capture_output=True,
            check=True,
        )
        return Path(folder, "cert.pem").read_bytes(), Path(folder, "key.pem").read_bytes()


@contextlib.contextmanager
def tls(scratch: Path) -> Iterator[Peer]:
    """Provide a folder with a certificate and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = scratch / "tls"
    folder.mkdir()
    cert, key = certificate()
    (folder / "cert.pem").write_bytes(cert)
    (folder / "key.pem").write_bytes(key)
    yield Peer(str(folder))


@contextlib.contextmanager
def http(_scratch: Path) -> Iterator[Peer]:
    """Run `support/http_server.py`."""
    port = free_port()
    with serving([sys.executable, str(SUPPORT / "http_server.py"), str(port)], port) as peer:
        yield peer


@contextlib.contextmanager
def redis(scratch: Path) -> Iterator[Peer]:
    """Run a redis server, empty and without persistence."""
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server")
    port, folder = free_port(), scratch / "redis"
    folder.mkdir()
    argv = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    with serving(argv, port) as peer:
        yield peer


def postgres_binary(name: str) -> str | None:
    """Return the path of a program of PostgreSQL, which Debian keeps out of the PATH."""
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(newest[-1]) if newest else shutil.which(name)


def other_user() -> str | None:
    """Return whom to be for a server that refuses to be root, None when we are not root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@functools.cache
def postgres_template() -> tempfile.TemporaryDirectory[str]:
    """Return a folder with an empty database cluster in `data`, made once; making one takes a second."""
    initdb, user = postgres_binary("initdb"), other_user()
    assert initdb is not None
    folder = tempfile.TemporaryDirectory(prefix="postgres-")
    if user is not None:
        shutil.chown(folder.name, user)
    argv = [initdb, "-D", f"{folder.name}/data", "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(argv, user=user, cwd=folder.name, capture_output=True, check=True)
    return folder


@contextlib.contextmanager
def postgres(_scratch: Path) -> Iterator[Peer]:
    """Run a PostgreSQL server with an empty database, whose owner is `tester`; it asks for no password."""
    binary = postgres_binary("postgres")
    if binary is None or postgres_binary("initdb") is None:
        pytest.skip("needs postgresql")
    folder, port, user = postgres_template().name, free_port(), other_user()
    argv = [binary, "-D", f"{folder}/data", "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1"]
    with serving([*argv, "-c", "fsync=off"], port, user) as peer:
        yield peer


@contextlib.contextmanager
def sink(_scratch: Path) -> Iterator[Peer]:
    """Listen on a port, and keep what arrives on the first connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = Peer(str(listener.getsockname()[1]))

        def receive() -> None:
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                while piece := connection.recv(65536):
                    peer.received += piece

        thread = threading.Thread(target=receive, daemon=True)
        thread.start()
        yield peer
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(START_LIMIT_S)


@contextlib.contextmanager
def toggle(scratch: Path) -> Iterator[Peer]:
    """Name a file that is not there; a test that wants to change a replay makes it."""
    yield Peer(str(scratch.parent / TOGGLE))


PEERS: dict[str, Callable[[Path], contextlib.AbstractContextManager[Peer]]] = {
    "tls": tls,
    "http": http,
    "redis": redis,
    "postgres": postgres,
    "sink": sink,
    "toggle": toggle,
}
