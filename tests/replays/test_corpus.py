"""Each program of `tests/programs`: recorded, replayed from the recording alone, the same to the byte."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.programs.catalogue import CUT, FIRST, LEAKS, PROGRAMS, Program
from tests.replays.conftest import RecordProgram
from tests.replays.harness import (
    DIVERGENCE,
    Ran,
    Recorded,
    difference,
    record,
    replay,
    replay_many,
    show,
    skip_unless_possible,
)

SERVERS = {"redis", "postgres"}


def case(program: Program, *, slow: bool = False) -> object:
    """Return a program as a parameter, marked as it must be."""
    marks = []
    if program.slow or slow:
        marks.append(pytest.mark.slow)
    if program.name not in FIRST:
        marks.append(pytest.mark.more)
    if SERVERS & set(program.peers):
        marks.append(pytest.mark.servers)
    return pytest.param(program, id=program.name, marks=marks)


def must_be_the_same(recorded: Recorded, replayed: Ran) -> None:
    """Fail, showing the lines in question, where a replay is another run than the recorded one."""
    found = difference(recorded, replayed)
    if found is not None:
        pytest.fail(found, pytrace=False)


def test_the_programs_of_the_default_run_are_there() -> None:
    assert {program.name for program in (*PROGRAMS, *LEAKS, *CUT)} >= FIRST


@pytest.mark.parametrize("program", [case(program) for program in PROGRAMS])
def test_a_replay_is_the_same_run(program: Program, record_program: RecordProgram) -> None:
    recorded = record_program(program)
    for replayed in replay_many(recorded, 2):
        must_be_the_same(recorded, replayed)
    ours = re.findall(rb"[^\s\"]*replay[./]runtime[^\s\"]*", recorded.ran.stdout + recorded.program_stderr)
    assert ours == [], "a program's own output shows nothing of the recorder"


@pytest.mark.parametrize("program", [case(program, slow=True) for program in PROGRAMS])
def test_many_replays_of_many_runs_are_the_same(program: Program, record_program: RecordProgram) -> None:
    for _ in range(5):
        recorded = record_program(program)
        for replayed in replay_many(recorded, 20):
            must_be_the_same(recorded, replayed)


@pytest.mark.parametrize("program", [case(program, slow=True) for program in PROGRAMS])
def test_plain_python_ends_in_the_same_way(program: Program, tmp_path: Path) -> None:
    """A program that fails by itself says nothing about the recorder."""
    skip_unless_possible(program)
    plain = record(program, tmp_path, mode=())
    assert plain.ran.exit_code in (program.exit_code, *program.plain_exit_codes), show(plain.ran)


def test_functions_say_of_themselves_what_they_say_in_plain_python(
    record_program: RecordProgram, tmp_path: Path
) -> None:
    (program,) = [one for one in PROGRAMS if one.name == "functions_in_classes"]
    said = [
        [line for line in ran.stdout.splitlines() if b"built-in" in line]
        for ran in (record(program, tmp_path, mode=()).ran, record_program(program).ran)
    ]
    assert said[0] == said[1]
    assert len(said[0]) == 22


@pytest.mark.parametrize("program", [case(program) for program in CUT])
def test_everything_seen_of_a_killed_program_is_in_its_recording(
    program: Program, record_program: RecordProgram
) -> None:
    """What had an effect, a line or a message, was on its way to the recording before."""
    recorded = record_program(program)
    replayed = replay(recorded)
    seen = recorded.ran.stdout
    assert replayed.stdout.startswith(seen), show(replayed)
    assert replayed.stdout[len(seen) :].count(b"\n") <= 2, "at most one write more, of two lines"
    if "sink" in program.peers:
        sent = [line.split()[0] for line in recorded.received.splitlines()]
        assert sent, "it was killed before it sent anything"
        lines = [line.split() for line in replayed.stdout.splitlines()]
        announced = [line[1] for line in lines if line[0] == b"sending"]
        assert announced[: len(sent)] == sent
    assert replayed.exit_code not in (0, DIVERGENCE), show(replayed)
    assert re.search(rb"(?m)^replay: .*\bends\b", replayed.stderr), show(replayed)
