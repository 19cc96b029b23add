"""Small projects written by a test: recorded in one folder, replayed from another when that is gone."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from replay.recording.reader import RecordingFile
from tests.replays.harness import Ran, record_environment, replay_environment, run


@dataclass(frozen=True)
class Project:
    """A folder with a program in it, and room for its recording."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "project"

    @property
    def recording(self) -> Path:
        return self.root / "run.rec"

    @classmethod
    def of(cls, root: Path, files: Mapping[str, str]) -> Project:
        """Write a project; names may lie in folders."""
        project = cls(root)
        for name in ("home", "tmp", "project", "elsewhere"):
            (root / name).mkdir()
        for name, text in files.items():
            project.write(name, text)
        return project

    def write(self, name: str, text: str) -> None:
        """Write one file of it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def plain(self, *argv: str, env: Mapping[str, str] | None = None) -> Ran:
        """Run it with plain Python; unlike the other runs it may leave caches of bytecode."""
        environment = {**record_environment(self.root), **(env or {})}
        return run([sys.executable, *argv], cwd=self.folder, env=environment)

    def record(
        self,
        *argv: str,
        options: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        unset: tuple[str, ...] = (),
    ) -> Ran:
        """Record it."""
        environment = {**record_environment(self.root), **(env or {})}
        return run(
            [sys.executable, "-m", "replay", "record", "-o", str(self.recording), *options, *argv],
            cwd=self.folder,
            env={name: value for name, value in environment.items() if name not in unset},
        )

    def remove(self) -> None:
        """Delete all of it but the recording."""
        shutil.rmtree(self.folder)

    def play(self, *options: str, env: Mapping[str, str] | None = None) -> Ran:
        """Replay it, in another folder and another environment."""
        elsewhere = self.root / "elsewhere"
        ran = run(
            [sys.executable, "-m", "replay", "play", *options, str(self.recording)],
            cwd=elsewhere,
            env={**replay_environment(elsewhere), **(env or {})},
        )
        assert list(elsewhere.iterdir()) == [], "a replay leaves nothing behind"
        return ran

    def content(self) -> bytes:
        """Return everything that is in the recording, unpacked."""
        with RecordingFile.open(self.recording) as file:
            everything = repr([file.header, list(file.frames())])
        return everything.encode() + self.recording.read_bytes()


def program_lines(text: bytes) -> bytes:
    """Return what the program itself wrote, without our own lines."""
    return b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(b"replay:"))


def must_agree(recorded: Ran, replayed: Ran) -> None:
    """Fail unless a replay ended, and wrote, what the recorded run did."""
    assert replayed.stderr.decode() == program_lines(recorded.stderr).decode()
    assert replayed.stdout.decode() == recorded.stdout.decode()
    assert replayed.exit_code == recorded.exit_code
