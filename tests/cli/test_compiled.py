"""Recording with the compiled part and without it: the same events."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from replay.compiled import PURE, compiled
from replay.recording.events import TAG_BITS, TAG_MASK, UNMEASURED, Kind
from replay.recording.recording import Recording
from tests.conftest import environment, run_replay

MESSAGES = """
    import socket

    def messages(one, other):
        for number in range(40):
            data = b"message %d" % number
            assert one.send(memoryview(data)) == len(data)
            assert other.recv(100) == data
            try:
                other.recv(100)
            except BlockingIOError:
                pass

    import sys
    print(len(sys.modules))
    one, other = socket.socketpair()
    one.setblocking(False)
    other.setblocking(False)
"""
ASYNCIO = """
    import asyncio

    async def worker(number):
        for _ in range(70):
            await asyncio.sleep(0)
        messages(one, other)

    async def main():
        await asyncio.gather(*map(worker, range(5)))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
"""
TRIO = """
    import trio

    async def worker():
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        messages(one, other)

    async def main():
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(worker)
        print([trio.current_time() for _ in range(5)])

    trio.run(main)
"""


def events_of(path: Path) -> list[object]:
    """Return the steps, the polls and what came of sockets while the loop ran.

    The order of a batch of trio's is chance: of a step is left whether its time was measured.
    """
    found: list[object] = []
    with Recording.open(path) as recording:
        for event in recording.events():
            tag, fd = -event.key & TAG_MASK, -event.key >> TAG_BITS
            if event.key >= 0:
                found.append(event.value == UNMEASURED)
            elif tag == Kind.LOOP and not event.value:
                break
            elif tag == Kind.LOOP:
                found = []
            elif tag == Kind.POLL or (tag not in (Kind.SPAWN, Kind.NAME) and fd > 2):
                found.append((event.key, event.value))
            elif tag == Kind.ERROR and event.value[1][0] == "BlockingIOError":
                found.append(event.value)
    return found


@pytest.mark.skipif(compiled is None, reason="the compiled part was not built, or is left out")
@pytest.mark.parametrize("program", [ASYNCIO, TRIO], ids=["asyncio", "trio"])
def test_the_same_is_recorded(program: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(textwrap.dedent(MESSAGES) + textwrap.dedent(program))
    seen = []
    for pure in "", "1":
        env = {**environment(), PURE: pure}
        made = run_replay("record", "-o", "run.rec", "app.py", cwd=tmp_path, env=env)
        assert made.returncode == 0, made.stderr
        seen.append(events_of(tmp_path / "run.rec"))
        done = run_replay("play", "run.rec", cwd=tmp_path, env={**environment(), PURE: "1"})
        assert (done.returncode, done.stdout) == (0, made.stdout), done.stderr
    assert len(seen[0]) > 1000
    assert seen[0] == seen[1]


def test_a_send_that_was_held_is_redacted(tmp_path: Path) -> None:
    """From before the first secret was read."""
    (tmp_path / "app.py").write_text(
        textwrap.dedent("""
            import os, socket
            one, other = socket.socketpair()
            one.setblocking(False)
            send = one.send
            token = os.environ["API_TOKEN"]
            send(b"token=" + token.encode())
            assert other.recv(100).endswith(token.encode())
        """)
    )
    env = {**environment(), "API_TOKEN": "hunter2-hunter2-hunter2"}
    assert run_replay("record", "-o", "run.rec", "app.py", cwd=tmp_path, env=env).returncode == 0
    assert b"hunter2" not in (tmp_path / "run.rec").read_bytes()
    done = run_replay("play", "run.rec", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(compiled is None, reason="the compiled part was not built, or is left out")
def test_version_says_which_one_it_is() -> None:
    assert "recorder: compiled)" in run_replay("--version").stdout
    assert "recorder: pure Python)" in run_replay("--version", env={**environment(), PURE: "1"}).stdout
