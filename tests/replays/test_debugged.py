"""Each program of `tests/programs` as a debugged replay: it ends as recorded, whatever one looks at.

The replay compares each request with the recorded one, by its checksum; so a run that comes to its end has
made the same requests, in the same order. What it wrote, and how it ended, is compared here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from replay.positions import Position
from replay.timeline.session import Session
from replay.timeline.timeline import START
from tests.programs.catalogue import PROGRAMS, Program
from tests.replays.conftest import RecordProgram
from tests.replays.harness import Ran, Recorded, replay_environment
from tests.replays.test_corpus import SERVERS, must_be_the_same

QUICK = {"bank", "exit_codes-abort", "threads_two_loops"}
LOOKS_COUNT, QUICK_LOOKS_COUNT = 60, 4
FRAMES_COUNT = 5
DEEP = "stack_depth"
"""Says how deep its stack can get: less, in steps whose lines are counted."""

EVERYWHERE = Position(1 << 40)
LINE = {"stops": [{"kind": "line", "own": True}]}


def case(program: Program) -> object:
    """Return a program as a parameter; most are slow."""
    marks = [] if program.name in QUICK else [pytest.mark.slow]
    if SERVERS & set(program.peers):
        marks.append(pytest.mark.servers)
    return pytest.param(program, id=program.name, marks=marks)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debug where nothing is of what the program had."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for name, value in replay_environment(elsewhere).items():
        monkeypatch.setenv(name, value)


def ran(session: Session) -> Ran:
    """Return what the run has left behind that has ended here."""
    stop = session.stop
    assert stop.reason == "end", stop.message
    written = {1: b"", 2: b""}
    for _, target, data in session.timeline.written():
        written[target] += data
    assert isinstance(stop.detail, int)
    return Ran(-stop.detail if stop.how == "signal" else stop.detail, written[1], written[2])


def must_have_ended_as_recorded(recorded: Recorded, session: Session) -> None:
    """Fail unless the run that has ended here is the recorded one."""
    must_be_the_same(recorded, ran(session))
    outcome = session.recording.outcome
    assert (session.stop.how, session.stop.detail) == (outcome.how, outcome.detail)
    assert session.stop.position.step == len(session.steps) + 1


@pytest.mark.sampled
@pytest.mark.parametrize("program", [case(program) for program in PROGRAMS])
def test_a_debugged_replay_is_the_same_run(program: Program, record_program: RecordProgram) -> None:
    recorded = record_program(program)
    with Session(str(recorded.path)) as session:
        assert session.refusal is None
        session.continue_([])
        must_have_ended_as_recorded(recorded, session)
        # And once more, from a checkpoint on the way.
        session.motions.step_back(1 + len(session.steps) // 2)
        session.continue_([])
        must_have_ended_as_recorded(recorded, session)


def look_at_everything(session: Session) -> int:
    """Ask all that can be asked where we stand; return how many values were seen."""
    session.inspect("all_waits")
    session.inspect("ready")
    session.inspect("blocked")
    for task in session.inspect("tasks")[-2:]:
        session.inspect("chains", task=task["id"])
        session.inspect("waits", task=task["id"])
        session.evaluate("[repr(value) for value in list(locals().values())]", task=task["id"])
    count = 0
    for frame in range(min(len(session.stack()), FRAMES_COUNT)):
        session.inspect("locals", frame=frame)
        count += len(session.locals(frame))
    session.value()
    session.evaluate("import gc; [repr(value) for value in gc.get_objects()]", timeout_s=0.05)
    session.timeline.here.fork().kill()
    return count


@pytest.mark.sampled
@pytest.mark.parametrize("program", [case(program) for program in PROGRAMS])
def test_looking_at_each_step_changes_nothing(program: Program, record_program: RecordProgram) -> None:
    recorded = record_program(program)
    looks_count = QUICK_LOOKS_COUNT if program.name in QUICK else LOOKS_COUNT
    with Session(str(recorded.path)) as session:
        owners = [f"T{step.task}" if step.task else f"callback@{step.number}" for step in session.steps]
        look_at_everything(session)
        while not (stop := session.motions.step_forward(1 + len(owners) // looks_count)).is_over:
            assert stop.owner == owners[stop.position.step - 1]
            look_at_everything(session)
        must_have_ended_as_recorded(recorded, session)


@pytest.mark.sampled
@pytest.mark.parametrize("program", [case(program) for program in PROGRAMS if program.name != DEEP])
def test_looking_at_each_line_changes_nothing(program: Program, record_program: RecordProgram) -> None:
    recorded = record_program(program)
    looks_count = QUICK_LOOKS_COUNT if program.name in QUICK else LOOKS_COUNT
    with Session(str(recorded.path)) as session:
        lines = session.timeline.all_between(START, EVERYWHERE, LINE)
        seen = 0
        for step, line, owner, _, event, *_ in lines[:: 1 + len(lines) // looks_count]:
            stop = session.timeline.goto(Position(step, line))
            assert (stop.position, stop.owner, stop.event) == (Position(step, line), owner, event)
            seen += look_at_everything(session)
        assert seen > 0
        session.continue_([])
        must_have_ended_as_recorded(recorded, session)
