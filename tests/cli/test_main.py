"""The command line itself: help, version, slips of the keyboard, errors as messages and exit codes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from replay.cli import main as cli
from replay.cli.main import COMMANDS, main
from replay.cli.style import Style, style_for
from replay.errors import ReplayError, UnreadableRecording, UsageError


def replace_command(monkeypatch: pytest.MonkeyPatch, name: str, run: Callable[[Namespace], int]) -> None:
    """Let a command do something else; its arguments are swallowed."""
    module: Any = SimpleNamespace(
        __doc__="", run=run, configure=lambda parser: parser.add_argument("words", nargs="*")
    )
    monkeypatch.setitem(sys.modules, f"replay.cli.commands.{name}", module)


def raiser(error: BaseException) -> Callable[[Namespace], int]:
    def run(args: Namespace) -> int:
        raise error

    return run


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_lists_each_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for command in COMMANDS:
        assert f"\n  {command.name.ljust(8)}  {command.summary}\n" in out


def test_nothing_at_all_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: replay COMMAND ...\n")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_has_help(command: cli.Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command.name, "--help"]) == 0
    alone = capsys.readouterr().out
    assert alone.startswith(f"usage: replay {command.name} ")
    assert main(["help", command.name]) == 0
    assert capsys.readouterr().out == alone


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    out = capsys.readouterr().out
    python = ".".join(map(str, sys.version_info[:3]))
    assert out.startswith("replay 0.")
    assert f"(Python {python}, recording format " in out


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("recrod", "replay: no such command: recrod\n\nhint: did you mean `record`?\n"),
        ("Play", "replay: no such command: Play\n\nhint: did you mean `play`?\n"),
        ("xyzzy", "replay: no such command: xyzzy\n\nhint: `replay --help` lists the commands\n"),
        ("-o", "replay: no such option: -o\n\nhint: options of a command stand after its name\n"),
        ("app.py", "replay: `app.py` is a file, not a command\n\nhint: `replay record app.py`\n"),
        ("run.rec", "replay: `run.rec` is a file, not a command\n\nhint: `replay play run.rec`\n"),
    ],
)
def test_unknown_words(
    word: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").touch()
    (tmp_path / "run.rec").touch()
    assert main([word]) == 2
    assert capsys.readouterr() == ("", expected)


@pytest.mark.parametrize(
    ("name", "error", "code"),
    [
        ("info", UsageError("no"), 2),
        ("info", UnreadableRecording("no"), 4),
        ("info", ReplayError("no"), 2),
        ("info", KeyboardInterrupt(), 130),
        ("record", UsageError("no"), 92),
        ("record", UnreadableRecording("no"), 94),
        ("play", ReplayError("no"), 92),
        ("play", UnreadableRecording("no"), 94),
    ],
)
def test_errors_become_exit_codes(
    name: str,
    error: BaseException,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    replace_command(monkeypatch, name, raiser(error))
    assert main([name]) == code
    assert capsys.readouterr() == ("", "" if code == 130 else "replay: no\n")


def test_an_error_has_a_hint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    replace_command(monkeypatch, "info", raiser(UsageError("run.rec is tired", hint="let it sleep")))
    assert main(["info"]) == 2
    assert capsys.readouterr().err == "replay: run.rec is tired\n\nhint: let it sleep\n"


@pytest.mark.parametrize(("name", "code"), [("play", 92), ("verify", 2)])
def test_argparse_errors_are_ours(name: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--no-such-thing", "x.rec"]) == code
    assert capsys.readouterr().err == (
        "replay: unrecognized arguments: --no-such-thing\n"
        f"\nhint: `replay {name} --help` shows what it takes\n"
    )


def test_a_wrong_platform_is_told_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("replay.platforms.platform_problem", lambda: "the moon has no epoll")
    replace_command(monkeypatch, "info", lambda args: 0)
    assert main(["play", "x.rec"]) == 92
    assert main(["verify", "x.rec"]) == 2
    assert main(["info", "x.rec"]) == 0
    assert capsys.readouterr().err == "replay: the moon has no epoll\n" * 2


def test_a_closed_pipe_is_quiet() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "replay", "--help"],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=root,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_only_the_chosen_command_is_loaded() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    script = "import sys; from replay.cli.main import main; main(sys.argv[1:]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script, "play", "missing.rec"],
        capture_output=True,
        text=True,
        cwd=root,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "replay.cli.commands.play" in loaded
    others = {f"replay.cli.commands.{command.name}" for command in COMMANDS if command.name != "play"}
    heavy = {"asyncio", "trio", "prompt_toolkit", "yaml", "msgspec", "subprocess", "json"}
    assert loaded & (others | heavy) == set()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert style_for(Terminal())("good", "yes") == "\x1b[32myes\x1b[0m"
    assert style_for(io.StringIO())("good", "yes") == "yes"
    monkeypatch.setenv("TERM", "dumb")
    assert not style_for(Terminal()).is_coloured
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not style_for(Terminal()).is_coloured
    assert Style(is_coloured=True)("good", "") == ""
