"""The program's source comes from the recording, wherever it was; what has changed is named."""

from __future__ import annotations

import importlib.util
import os
import zipapp
from pathlib import Path

import pytest

from replay.recording.reader import RecordingFile
from replay.recording.sources import Sources
from tests.replays.harness import show
from tests.replays.projects import Project, must_agree, program_lines

REFUSED = 92

PACKAGE = {
    "app.py": """
import importlib, inspect, pkgutil, importlib.resources, runpy, sys, traceback
import pkg, pkg.sub
from pkg.ns.deep import leaf
try:
    import local_settings
except ImportError as error:
    print("none", error)
print(pkg.sub.answer(), leaf.__file__, leaf.__cached__, leaf.__spec__.origin, list(pkg.ns.__path__))
print(type(leaf.__loader__).__name__, leaf.__loader__.get_source("pkg.ns.deep.leaf"))
print(inspect.getsource(pkg.sub.answer), inspect.getsourcefile(pkg.sub), pkg.sub.answer.__code__.co_filename)
print(pkgutil.get_data("pkg", "data.txt"), importlib.resources.files("pkg").joinpath("data.txt").read_text())
print(sorted(one.name for one in pkgutil.iter_modules(pkg.__path__)))
print(__file__, __name__, sys.argv, sys.path[0], __spec__)
for name in ("pkg.wrong", "pkg.raising"):
    try:
        importlib.import_module(name)
    except Exception:
        traceback.print_exc()
print(runpy.run_path("other.py")["y"], importlib.util.find_spec("pkg.raising").origin)
print(list(sys.modules))
try:
    pkg.sub.fail()
except ZeroDivisionError:
    traceback.print_exc()
import there_is_none
""",
    "pkg/__init__.py": "",
    "pkg/data.txt": "data\n",
    "pkg/sub.py": 'def answer():\n    return 42\n\ndef fail():\n    1/0\n\npath = "\\d"\n',
    "pkg/ns/deep/leaf.py": "z = 3\n",
    "pkg/wrong.py": "x = = 1\n",
    "pkg/raising.py": "1/0\n",
    "other.py": "y = 5\n",
}


@pytest.mark.parametrize("cache", ["no caches", pytest.param("caches", marks=pytest.mark.slow)])
def test_a_project_is_replayed_when_it_is_gone(tmp_path: Path, cache: str) -> None:
    project = Project.of(tmp_path, PACKAGE)
    env = {} if cache == "caches" else {"PYTHONDONTWRITEBYTECODE": "1"}
    if cache == "caches":
        project.plain("app.py")
    assert bool(list(project.folder.rglob("*.pyc"))) == (cache == "caches")
    plain = project.plain("app.py", env=env)
    recorded = project.record("app.py", "an argument", env=env)
    assert program_lines(recorded.stderr) == plain.stderr
    project.remove()
    must_agree(recorded, project.play())


@pytest.mark.more
def test_what_lies_where_the_project_was_is_not_imported(tmp_path: Path) -> None:
    project = Project.of(tmp_path, PACKAGE)
    recorded = project.record("app.py")
    project.write("local_settings.py", "raise SystemExit('imported')")
    project.write("there_is_none.py", "")
    project.write("json.py", "raise SystemExit('imported')")
    must_agree(recorded, project.play())


@pytest.mark.more
def test_modules_that_a_program_writes_and_loads_again(tmp_path: Path) -> None:
    text = """
import importlib, sys
sys.dont_write_bytecode = True
try:
    import made
except ImportError:
    print("not yet")
for value in ("1", "22", "22", "333", "1"):
    with open("made.py", "w") as file:
        file.write(f"x = {value}\\n")
    importlib.invalidate_caches()
    import made
    print(made.x, importlib.reload(made).x)
"""
    project = Project.of(tmp_path, {"app.py": text})
    recorded = project.record("app.py")
    assert recorded.stdout.startswith(b"not yet\n1 1\n"), show(recorded)
    project.remove()
    must_agree(recorded, project.play())


TOOL = {
    "tool/__init__.py": "",
    "tool/__main__.py": """
import sys
from tool import part
print(__name__, __package__, __spec__.name, sys.argv)
part.fail()
""",
    "tool/part.py": "def fail():\n    raise ValueError('as it should')\n",
}


def test_a_module(tmp_path: Path) -> None:
    project = Project.of(tmp_path, TOOL)
    recorded = project.record("-m", "tool", "-x")
    assert b"ValueError: as it should" in recorded.stderr, show(recorded)
    assert program_lines(recorded.stderr) == project.plain("-m", "tool", "-x").stderr
    project.remove()
    must_agree(recorded, project.play())


@pytest.mark.sampled
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_folder_and_a_zip_file(tmp_path: Path, kind: str) -> None:
    main = (
        "import inner.part, inner, pkgutil, sys\n"
        "print(__file__, sys.argv, inner.__path__, type(inner.__loader__).__name__)\n"
        "print(pkgutil.get_data('inner', 'data.txt'))\ninner.part.fail()\n"
    )
    files = {
        "source/__main__.py": main,
        "source/inner/__init__.py": "",
        "source/inner/part.py": "def fail():\n    1/0\n",
        "source/inner/data.txt": "data",
    }
    project = Project.of(tmp_path, files)
    name = "source"
    if kind == "zip":
        name = "app.pyz"
        zipapp.create_archive(project.folder / "source", project.folder / name)
    recorded = project.record(name, "-x")
    assert b"ZeroDivisionError" in recorded.stderr, show(recorded)
    project.remove()
    must_agree(recorded, project.play())


