"""Children of simulated programs, as real processes: the program sees of them what it sees outside."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from replay.simulation import Outcome, Simulation
from tests.conftest import run_replay
from tests.replays.harness import record_environment, run

FIFO = {"kind": "fifo"}

SUBPROCESS = """
import os, signal, subprocess, sys

upper = "import sys; print(sys.stdin.read().upper()); print('to stderr', file=sys.stderr); sys.exit(3)"
done = subprocess.run([sys.executable, "-c", upper], input="hello", capture_output=True, text=True)
print(done.returncode, done.stdout, done.stderr)
joined = subprocess.run(["sh", "-c", "echo one; echo two >&2"], stdout=-1, stderr=subprocess.STDOUT)
print(joined.stdout)
print(subprocess.run(["cat"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode)
try:
    subprocess.run(["/nonexistent"])
except OSError as error:
    print(type(error).__name__, error)
sleeper = subprocess.Popen(["sleep", "30"])
try:
    sleeper.wait(0.05)
except subprocess.TimeoutExpired as error:
    print("timeout", error.timeout)
sleeper.terminate()
print(sleeper.wait(), sleeper.poll())
reader, writer = os.pipe()
passing = subprocess.Popen(["sh", "-c", f"echo passed >&{writer}"], pass_fds=[writer])
os.close(writer)
print(os.read(reader, 100), passing.wait(), os.read(reader, 100))
much = subprocess.run(["head", "-c", "1000000", "/dev/zero"], capture_output=True).stdout
print(len(much), set(much))
echoed = subprocess.run(["cat"], input=b"x" * 300_000, capture_output=True).stdout
print(len(echoed))
"""

CALLS = """
import os, signal, subprocess

def attempt(call, *args):
    try:
        return call(*args)
    except OSError as error:
        return type(error).__name__

first, second = subprocess.Popen(["sh", "-c", "exit 7"]), subprocess.Popen(["sleep", "30"])
print(os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT).si_status)
found = os.waitid(os.P_PID, first.pid, os.WEXITED)
print(found.si_pid == first.pid, found.si_status, found.si_code == os.CLD_EXITED)
print(attempt(os.waitpid, first.pid, 0), attempt(os.kill, first.pid, 0))
print(os.waitpid(second.pid, os.WNOHANG), os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG))
end = os.pidfd_open(second.pid)
os.kill(second.pid, signal.SIGKILL)
pid, status, used = os.wait4(second.pid, 0)
print(pid == second.pid, os.waitstatus_to_exitcode(status), type(used).__name__)
os.close(end)
print(attempt(os.wait), attempt(os.pidfd_open, second.pid))
told = []
signal.signal(signal.SIGCHLD, lambda number, frame: told.append(number))
third = subprocess.Popen(["true"])
print(os.wait() == (third.pid, 0), told == [signal.SIGCHLD])
"""

ASYNCIO = """
import asyncio

async def main():
    cat = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    print(await cat.communicate(b"through cat"), cat.returncode)
    shell = await asyncio.create_subprocess_shell("echo a; echo b; exit 3", stdout=-1)
    print([line async for line in shell.stdout], await shell.wait())
    sleeper = await asyncio.create_subprocess_exec("sleep", "30")
    try:
        await asyncio.wait_for(sleeper.wait(), 0.05)
    except TimeoutError:
        sleeper.kill()
    print(await sleeper.wait())
    some = await asyncio.gather(*(asyncio.create_subprocess_exec("true") for _ in range(5)))
    print(await asyncio.gather(*(one.wait() for one in some)))

asyncio.run(main())
"""

TRIO = """
import subprocess
import trio

async def main():
    done = await trio.run_process(["cat"], stdin=b"through cat", capture_stdout=True)
    print(done.stdout, done.returncode)
    with trio.move_on_after(0.05):
        await trio.run_process(["sleep", "30"])
    async with await trio.open_file("/dev/null") as nothing:
        print(await nothing.read() == "")
    try:
        await trio.run_process(["false"])
    except subprocess.CalledProcessError as error:
        print(error.returncode)

trio.run(main)
"""

PROGRAMS = {"subprocess": SUBPROCESS, "calls": CALLS, "asyncio": ASYNCIO, "trio": TRIO}


def simulated(folder: Path, text: str, policy: dict[str, Any], **more: Any) -> Outcome:
    (folder / "app.py").write_text(textwrap.dedent(text))
    setting = {"real_subprocess": True}
    with Simulation.start("script", ("app.py",), setting, folder=str(folder)) as simulation:
        return simulation.run(policy, **more)


@pytest.mark.sampled
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_sees_what_it_sees_outside(tmp_path: Path, name: str) -> None:
    outcome = simulated(tmp_path, PROGRAMS[name], FIFO, recording="run.rec")
    assert outcome.failure is None, outcome.output
    plain = run([sys.executable, "app.py"], cwd=tmp_path, env=record_environment(tmp_path))
    assert outcome.output == plain.stdout.decode() != ""
    replayed = run_replay("play", "run.rec", cwd=tmp_path)
    assert (replayed.stdout, replayed.returncode) == (outcome.output, 0)


INHERITS = """
import subprocess
print("before", flush=True)
subprocess.run(["echo", "from the child"])
print("after", flush=True)
"""


def test_what_a_child_writes_to_the_programs_own_stdout_is_its_output(tmp_path: Path) -> None:
    outcome = simulated(tmp_path, INHERITS, FIFO, recording="run.rec")
    assert outcome.output.splitlines() == ["before", "from the child", "after"]
    assert run_replay("play", "run.rec", cwd=tmp_path).stdout == outcome.output


RACES = """
import asyncio

