"""What has changed since the recording, and how it is named."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import pytest

from replay.errors import ReplayError, UnreadableRecording
from replay.recording import drift
from replay.recording.distributions import Owners, canonical, installed
from replay.recording.events import Kind
from replay.recording.sources import Source, Sources

HEADER = {"python": platform.python_version(), "implementation": platform.python_implementation()}


def source(
    path: Path | str, text: bytes = b"x = 1\n", loads: int = 0, spans: list[list[int]] | None = None
) -> Source:
    return Source("app", False, str(path), hashlib.sha256(text).hexdigest(), text, loads, 0, spans or [])


def collected(*found: Source) -> Sources:
    return Sources.of_frames([(0, [item for one in found for item in (-Kind.SOURCE, one.as_value())])])


def test_another_python_is_refused() -> None:
    with pytest.raises(ReplayError, match=r"recorded with Python 3\.9\.1, this is Python 3\.") as caught:
        drift.check_interpreter({**HEADER, "python": "3.9.1"})
    assert "run this with Python 3.9.1" in (caught.value.hint or "")
    with pytest.raises(ReplayError, match="recorded with PyPy"):
        drift.check_interpreter({**HEADER, "implementation": "PyPy"})
    drift.check_interpreter(HEADER)


def test_files_that_are_gone_are_fine_and_edited_ones_named(tmp_path: Path) -> None:
    same, edited = tmp_path / "same.py", tmp_path / "edited.py"
    same.write_text("x = 1\n")
    edited.write_text("x = 2\n")
    sources = collected(source(same), source(edited), source("/nowhere/gone.py"))
    assert drift.edited(sources) == [str(edited)]
    with pytest.raises(ReplayError, match=r"edited since they were recorded:\n  .*edited\.py$"):
        drift.check(HEADER, sources, "check")
    drift.check(HEADER, sources, "recorded")
    drift.check(HEADER, sources, "current")


def test_many_edited_files_are_counted(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.py" for n in range(8)]
    for path in paths:
        path.write_text("other")
    with pytest.raises(ReplayError, match=r"  and 3 more$"):
        drift.check(HEADER, collected(*map(source, paths)), "check")


def test_the_last_version_counts(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text("x = 2\n")
    assert drift.edited(collected(source(path), source(path, b"x = 2\n", 1))) == []


def test_redacted_source_may_differ_where_it_is_redacted() -> None:
    redacted = source("app.py", b"key = 'xxxxx1'", spans=[[7, 13]])
    assert redacted.is_text(b"key = 'abcdef'")
    assert not redacted.is_text(b"kex = 'abcdef'")
    assert not redacted.is_text(b"key = 'abcdefg'")


def test_compiled_modules_must_be_here(tmp_path: Path) -> None:
    path = tmp_path / "fast.so"
    sources = Sources(extensions={str(path): hashlib.sha256(b"code").hexdigest()})
    with pytest.raises(ReplayError, match="is not here"):
        drift.check(HEADER, sources, "recorded")
    path.write_bytes(b"other")
    with pytest.raises(ReplayError, match="is another file"):
        drift.check(HEADER, sources, "recorded")
    path.write_bytes(b"code")
    drift.check(HEADER, sources, "recorded")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (Kind.SOURCE, 3),
        (Kind.SOURCE, ["app", False, "app.py", "0" * 64, b"x", 0, 0, []]),
        (Kind.SOURCE, ["app", 1, "app.py", hashlib.sha256(b"x").hexdigest(), b"x", 0, 0, []]),
        (Kind.SOURCE, ["app", False, "app.py", hashlib.sha256(b"x").hexdigest(), b"x", 0, 0, [[1, "2"]]]),
        (Kind.FOUND, ["what"]),
        (Kind.FOUND, ["folder", 3]),
        (Kind.FOUND, ["archive", "a.zip", [[1]]]),
    ],
)
def test_events_that_are_not_what_they_say(key: Kind, value: object) -> None:
    with pytest.raises(UnreadableRecording):
        Sources.of_frames([(0, [-key, value])])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site-packages"
    for name, record in (
        ("Some_Thing-1.2", "something/__init__.py,,\nsingle.py,,\n../../bin/thing,,\n"),
        ("named-3.0.post1", "named/__init__.py,,\n"),
    ):
        (folder / f"{name}.dist-info").mkdir(parents=True)
        (folder / f"{name}.dist-info" / "RECORD").write_text(record)
    (folder / "old-0.1-py3.11.egg-info").mkdir()
    (folder / "old-0.1-py3.11.egg-info" / "top_level.txt").write_text("older\n")
    return folder


def test_installed(site: Path) -> None:
    found = installed(["/nowhere/site-packages", str(site.parent), str(site)])
    assert found == {"some-thing": "1.2", "named": "3.0.post1", "old": "0.1"}
    assert canonical("Some_.Thing") == "some-thing"


def test_owners(site: Path) -> None:
    owners = Owners(str(site))
    assert owners.owner("named") == ("named", "3.0.post1")
    assert owners.owner("something") == ("some-thing", "1.2")
    assert owners.owner("single.py") == ("some-thing", "1.2")
    assert owners.owner("older.py") == ("old", "0.1")
    assert owners.owner("loose.py") is None


def test_what_is_installed_since_then_and_what_was_edited_are_suspects(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [str(site)])
    edited = tmp_path / "edited.py"
    edited.write_text("x = 2\n")
    sources = collected(source(edited))
    before = {"distributions": {"old": "0.1", "gone": "1"}}
    added = "installed since then, where the program may look for it: named, some-thing"
    assert drift.suspects(before, sources, "check")() == [added]
    assert drift.suspects(before, sources, "current")() == [
        f"the program's files are not those that were recorded: {edited}",
        added,
    ]
    assert drift.suspects({"distributions": installed([str(site)])}, sources, "recorded")() == []
    assert drift.suspects({}, sources, "recorded")() == []
