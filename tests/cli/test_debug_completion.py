"""What the prompt offers: commands, tasks, places, settings; names of objects, without running them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from replay.cli.repl.completion import candidates
from replay.cli.repl.moving import goto, place_of
from replay.cli.repl.state import State
from replay.timeline.session import Session
from tests.conftest import run_replay

PROGRAM = """\
import asyncio


class Base:
    inherited = {"k": 1}


class Tricky(Base):
    __slots__ = ("slot",)

    def __init__(self):
        self.rows = {"acct": [1], "other": 2, 3: 4, (5,): 6}
        self.slot = Base()

    @property
    def costly(self):
        while True:
            pass

    def __dir__(self):
        raise SystemExit

    def __getattr__(self, name):
        while True:
            pass


async def main():
    tricky = Tricky()
    await asyncio.create_task(asyncio.sleep(0), name="sleeper")
    return tricky


asyncio.run(main())
"""

REVERSES = ("reverse-step", "reverse-next", "reverse-finish", "reverse-step-any", "reverse-continue")


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """Stand at the line before the end of the program's task."""
    folder = tmp_path_factory.mktemp("tricky")
    (folder / "tricky.py").write_text(PROGRAM)
    assert run_replay("record", "-o", "run.rec", "tricky.py", cwd=folder).returncode == 0
    with Session(str(folder / "run.rec")) as session:
        found = State(session)
        found.bookmarks["first"] = place_of(found, "@1")
        goto(found, place_of(found, "end"))
        session.motions.reverse_step_any()
        while session.stop.function != "main" or session.stop.event != "line":
            session.motions.reverse_step_any()
        yield found


def texts(state: State, line: str) -> list[str]:
    """Return what is offered after a line."""
    return [one.text for one in candidates(state, line)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("reverse-s", ["reverse-step", "reverse-step-any"]),
        ("revers", [*REVERSES, "reversed"]),
        ("rev reverse-n", ["reverse-next"]),
        ("goto f", ["first", "failure"]),
        ("restart fi", ["first"]),
        ("set pa", ["pager"]),
        ("set pager o", ["on", "off"]),
        ("help pos", ["positions"]),
        ("tcont sl", ["sleeper"]),
        ("b tricky.py:2", [f"tricky.py:{line}" for line in (20, 21, 23, 24, 25, 28, 29)]),
        ("b await:tricky.py:", ["tricky.py:30"]),
        ("b await:ma", ["main"]),
        ("b await:Tri", []),
        ("break event:sp", ["spawn"]),
        ("b event:st", []),
        ("c task:sle", ["sleeper"]),
        ("tbreak cancel:sle", ["sleeper"]),
        ("b aw", ["await:"]),
        ("b c", ["cancel"]),
        ("b exc:", []),
        ("events --kind st", ["step"]),
        ("events --kind spa", ["spawn"]),
        ("events --task slee", ["sleeper"]),
        ("events --f", ["--full"]),
        ("p tric", ["tricky"]),
        ("tric", ["tricky"]),
        ("p tricky.ro", ["rows"]),
        ("tricky.ro", ["rows"]),
        ("p tricky.c", ["costly"]),
        ("p len(tricky.ro", ["rows"]),
        ("p tricky.costly.", []),
        ("p tricky.no_such_name.", []),
        ("p tricky.slot.inh", ["inherited"]),
        ("p tricky.inherited[", ["'k']"]),
        ("p tricky.rows[", ["'acct']", "'other']", "3]"]),
        ('p tricky.rows["a', ['"acct"]']),
        ("p tricky.rows['acct'].app", ["append"]),
        ("p Tricky.inh", ["inherited"]),
        ("p asyncio.Task", ["Task", "TaskGroup"]),
        ("p 'tricky.", []),
        ("p tricky.rows['acct'] ", []),
        ("whoever knows", []),
    ],
)
def test_what_is_offered(state: State, line: str, expected: list[str]) -> None:
    assert texts(state, line) == expected


def test_files(state: State, tmp_path: Path) -> None:
    (tmp_path / "script.txt").touch()
    (tmp_path / "scripts").mkdir()
    assert texts(state, f"source {tmp_path}/scr") == ["script.txt", "scripts/"]


def test_commands_come_with_what_they_do(state: State) -> None:
    (found,) = candidates(state, "bookmarks")
    assert (found.text, found.replaces, found.meta) == ("bookmarks", 9, "List the bookmarks")
