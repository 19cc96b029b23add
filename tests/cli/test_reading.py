"""`info`, `tasks`, `timeline`, `events`, on recordings that are real, cut, damaged or hostile."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.cli.main import main
from replay.cli.style import Style
from replay.cli.text import UNPRINTABLE, Cell, Column, shorten, table, width
from replay.quantities import duration
from replay.recording.events import TAG_BITS, Kind
from replay.recording.writer import RecordingWriter
from tests.conftest import run_replay

ROOT = Path(__file__).resolve().parent.parent.parent
RECORD_LIMIT_S = 60.0
COMMANDS = ("info", "tasks", "timeline", "events")

PROGRAM = """\
import asyncio


def work():
    return 7


async def fails(gate):
    await gate.wait()
    raise ValueError("no luck \\x1b[31m")


async def waits():
    await asyncio.Event().wait()


async def main():
    gate = asyncio.Event()
    print(await asyncio.to_thread(work), flush=True)
    slow = asyncio.get_running_loop().create_task(waits(), name="slow")
    await asyncio.sleep(0)
    slow.cancel()
    async with asyncio.TaskGroup() as group:
        group.create_task(fails(gate), name="bob")
        group.create_task(waits(), name="alice")
        gate.set()


asyncio.run(main())
"""

named = pytest.mark.skipif(sys.version_info < (3, 12), reason="names come after a task was counted")
"""For whole screens: asyncio on 3.11 numbers its tasks in another way."""


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record the program, once."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "prog.py").write_text(PROGRAM)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "replay", "record", "-o", "run.rec", "prog.py", "an argument"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RECORD_LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "7\n"), done.stderr
    return folder / "run.rec"


@pytest.fixture
def folder(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the folder of the recording the current one: messages then hold no machine's paths."""
    monkeypatch.chdir(recorded.parent)
    return recorded.parent


def said(*words: object) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code and what it wrote."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


def read(*words: object) -> str:
    """Run a command that has nothing to complain of, and return its output."""
    code, out, err = said(*words)
    assert (code, err) == (0, "")
    return out


def read_json(*words: object) -> Any:
    return json.loads(read(*words, "--json"))