async def main():
    echo = await asyncio.create_subprocess_exec("echo", "hello", stdout=-1)
    try:
        line = await asyncio.wait_for(echo.stdout.readline(), 0.05)
    except TimeoutError:
        line = b"too late"
    print(line, await echo.wait(), echo.returncode)

asyncio.run(main())
"""


def test_when_something_arrives_is_decided(tmp_path: Path) -> None:
    assert simulated(tmp_path, RACES, FIFO).output == "b'hello\\n' 0 0\n"
    late = {"kind": "recorded", "decisions": [["arrival stdout of echo#1 1", 1, "400 ms late"]]}
    outcome = simulated(tmp_path, RACES, late)
    assert (outcome.output.splitlines()[0], outcome.unmet) == ("b'too late' 0 0", ())


ASKS = """
import asyncio, subprocess

async def main():
    child = subprocess.Popen(["true"])
    await asyncio.sleep(0.05)
    print(child.poll(), child.wait())

asyncio.run(main())
"""


def test_whether_it_has_ended_by_now_is_decided(tmp_path: Path) -> None:
    """Its end is late; who asks may see it all the same, for it happens at any time."""
    late = ["arrival exit of true#1 1", 1, "400 ms late"]
    assert simulated(tmp_path, ASKS, FIFO).output == "0 0\n"
    assert simulated(tmp_path, ASKS, {"kind": "recorded", "decisions": [late]}).output == "None 0\n"
    both = {"kind": "recorded", "decisions": [late, ["exit true#1", 1, "already"]]}
    outcome = simulated(tmp_path, ASKS, both)
    assert (outcome.output, outcome.unmet) == ("0 0\n", ())


@pytest.mark.more
def test_a_rule_says_when_it_has_ended(tmp_path: Path) -> None:
    text = ASKS.replace("print(child.poll()", "print(child.poll(), await ask(child)")
    text = text.replace("async def main", "async def ask(child):\n    return child.poll()\n\nasync def main")
    for rule, output, unmet in (
        ({"ended": {"child": "true#1"}, "when": {"task": "main#1", "in": "main"}}, "0 0 0\n", 0),
        ({"ended": {"child": "true#1"}, "when": {"task": "main#1", "in": "ask"}}, "None 0 0\n", 0),
        ({"ended": {"child": "true#1"}, "when": {"task": "main#1", "at": "ask(child)"}}, "None 0 0\n", 0),
        ({"ended": {"child": "true#1", "nth": 2}}, "None 0 0\n", 0),
        ({"ended": {"child": "true#1", "nth": 9}}, "None None 0\n", 1),
    ):
        outcome = simulated(tmp_path, text, {"kind": "rules", "rules": [rule]})
        assert (outcome.output, len(outcome.unmet)) == (output, unmet)


SLOW = """
import asyncio, subprocess

async def main():
    child = subprocess.Popen(["true"])
    sum(range(20_000_000))  # long enough for it to end
    await asyncio.sleep(0)
    print(child.poll())
    await asyncio.sleep(0.01)
    print(child.poll())

asyncio.run(main())
"""


@pytest.mark.more
def test_how_fast_the_machine_is_decides_nothing(tmp_path: Path) -> None:
    """That a child has ended is noticed when the program waits: a rule about it meets the same question."""
    rule = {"ended": {"child": "true#1"}}
    outcome = simulated(tmp_path, SLOW, {"kind": "rules", "rules": [rule]})
    assert (outcome.output, outcome.unmet) == ("None\n0\n", ())


QUIET = """
import asyncio

async def main():
    cat = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    await asyncio.sleep(100)
    cat.stdin.write(b"hello\\n")
    print(await asyncio.wait_for(cat.stdout.readline(), 5))
    cat.stdin.close()
    print(await cat.wait())

asyncio.run(main())
"""


@pytest.mark.more
def test_a_child_that_was_quiet_is_waited_for_once_there_is_something_for_it(tmp_path: Path) -> None:
    assert simulated(tmp_path, QUIET, FIFO).output == "b'hello\\n'\n0\n"


@pytest.mark.more
def test_children_end_with_the_run(tmp_path: Path) -> None:
    text = f"""
        import subprocess
        subprocess.Popen(["sh", "-c", "echo $$ > {tmp_path}/pid; exec sleep 1000"])
        subprocess.run(["sh", "-c", "while [ ! -s {tmp_path}/pid ]; do sleep 0.01; done"])
    """
    assert simulated(tmp_path, text, FIFO).failure is None
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("subprocess.run(['true'], preexec_fn=print)", "a preexec_fn"),
        (
            "one = socket.socket(); subprocess.run(['true'], pass_fds=[one.fileno()])",
            "pass_fds with a socket",
        ),
        ("os.system('true')", "os.system"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, what: str) -> None:
    outcome = simulated(tmp_path, f"import os, socket, subprocess\n{text}\n", FIFO)
    assert (outcome.how, outcome.detail) == ("refused", what), outcome.output


def test_the_option_is_named_where_it_is_missing(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import subprocess\nprint(subprocess.run(['true']).returncode)\n")
    done = run_replay("explore", "app.py", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("hint: `--real-subprocess` lets the program start real children\n")
    done = run_replay("explore", "--real-subprocess", "--schedules", "3", "app.py", cwd=tmp_path)
    assert (done.returncode, done.stdout[:17]) == (0, "no failure found:")
