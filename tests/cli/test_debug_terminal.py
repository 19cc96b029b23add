"""`replay debug` at a real terminal: prompt, keys, completion, the line at the bottom, history, the end."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.conftest import environment, record_bank, run_replay

F6, F8, SHIFT_F7, ALT_LEFT, CTRL_C, CTRL_D, CTRL_U = (
    "\x1b[17~",
    "\x1b[19~",
    "\x1b[18;2~",
    "\x1b[1;3D",
    "\x03",
    "\x04",
    "\x15",
)
CURSOR_ASKED, CURSOR_TOLD = "\x1b[6n", "\x1b[10;1R"
LIMIT_S = 30
PAINT = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")


class Terminal:
    """A terminal that says where its cursor is, as real ones do: without, no line is drawn at the bottom."""

    def __init__(self, folder: Path, *words: str, term: str = "xterm-256color", state: str = "state") -> None:
        self.said = ""
        self.told_count = 0
        env = {**environment(), "TERM": term, "XDG_STATE_HOME": str(folder / state), "PAGER": "cat"}
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):  # pytest-xdist sets some
            env.pop(name, None)
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "replay", "debug", "run.rec", *words],
            cwd=str(folder),
            env=env,
            dimensions=(40, 120),
            encoding="utf-8",
            timeout=LIMIT_S,
        )

    def send(self, text: str) -> None:
        """Type."""
        self.child.send(text)

    def see(self, text: str) -> str:
        """Wait for a text on the screen; return all that came up to it, without paint."""
        begin = len(self.said)
        while text not in self.plain(begin):
            try:
                self.said += self.child.read_nonblocking(4096, timeout=LIMIT_S)
            except pexpect.TIMEOUT:
                pytest.fail(f"{text!r} is not shown:\n{self.plain(0)}")
            while self.said.count(CURSOR_ASKED) > self.told_count:
                self.told_count += 1
                self.child.send(CURSOR_TOLD)
        return self.plain(begin)

    def plain(self, begin: int) -> str:
        """Return what came from a place on, without paint."""
        return PAINT.sub("", self.said[begin:])

    def ended(self) -> int | None:
        """Wait for the end; return the exit code."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.exitstatus


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record a run of the bank, once."""
    folder = tmp_path_factory.mktemp("bank_terminal")
    record_bank(folder)
    return folder


@pytest.fixture
def terminal(folder: Path) -> Iterator[Terminal]:
    """Start a session at a terminal; end it, whatever came of it."""
    found = Terminal(folder)
    yield found
    found.child.close(force=True)


def test_a_session_at_a_terminal(terminal: Terminal, folder: Path) -> None:
    opened = terminal.see("F1 help")
    assert "bank.py  FAILED  AssertionError: lost update: 130 != 180      opened at the failure" in opened
    assert "> bank.py:30 main()  task Task-1  @14.3  raises AssertionError: lost update: 130 != 180" in opened
    assert "(replay @14.3 Task-1)" in opened
    assert re.search(r"run\.rec @14\.3 of 19 \| t=[\d.]+ ms \| Task-1 main bank\.py:30 \| 1 task \| ", opened)

    terminal.send(SHIFT_F7)
    assert "reverse-step" in terminal.see("@14.2 of 19")
    terminal.send(F8)
    terminal.see("@14.3 of 19")
    terminal.send(ALT_LEFT)
    terminal.see("@14.2 of 19")

    terminal.send("p store.\t")
    assert "rows" in terminal.see("rows")
    terminal.send(CTRL_C)
    terminal.see("(replay @14.2 Task-1)")
    terminal.send('p store.rows["\t')
    terminal.see('store.rows["acct"]')
    terminal.send("\r")
    terminal.see("130")
    terminal.send("rtcont ali")
    terminal.see("ali")
    terminal.send("\t")
    terminal.see("ce")
    terminal.send("\r")
    terminal.see("> @10  task alice is about to run")
    terminal.send(F6)
    assert "T3 bob  ready  Store.put bank.py:14" in terminal.see("(replay @10 alice -> bob)")
    terminal.send("s\r")
    terminal.see("@10.1 of 19")
    terminal.send("\r")  # the last motion again
    terminal.see("@10.2 of 19")
    terminal.send("p value\r\r")  # which is not the last command
    terminal.see("@10.3 of 19")
    terminal.send("nosuch.thing\r")
    terminal.see("replay: NameError: name 'nosuch' is not defined")
    terminal.send(CTRL_D)
    assert terminal.ended() == 0

    history = folder / "state" / "replay" / "debug_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "+rtcont alice\n" in history.read_text()


@pytest.mark.more
def test_a_first_start_and_the_keys_of_vi(folder: Path) -> None:
    terminal = Terminal(folder, state="new")
    opened = terminal.see("F1 help")
    lines = opened.splitlines()
    assert [line.split(",")[0] for line in lines[:3]] == [
        "this is the run as it was recorded; go through it both ways",
        "step",
        "tasks",
    ]
    assert lines[3:5] == ["failure at @14.3; try `why`", ""]
    assert "opened at the failure; `why` explains, `help` lists the commands" in lines[5]
    terminal.send("set editing vi\r")
    terminal.see("(replay @14.3 Task-1)")
    terminal.see("F1 help")
    terminal.send("p totl\x1bia\r")  # Esc: commands; i: insert before the last letter
    terminal.see("130")
    terminal.send(CTRL_D)
    assert terminal.ended() == 0
    terminal = Terminal(folder, state="new")
    assert "try `why`" not in terminal.see("F1 help")
    terminal.send(CTRL_D)
    assert terminal.ended() == 0


STORY = {
    "tasks": "(2 tasks made later)",
    'last store.rows["acct"]': 'store.rows["acct"]: 150 -> 130   by task bob',
    "p value, self.rows": "(130, {'acct': 150})",
    "bookmark overwrite": "bookmark overwrite = @11.1",
    "w": "> #0 bank.py:15 Store.put()  self.rows[key] = value",
    "rtc alice": "> @10  task alice is about to run: bank.py:14 Store.put()",
    "s": "> bank.py:15 Store.put()  task alice  @10.1",
    "goto @7": "> @7  task bob is about to run: bank.py:10 Store.get()",
    "tree --by await": "├─ T2 alice  waiting  Store.put bank.py:14  sleep",
    "ready": "(nothing else is ready)",
    "tl alice bob": "T3 bob    ····██  ────██  ────██",
    "goto @6.3": "> bank.py:20 deposit()  task alice  @6.3",
    "n": "> bank.py:21 deposit()  task alice  @6.4",
    "next": "returns None  meanwhile steps @7..@9 ran: bob, 2 callbacks",
    "goto overwrite": "> bank.py:15 Store.put()  task bob  @11.1",
    "reverse-next": "> bank.py:14 Store.put()  task bob  @7.5",
    "why alice": "in this run it goes on at @10",
    "when": "@7.5  of 19  t=",
}


@pytest.mark.more
def test_a_story_at_a_terminal(terminal: Terminal) -> None:
    terminal.see("F1 help")
    for command, said in STORY.items():
        terminal.send(f"{command}\r")
        terminal.see(said)
        terminal.see("F1 help")  # the next prompt
    terminal.send("q\r")
    assert terminal.ended() == 0


LONG = """\
import asyncio


