"""`replay debug` in scripts, from pipes, in JSON, refused, with its exit codes; on a lost update."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replay.cli.repl import table
from replay.cli.repl.command import Result
from replay.cli.repl.interpreter import Interpreter
from replay.cli.repl.output import Printer
from replay.cli.repl.state import State
from replay.cli.repl.table import find
from replay.timeline.session import Session
from tests.conftest import Done, environment, record_bank, run_replay, timeless


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record a run of the bank, once."""
    folder = tmp_path_factory.mktemp("bank")
    return record_bank(folder)


GOING_ON = ("--batch", "--keep-going")


def debug(recording: Path, *commands: str, options: tuple[str, ...] = ("--batch",), **settings: Any) -> Done:
    """Run commands on a recording."""
    words = [word for command in commands for word in ("-ex", command)]
    return run_replay("debug", recording.name, *options, *words, cwd=recording.parent, timeout=60, **settings)


def objects(done: Done) -> list[dict[str, Any]]:
    """Return the JSON objects on stdout."""
    return [json.loads(line) for line in done.stdout.splitlines()]


SESSION = {
    "rn": """\
> bank.py:30 main()  task Task-1  @14.2
-> assert total == 180, f"lost update: {total} != 180"
""",
    "locals | grep total": "total = 130\n",
    "b bank.py:15": "break 1: bank.py:15\n",
    "rc": """\
> bank.py:15 Store.put()  task bob  @11.1  breakpoint 1
-> self.rows[key] = value
""",
    "p value, self.rows": "(130, {'acct': 150})\n",
    "bookmark overwrite": "bookmark overwrite = @11.1\n",
    "w": """\
  T1 Task-1 bank.py:26 main()  async with asyncio.TaskGroup() as tg:
  #1 bank.py:21 deposit()  await store.put("acct", balance)
> #0 bank.py:15 Store.put()  self.rows[key] = value
""",
    "display self.rows": "1: self.rows = {'acct': 150}\n",
    "rtc alice": "> @10  task alice is about to run: bank.py:14 Store.put()\n-> await asyncio.sleep(0.001)\n"
    "1: self.rows = {'acct': 100}   was {'acct': 150}\n",
    "s": """\
> bank.py:15 Store.put()  task alice  @10.1
-> self.rows[key] = value
1: self.rows = {'acct': 100}
""",
    "undisplay": "nothing is displayed\n",
    "up": '> #1 bank.py:21 deposit()  await store.put("acct", balance)\n',
    "args": "store  = <",
    "p balance, amount": "(150, 50)\n",
    "goto @7": """\
> @7  task bob is about to run: bank.py:10 Store.get()
-> await asyncio.sleep(0.001)
""",
    "tasks": None,
    "tree": """\
T1 Task-1  waiting  main bank.py:26
├─ T2 alice  waiting  Store.put bank.py:14  sleep until t=  TIME
└─ T3 bob  ready  Store.get bank.py:10
""",
    "await bob": """\
T3 bob
   deposit bank.py:19  balance = await store.get("acct")
   Store.get bank.py:10  await asyncio.sleep(0.001)
   sleep
""",
    "ready": "* T3 bob  since @5, what it awaited has a result  <- runs next\n  (nothing else is ready)\n",
    "why": "T3 bob is ready to run: Store.get bank.py:10; it runs at @7\n",
    "why alice": """\
T2 alice is waiting in Store.put bank.py:14 since @6
  sleep
  can be ended by: a timer at t=  TIME
  in this run it goes on at @10: `tcont T2`
""",
    "task alice where": """\
  T1 Task-1 bank.py:26 main()  async with asyncio.TaskGroup() as tg:
  #2 bank.py:21 deposit()  await store.put("acct", balance)
> #1 bank.py:14 Store.put()  await asyncio.sleep(0.001)
""",
    "task alice p key, value": "('acct', 150)\n",
    "goto 7": None,
    "goto @7.1": """\
> bank.py:11 Store.get()  task bob  @7.1
-> return value
""",
    "s 2": """\
> bank.py:20 deposit()  task bob  @7.3
-> balance += amount
""",
    "n": """\
> bank.py:21 deposit()  task bob  @7.4
-> await store.put("acct", balance)
""",
    "list 19,21": """\
   19      balance = await store.get("acct")
   20      balance += amount
-> 21      await store.put("acct", balance)
""",
    "ll": """\
   18  async def deposit(store, amount):
   19      balance = await store.get("acct")
   20      balance += amount
-> 21      await store.put("acct", balance)
""",
    "p balance": "130\n",
    "balance + 1": "131\n",
    "!balance = 5; print(balance)": "5\n(run in a copy of the process: what it changed is discarded)\n",
    "whatis balance": "<class 'int'>\n",
    "p balance ": "130\n",
    "rev n": """\
> bank.py:20 deposit()  task bob  @7.3
-> balance += amount
""",
    "assert balance == 100": "",
    "goto overwrite": """\
> bank.py:15 Store.put()  task bob  @11.1
-> self.rows[key] = value
""",
    "- 4": "> @8  a callback is about to run\n",
    "+": "> @9  a callback is about to run\n",
    "back 2": """\
> bank.py:15 Store.put()  task bob  @11.1
-> self.rows[key] = value
""",
    "forward": "> @8  a callback is about to run\n",
    "restart": "> @0  the start: nothing of the program has run\n",
    "rc ": "this is the start of the recording: still at @0\n",
    "goto end": "> @20  the end of the run: exit code 1\n",
    "c": "this is the end of the run: still at @20\n",
    "goto overwrite ": """\
> bank.py:15 Store.put()  task bob  @11.1
-> self.rows[key] = value
""",
    "last self.rows['acct']": """\
self.rows['acct']: 100 -> 150   by task alice
> bank.py:15 Store.put()  task alice  @10.1
-> self.rows[key] = value
""",
    "exceptions": """\
X    @14  T1 Task-1: AssertionError: lost update: 130 != 180  main bank.py:30
(X: these ended the run; `goto failure`)
""",
    "b .": "break 2: bank.py:15\n",
    "disable 2": "break 2: bank.py:15  (disabled)\n",
    "clear 2": "cleared 1 breakpoint\n",
    "goto failure": """\
> bank.py:30 main()  task Task-1  @14.3  raises AssertionError: lost update: 130 != 180
-> assert total == 180, f"lost update: {total} != 180"
""",
    "out": "nothing was written up to here; `out --all`\n",
    "timeline alice bob": """\
█ runs   ─ waits   · not yet started   X fails   C ends cancelled

          @2  @3  @6  @7  @10 @11
T2 alice  ██  ────██  ────██
T3 bob    ····██  ────██  ────██
""",
    "events @6..@7 | grep step": "",
}


