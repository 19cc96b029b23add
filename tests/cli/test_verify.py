"""`replay verify`: what it makes of replays that agree, differ, or fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from replay.cli.commands import verify
from replay.cli.commands.verify import Replay
from replay.cli.main import main
from replay.recording.writer import RecordingWriter

GOOD = Replay(1, b"one\ntwo\n", b"oops\n")


def with_events(path: Path, *, is_closed: bool = True) -> None:
    """Write a small recording."""
    writer = RecordingWriter(path, {"argv": ["app.py"]})
    writer.put(0, [1, 1000, 2, 1000])
    writer.seal()
    writer.put(0, [1, 1000])
    if is_closed:
        writer.close()
    else:
        writer.detach()


def outcome(replays: list[Replay], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *words: str) -> int:
    """Verify a file whose replays leave this behind, one after the other."""
    path = tmp_path / "run.rec"
    with_events(path)
    left = list(replays)
    monkeypatch.setattr(verify, "play", lambda path: left.pop(0))
    return main(["verify", str(path), *words])


def test_identical(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome([GOOD] * 3, monkeypatch, tmp_path) == 0
    assert capsys.readouterr() == ("", "verified: 3 replays, identical\n")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Replay(0, GOOD.stdout, GOOD.stderr), "exit code 1 and 0"),
        (Replay(1, b"one\ntwO\n", GOOD.stderr), "stdout from byte 6 (line 2) on"),
        (Replay(1, b"one\n", GOOD.stderr), "stdout from byte 4 (line 2) on"),
        (Replay(1, GOOD.stdout, b""), "stderr from byte 0 (line 1) on"),
    ],
)
def test_different(
    other: Replay,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert outcome([GOOD, GOOD, other], monkeypatch, tmp_path) == 3
    assert capsys.readouterr().err == f"not verified: replay 1 and replay 3 differ: {said}\n"


@pytest.mark.parametrize(("inner", "code"), [(92, 2), (93, 3), (94, 4)])
def test_a_replay_that_fails(
    inner: int,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = Replay(inner, b"", b"divergence at event #4\n")
    assert outcome([GOOD, failed, GOOD], monkeypatch, tmp_path) == code
    assert capsys.readouterr().err == "replay 2 of 3\ndivergence at event #4\n"


def test_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome([GOOD] * 5, monkeypatch, tmp_path, "--times", "5", "--json") == 0
    out, err = capsys.readouterr()
    assert err == "verified: 5 replays, identical\n"
    assert json.loads(out) == {
        "recording": str(tmp_path / "run.rec"),
        "verdict": "identical",
        "replays": 5,
        "exit_code": 1,
        "stdout_bytes": 8,
        "stderr_bytes": 5,
        "message": "verified: 5 replays, identical",
    }


def test_a_recording_that_was_cut(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.rec"
    with_events(path, is_closed=False)
    monkeypatch.setattr(verify, "play", lambda path: Replay(137, b"", b""))
    assert main(["verify", str(path), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == "verified: 3 replays, identical up to where the recording ends: it was cut\n"
    assert json.loads(out)["verdict"] == "identical-until-cut"


def test_agreement_on_a_damaged_recording_is_not_verified(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.rec"
    with_events(path)
    content = bytearray(path.read_bytes())
    content[-10] ^= 0xFF
    path.write_bytes(content)
    monkeypatch.setattr(verify, "play", lambda path: GOOD)
    assert main(["verify", str(path)]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"replay: {path} is damaged: ")


def test_a_file_that_is_no_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app.py").write_text("print('hello')\n")
    assert main(["verify", str(tmp_path / "app.py")]) == 4
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("times", ["1", "0", "-3", "10001"])
def test_times_out_of_range(times: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "x.rec", f"--times={times}"]) == 2
    assert capsys.readouterr().err == f"replay: --times must be between 2 and 10000, not {times}\n"


def test_a_replay_is_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A file of the user's called replay.py must not be taken for us.
    (tmp_path / "replay.py").write_text("print('theirs')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parent.parent.parent))
    assert verify.play("missing.rec") == Replay(94, b"", b"replay: no such file: missing.rec\n")