@pytest.mark.more
def test_a_folder_that_is_added_to_the_path(tmp_path: Path) -> None:
    text = """
import os, sys
sys.path.insert(0, "lib")
import one
os.chdir("lib")
sys.path[0] = ".."
import two
print(one.x, two.x, one.__file__)
"""
    project = Project.of(
        tmp_path, {"app.py": text, "lib/one.py": "x = 1\n", "two.py": "x = 2\n", "extra/three.py": ""}
    )
    recorded = project.record("app.py", env={"PYTHONPATH": f"{os.getcwd()}:{project.folder}/extra"})
    assert recorded.exit_code == 0, show(recorded)
    project.remove()
    must_agree(recorded, project.play())


def test_what_the_recording_holds(tmp_path: Path) -> None:
    project = Project.of(tmp_path, PACKAGE)
    project.record("app.py")
    with RecordingFile.open(project.recording) as file:
        sources = Sources.of_frames(file.frames())
    found = {path.removeprefix(f"{project.folder}/"): versions for path, versions in sources.files.items()}
    assert set(found) == {name for name in PACKAGE if name.endswith(".py")}
    assert {path: versions[0].text.decode() for path, versions in found.items()} == {
        name: text for name, text in PACKAGE.items() if name.endswith(".py")
    }
    assert sources.modules["pkg"].is_package
    assert not sources.modules["pkg.sub"].is_package
    assert sources.folders == {f"{project.folder}/pkg/ns", f"{project.folder}/pkg/ns/deep"}


PYTEST = {
    "pyproject.toml": '[tool.pytest.ini_options]\nasyncio_mode = "auto"\n',
    "tests/conftest.py": "import pytest\n\n@pytest.fixture\ndef five():\n    return 5\n",
    "src/sums.py": """
import asyncio

async def add(a, b):
    await asyncio.sleep(0.001)
    return a + b
""",
    "tests/test_sums.py": """
import sys
sys.path.insert(0, "src")
from sums import add

async def test_that_passes(five, tmp_path):
    (tmp_path / "file").write_text("text")
    assert await add(2, 3) == five

async def test_that_fails(five):
    assert await add(2, 4) == five
""",
}


@pytest.mark.more
@pytest.mark.skipif(importlib.util.find_spec("pytest_asyncio") is None, reason="needs pytest-asyncio")
@pytest.mark.parametrize("cache", ["no caches", "caches"])
def test_pytest(tmp_path: Path, cache: str) -> None:
    project = Project.of(tmp_path, PYTEST)
    if cache == "caches":
        project.plain("-m", "pytest", "tests")
        assert list(project.folder.rglob("*-pytest-*.pyc"))
    recorded = project.record("--", "pytest", "tests")
    assert b"1 failed, 1 passed" in recorded.stdout, show(recorded)
    project.remove()
    must_agree(recorded, project.play())


# -- what has changed --------------------------------------------------------------------------------------


def test_edited_source_is_refused_and_named(tmp_path: Path) -> None:
    project = Project.of(tmp_path, {"app.py": "import part\nprint(part.x)\n", "part.py": "x = 1\n"})
    recorded = project.record("app.py")
    project.write("part.py", "x = 2\n")

    refused = project.play()
    assert refused.exit_code == REFUSED
    assert refused.stdout == b""
    assert refused.stderr.decode() == (
        "replay: source files were edited since they were recorded:\n"
        f"  {project.folder}/part.py\n\n"
        "hint: `--source recorded` runs the recorded text, "
        "`--source current` the files as they are, as far as they agree with the recording\n"
    )

    must_agree(recorded, project.play("--source", "recorded"))
    current = project.play("--source", "current")
    assert current.exit_code == 93, show(current)
    assert b"'2\\n'" in current.stderr or b"b'2" in current.stderr
    edited = f"the program's files are not those that were recorded: {project.folder}/part.py"
    assert f"  likely    {edited}\n" in current.stderr.decode()

    project.write("part.py", "x = (\n")
    broken = project.play("--source", "current")
    ends = "the program ends here with SyntaxError: '(' was never closed (part.py, line 1)"
    assert f"  likely    {ends}\n  or        {edited}\n" in broken.stderr.decode()


def test_current_source_that_does_the_same(tmp_path: Path) -> None:
    project = Project.of(tmp_path, {"app.py": "import part\nprint(part.x)\n", "part.py": "x = 1\n"})
    recorded = project.record("app.py")
    project.write("part.py", "import more\nx = more.x\n")
    project.write("more.py", "x = 1\n")
    must_agree(recorded, project.play("--source", "current"))


@pytest.mark.more
def test_another_version_of_a_distribution_is_refused(tmp_path: Path) -> None:
    project = Project.of(tmp_path, {"app.py": "import lib_of_test\nprint(lib_of_test.x)\n"})
    site = tmp_path / "lib" / "site-packages"
    info = site / "Lib_Of_Test-1.0.dist-info"
    other = site / "unused-3.0.dist-info"
    for folder in (info, other):
        folder.mkdir(parents=True)
    (info / "RECORD").write_text("lib_of_test.py,,\n")
    (site / "lib_of_test.py").write_text("x = 1\n")
    path = {"PYTHONPATH": f"{os.getcwd()}:{site}"}
    recorded = project.record("app.py", env=path)
    assert recorded.exit_code == 0, show(recorded)
    must_agree(recorded, project.play(env=path))

    other.rename(site / "unused-4.0.dist-info")
    must_agree(recorded, project.play(env=path))

    info.rename(site / "Lib_Of_Test-1.1.dist-info")
    refused = project.play(env=path)
    assert refused.exit_code == REFUSED
    assert refused.stderr.decode() == (
        "replay: other distributions than when it was recorded:\n"
        "  lib-of-test 1.0 was imported, 1.1 is installed here\n\n"
        "hint: `pip install lib-of-test==1.0`\n"
    )