def test_a_session(bank: Path) -> None:
    """The whole story, with what each command prints."""
    commands = [command for command, said in SESSION.items() if said is not None]
    done = debug(bank, *commands, options=("--json", "--batch"))
    assert done.stderr == ""
    assert done.returncode == 0
    for command, found in zip(commands, objects(done), strict=True):
        said = SESSION[command]
        assert said is not None
        text = found["text"] + "\n" if found["text"] else ""
        if command == "args":
            assert text.startswith(said)
            assert text.endswith("\namount = 50\n")
        elif command.startswith("events"):
            assert [line.split()[1:] for line in text.splitlines()] == [
                ["@6", "T2", "alice", "step"],
                ["@7", "T3", "bob", "step"],
            ]
        else:
            shown = timeless(text) if "TIME" in said else text
            assert (command, shown.split("(1 more")[0]) == (
                command,
                timeless(said) if "TIME" in said else said,
            )


def test_a_story_in_a_script(bank: Path) -> None:
    """All that a script prints, beside what it printed when somebody looked at it last."""
    script = Path(__file__).with_name("mock_session.txt")
    done = debug(bank, options=("-x", str(script), "--batch"))
    assert (done.stderr, done.returncode) == ("", 0)
    # Events have other numbers with other versions of Python.
    printed = re.sub(r"^#\d+ ", "#N ", timeless(done.stdout), flags=re.MULTILINE)
    assert printed == script.with_suffix(".out").read_text()


def test_plain_output_is_the_text_alone(bank: Path) -> None:
    done = debug(bank, "rn", "p total", "taks")
    assert done.stdout == SESSION["rn"] + "130\n"  # type: ignore[operator]
    assert done.stderr == (
        "replay: no command, and no variable, is called taks\n\nhint: did you mean `tasks`?\n"
    )
    assert done.returncode == 1


