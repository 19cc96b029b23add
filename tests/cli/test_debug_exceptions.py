"""`exceptions`: groups as trees, causes, what was being handled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.answers import answers
from tests.conftest import run_replay

PROGRAM = """\
import asyncio

async def low():
    await asyncio.sleep(0)
    raise KeyError("low")

async def high():
    try:
        await low()
    except KeyError as error:
        raise RuntimeError("high") from error

async def handling():
    try:
        await low()
    except KeyError:
        1 / 0

async def hiding():
    try:
        await low()
    except KeyError:
        raise ValueError("hides") from None

async def circle():
    try:
        await low()
    except KeyError as error:
        error.__cause__ = OSError(5, "other")
        error.__cause__.__cause__ = error
        raise

async def main():
    async with asyncio.TaskGroup() as tg:
        for function in (high, handling, hiding, circle):
            tg.create_task(function(), name=function.__name__)

asyncio.run(main())
"""

TREES = {
    "high": """\
RuntimeError: high  high app.py:11
           └─ caused by KeyError: 'low'  low app.py:5
""",
    "handling": """\
ZeroDivisionError: division by zero  handling app.py:17
           └─ while handling KeyError: 'low'  low app.py:5
""",
    "hiding": """\
ValueError: hides  hiding app.py:23
""",
    "circle": """\
KeyError: low  low app.py:5
           └─ caused by OSError: [Errno 5] other
              └─ caused by KeyError: 'low'  low app.py:5  (see above)
""",
}
COMMANDS = (
    *(f"exceptions {name}" for name in TREES),
    "exceptions",
    "b exc:ZeroDivisionError",
    "goto start",
    "c",
    "exceptions",
)


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("exceptions")
    (folder / "app.py").write_text(PROGRAM)
    assert run_replay("record", "-o", "run.rec", "app.py", cwd=folder).returncode == 1
    words = [word for command in COMMANDS for word in ("-ex", command)]
    done = run_replay("debug", "run.rec", "--batch", "--json", *words, cwd=folder, timeout=60)
    assert (done.stderr, done.returncode) == ("", 0)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", TREES)
def test_what_an_exception_comes_from(answered: list[dict[str, Any]], name: str) -> None:
    found = answered[list(TREES).index(name)]
    (row,) = found["data"]
    head, _, text = found["text"].partition(": ")
    mark = "X" if name == "high" else " "
    assert head == f"{mark} {row['ended']:>6}  {row['task']} {name}"
    assert text + "\n" == TREES[name]


def test_a_group_is_a_tree(answered: list[dict[str, Any]]) -> None:
    tree = answered[len(TREES)]["data"][-1]["tree"]
    assert tree["error"]["type"] == "ExceptionGroup"
    assert [(part["how"], part["error"]["type"]) for part in tree["below"]] == [
        ("part", "RuntimeError"),
        ("part", "ZeroDivisionError"),
        ("part", "ValueError"),
        ("part", "KeyError"),
    ]
    assert [part["how"] for part in tree["below"][0]["below"]] == ["cause"]
    lines = answered[len(TREES)]["text"].splitlines()
    assert "           ├─ RuntimeError: high  high app.py:11" in lines
    assert "           │  └─ caused by KeyError: 'low'  low app.py:5" in lines
    assert lines[-1] == "(X: these ended the run; `goto failure`)"


def test_what_is_raised_here_comes_first(answered: list[dict[str, Any]]) -> None:
    assert answered[-1]["text"].splitlines()[:2] == [
        "raised here: ZeroDivisionError: division by zero  handling app.py:17",
        "           └─ while handling KeyError: 'low'  low app.py:5",
    ]


LARGE = """\
import asyncio

async def fails(number):
    raise ValueError(number)

async def deep(level):
    try:
        raise KeyError(level)
    except KeyError:
        if level:
            await deep(level - 1)
        raise

async def main():
    nested = asyncio.create_task(deep(30), name="nested")
    await asyncio.wait([nested])
    async with asyncio.TaskGroup() as tg:
        for number in range(300):
            tg.create_task(fails(number))

asyncio.run(main())
"""


@pytest.mark.more
def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    found = answers(tmp_path, LARGE, ["exceptions Task-1", "exceptions nested"], returncode=1)
    tree = found["exceptions Task-1"]["data"][0]["tree"]
    assert (len(tree["below"]), tree["more_count"]) == (199, 101)
    assert not any(one["is_again"] for one in tree["below"])
    lines = found["exceptions Task-1"]["text"].splitlines()
    assert lines[199].strip().startswith("├─ ValueError: 198 ")
    assert lines[200].strip() == "└─ and 101 more"
    lines = found["exceptions nested"]["text"].splitlines()
    assert len(lines) == 22
    assert [line.strip().split(" (")[0] for line in lines[-2:]] == [
        "└─ while handling KeyError: 20  deep app.py:8",
        "└─ and 1 more",
    ]
    assert "(see above)" not in "".join(one["text"] for one in found.values())