async def spin():
    total = 0
    for number in range(5_000_000):
        total += number
    return total


asyncio.run(spin())
"""


@pytest.mark.more
def test_a_long_motion_shows_where_it_is_and_can_be_ended(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text(LONG)
    assert run_replay("record", "-o", "run.rec", "long.py", cwd=tmp_path).returncode == 0
    terminal = Terminal(tmp_path)
    terminal.see("F1 help")
    terminal.send("c long.py:6\r")
    terminal.see("@1.2 of ")
    terminal.send("return\r")
    terminal.see("... @1 of ")
    terminal.send(CTRL_C)
    ended = terminal.see("interrupted at @1.")
    assert "-> " in ended
    terminal.send("p number >= 0, number < 4_999_999\r")
    terminal.see("(True, True)")
    terminal.send("goto @1.3\r")
    terminal.see("@1.3 of ")
    terminal.send(CTRL_D)
    assert terminal.ended() == 0


def test_a_terminal_that_can_only_print(folder: Path) -> None:
    terminal = Terminal(folder, "--color", "never", term="dumb")
    terminal.see("(replay @14.3 Task-1) ")
    terminal.send("rn\n")
    terminal.see("(replay @14.2 Task-1) ")
    terminal.send("q\n")
    assert terminal.ended() == 0
    assert "\x1b" not in terminal.said


def test_no_process_is_left_when_the_terminal_is_gone(folder: Path) -> None:
    terminal = Terminal(folder)
    terminal.see("F1 help")
    pid = terminal.child.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert children
    terminal.child.kill(9)
    terminal.child.wait()
    for child in children:
        while os.path.exists(f"/proc/{child}") and "Z" not in state_of(child):
            pass
    terminal.child.close(force=True)


def state_of(pid: str) -> str:
    """Return the state of a process; Z if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
