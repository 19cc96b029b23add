"""The environment of a replay is the recorded one: variables, time zone, locale, encodings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.replays.harness import show
from tests.replays.projects import Project, must_agree

HIDDEN = {"APP_URL": "http://host/one", "APP_LONG": "never read by name", "APP_MODE": "fast", "EMPTY_ONE": ""}


def test_variables_that_are_read_by_name(tmp_path: Path) -> None:
    text = """
import os
print(os.environ["APP_URL"], os.environ.get("APP_MODE"), os.getenv("NOT_THERE", "default"))
print("APP_URL" in os.environ, "NOT_THERE" in os.environ, os.environb[b"APP_URL"], os.getenv("EMPTY_ONE"))
print(os.environ.get("NOT_THERE"), len(os.environ), type(os.environ), isinstance(os.environ, os._Environ))
print(sorted(os.environ), list(os.environ))
for name in os.environ:
    if name.startswith("APP_M"):
        print(os.environ[name])
try:
    os.environ["NOT_THERE"]
except KeyError as error:
    print(repr(error))
"""
    project = Project.of(tmp_path, {"app.py": text})
    recorded = project.record("app.py", env=HIDDEN)
    assert b"http://host/one fast default" in recorded.stdout, show(recorded)
    assert b"never read by name" not in project.content()
    project.remove()
    must_agree(recorded, project.play(env={"APP_URL": "http://other", "NOT_THERE": "is there"}))


def test_variables_that_the_program_sets(tmp_path: Path) -> None:
    text = """
import os, subprocess
os.environ["APP_URL"] = "mine"
os.environ["NEW"] = "new"
print(os.environ["APP_URL"], os.environ["NEW"], os.environ.pop("APP_MODE", "gone"), "APP_MODE" in os.environ)
os.environ.setdefault("NEWER", "newer")
os.environ |= {"NEWEST": "newest"}
del os.environ["NEW"]
os.unsetenv("NEWER")
print([name for name in os.environ if name.startswith("NEW")], os.environ["NEWEST"])
for env in None, {**os.environ, "X": "mine"}:
    print(subprocess.run(["env"], env=env, capture_output=True, text=True).stdout.count("mine"))
"""
    project = Project.of(tmp_path, {"app.py": text})
    recorded = project.record("app.py", env=HIDDEN)
    assert recorded.exit_code == 0, show(recorded)
    project.remove()
    must_agree(recorded, project.play())


@pytest.mark.more
def test_what_is_read_as_a_whole_is_placeholders(tmp_path: Path) -> None:
    text = """
import os
copies = [dict(os.environ), {**os.environ}, os.environ.copy(), os.environ | {}, dict(os.environ.items())]
copies += [{name: value for name, value in os.environ.items()}, dict(zip(os.environ, os.environ.values()))]
print(all(one == copies[0] for one in copies), len(list(os.environ.values())), copies[0]["HOME"])
print(sorted((name, len(value)) for name, value in copies[0].items()), repr(os.environ)[:8])
os.environ["APP_URL"]
print(dict(os.environ)["APP_URL"])
"""
    project = Project.of(tmp_path, {"app.py": text})
    recorded = project.record("app.py", env=HIDDEN)
    assert recorded.exit_code == 0, show(recorded)
    assert b"never read by name" not in project.content()
    project.remove()
    must_agree(recorded, project.play())


@pytest.mark.more
def test_a_program_that_goes_by_a_value_it_read_with_all(tmp_path: Path) -> None:
    text = "import os\nprint({k.lower(): v for k, v in os.environ.items()}['app_mode'], flush=True)\n"
    project = Project.of(tmp_path, {"app.py": text})
    project.record("app.py", env=HIDDEN)
    replayed = project.play()
    assert replayed.exit_code == 93
    assert b"os.environ was read as a whole" in replayed.stderr


@pytest.mark.more
def test_what_was_still_in_a_buffer_is_shown_before_the_divergence(tmp_path: Path) -> None:
    text = """
import os
print("still in a buffer")
os.path.exists({name: value for name, value in os.environ.items()}["APP_MODE"])
print("not reached")
"""
    project = Project.of(tmp_path, {"app.py": text})
    project.record("app.py", env=HIDDEN)
    replayed = project.play()
    assert (replayed.exit_code, replayed.stdout) == (93, b"still in a buffer\n")
    assert replayed.stderr.count(b"replay: divergence") == 1
    assert b"observed  os.stat ['xxxx']" in replayed.stderr


def test_values_that_are_to_be_kept(tmp_path: Path) -> None:
    text = """