def normal(text: str) -> str:
    """Replace what is different each time: times, counts and sizes, ids of events."""
    text = re.sub(r" *<?\b\d[\d.,]* (ns|us|ms|s)\b", " TIME", text)
    text = re.sub(r" +run ", " run ", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE", text)
    return re.sub(r"#\d+ +", "#N ", text)


def write(path: Path, *items: Any, header: dict[str, Any] | None = None, is_closed: bool = True) -> Path:
    """Write a recording of the main thread."""
    writer = RecordingWriter(
        path, {"python": "3.12.1", "doors": ["os.read", "socket.recv"], **(header or {})}
    )
    writer.put(0, list(items))
    if is_closed:
        writer.close()
    else:
        writer.detach()
    return path


# ---- what they say of a real run


@named
def test_tasks_screen(folder: Path) -> None:
    error = "ValueError: no luck \\x1b[31m"
    group = "ExceptionGroup: unhandled errors in a TaskGroup"
    code, out, err = said("tasks", "run.rec")
    assert (code, err) == (0, "replay: 2 tasks of the library itself; `--all` shows them\n")
    assert normal(out).splitlines() == [
        "T  name    state      steps run  first  last  parent  made at     coroutine  error",
        f"1  Task-1  FAILED         5 TIME     @1   @14       -  prog.py:29  main       {group}",
        "2  slow    cancelled      2 TIME     @5    @7      T1  prog.py:20  waits",
        f"3  bob     FAILED         1 TIME     @8    @8      T1  prog.py:24  fails      {error}",
        "4  alice   cancelled      2 TIME     @9   @11      T1  prog.py:25  waits",
    ]
    *_, asyncgens, executor = read("tasks", "--all", "run.rec").splitlines()
    assert asyncgens.endswith("shutdown_asyncgens")
    assert executor.endswith("shutdown_default_executor")


@named
def test_timeline_screen(folder: Path) -> None:
    out = read("timeline", "run.rec")
    assert [re.sub(r"^(T[56]) Task-\d", r"\1 Task-N", line).rstrip() for line in out.splitlines()] == [
        "# runs   - waits   . not yet started   X fails   C ends cancelled",
        "",
        "           @1  @2  @3  @4  @5  @6  @7  @8  @9  @10 @11 @12 @13 @14 @15 @16 @17 @18 @19 @20 @21",
        "T1 Task-1  ##  --------##  ----##  --------------------##  ----#X",
        "T2 slow                    ##  ----#C",
        "T3 bob                             ....#X",
        "T4 alice                           ........##  ----#C",
        "T5 Task-N                                                              ##",
        "T6 Task-N                                                                      ##  ----##",
        "callbacks      ##  ##                          ##          ##      ##      ##      ##      ##",
    ]


@named
def test_timeline_of_some(folder: Path) -> None:
    assert read("timeline", "run.rec", "@7..@9", "--task", "bob", "--task", "T4") == (
        "# runs   - waits   . not yet started   X fails   C ends cancelled\n"
        "\n"
        "          @8 @9\n"
        "T3 bob    #X\n"
        "T4 alice  ...##\n"
    )


@named
def test_info_screen(folder: Path) -> None:
    lines = normal(read("info", "run.rec")).splitlines()
    python = ".".join(map(str, sys.version_info[:3]))
    assert lines[:6] == [
        "outcome      FAILED  T3 bob: ValueError: no luck \\x1b[31m at @8",
        "             then    T1 Task-1: ExceptionGroup: unhandled errors in a TaskGroup at @14",
        "             exit code 1",
        "program      python prog.py 'an argument'",
        f"folder       {os.path.realpath(folder)}",
        "recorded     DATE UTC, TIME",
    ]
    assert lines[6].startswith(f"with         CPython {python}, linux ")
    labels = [line.split("  ")[0] for line in lines if not line.startswith(" ")]
    assert labels[4:-1] == ["with", "packages", "content", "commonest", "size", "output", "environment"]
    assert re.fullmatch(
        r"recorder TIME of CPU time before the program began, TIME to compress and write;"
        r" the whole run took TIME",
        lines[-2],
    )
    assert lines[-1] == "             what each recorded call costs is not measured"
    (content,) = (line for line in lines if line.startswith("content"))
    assert ", 21 steps, 6 tasks, 3 threads" in content


@named
def test_events_screen(folder: Path) -> None:
    out = normal(read("events", "run.rec", "@7..@9", "--kind", "step,end"))
    assert out == (
        "#N @7    T2 slow            step\n"
        "#N @7    T2 slow            end                T2: cancelled\n"
        "#N @8    T3 bob             step\n"
        "#N @8    T3 bob             end                T3: ValueError: no luck \\x1b[31m\n"
        "#N @9    T4 alice           step\n"
    )


def test_events_of_a_task(folder: Path) -> None:
    out = normal(read("events", "run.rec", "--task", "slow", "--kind", "step", "--kind", "end,spawn"))
    assert [line.split()[1:] for line in out.splitlines()] == [
        ["@4", "T1", "Task-1", "spawn", "T2", "at", "site", "2"],
        ["@5", "T2", "slow", "step"],
        ["@7", "T2", "slow", "step"],
        ["@7", "T2", "slow", "end", "T2:", "cancelled"],
    ]


def test_events_by_index(folder: Path) -> None:
    everything = read("events", "run.rec").splitlines()
    assert [line.split()[0] for line in everything] == [f"#{index}" for index in range(len(everything))]
    assert read("events", "run.rec", "3..5").splitlines() == everything[3:6]
    assert read("events", "run.rec", "..#2").splitlines() == everything[:3]
    assert read("events", "run.rec", "7").splitlines() == everything[7:8]
    last = len(everything) - 1
    assert read("events", "run.rec", f"{last}..999999").splitlines() == everything[last:]
    assert everything[last].endswith("main               exit               exit 1")


def test_the_output_and_values_in_full(folder: Path) -> None:
    (line,) = normal(read("events", "run.rec", "--kind", "output")).splitlines()[:1]
    assert "T1 Task-1          output stdout      b'7" in line
    path = write(folder / "long.rec", -32, b"x" * 1000, header={"doors": ["os.read"]})
    cut = said("events", path)[1]
    assert cut.endswith("x...\n")
    assert len(cut) < 200
    assert said("events", path, "--full")[1].endswith(f"-> {b'x' * 1000!r}\n")


def test_json(folder: Path) -> None:
    info = read_json("info", "run.rec")
    assert list(info) == [
        *("v", "recording", "damage", "cut", "running", "outcome", "header", "duration_ns"),
        *("events", "steps", "tasks"),
        *(
            "threads",
            "sources",
            "secrets",
            "redaction",
            "cost",
            "packages",
            "size",
            "output",
            "kinds",
            "notes",
        ),
    ]
    assert (info["v"], info["recording"], info["damage"], info["cut"]) == (1, "run.rec", None, False)
    assert (info["steps"], info["tasks"], info["threads"]) == (21, 6, 3)
    assert info["outcome"]["failures"][0]["error"] == "ValueError: no luck \x1b[31m"
    assert (info["outcome"]["how"], info["outcome"]["detail"], info["outcome"]["failed"]) == ("exit", 1, True)
    assert info["header"]["argv"][1:] == ["an argument"]

    tasks = read_json("tasks", "run.rec")
    assert list(tasks) == ["v", "recording", "damage", "cut", "running", "tasks"]
    assert [task["task"] for task in tasks["tasks"]] == ["T1", "T2", "T3", "T4", "T5", "T6"]
    assert list(tasks["tasks"][0]) == [
        *(
            "task",
            "id",
            "name",
            "state",
            "error",
            "parent",
            "steps",
            "run_ns",
            "run_is_at_most",
            "run_is_shared",
            "first",
            "last",
        ),
        *("spawned", "ended", "site", "coroutine"),
    ]
    slow = tasks["tasks"][1]
    assert (slow["name"], slow["state"], slow["parent"], slow["first"]) == ("slow", "cancelled", "T1", "@5")
    assert (slow["site"]["line"], slow["site"]["qualname"]) == (20, "main")

    timeline = read_json("timeline", "run.rec")
    assert list(timeline) == ["v", "recording", "damage", "cut", "running", "tasks", "steps"]
    assert [step["pos"] for step in timeline["steps"]] == [f"@{number}" for number in range(1, 22)]
    assert list(timeline["steps"][0]) == [
        *("pos", "task", "thread", "event", "start_ns", "run_ns", "run_is_at_most", "run_is_shared")
    ]

    events = read_json("events", "run.rec", "@5..@7")
    assert list(events) == ["v", "recording", "events", "damage", "cut", "running"]
    assert list(events["events"][0]) == [
        *("event", "pos", "thread", "owner", "task", "kind", "fd", "connection", "value", "is_checksum")
    ]
    assert {event["pos"] for event in events["events"]} == {"@5", "@6", "@7"}
    assert len(read_json("events", "run.rec")["events"]) == info["events"]


def test_a_run_that_was_fine(tmp_path: Path) -> None:
    path = write(tmp_path / "run.rec", -Kind.SPAWN, 1, 1, 5, -Kind.END, 1, -Kind.EXIT, ["exit", 0])
    assert read("info", path).startswith("outcome      exit code 0\nprogram      unknown\n")
    path = write(tmp_path / "two.rec", 1, 5, -Kind.EXIT, ["signal", 15, {"cost_ns": 2500, "version": "x"}])
    out = read("info", path)
    assert out.startswith("outcome      FAILED  ended by SIGTERM\n")
    assert "recorder     cost: 2.50 us\n             version: x\n" in out
    assert read_json("info", path)["cost"] is None


def test_what_the_recorder_cost(folder: Path, tmp_path: Path) -> None:
    cost = {"cpu_ns": 2_000_000_000, "start_cpu_ns": 90_000_000, "sealing_cpu_ns": 5000}
    path = write(tmp_path / "cost.rec", -Kind.EXIT, ["exit", 0, cost])
    assert (
        "recorder     90.0 ms of CPU time before the program began, 5.00 us to compress and write;"
        " the whole run took 2.00 s\n"
        "             what each recorded call costs is not measured\n"
    ) in read("info", path)
    assert read_json("info", path)["cost"] == cost
    real = read_json("info", "run.rec")["cost"]
    assert real["cpu_ns"] > real["start_cpu_ns"] > 0
    assert real["cpu_ns"] - real["start_cpu_ns"] > real["sealing_cpu_ns"] > 0


def test_what_could_not_be_recorded_is_listed(tmp_path: Path) -> None:
    notes = [item for number in range(25) for item in (-Kind.NOTE, f"note \x1b {number}")]
    path = write(tmp_path / "run.rec", 1, 5, *notes, -Kind.EXIT, ["exit", 0])
    out = read("info", path)
    assert "not recorded 25 remarks:\n             #1 @1  note \\x1b 0\n" in out
    assert f"             ... `replay events {path} --kind note` shows all\n" in out


def test_what_was_redacted_and_left_out(tmp_path: Path) -> None:
    header = {
        "environment": {"HOME": "/"},
        "environment_lengths": {"HOME": 1, "SECRET": 9, "TOKEN": 3},
        "redaction": {"patterns": [], "patterns_count": 2, "names": ["TOKEN"]},
        "distributions": {"a": "1", "b": "2"},
    }
    path = write(
        tmp_path / "run.rec",
        *(-Kind.REDACTED, ["x"], -Kind.FOUND, ["distribution", "a", "1"]),
        *(-Kind.EXIT, ["exit", 0, {"secrets_count": 2}]),
        header=header,
    )
    out = read("info", path)
    assert "environment  1 variable with values\n             2 variables without: SECRET, TOKEN\n" in out
    assert "redacted     2 patterns, 1 variable (TOKEN), 2 secrets met\n" in out
    assert "patterns:" not in out
    assert "secrets count" not in out
    assert "packages     a 1 (2 installed)\n" in out


def test_what_was_redacted_where(tmp_path: Path) -> None:
    header = {"redaction": {"patterns": ["tok_[a-z]+", "k=\\d+"], "patterns_count": 2, "names": []}}
    summary = "redacted 2 secrets in socket.recv 3, output 1"
    path = write(
        tmp_path / "run.rec",
        *(-Kind.REDACTED, ["x"], -Kind.NOTE, "mmap: x", -Kind.NOTE, summary),
        *(-Kind.EXIT, ["exit", 0, {"secrets_count": 2}]),
        header=header,
    )
    assert (
        "redacted     2 patterns, 2 secrets met\n"
        "             patterns: tok_[a-z]+ k=\\d+\n"
        f"             {summary}\n"
        "not recorded 1 remark:\n"
        "             #1 @0  mmap: x\n"
    ) in read("info", path)
    info = read_json("info", path)
    assert info["redaction"] == {"asked": header["redaction"], "secrets": 2, "summary": [summary]}
    assert [note["text"] for note in info["notes"]] == ["mmap: x"]


def test_what_was_redacted_is_not_known_of_a_cut_recording(tmp_path: Path) -> None:
    header = {"redaction": {"patterns": ["tok_[a-z]+"], "patterns_count": 1, "names": []}}
    path = write(tmp_path / "run.rec", -Kind.REDACTED, ["x"], header=header, is_closed=False)
    out = said("info", path)[1]
    assert "redacted     1 pattern, the recording does not say yet what was met\n" in out
    assert json.loads(said("info", path, "--json")[1])["secrets"] is None


# ---- long runs


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a recording of 1000 tasks that take ten steps each."""
    spawned = [item for number in range(1, 1001) for item in (-Kind.SPAWN, number)]
    steps = [item for _ in range(10) for number in range(1, 1001) for item in (number, 1000)]
    ends = [item for number in range(1, 1000) for item in (-Kind.END, number)]
    path = tmp_path_factory.mktemp("long") / "run.rec"
    return write(
        path, *spawned, *steps, *ends, -Kind.END, [1000, "builtins.OSError", ""], -Kind.EXIT, ["exit", 0]
    )


def test_a_long_timeline_is_cut_with_a_message(long: Path) -> None:
    code, out, err = said("timeline", long)
    assert code == 0
    assert err == f"replay: 9,600 more steps; `replay timeline {long} @401..` goes on\n"
    assert len(out.splitlines()) < 600
    assert max(map(len, out.splitlines())) <= 100
    assert "more tasks waiting here" in out
    assert said("timeline", long, "@9990..")[2] == ""
    assert read("timeline", long, "--task", "T7") == (
        "# runs   - waits   . not yet started   X fails   C ends cancelled\n"
        "\n"
        "           @7    @1007 @2007 @3007 @4007 @5007 @6007 @7007 @8007 @9007\n"
        "T7 Task-7  ##    ##    ##    ##    ##    ##    ##    ##    ##    ##\n"
    )


def test_many_tasks_are_cut_but_not_those_that_failed(long: Path) -> None:
    code, out, err = said("tasks", long)
    assert (code, err) == (0, "replay: 800 more tasks; `--all` shows them\n")
    lines = out.splitlines()
    assert len(lines) == 201
    assert lines[-1].split()[:3] == ["1000", "Task-1000", "FAILED"]
    assert len(read("tasks", long, "--all").splitlines()) == 1001


def test_a_closed_pipe_is_quiet(long: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "replay", "events", str(long)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    with child:
        assert child.stdout.readline().startswith(b"#0 ")
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


# ---- what they refuse


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("events run.rec 999999..", r"replay: #999999 is outside of this recording, which has #0\.\.#\d+\n"),
        ("events run.rec @99..", r"replay: @99 is outside of this recording, which has @0\.\.@22\n"),
        ("timeline run.rec @99", r"replay: @99 is outside of this recording, which has @0\.\.@22\n"),
        (
            "events run.rec @5.2..",
            r"replay: a recording knows no places .*: @5\.2\n\nhint: `@5` is all of it\n",
        ),
        ("timeline run.rec 5", r"replay: a timeline has steps, not events: #5\n\nhint: `@5\.\.`\n"),
        ("events run.rec x", r"replay: not a position: 'x'\n\nhint: .*\n"),
        ("events run.rec --task solw", r"replay: no such task: solw\n\nhint: did you mean `slow`\?\n"),
        ("timeline run.rec --task T9", r"replay: no such task: T9\n\nhint: this recording has T1\.\.T6\n"),
        (
            "events run.rec --kind sokcet",
            r"replay: no such kind of event: sokcet\n\nhint: did you .* `socket`\?\n",
        ),
        (
            "events run.rec --kind stpe",
            r"replay: no such kind of event: stpe\n\nhint: did you mean `step`\?\n",
        ),
        ("events run.rec --kind=", r"replay: no such kind of event: \n\nhint: kinds are: step, poll, .*\n"),
        ("tasks", r"replay: the following arguments are required: FILE\n\nhint: .*\n"),
    ],
)
def test_usage(folder: Path, words: str, message: str) -> None:
    code, out, err = said(*words.split())
    assert (code, out) == (2, "")
    assert re.fullmatch(message, err)


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_recording(command: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "cut.rec.part").touch()
    os.mkfifo(tmp_path / "pipe")
    part = f"hint: a run that was cut left `{tmp_path}/cut.rec.part`"
    for name, message in (
        ("text", f"`{tmp_path}/text` is not a recording"),
        ("none", f"there is no file `{tmp_path}/none`"),
        ("pipe", f"`{tmp_path}/pipe` is not a regular file, so it is no recording"),
        (
            "cut.rec",
            f"there is no file `{tmp_path}/cut.rec`\n\n{part}",
        ),
    ):
        assert said(command, tmp_path / name) == (4, "", f"replay: {message}\n")


# ---- files that are not whole


@pytest.mark.parametrize("command", COMMANDS)
def test_a_cut_recording_is_read_and_called_cut(command: str, tmp_path: Path) -> None:
    path = write(tmp_path / "run.rec", -Kind.SPAWN, 1, 1, 5, is_closed=False)
    code, out, err = said(command, path)
    assert code == 0
    assert out
    why = "the program was killed, or this copy was made while it ran"
    assert err == f"replay: {path} was cut: {why} (read up to #1)\n"
    found = json.loads(said(command, path, "--json")[1])
    assert (found["cut"], found["damage"]) == (True, None)
    if command == "info":
        assert out.startswith("outcome      cut at @1: nothing says how it ended\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_damaged_recording_is_read_up_to_the_damage(command: str, tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "run.rec", {})
    for _ in range(3):
        writer.put(0, [1, 5])
        writer.seal()
    writer.close()
    data = bytearray((tmp_path / "run.rec").read_bytes())
    data[-1] ^= 1
    path = tmp_path / "bad.rec"
    path.write_bytes(data)
    code, out, err = said(command, path)
    assert code == 0
    assert out
    assert re.fullmatch(
        rf"replay: {path} is damaged: chunk 3 at byte \d+ has a wrong checksum; what follows is not used"
        r" \(read up to #1\)\n",
        err,
    )
    assert "has a wrong checksum" in json.loads(said(command, path, "--json")[1])["damage"]


def test_a_real_recording_cut_anywhere(recorded: Path, tmp_path: Path) -> None:
    data = recorded.read_bytes()
    path = tmp_path / "cut.rec"
    for size in range(0, len(data), max(len(data) // 40, 1)):
        path.write_bytes(data[:size])
        for command in COMMANDS:
            code, _, err = said(command, path)
            assert code in (0, 4)
            assert err.startswith("replay: ")


# ---- files that were made to do harm

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\x1b[2J\x9b1m", "\u202e", "\r\n", "t", "l", "i", "r", "s", "e", "d", "stat_result"])
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
numbers = st.integers(0, 4) | st.sampled_from([-1, 2**31, 2**63 - 1])
likely = st.one_of(
    numbers,
    st.lists(numbers | st.text(max_size=5), min_size=1, max_size=4),
    st.tuples(numbers, plain).map(list),
    st.tuples(numbers, st.text(max_size=5), numbers, st.text(max_size=5)).map(list),
    plain,
)
kinds = st.builds(lambda tag, fd: -(tag | fd << TAG_BITS), st.integers(1, 40), st.integers(0, 3))
keys = numbers.filter(lambda key: key >= 0) | kinds | st.integers(-(2**63), 2**63 - 1)
items = st.lists(st.tuples(keys, likely).map(list), max_size=20).map(
    lambda pairs: [part for pair in pairs for part in pair]
)
header_names = st.sampled_from(
    ("python", "doors", "argv", "cwd", "target", "started", "environment", "environment_lengths", "redaction")
) | st.sampled_from(("distributions", "flags"))
headers = st.dictionaries(header_names | st.text(max_size=3), plain, max_size=8)


@pytest.mark.more
@settings(deadline=None, max_examples=150)
@given(headers, st.lists(st.tuples(st.integers(0, 2), items), max_size=4), st.booleans())
def test_hostile_recordings_do_no_harm(
    header: dict[str, Any], frames: list[tuple[int, list[Any]]], is_closed: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "run.rec")
        writer = RecordingWriter(path, header)
        for stream, found in frames:
            writer.put(stream, found)
        if is_closed:
            writer.close()
        else:
            writer.detach()
        for words in (*([command] for command in COMMANDS), ["events", "--full"], ["events", "--task", "T1"]):
            code, out, err = said(words[0], path, *words[1:])
            assert code in (0, 2, 4)
            assert "Traceback" not in err
            assert not UNPRINTABLE.search((out + err).replace("\n", ""))
        for command in COMMANDS:
            code, out, _ = said(command, path, "--json")
            assert code == 0
            assert json.loads(out)["v"] == 1
            assert not UNPRINTABLE.search(out.replace("\n", ""))


def test_values_that_nest_deeply(tmp_path: Path) -> None:
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    path = write(
        tmp_path / "run.rec",
        *(-32, [5, deep], -Kind.NOTE, deep, -Kind.ERROR, [-32, ["ValueError", [deep], {}]], 1, deep),
        *(-Kind.EXIT, ["exit", deep]),
        header={"argv": [deep], "cwd": deep},
    )
    for command in COMMANDS:
        for words in ((), ("--json",)):
            assert said(command, path, *words)[0] == 0


# ---- text


def test_columns_that_are_empty_are_left_out_and_wide_characters_counted() -> None:
    rows = [[Cell("a"), Cell(""), Cell("1")], [Cell("\u732b"), Cell(""), Cell("22", "error")]]
    columns = [Column("name"), Column("none"), Column("n", "right")]
    assert table(columns, rows, Style(is_coloured=False)) == ["name  n", "a     1", "\u732b    22"]
    assert table(columns, rows, Style(is_coloured=True))[2] == "\u732b    \x1b[1;31m22\x1b[0m"


def test_quantities() -> None:
    found = [duration(value) for value in (0, 999, 1000, 12_345, 123_456_789, 1_500_000_000, 61_000_000_000)]
    assert found == ["0 ns", "999 ns", "1.00 us", "12.3 us", "123 ms", "1.50 s", "1 min 1 s"]
    assert shorten("abcdefgh", 6) == "abc..."
    assert width(shorten("\u732b" * 10, 8)) <= 8


EAGER = """\
import asyncio


async def work(way):
    if way == "fails":
        raise ValueError("at once")
    if way == "waits":
        await asyncio.sleep(0)
    return way


async def main():
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    tasks = [asyncio.create_task(work(way)) for way in ("returns", "fails", "waits")]
    await asyncio.gather(*tasks, return_exceptions=True)


asyncio.run(main())
"""


@named
def test_tasks_that_begin_and_end_inside_the_one_that_makes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("eager.py").write_text(EAGER)
    subprocess.run(
        [sys.executable, "-m", "replay", "record", "eager.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        timeout=RECORD_LIMIT_S,
    )
    tasks = [task for task in read_json("tasks", "run.rec")["tasks"] if task["coroutine"] == "work"]
    assert [(task["state"], task["steps"], task["parent"]) for task in tasks] == [
        ("returned", 0, "T1"),
        ("failed", 0, "T1"),
        ("returned", 1, "T1"),
    ]
    assert tasks[1]["error"] == {"type": "builtins.ValueError", "message": "at once"}
    events = read_json("events", "run.rec", "--kind", "eager")["events"]
    assert [event["task"] for event in events] == ["T2", "T1", "T3", "T1", "T4", "T4"]


FULL = """
import os
for _ in range(40):
    os.urandom(65536)
print("end")
"""


@pytest.mark.more
def test_a_recording_that_could_not_be_written_on_says_so(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FULL)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    done = run_replay("record", "app.py", cwd=tmp_path, preexec_fn=limit)
    assert (done.returncode, done.stdout) == (0, "end\n")
    why = "the recorder could not write on ([Errno 27] File too large)"
    told = run_replay("info", "run.rec", cwd=tmp_path)
    assert why in told.stdout
    assert f"run.rec was cut: {why} (read up to" in told.stderr
    played = run_replay("play", "run.rec", cwd=tmp_path)
    assert (played.returncode, played.stdout) == (137, "")
    assert (
        "could not write there any more ([Errno 27] File too large), and the program went on" in played.stderr
    )


MANY_OF_TRIO = """
import sys, time, trio

async def worker(number):
    await trio.lowlevel.checkpoint()
    if number == 5:
        time.sleep(0.05)

async def main():
    async with trio.open_nursery() as nursery:
        for number in range(int(sys.argv[1])):
            nursery.start_soon(worker, number, name=f"worker {number}")

trio.run(main)
"""


@pytest.mark.more
@pytest.mark.parametrize(("count", "is_shared"), [(80, True), (20, False)])
def test_of_very_many_tasks_of_trio_each_eighth_step_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, is_shared: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("many.py").write_text(MANY_OF_TRIO)
    assert run_replay("record", "-o", "run.rec", "many.py", count).returncode == 0
    assert run_replay("play", "run.rec").returncode == 0
    tasks = {task["name"]: task for task in read_json("tasks", "run.rec")["tasks"]}
    workers = [tasks[f"worker {number}"] for number in range(count)]
    assert {worker["run_is_shared"] for worker in workers} == {is_shared}
    assert tasks["worker 5"]["run_ns"] >= 50_000_000 // (8 if is_shared else 1)
    assert sum(worker["run_ns"] for worker in workers) >= 50_000_000
    shown = run_replay("tasks", "run.rec").stdout
    assert ("~" in shown) is is_shared
    said = run_replay("debug", "run.rec", "--batch", "-ex", "schedule").stdout
    assert ("about " in said) is is_shared