def test_json(bank: Path) -> None:
    done = debug(bank, "when", "p 1/0", "bookmark here", options=(*GOING_ON, "--json"))
    when, failed, mark = objects(done)
    assert when.pop("data") | {"t_ns": 0} == {
        "step": 14,
        "line": 3,
        "t_ns": 0,
        "task": "T1",
        "owner": "T1",
        "name": "Task-1",
        "event": "raise",
        "reason": "at",
        "file": "bank.py",
        "lineno": 30,
        "function": "main",
        "message": None,
    }
    assert when.pop("text").startswith("@14.3  of 19  t=")
    assert when == {"v": 1, "cmd": "when", "ok": True, "pos": "@14.3"}
    assert failed == {
        "v": 1,
        "cmd": "p 1/0",
        "ok": False,
        "pos": "@14.3",
        "data": None,
        "text": "",
        "error": "ZeroDivisionError: division by zero",
        "hint": None,
        "diverged": False,
    }
    assert mark["data"] == {"here": "@14.3"}
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("command", "message", "hint"),
    [
        ("jump 3", "a recording cannot skip code", "`goto POSITION` goes where the program has been"),
        ("goto @99", "@99 is outside of this recording, which has @0..@20", None),
        (
            "goto nowhere",
            "no such place: 'nowhere'",
            "positions are @N, @N.k, #N, start, end, failure, +N, -N, N%, t=1.5ms, and bookmarks",
        ),
        ("goto failur", "no such place: 'failur'", "did you mean `failure`?"),
        ("assert total == 180", "assertion failed at @14.3: total == 180", None),
        ("assert total - 130", "assertion failed at @14.3: total - 130; it is 0", None),
        (
            "set colour on",
            "no such setting: 'colour'",
            "there are width, pager, color, internals, json, editing",
        ),
        (
            "b nosuch",
            "the program has no function called nosuch",
            "FILE:LINE, FUNCTION, task:NAME, await:PLACE, event:KIND, exc:TYPE, cancel[:NAME]",
        ),
        ("b await:20", "bank.py:20 has no await", "`break FILE:LINE` is any line"),
        ("b await:task:bob", "`await:` takes a line or a function", "await:FILE:LINE, await:FUNCTION"),
        ("b event:soket", "no such kind of event: soket", "did you mean `socket`?"),
        ("b event:step", "a step is no event to stop at", "`break task:NAME`, `tcont`, `+`"),
        ("b cancel:carol", "no such task: carol", None),
        ("b cancel, if True", "only what stops at a certain line can have a condition", None),
        ("watch total =", "'total =' is no expression: invalid syntax", None),
        ("commands 9", "no such breakpoint: '9'", "`breakpoints` lists them"),
        ("commands", "`commands` takes a breakpoint", "`commands 1`, lines, `end`; `commands 1 where`"),
        ("b depsit", "the program has no function called depsit", "did you mean `deposit`?"),
        ("b nope.py:3", "no such file in the recording: nope.py", "it has bank.py"),
        ("b 99", "bank.py has no code from line 99 on", None),
        ("tcont carol", "no such task: carol", None),
        ("step -3", "`step` takes a number of times: '-3'", "`!step -3` is Python"),
        ("tasks --nope", "unrecognized arguments: --nope", "`help tasks` shows what it takes"),
        ("source /nonexistent", "/nonexistent cannot be read: No such file or directory", None),
        ("rev tasks", "`rev` takes a motion that goes forward: 'tasks'", None),
        ("help reverze", "no help on 'reverze'", "did you mean `reverse`?"),
        ("locals | head x", "`head` takes a number of lines: 'x'", None),
        ("revers-next 2", "no such command: revers-next", "did you mean `reverse-next`?"),
    ],
)
def test_refusals(refused: dict[str, dict[str, Any]], command: str, message: str, hint: str | None) -> None:
    found = refused[command]
    assert found["error"] == message
    if hint is not None:
        assert found["hint"] == hint


@pytest.fixture(scope="session")
def refused(bank: Path) -> dict[str, dict[str, Any]]:
    """Give all commands that are refused, in one session: none of them may change where one is."""
    (mark,) = [mark for mark in test_refusals.pytestmark if mark.name == "parametrize"]  # type: ignore[attr-defined]
    commands = [command for command, _, _ in mark.args[1]]
    done = debug(bank, *commands, options=(*GOING_ON, "--json"))
    found = objects(done)
    assert {one["pos"] for one in found} == {"@14.3"}
    assert {one["ok"] for one in found} == {False}
    assert done.returncode == 1
    return {one["cmd"]: one for one in found}


def test_commands_from_a_pipe(bank: Path, tmp_path: Path) -> None:
    (tmp_path / "commands").write_text("# a comment\n\nrn\n\nquit\np 1\n")
    with (tmp_path / "commands").open() as commands:
        done = debug(bank, options=(), stdin=commands)
    assert (done.stdout, done.stderr, done.returncode) == (SESSION["rn"], "", 0)
    with (tmp_path / "commands").open() as commands:
        assert debug(bank, options=("-",), stdin=commands).stdout == SESSION["rn"]


