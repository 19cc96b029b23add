"""What `record` and `play` make of their arguments, and what they refuse before anything is started."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest

from replay.cli.arguments import Parser
from replay.cli.commands import play, record
from replay.cli.main import main
from replay.errors import UnreadableRecording, UsageError
from replay.options import PlayOptions, RecordOptions
from replay.recording.container import MAGIC


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder with a script the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text("print('hello')\n")
    (tmp_path / "tool").write_text(f"#!{sys.executable}\n")
    return tmp_path


def parse(*words: str) -> RecordOptions:
    parser = Parser(prog="replay record")
    record.configure(parser)
    return record.options_of(parser.parse_before_program(words))


def refusal(*words: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(*words)
    hint = caught.value.hint
    return caught.value.message + (f" | {hint}" if hint else "")


def test_a_script_with_defaults(folder: Path) -> None:
    assert parse("app.py") == RecordOptions(
        output=str(folder / "run.rec"),
        on_failure=False,
        timeout_s=None,
        redact=(),
        redact_env=(),
        keep_env=(),
        target="script",
        argv=("app.py",),
    )


def test_all_options(folder: Path) -> None:
    ours = "-o x.rec --on-failure --timeout 2.5 --redact a+ --redact=b --redact-env KEY --redact-env=TOKEN"
    ours += " --keep-env A --keep-env=B_*"
    assert parse(*ours.split(), "app.py") == RecordOptions(
        output=str(folder / "x.rec"),
        on_failure=True,
        timeout_s=2.5,
        redact=("a+", "b"),
        redact_env=("KEY", "TOKEN"),
        keep_env=("A", "B_*"),
        target="script",
        argv=("app.py",),
    )


@pytest.mark.parametrize(
    ("words", "target", "argv"),
    [
        ("app.py -o theirs -- --on-failure -m x", "script", "app.py -o theirs -- --on-failure -m x"),
        ("-ox.rec app.py --help", "script", "app.py --help"),
        ("-m json.tool -m -- -o y", "module", "json.tool -m -- -o y"),
        ("-mjson.tool x", "module", "json.tool x"),
        ("-o x.rec -m json.tool", "module", "json.tool"),
        ("-- ./tool -o x -- y", "command", "./tool -o x -- y"),
        ("--on-failure -- ./tool", "command", "./tool"),
    ],
)
def test_our_options_end_where_the_program_begins(words: str, target: str, argv: str) -> None:
    options = parse(*words.split())
    assert (options.target, options.argv) == (target, tuple(argv.split()))


def test_an_option_may_have_any_value(folder: Path) -> None:
    assert parse("--output=-x.rec", "app.py").output == str(folder / "-x.rec")
    assert parse("--redact", "m", "app.py").redact == ("m",)
    assert parse("--redact=-m", "app.py").redact == ("-m",)


def test_folders_and_zip_files_with_a_main(folder: Path) -> None:
    (folder / "package").mkdir()
    (folder / "package" / "__main__.py").touch()
    with zipfile.ZipFile(folder / "app.pyz", "w") as archive:
        archive.writestr("__main__.py", "")
    assert parse("package").target == "script"
    assert parse("app.pyz").target == "script"


def test_what_is_refused(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "run.rec").write_bytes(MAGIC + b"...")
    (folder / "old.rec").mkdir()
    with zipfile.ZipFile(folder / "data.zip", "w") as archive:
        archive.writestr("data", "")
    os.mkfifo(folder / "pipe")
    usage = "`replay record --help` shows what it takes"
    said = {
        "": "no program to record | `replay record app.py`, `-m MODULE` or `-- COMMAND`",
        "-o x.rec": "no program to record | `replay record app.py`, `-m MODULE` or `-- COMMAND`",
        "-m": "no module after `-m` | `replay record -m package.module`",
        "-m app.py": "`-m` takes the name of a module, not of a file: app.py | `replay record app.py`",
        "--": "no command after `--` | `replay record -- pytest`",
        "-": "a program on standard input cannot be recorded | put it in a file: a replay needs its source",
        "missing.py": "no such file: missing.py",
        "app": "no such file: app | `replay record app.py`",
        "ls": "no such file: ls | a command is recorded with `replay record -- ls`",
        "empty": "empty is a folder without a __main__.py"
        " | name a script, or a module: `replay record -m MODULE`",
        "data.zip": "data.zip is a zip file without a __main__.py",
        "run.rec": "run.rec is a recording, not a program | `replay play run.rec` runs it again",
        "--timeout 0 app.py": "--timeout must be a number of seconds above 0, not 0",
        "--timeout nan app.py": "--timeout must be a number of seconds above 0, not nan",
        "--timeout x app.py": f"argument --timeout: invalid float value: 'x' | {usage}",
        "--redact ( app.py": "--redact '(' is no regular expression:"
        " missing ), unterminated subpattern at character 0",
        "--redact a* app.py": "--redact 'a*' matches the empty string, so it says nothing about a secret",
        "--redact-env A=b app.py": "--redact-env takes the name of an environment variable, not 'A=b'",
        "--keep-env A=b app.py": "--keep-env takes the name of an environment variable, not 'A=b'",
        "-o app.py app.py": f"the recording would replace a file that is no recording: {folder}/app.py"
        " | `-o FILE` names another",
        "-o no/x.rec app.py": f"no such folder: {folder}/no | `mkdir -p {folder}/no`",
        "-o old.rec app.py": "the recording needs the name of a file, not of a folder: old.rec",
        "-o pipe app.py": f"the recording would replace something that is no file: {folder}/pipe",
        "-o": f"argument -o/--output: expected one argument | {usage}",
        "--on app.py": f"unrecognized arguments: --on | {usage}",
        "-c pass": f"unrecognized arguments: -c | {usage}",
    }
    assert {words: refusal(*words.split()) for words in said} == said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable(folder: Path) -> None:
    (folder / "locked").mkdir(mode=0o500)
    assert refusal("-o", "locked/x.rec", "app.py").startswith(f"the folder is not writable: {folder}/locked")


def test_play(folder: Path) -> None:
    (folder / "run.rec").touch()
    parser = Parser(prog="replay play")
    play.configure(parser)
    assert play.options_of(parser.parse_args(["run.rec"])) == PlayOptions(str(folder / "run.rec"), "check")
    options = play.options_of(parser.parse_args(["run.rec", "--source", "current"]))
    assert options.source == "current"
    (folder / "cut.rec.part").touch()
    with pytest.raises(UnreadableRecording, match=r"no such file: cut\.rec") as caught:
        play.options_of(parser.parse_args(["cut.rec"]))
    assert caught.value.hint == "a run that was cut left `cut.rec.part`"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("record", 92),
        ("record missing.py", 92),
        ("play", 92),
        ("play missing.rec", 94),
        ("verify missing.rec", 4),
    ],
)
def test_exit_codes(words: str, code: int) -> None:
    assert main(words.split()) == code
