"""aiohttp's own tests, from its source distribution: plainly and under the recorder.

Of `websockets` there is nothing to run: its source distribution has no tests in it.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.replays.harness import ROOT, Ran, run
from tests.suites.suites import MODULE_LIMIT_S, Way, Words, compare, words_in

DOWNLOAD_LIMIT_S = 120.0
MODULES = (
    "test_client_ws_functional",
    "test_streams",
    "test_web_functional",
    "test_web_sendfile_functional",
    "test_web_websocket_functional",
)
"""Those that talk to each other over real sockets, and need no further packages."""


@pytest.fixture(scope="module")
def folder_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tests of the installed version, and nothing else of it to import."""
    pytest.importorskip("aiohttp")
    version = importlib.metadata.version("aiohttp")
    folder = tmp_path_factory.mktemp("aiohttp")
    options = ["--quiet", "--disable-pip-version-check", "--no-binary", ":all:", "--no-deps"]
    try:
        got = subprocess.run(
            [sys.executable, "-m", "pip", "download", *options, "-d", folder, f"aiohttp=={version}"],
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"the source distribution of aiohttp {version} did not come: no package index answers")
    archives = list(folder.glob("aiohttp-*.tar.gz"))
    if not archives:
        pytest.skip(f"no source distribution of aiohttp {version} from a package index: {got.stderr[-300:]}")
    with tarfile.open(archives[0]) as archive:
        top = f"aiohttp-{version}/"
        wanted = (f"{top}tests/", f"{top}README.rst")  # which a test serves
        members = [one for one in archive.getmembers() if one.name.startswith(wanted)]
        archive.extractall(folder, members, filter="data")
    return folder / top


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_what_passes_plainly_passes_under_the_recorder(
    module: str, folder_of_tests: Path, tmp_path: Path
) -> None:
    def run_in(way: Way) -> tuple[Words, Ran]:
        report = tmp_path / f"{way}.xml"
        recorder = ["-m", "replay", "record", "-o", str(tmp_path / "run.rec")] if way == "recorded" else []
        options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=", f"--junitxml={report}"]
        ran = run(
            [sys.executable, *recorder, "-m", "pytest", *options, f"tests/{module}.py"],
            cwd=folder_of_tests,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            limit_s=MODULE_LIMIT_S,
        )
        return (words_in(report) if report.exists() else {}), ran

    compare(("recorded",), run_in, {})