@pytest.mark.more
def test_habits_of_gdb(bank: Path) -> None:
    stops, listed, settings, shown = objects(
        debug(bank, "b bank.py:20", "info b", "set", "show", options=("--batch", "--json"))
    )
    assert listed["data"] == [stops["data"]]
    assert settings["data"] == shown["data"]


@pytest.mark.more
def test_trees_where_the_encoding_has_no_lines(bank: Path) -> None:
    env = {**environment(), "PYTHONIOENCODING": "ascii"}
    tree = debug(bank, "tree --by spawn", env=env).stdout.splitlines()
    assert [line[:3] for line in tree] == ["T1 ", "|- ", "`- "]


@pytest.mark.more
def test_a_batch_ends_at_the_first_command_that_fails(bank: Path) -> None:
    done = debug(bank, "p 1", "assert total == 180", "p 2")
    assert (done.stdout, done.returncode) == ("1\n", 1)
    assert done.stderr == "replay: assertion failed at @14.3: total == 180\n"
    done = debug(bank, "p 1", "assert total == 180", "p 2", options=GOING_ON)
    assert (done.stdout, done.returncode) == ("1\n2\n", 1)


@pytest.mark.more
def test_select(bank: Path) -> None:
    """One looks at a task until one moves."""
    commands = (
        "select",
        "p store.rows",
        "select",
        "p value",
        "select",
        "select alice",
        "p key",
        "s",
        "p amount",
    )
    done = debug(bank, "goto @7.2", *commands, "select .", "select T5", options=("--batch", "--json"))
    *said, refused = objects(done)[1:]
    assert [timeless(one["text"]) for one in said[:5]] == [
        'T1 Task-1  waiting  main bank.py:26  task group "tg": T2 alice, T3 bob',
        "{'acct': 100}",
        "T2 alice  waiting  Store.put bank.py:14  sleep until t=  TIME",
        "150",
        "T3 bob  running  Store.get bank.py:11",
    ]
    assert said[6]["text"] == "'acct'"
    assert [one["text"] for one in said[8:]] == ["30", "T3 bob  running  deposit bank.py:20"]
    assert refused["error"].startswith("T5 Task-")
    assert refused["error"].endswith(" has no frames here: it has ended, or is not made yet")