import os
lower = {name.lower(): value for name, value in os.environ.items()}
print(lower["app_mode"], lower["app_url"], len(lower["app_token"]), lower["other_password"])
"""
    env = HIDDEN | {"APP_TOKEN": "looks like a secret", "OTHER_PASSWORD": "named, so meant"}
    project = Project.of(tmp_path, {"app.py": text})
    options = ("--keep-env", "APP_*", "--keep-env", "OTHER_PASSWORD")
    recorded = project.record("app.py", env=env, options=options)
    assert recorded.exit_code == 0, show(recorded)
    assert b"looks like a secret" not in project.content()
    project.remove()
    must_agree(recorded, project.play())


@pytest.mark.more
def test_variables_that_threads_read(tmp_path: Path) -> None:
    text = """
import os, threading
def read():
    for _ in range(3):
        os.environ["APP_URL"], os.environ["APP_MODE"]
threads = [threading.Thread(target=read) for _ in range(4)]
for one in threads: one.start()
for one in threads: one.join()
read()
print("done")
"""
    project = Project.of(tmp_path, {"app.py": text})
    recorded = project.record("app.py", env=HIDDEN)
    for _ in range(3):
        must_agree(recorded, project.play())


@pytest.mark.more
def test_copies_that_are_put_back(tmp_path: Path) -> None:
    text = """
import copy, os
from unittest import mock

deep = copy.deepcopy(os.environ)
saved = dict(os.environ)
print(os.environ["APP_URL"], deep["APP_LONG"], deep["APP_URL"])
for clear in False, True:
    with mock.patch.dict(os.environ, {"APP_MODE": "slow"}, clear=clear):
        print(os.environ["APP_MODE"], os.environ.get("APP_URL"))
    print(os.environ["APP_MODE"], os.environ["APP_LONG"])
os.environ.clear()
os.environ.update(saved)
print(os.environ["APP_URL"], os.environ["APP_LONG"], os.environ["APP_MODE"])
os.environ["APP_URL"] = "http://host/one"
print(os.environ["APP_URL"])
"""
    project = Project.of(tmp_path, {"app.py": text})
    recorded = project.record("app.py", env=HIDDEN)
    assert recorded.exit_code == 0, show(recorded)
    must_agree(recorded, project.play())


ZONES = {
    "named": {"TZ": "Europe/London"},
    "rules": {"TZ": "XXX4YYY,M3.2.0,M11.1.0"},
    "machine's": {"TZ": None},
    "UTC": {"TZ": ""},
}


@pytest.mark.sampled
@pytest.mark.parametrize("zone", ZONES)
def test_the_time_zone(tmp_path: Path, zone: str) -> None:
    text = """
import datetime, os, time
print(time.tzname, time.timezone, time.daylight, os.environ.get("TZ"), sorted(os.environ))
for moment in (0, 86400 * 200, 1700000000, 1720000000, 40_000_000):
    print(time.localtime(moment), datetime.datetime.fromtimestamp(moment).astimezone().isoformat())
print(time.strftime("%Z %z", time.localtime(40_000_000)), datetime.datetime.now().astimezone().tzname())
time.tzset()
print(time.tzname)
os.environ["TZ"] = "America/New_York"
time.tzset()
print(time.tzname)
"""
    project = Project.of(tmp_path, {"app.py": text})
    argv = ["app.py"]
    value = ZONES[zone]["TZ"]
    recorded = project.record(
        *argv, env={} if value is None else {"TZ": value}, unset=("TZ",) if value is None else ()
    )
    assert recorded.exit_code == 0, show(recorded)
    for elsewhere in ("Asia/Tokyo", "America/Lima"):
        must_agree(recorded, project.play(env={"TZ": elsewhere}))


@pytest.mark.more
def test_locale_and_encodings(tmp_path: Path) -> None:
    text = """
import locale, sys
locale.setlocale(locale.LC_ALL, "")
print(locale.setlocale(locale.LC_ALL), locale.getpreferredencoding(), sys.getfilesystemencoding())
print(sys.flags)
print(sys.flags.dev_mode, sys.flags.optimize, sys.warnoptions, sys.stdout.encoding, sys.stdin.encoding)
"""
    project = Project.of(tmp_path, {"app.py": text})
    settings = {
        "PYTHONWARNINGS": "ignore",
        "PYTHONOPTIMIZE": "1",
        "LC_ALL": "POSIX",
        "PYTHONCOERCECLOCALE": "0",
    }
    recorded = project.record("app.py", env={**settings, "PYTHONIOENCODING": "latin-1"})
    assert recorded.exit_code == 0, show(recorded)
    must_agree(recorded, project.play(env={"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}))
