"""What going back and forth in a recording costs: time for each move, and memory of all checkpoints.

    python benchmarks/debugging.py                    both long recordings, and first prompts; a table
    python benchmarks/debugging.py --only jobs --moves 50
    python benchmarks/debugging.py --check            exit 1 if a limit is exceeded, 2 if a run fails

How it measures:

- Two programs are recorded, each of more than 15,000 steps: `aiohttp` (6,000 requests, one thread) and `jobs`
  (4,000 jobs in a pool of threads that hand over in the middle). Both are run to the end once, which leaves
  checkpoints; that is `to the end, first time`. All other moves are made after it, between places drawn with
  a seed that is printed.
- `goto` goes to a random step, every other time to a line in it. `reverse-step` and `reverse-next` start at
  a random place of a task in the program's own code, where `goto` and some `step`s have led.
- Memory is that of all processes of the replay together: the sum of their proportional shares (Pss), in
  which a page that several have is divided among them. What each has for itself alone is beside it.
- The first prompt is measured with a recording of 19 steps, from the start of the command to its end
  (`-ex when --batch`), and to the prompt on a terminal.
- Wall time, as it is for whoever waits.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from run import RUN_LIMIT_S, Limit, RunFailedError, Verdict, environment, machine, markdown, run_child

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SHORT = ROOT / "tests" / "programs" / "bank.py"
LONG = {"aiohttp": "aiohttp_get.py", "jobs": "jobs.py"}
STEPS_AT_LEAST = 15_000
SEED = 1
MOST_LINES = 40
"""A line of a step is drawn up to this one; steps that have fewer are left for the next."""

LIMITS = (
    *(
        Limit(name, measure, at_most=at_most)
        for name in LONG
        for measure, at_most in (
            ("goto, worst ms", 500),
            ("reverse-step, p95 ms", 100),
            ("reverse-next, p95 ms", 100),
            ("memory, MB", 500),
        )
    ),
    *(Limit(name, "first prompt, ms", at_most=1500) for name in ("batch", "terminal")),
)

Row = dict[str, float]


@dataclass
class Times:
    """How long moves of one kind took, in milliseconds."""

    all_ms: list[float] = field(default_factory=list)

    def measure(self, move: Callable[[], object]) -> None:
        began = time.perf_counter()
        move()
        self.all_ms.append((time.perf_counter() - began) * 1000)

    def row(self, name: str) -> Row:
        cuts = statistics.quantiles(self.all_ms, n=20)
        return {
            f"{name}, median ms": statistics.median(self.all_ms),
            f"{name}, p95 ms": cuts[-1],
            f"{name}, worst ms": max(self.all_ms),
        }


# -- recordings ----------------------------------------------------------------------------------------------


def record(program: Path, path: Path, *, exit_code: int = 0) -> None:
    argv = [sys.executable, "-m", "replay", "record", "-o", str(path), str(program)]
    if exit_code == 0:
        run_child(argv, environment("record"), path.parent)
        return
    done = subprocess.run(argv, env=environment("record"), cwd=path.parent, capture_output=True, text=True)
    if done.returncode != exit_code:
        raise RunFailedError(f"exit code {done.returncode}: {program}\n{done.stderr}")


def measure_long(path: Path, moves_count: int) -> Row:
    """Move about in a long recording."""
    from replay.positions import Position
    from replay.timeline.session import Session

    draw = random.Random(SEED)
    began = time.perf_counter()
    with Session(str(path)) as session:
        row = {"opening, ms": (time.perf_counter() - began) * 1000, "steps": float(len(session.steps))}
        if len(session.steps) < STEPS_AT_LEAST:
            raise RunFailedError(f"only {len(session.steps)} steps in {path.name}")
        to_end = Times()
        to_end.measure(lambda: session.continue_([]))
        if session.stop.reason != "end":
            raise RunFailedError(f"{path.name} cannot be replayed: {session.stop.message}")
        row["to the end, first time, ms"] = to_end.all_ms[0]

        goto = Times()
        for number in range(moves_count):
            line = draw.randint(1, MOST_LINES) if number % 2 else 0
            position = Position(draw.randint(1, len(session.steps)), line)
            goto.measure(lambda position=position: session.timeline.goto(position))
            show(f"{path.stem}: goto {number + 1} of {moves_count}")
        row |= goto.row("goto")

        for name in ("reverse-step", "reverse-next"):
            back = Times()
            while len(back.all_ms) < moves_count:
                if not stand_in_own_code(session, draw):
                    continue
                motions = session.motions
                back.measure(motions.reverse_step if name == "reverse-step" else motions.reverse_next)
                show(f"{path.stem}: {name} {len(back.all_ms)} of {moves_count}")
            row |= back.row(name)
        return row | memory()


def stand_in_own_code(session: Any, draw: random.Random) -> bool:
    """Go to a random place of a task in code of its own; whether there is one where it was looked for."""
    from replay.positions import Position

    step = draw.choice(session.steps)
    if not step.task:
        return False
    session.timeline.goto(Position(step.number))
    for _ in range(draw.randint(1, 6)):
        if session.motions.step() is None:
            break
    return session.stop.event != "step" and session.stop.is_own


def memory() -> Row:
    """Return what all processes of our replays have together."""
    shares = private = count = 0
    for entry in Path("/proc").iterdir():
        # Whoever takes part in a replay is in the session of its first process, which is our child.
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            session = os.getsid(int(entry.name))
            if session == os.getsid(0) or parent(session) != os.getpid():
                continue
            count += 1
            for line in (entry / "smaps_rollup").read_text().splitlines():
                name, _, value = line.partition(":")
                if name == "Pss":
                    shares += int(value.split()[0])
                elif name.startswith("Private_"):
                    private += int(value.split()[0])
    return {
        "processes": float(count),
        "memory, MB": shares * 1024 / 1e6,
        "of which private, MB": private * 1024 / 1e6,
    }


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


# -- first prompts -------------------------------------------------------------------------------------------


def measure_batch(path: Path, rounds: int) -> Row:
    """Run the whole command, which opens at the failure and answers one command."""
    times = Times()
    argv = [sys.executable, "-m", "replay", "debug", str(path), "-ex", "when", "--batch"]
    for _ in range(rounds):
        times.measure(lambda: run_child(argv, environment("debug"), path.parent))
    return {"first prompt, ms": statistics.median(times.all_ms), "first prompt, worst ms": max(times.all_ms)}


def measure_terminal(path: Path, rounds: int) -> Row:
    """Start the command at a terminal, until the prompt is there."""
    import pexpect

    times = Times()
    for _ in range(rounds):
        began = time.perf_counter()
        child = pexpect.spawn(
            sys.executable,
            ["-m", "replay", "debug", str(path)],
            cwd=str(path.parent),
            env={**environment("debug"), "TERM": "xterm-256color", "XDG_STATE_HOME": str(path.parent)},
            dimensions=(40, 120),
            timeout=RUN_LIMIT_S,
        )
        child.expect_exact("\x1b[6n")  # it asks where the cursor is, as it is about to draw the prompt
        child.send("\x1b[10;1R")
        child.expect_exact("replay @")
        times.all_ms.append((time.perf_counter() - began) * 1000)
        child.close(force=True)
    return {"first prompt, ms": statistics.median(times.all_ms), "first prompt, worst ms": max(times.all_ms)}


# -- showing -------------------------------------------------------------------------------------------------


def show(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def judge(rows: dict[str, Row]) -> list[Verdict]:
    found = []
    for limit in LIMITS:
        value = rows.get(limit.program, {}).get(limit.measure)
        if value is not None:
            found.append(Verdict(limit, value, limit.holds(value)))
    return found


def table(rows: dict[str, Row], verdicts: list[Verdict]) -> str:
    judged = {(one.limit.program, one.limit.measure): one for one in verdicts}
    lines = []
    for name, row in rows.items():
        for measure, value in row.items():
            verdict = judged.get((name, measure))
            limit = "" if verdict is None else str(verdict.limit)
            holds = "" if verdict is None else ("holds" if verdict.holds else "EXCEEDED")
            lines.append([name, measure, f"{value:,.1f}".removesuffix(".0"), limit, holds])
    return markdown(["recording", "measure", "value", "limit", "verdict"], lines)


# -- command line --------------------------------------------------------------------------------------------


def main() -> int:
    names = [*LONG, "batch", "terminal"]
    parser = argparse.ArgumentParser(description="Measure what moving along a recording costs.")
    parser.add_argument("--moves", type=int, default=200, help="moves of each kind (default: 200)")
    parser.add_argument("--rounds", type=int, default=7, help="first prompts (default: 7)")
    parser.add_argument("--only", action="append", choices=names, default=[], help="this; may be repeated")
    parser.add_argument("--check", action="store_true", help="exit 1 if a limit is exceeded")
    arguments = parser.parse_args()
    if arguments.moves < 20 or arguments.rounds < 1:
        parser.error("--moves: at least 20; --rounds: at least 1")
    sys.path.insert(0, str(ROOT))
    about = machine(sys.executable)
    rows: dict[str, Row] = {}
    has_failed = False
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        for name in [name for name in names if not arguments.only or name in arguments.only]:
            path = Path(folder) / f"{name}.rec"
            try:
                if name in LONG:
                    record(HERE / "programs" / LONG[name], path)
                    rows[name] = measure_long(path, arguments.moves)
                else:
                    record(SHORT, path, exit_code=1)
                    measure = measure_batch if name == "batch" else measure_terminal
                    rows[name] = measure(path, arguments.rounds)
            except RunFailedError as error:
                has_failed = True
                show("")
                print(f"benchmark: {name} failed, and is left out: {error}", file=sys.stderr)
    show("")
    verdicts = judge(rows)
    print(
        f"{about['python']}, {about['system']}, {about['processor']}; seed {SEED}, {arguments.moves} moves\n"
        f"`{about['command']}`\n"
    )
    print(table(rows, verdicts))
    if has_failed:
        return 2
    return 1 if arguments.check and not all(one.holds for one in verdicts) else 0


if __name__ == "__main__":
    raise SystemExit(main())