def test_a_mistake_of_ours_is_one_line(
    bank: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(state: State, text: str) -> Result:
        raise LookupError("so\nwhat")

    command = find("when")
    assert command is not None
    monkeypatch.setitem(table._BY_NAME, "when", dataclasses.replace(command, run=broken))
    with Session(str(bank)) as session:
        state = State(session)
        interpreter = Interpreter(state, Printer(state))
        assert not interpreter.run("when")
        assert interpreter.run("p 1 + 1")
        assert interpreter.exit_code == 1
    said = capsys.readouterr()
    assert said.out == "2\n"
    first, empty, hint = said.err.splitlines()
    assert first.startswith(
        "replay: this is a mistake of replay's, not of the program: LookupError: so what at "
    )
    assert first.endswith(" in broken")
    assert (empty, hint[:6]) == ("", "hint: ")


def test_scripts(bank: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.write_text("bookmark a @3\nassert False\np 'not reached'\n")
    outer = tmp_path / "outer"
    outer.write_text(f"alias gf goto failure\ngf\nsource {inner}\np 'not reached either'\n")
    done = debug(bank, "p 'nor this'", options=("-x", str(outer), "--batch"))
    assert done.stdout.splitlines()[-1] == "bookmark a = @3"
    assert done.stderr == "replay: assertion failed at @14.3: False\n"
    assert done.returncode == 1


@pytest.mark.more
def test_a_saved_session_can_be_run(bank: Path, tmp_path: Path) -> None:
    commands = ("goto @7.3", "bm b", "p nothing", "p balance", f"save {tmp_path / 'saved'}")
    done = debug(bank, *commands, options=GOING_ON)
    assert done.returncode == 1  # what failed is left out
    assert (tmp_path / "saved").read_text() == (
        "# commands of `replay debug run.rec`\nbookmark b @7.3\ngoto @7.3\np balance\n"
    )
    again = debug(bank, options=("-x", str(tmp_path / "saved"), "--batch"))
    assert again.stdout.splitlines() == [
        "bookmark b = @7.3",
        "> bank.py:20 deposit()  task bob  @7.3",
        "-> balance += amount",
        "100",
    ]


STOPS = {
    "goto failure": None,
    'watch store.rows["acct"]': 'watch 1: store.rows["acct"]  in main() of task Task-1\n',
    "watch nothing": "watch 2: nothing\n",
    "rc": """\
> bank.py:15 Store.put()  task bob  @11.1  watch 1  store.rows["acct"]: 150 -> 130
-> self.rows[key] = value
""",
    "rc ": """\
> bank.py:15 Store.put()  task alice  @10.1  watch 1  store.rows["acct"]: 100 -> 150
-> self.rows[key] = value
""",
    "c": """\
> bank.py:15 Store.put()  task bob  @11.1  watch 1  store.rows["acct"]: 150 -> 130
-> self.rows[key] = value
""",
    "watch": 'watch 1: store.rows["acct"]  in main() of task Task-1  met 3 times\nwatch 2: nothing\n',
    "disable 1": 'watch 1: store.rows["acct"]  in main() of task Task-1  (disabled)  met 3 times\n',
    "c ": "> @20  the end of the run: exit code 1\n",
    "clear": "cleared 2 breakpoints\n",
    "b await:deposit, if amount == 30": "break 1: an await that suspends, of deposit()  if amount == 30\n",
    "b await:26": "break 2: an await that suspends, of bank.py:26\n",
    "b event:output": "break 3: where output is answered\n",
    "b cancel:bob": "break 4: where task bob is cancelled\n",
    "b cancel": "break 5: where a task is cancelled\n",
    "rc  ": """\
> bank.py:33 <module>()  the main thread  @19.12  raises AssertionError: lost update: 130 != 180  \
breakpoint 3  output
-> asyncio.run(main())
""",
    "clear 3": "cleared 1 breakpoint\n",
    "rc    ": """\
> bank.py:21 deposit()  task bob  @7.4  breakpoint 1
-> await store.put("acct", balance)
""",
    "rc     ": """\
> bank.py:19 deposit()  task bob  @3.1  breakpoint 1
-> balance = await store.get("acct")
""",
    "rc | head 0": "\n",
    "list 26,26": "-> 26      async with asyncio.TaskGroup() as tg:\n",
}


def test_stops(bank: Path) -> None:
    """Each kind of stop, as it is listed and met."""
    done = debug(bank, *STOPS, options=("--json", "--batch"))
    for (command, said), found in zip(STOPS.items(), objects(done), strict=True):
        if said is not None:
            assert (command, found["text"] + "\n") == (command, said)
    assert done.returncode == 0


def test_commands_of_a_stop(bank: Path) -> None:
    """They are run where it is met; those of the next stop instead of what is left of them."""
    inner = ["p value", "tbreak bank.py:15", "continue", "p 'left'"]
    more = ["b bank.py:15, if value == 130", "commands 2 p self.rows", "restart", "continue"]
    done = debug(bank, "b put", "commands 1", *inner, "end", *more)
    assert done.stdout.splitlines() == [
        "break 1: put()",
        "break 1: put()  runs p value; tbreak bank.py:15; continue; p 'left'",
        "break 2: bank.py:15  if value == 130",
        "break 2: bank.py:15  if value == 130  runs p self.rows",
        "> @0  the start: nothing of the program has run",
        "> bank.py:14 Store.put()  task alice  @6.5  breakpoint 1",
        "-> await asyncio.sleep(0.001)",
        "150",
        "tbreak 3: bank.py:15",
        "> bank.py:14 Store.put()  task bob  @7.5  breakpoint 1",
        "-> await asyncio.sleep(0.001)",
        "130",
        "tbreak 4: bank.py:15",
        "> bank.py:15 Store.put()  task alice  @10.1  breakpoint 3",
        "-> self.rows[key] = value",
        "'left'",
    ]
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.more
def test_commands_of_a_stop_can_go_on_for_ever_so_long(tmp_path: Path) -> None:
    """One that goes on at each stop passes more of them than scripts may be deep; what fails ends them."""
    (tmp_path / "app.py").write_text("total = 0\nfor number in range(50):\n    total += number\n")
    run_replay("record", "app.py", cwd=tmp_path)
    commands = ("b app.py:3", "commands 1", "assert number < 45", "c", "p 'not reached'", "end", "c")
    done = debug(tmp_path / "run.rec", *commands)
    lines = done.stdout.splitlines()
    assert len([line for line in lines if line.endswith("breakpoint 1")]) == 46
    assert lines[-1] == "-> total += number"
    assert done.stderr.startswith("replay: assertion failed at @0.")
    assert done.returncode == 1


@pytest.mark.more
def test_commands_of_a_stop_are_saved(bank: Path, tmp_path: Path) -> None:
    done = debug(
        bank, "restart", "b put", "commands 1", "bookmark here", "end", "c", f"save {tmp_path / 'saved'}"
    )
    assert done.returncode == 0
    assert (tmp_path / "saved").read_text().splitlines()[1:] == [
        "bookmark here @6.5",
        "restart",
        "b put",
        "commands 1",
        "bookmark here",
        "end",
        "c",
    ]
    again = debug(bank, options=("-x", str(tmp_path / "saved"), "--batch"))
    assert again.stdout.splitlines()[-1] == "bookmark here = @6.5"


@pytest.mark.sampled
@pytest.mark.parametrize("command", ["condition 1,2 x > 3", "commands 1,2 where", "ignore , 3", "commands ,"])
def test_one_stop_is_asked_for(bank: Path, command: str) -> None:
    done = debug(bank, "b put", "b get", command, options=(*GOING_ON, "--json"))
    refused = objects(done)[-1]
    name, given = command.split()[:2]
    assert refused["error"] == f"`{name}` takes one breakpoint: {given!r}"
    assert refused["hint"] == "`breakpoints` lists them"


OPEN = ("b put", "commands 1", "assert False", "p 3")
NO_END = (
    "replay: `commands 1` has no `end`: 2 lines would have been its commands\n\n"
    "hint: `end` on a line of its own\n"
)


@pytest.mark.more
def test_commands_of_a_stop_that_do_not_end(bank: Path, tmp_path: Path) -> None:
    """Where the lines of a script, the command line or a pipe are over, they are no commands of it either."""
    script = tmp_path / "script"
    script.write_text("\n".join(OPEN) + "\n")
    shown = "break 1: put()\n"
    for done in (
        debug(bank, "p 4", options=("-x", str(script), "--batch")),
        debug(bank, f"source {script}", "p 4"),
        debug(bank, *OPEN),
        debug(bank, *OPEN, options=GOING_ON),
    ):
        assert (done.stdout, done.stderr, done.returncode) == (shown, NO_END, 1)
    with script.open() as commands:
        done = debug(bank, options=(), stdin=commands)
    assert (done.stdout, done.stderr, done.returncode) == (shown, NO_END, 1)


def test_an_interruption_while_tasks_are_looked_for(
    bank: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C then ends the command and not the session, and leaves nothing half found."""
    real = {"inspect": Session.inspect, "wakes": Session.wakes}

    def interrupted(name: str) -> Any:
        def once(*args: Any, **named: Any) -> Any:
            monkeypatch.setattr(Session, name, real[name])
            found = real[name](*args, **named)  # type: ignore[operator]
            if name == "inspect":
                signal.raise_signal(signal.SIGINT)
            return broken_off(found)

        return once

    def broken_off(found: list[Any]) -> Iterator[Any]:
        yield from found[:1]
        signal.raise_signal(signal.SIGINT)

    with Session(str(bank)) as session:
        state = State(session)
        interpreter = Interpreter(state, Printer(state))
        assert interpreter.run("goto @7.2")
        capsys.readouterr()
        for command, name in (("task all where", "inspect"), ("tasks --times", "wakes")):
            monkeypatch.setattr(Session, name, interrupted(name))
            assert not interpreter.run(command)
            assert capsys.readouterr() == ("", "replay: interrupted at @7.2\n")
        assert interpreter.run("tasks --times")
        told = capsys.readouterr().out
        fresh = State(session)
        assert Interpreter(fresh, Printer(fresh)).run("tasks --times")
        assert capsys.readouterr().out == told


def test_what_the_recording_alone_tells(bank: Path) -> None:
    commands = ("find alice", "find /T[23] is/", "stats", "schedule @2..@6")
    done = debug(bank, *commands, "schedule @7.1")
    assert done.returncode == 1
    lines = [line.split() for line in done.stdout.splitlines()]
    found = objects(debug(bank, *commands, options=("--batch", "--json")))
    with Session(str(bank)) as session:
        survey = session.recording.survey()
        steps = session.steps
    assert [one["kind"] for one in found[0]["data"]][:2] == ["name", "step"]
    assert {one["task"] for one in found[0]["data"][1:6]} == {"T2"}
    assert [one["kind"] for one in found[1]["data"]] == ["name", "name"]
    assert [one["value"] for one in found[1]["data"]] == [[2, "alice"], [3, "bob"]]
    stats = found[2]["data"]
    assert (stats["events"], stats["steps"], stats["tasks"]) == (
        survey.events_count, len(steps), {"failed": 1, "returned": 4},
    )  # fmt: skip
    assert stats["kinds"] == dict(survey.kinds)
    assert list(stats["run_ns"].values()) == sorted((task.run_ns for task in survey.tasks), reverse=True)
    assert ["19", "step"] in lines
    assert [one["pos"] for one in found[3]["data"]] == ["@2", "@3", "@4", "@5", "@6"]
    assert [one["task"] for one in found[3]["data"]] == ["T2", "T3", None, None, "T2"]
    assert [one["start_ns"] for one in found[3]["data"]] == [step.start_ns for step in steps[1:6]]
    assert [line[0] for line in lines[-6:]] == ["step", "@2", "@3", "@4", "@5", "@6"]
    assert [line[-1] for line in lines[-6:]] == ["who", "alice", "bob", "callback", "callback", "alice"]
    assert done.stderr.startswith("replay: a recording knows no places inside a step: @7.1\n")


@pytest.mark.more
def test_find_is_refused(bank: Path) -> None:
    done = debug(bank, "find", "find /[/", "find no such text", options=GOING_ON)
    assert done.stdout == "in no event of the recording\n"
    assert "replay: `find` takes a text, or /a regular expression/\n" in done.stderr
    assert "replay: not a regular expression: /[/: " in done.stderr


@pytest.mark.more
def test_notes(bank: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    done = debug(bank, "note", "note it fails", "note @7 bob goes on", "note", f"save {saved}")
    shown = "      @7  bob goes on\n   @14.3  it fails\n"
    assert done.stdout.startswith(f"no notes\nnoted at @14.3\nnoted at @7\n{shown}")
    assert saved.read_text().splitlines()[1:] == ["note @14.3 it fails", "note @7 bob goes on"]
    assert debug(bank, "note", options=("-x", str(saved), "--batch")).stdout.endswith(shown)
    assert debug(bank, "note @7").stderr.startswith("replay: `note` takes what is to be noted\n")


@pytest.mark.more
def test_the_source_of_what_an_expression_comes_to(bank: Path, tmp_path: Path) -> None:
    deposit = "   18  async def deposit(store, amount):\n"
    done = debug(bank, "source deposit", "source asyncio.sleep | head 1", "source print", options=GOING_ON)
    assert done.stdout.startswith(deposit)
    assert re.search(r"^ +\d+  async def sleep\(delay, result=None.*\):\n\Z", done.stdout, re.MULTILINE)
    assert done.stderr == "replay: print has no source in Python\n\nhint: `whatis` tells what it is\n"
    whole = debug(bank, "source store").stdout
    assert whole.startswith("    4  class Store:\n")
    assert whole.endswith("   15          self.rows[key] = value\n")
    assert debug(bank, "source Store.put").stdout == "\n".join(whole.splitlines()[-3:]) + "\n"
    done = debug(bank, "source nosuch.txt")
    assert done.stderr == (
        "replay: NameError: name 'nosuch' is not defined\n\nhint: there is no file nosuch.txt either\n"
    )
    (tmp_path / "deposit").write_text("p 'a file is run'\n")
    shutil.copy(bank, tmp_path)
    shutil.copy(bank.parent / "bank.py", tmp_path)
    assert debug(tmp_path / "run.rec", "source deposit").stdout == "'a file is run'\n"


@pytest.mark.more
def test_output_can_go_to_a_file(bank: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    done = debug(bank, f"locals | grep total > {target}", f"when | head 0 >> {target}", "p 3 > 2")
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert target.read_text() == "total = 130\n"


@pytest.mark.more
def test_where_it_opens(bank: Path) -> None:
    done = debug(bank, "when", options=("--at", "@3.1", "--batch", "--json"))
    assert objects(done)[0]["pos"] == "@3.1"
    done = debug(bank, "when", options=("--at", "@99", "--batch"))
    assert (done.stdout, done.stderr, done.returncode) == (
        "",
        "replay: @99 is outside of this recording, which has @0..@20\n",
        2,
    )


def test_what_cannot_be_opened(bank: Path, tmp_path: Path) -> None:
    done = run_replay("debug", tmp_path / "none.rec", "-ex", "when", "--batch")
    assert (done.stderr, done.returncode) == (f"replay: no such file: {tmp_path / 'none.rec'}\n", 4)
    other = tmp_path / "other.rec"
    other.write_text("not a recording")
    done = run_replay("debug", other, "-ex", "when", "--batch")
    assert (done.stderr, done.returncode) == (f"replay: `{other}` is not a recording\n", 4)
    done = run_replay("debug", bank, "--batch")
    assert done.stderr.startswith("replay: --batch without commands does nothing\n")
    assert done.returncode == 2


def test_an_edited_program_cannot_be_replayed_but_looked_at(bank: Path, tmp_path: Path) -> None:
    source = bank.with_name("bank.py")
    text = source.read_text()
    try:
        source.write_text(text.replace("+=", "-="))
        commands = ("when", "tasks | grep bob", "task bob", "list", "p 1", "taks", "timeline | head 1")
        done = debug(bank, *commands, options=GOING_ON)
        assert "bank.py" in done.stderr
        assert [line.split()[1:3] for line in done.stdout.splitlines()[:1]] == [["bob", "returned"]]
        assert "  runs at @3, @7, @11\n" in done.stdout
        assert "no such command: taks\n\nhint: did you mean `tasks`?" in done.stderr
        assert done.returncode == 1
        done = debug(bank, "ll | grep balance", options=("--source", "recorded", "--at", "@7.3", "--batch"))
        assert done.stdout.splitlines()[1] == "-> 20      balance += amount"
        assert done.returncode == 0
        done = debug(bank, "goto end", "p 1", options=("--source", "current", "--at", "@1", *GOING_ON))
        assert done.stdout == "> @15  the replay has diverged\n1\n"
        assert "divergence at " in done.stderr
        assert done.returncode == 3
        current = ("--source", "current", "--at", "end")
        done = debug(bank, "p 1", options=(*current, "--batch"))
        assert done.stdout.splitlines()[1:] == ["> @15  the replay has diverged"]
        assert done.returncode == 3
        done = debug(bank, "when", "where", "rsa", "p total", options=(*current, *GOING_ON))
        assert done.stdout.splitlines()[-3:] == [
            "> bank.py:30 main()  task Task-1  @14.3  raises AssertionError: lost update: 70 != 180",
            '-> assert total == 180, f"lost update: {total} != 180"',
            "70",
        ]
        assert "replay: the replay has diverged: it has no frames\n" in done.stderr
        assert done.returncode == 3
    finally:
        source.write_text(text)


@pytest.mark.more
def test_colour(bank: Path) -> None:
    done = debug(bank, "p 1", "bm x", options=("--batch", "--color", "always"))
    assert done.stdout == "1\nbookmark x = \x1b[33m@14.3\x1b[0m\n"
    assert "\x1b" not in debug(bank, "bm x").stdout


def test_a_run_that_ends_well(tmp_path: Path) -> None:
    (tmp_path / "fine.py").write_text(
        "import asyncio\nasync def main():\n    print('hello', flush=True)\nasyncio.run(main())\n"
    )
    assert run_replay("record", "-o", "run.rec", "fine.py", cwd=tmp_path).returncode == 0
    done = debug(
        tmp_path / "run.rec",
        "when",
        "goto failure",
        "s",
        "n 2",
        "out",
        "goto end",
        options=("--json", *GOING_ON),
    )
    when, failure, *_, out, end = objects(done)
    assert when["pos"] == "@1"
    assert failure["error"] == "this run did not fail"
    assert out["data"] == [{"pos": "@1", "to": "stdout", "text": "hello\n"}]
    assert end["text"].endswith("the end of the run: exit code 0")


@pytest.mark.more
def test_prompt_toolkit_is_not_loaded_without_a_terminal(bank: Path) -> None:
    code = (
        "import sys; from replay.cli.main import main; "
        f"main(['debug', {str(bank)!r}, '-ex', 'when', '--batch']); "
        "print([name for name in sys.modules if name.startswith('prompt_toolkit')])"
    )
    import subprocess

    from tests.conftest import environment

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.more
def test_variables_of_every_suspended_frame(bank: Path) -> None:
    done = debug(bank, "goto @7.2", "task all locals --all", options=("--batch", "--json"))
    found = [[(frame["function"], frame["locals"]) for frame in one["data"]] for one in objects(done)[1:]]
    assert [[name for name, _ in frames] for frames in found] == [
        ["main"], ["Store.put", "deposit"], ["Store.get", "deposit"],
    ]  # fmt: skip
    assert [found[1][0][1]["value"], found[1][1][1]["balance"], found[2][0][1]["value"]] == [
        "150",
        "150",
        "100",
    ]
    assert "     amount  = 50" in objects(done)[2]["text"].splitlines()
