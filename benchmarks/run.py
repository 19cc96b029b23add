"""What recording and replaying cost, beside plain Python.

    python benchmarks/run.py                          every program, 7 rounds, a table on stdout
    python benchmarks/run.py --only echo1 --rounds 15
    python benchmarks/run.py --check --json out.json  exit 1 if a limit is exceeded, 2 if a run fails

How it measures:

- One round runs each program in each mode: plain, record, replay, plain, record, replay, ... so that a
  machine that gets slower or faster in between does so for all of them. One round before the first is thrown
  away (caches, .pyc).
- CPU is user + system time of the child and of what it waited for, from `wait4`. The programs measure
  nothing.
- Of the rounds the cheapest counts, as in `timeit`: what else runs on the machine makes a child's CPU time
  larger (it shares the caches, and the cores where they are threads of one), up to twice as large, and never
  smaller. The quotient of the medians stands beside each ratio: if it is far off, the machine was busy.
- Start-up is taken off: that of an empty program in the same mode, measured in the same rounds. What
  start-up itself costs is the first rows of the table.
- MALLOC_TRIM_THRESHOLD_ and MALLOC_MMAP_THRESHOLD_ are pinned for all modes: asyncio reads into 256 KiB
  buffers, and unpinned glibc gives the memory back and fetches it again for each message. Plain echo is twice
  as fast when pinned; unpinned, recording looks faster than not recording.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MODES = ("plain", "record", "replay")
RUN_LIMIT_S = 120  # a run that takes longer is stuck
SMALLEST_PART_S = 0.001  # below this a difference is noise, and no divisor


@dataclass(frozen=True)
class Program:
    """A program to measure.

    Args:
      name: how it is called on the command line and in the table.
      file: in `programs/`.
      start: the name of the program whose cost is start-up, None if this is one of those.
      needs: a module without which it cannot run.
      message_bytes: how much each `recv` of it returns.
    """

    name: str
    file: str
    start: str | None = "empty"
    needs: str | None = None
    message_bytes: int | None = None


PROGRAMS = (
    Program("empty", "empty.py", start=None),
    Program("aiohttp-empty", "aiohttp_empty.py", start=None, needs="aiohttp"),
    Program("trio-empty", "trio_empty.py", start=None, needs="trio"),
    Program("sched", "sched.py"),
    Program("ping-pong", "pingpong.py"),
    Program("spawn", "spawn.py"),
    Program("echo1", "echo1.py", message_bytes=64),
    Program("echo50", "echo50.py", message_bytes=64),
    Program("aiohttp", "aiohttp_get.py", start="aiohttp-empty", needs="aiohttp"),
    Program("clocks", "clocks.py"),
    Program("sleeps", "sleeps.py"),
    Program("trio-sched", "trio_sched.py", start="trio-empty", needs="trio"),
    Program("trio-echo1", "trio_echo1.py", start="trio-empty", needs="trio"),
    Program("trio-echo50", "trio_echo50.py", start="trio-empty", needs="trio"),
)
BY_NAME = {program.name: program for program in PROGRAMS}


@dataclass(frozen=True)
class Limit:
    """What a measure of a program may be at most, or at least."""

    program: str
    measure: str
    at_most: float | None = None
    at_least: float | None = None

    def holds(self, value: float) -> bool:
        if self.at_most is not None:
            return value <= self.at_most
        assert self.at_least is not None
        return value >= self.at_least

    def __str__(self) -> str:
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        return f">= {self.at_least:g}"


LIMITS = (
    Limit("sched", "record_cpu_ratio", at_most=1.30),
    Limit("ping-pong", "record_cpu_ratio", at_most=1.30),
    Limit("spawn", "record_cpu_ratio", at_most=1.55),
    Limit("echo1", "record_cpu_ratio", at_most=1.50),
    Limit("echo50", "record_cpu_ratio", at_most=1.30),
    Limit("aiohttp", "record_cpu_ratio", at_most=1.30),
    Limit("clocks", "record_cpu_ratio", at_most=2.5),
    Limit("echo1", "replay_cpu_ratio", at_most=1.0),
    Limit("echo50", "replay_cpu_ratio", at_most=1.0),
    Limit("sleeps", "replay_wall_speedup", at_least=20),
    Limit("sched", "bytes_per_step", at_most=6),
    Limit("echo1", "bytes_per_call", at_most=40),
    Limit("echo50", "bytes_per_call", at_most=40),
    Limit("trio-sched", "record_cpu_ratio", at_most=1.15),
    Limit("trio-echo1", "record_cpu_ratio", at_most=1.25),
    Limit("trio-echo50", "record_cpu_ratio", at_most=1.25),
    Limit("trio-echo1", "replay_cpu_ratio", at_most=1.0),
    Limit("trio-echo50", "replay_cpu_ratio", at_most=1.0),
)


@dataclass(frozen=True)
class Cost:
    """One run of a child."""

    cpu_s: float
    wall_s: float


@dataclass
class Measured:
    """The runs of one program, and what went wrong with it: after that it is not run any more."""

    program: Program
    costs: dict[str, list[Cost]] = field(default_factory=lambda: {mode: [] for mode in MODES})
    recording: dict[str, float] | None = None
    failure: str | None = None


class RunFailedError(Exception):
    """A child failed; the message says which, and what it wrote."""


# -- running -------------------------------------------------------------------------------------------------


def environment(mode: str) -> dict[str, str]:
    """Return the environment of a child: as few variables as will do, the same but for the hash seed.

    The recorder draws a seed of its own, and the recording brings it to the replay.
    """
    env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    env |= {
        "PYTHONPATH": str(ROOT),
        "MALLOC_TRIM_THRESHOLD_": "268435456",
        "MALLOC_MMAP_THRESHOLD_": "268435456",
    }
    if mode == "plain":
        env["PYTHONHASHSEED"] = "0"
    return env


def command(python: str, mode: str, program: Program, recording: Path) -> list[str]:
    file = str(HERE / "programs" / program.file)
    if mode == "plain":
        return [python, file]
    if mode == "record":
        return [python, "-m", "replay", "record", "-o", str(recording), file]
    return [python, "-m", "replay", "play", str(recording)]


def run_child(argv: list[str], env: dict[str, str], folder: Path) -> Cost:
    """Run a child to its end.

    Raises:
      RunFailedError: it exited with something other than 0, or hung.
    """
    with open(folder / "output", "w+b") as output:
        began = time.perf_counter()
        child = subprocess.Popen(
            argv, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        watchdog = threading.Timer(RUN_LIMIT_S, child.kill)
        watchdog.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        finally:
            watchdog.cancel()
        wall_s = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)  # it is reaped; Popen need not look for it
        if child.returncode != 0:
            output.seek(0)
            tail = output.read()[-2000:].decode(errors="replace")
            raise RunFailedError(f"exit code {child.returncode}: {shlex.join(argv)}\n{tail}")
    return Cost(cpu_s=usage.ru_utime + usage.ru_stime, wall_s=wall_s)


def describe_recording(python: str, recording: Path) -> dict[str, float] | None:
    """Return what `replay info --json` says about a recording's size; the file's alone if it fails."""
    argv = [python, "-m", "replay", "info", "--json", str(recording)]
    answer = subprocess.run(
        argv, env=environment("record"), capture_output=True, text=True, timeout=RUN_LIMIT_S
    )
    size: dict[str, float] = {"file_bytes": recording.stat().st_size}
    if answer.returncode == 0:
        info = json.loads(answer.stdout)
        size |= {
            "events_count": info["events"],
            "steps_count": info["steps"],
            "raw_bytes": info["size"]["raw_bytes"],
            "sends_count": info["kinds"].get("socket.send", 0),
            "receives_count": info["kinds"].get("socket.recv", 0),
        }
    return size


def measure(
    python: str, programs: list[Program], modes: list[str], rounds: int, folder: Path
) -> list[Measured]:
    """Run everything, interleaved: one round for warming up, then so many that count."""
    measured = [Measured(program) for program in programs]
    for round_index in range(-1, rounds):
        for entry in measured:
            if entry.failure is not None:
                continue
            recording = folder / f"{entry.program.name}.rec"
            try:
                for mode in modes:
                    cost = run_child(
                        command(python, mode, entry.program, recording), environment(mode), folder
                    )
                    if round_index >= 0:
                        entry.costs[mode].append(cost)
            except RunFailedError as error:
                entry.failure = str(error)
                continue
            if round_index == rounds - 1 and "record" in modes:
                entry.recording = describe_recording(python, recording)
        show_progress(f"round {round_index + 1} of {rounds}")
    return measured


def show_progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


# -- figures -------------------------------------------------------------------------------------------------


def part(entry: Measured, start: Measured | None, mode: str, kind: str, of: Callable[..., float]) -> float:
    """Return the seconds of the program without its start-up; ``of`` makes one figure of all rounds."""
    whole = of(getattr(cost, kind) for cost in entry.costs[mode])
    if start is None:
        return whole
    return whole - of(getattr(cost, kind) for cost in start.costs[mode])


def quotient(over: float, under: float) -> float:
    return max(over, SMALLEST_PART_S) / max(under, SMALLEST_PART_S)


def figures(measured: list[Measured], modes: list[str]) -> dict[str, dict[str, float]]:
    """Return the measures of each program by name; a measure whose modes were not run is left out."""
    by_name = {entry.program.name: entry for entry in measured}
    result: dict[str, dict[str, float]] = {}
    for entry in measured:
        start = by_name[entry.program.start] if entry.program.start else None
        row: dict[str, float] = {}
        for mode in modes:
            row[f"{mode}_cpu_ms"] = part(entry, start, mode, "cpu_s", min) * 1000
            row[f"{mode}_wall_ms"] = part(entry, start, mode, "wall_s", min) * 1000
        for mode in ("record", "replay"):
            if mode not in modes or "plain" not in modes:
                continue
            for kind in ("cpu", "wall"):
                for name, of in (("ratio", min), ("median", statistics.median)):
                    over = part(entry, start, mode, f"{kind}_s", of)
                    under = part(entry, start, "plain", f"{kind}_s", of)
                    row[f"{mode}_{kind}_{name}"] = quotient(over, under)
            row[f"{mode}_wall_speedup"] = 1 / row[f"{mode}_wall_ratio"]
        size = entry.recording or {}
        row |= size
        if "raw_bytes" in size:
            row["bytes_per_event"] = size["raw_bytes"] / size["events_count"]
            if size["steps_count"]:
                row["bytes_per_step"] = size["raw_bytes"] / size["steps_count"]
            message_bytes, received = entry.program.message_bytes, size["receives_count"]
            if message_bytes is not None:  # all else that there is counts for the calls, the steps too
                beyond_bytes = size["raw_bytes"] - message_bytes * received
                row["bytes_per_call"] = beyond_bytes / (size["sends_count"] + received)
        result[entry.program.name] = row
    return result


@dataclass(frozen=True)
class Verdict:
    limit: Limit
    value: float
    holds: bool


def judge(rows: dict[str, dict[str, float]]) -> list[Verdict]:
    """Hold the figures against the limits; a limit on something not measured is left out."""
    return [
        Verdict(limit, value, limit.holds(value))
        for limit in LIMITS
        if (value := rows.get(limit.program, {}).get(limit.measure)) is not None
    ]


# -- showing -------------------------------------------------------------------------------------------------


def markdown(header: list[str], lines: list[list[str]]) -> str:
    widths = [max(len(line[column]) for line in [header, *lines]) for column in range(len(header))]

    def row(cells: list[str]) -> str:
        padded = [
            cells[0].ljust(widths[0]),
            *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True)),
        ]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (w + 1) + ("-" if i == 0 else ":") for i, w in enumerate(widths)) + "|"
    return "\n".join([row(header), rule, *(row(line) for line in lines)])


def table(rows: dict[str, dict[str, float]]) -> str:
    def cell(row: dict[str, float], key: str, form: str) -> str:
        return format(row[key], form) if key in row else "-"

    def both(row: dict[str, float], mode: str) -> str:
        ratio = f"{mode}_cpu_ratio"
        if ratio not in row:
            return "-"
        return f"{row[ratio]:.2f} ({row[f'{mode}_cpu_median']:.2f})"

    header = [
        "program",
        "plain ms",
        "record ms",
        "replay ms",
        "record/plain",
        "replay/plain",
        "record wall",
        "replay wall",
    ]
    header += ["file kB", "events", "B/event"]
    lines = []
    for name, row in rows.items():
        line = [name, *(cell(row, f"{mode}_cpu_ms", ".1f") for mode in MODES)]
        line += [both(row, "record"), both(row, "replay")]
        line += [cell(row, "record_wall_ratio", ".2f"), cell(row, "replay_wall_ratio", ".3f")]
        file_kb = f"{row['file_bytes'] / 1000:.0f}" if "file_bytes" in row else "-"
        line += [file_kb, cell(row, "events_count", ".0f"), cell(row, "bytes_per_event", ".1f")]
        lines.append(line)
    return markdown(header, lines)


def verdict_table(verdicts: list[Verdict]) -> str:
    lines = [
        [v.limit.program, v.limit.measure, f"{v.value:.2f}", str(v.limit), "holds" if v.holds else "EXCEEDED"]
        for v in verdicts
    ]
    return markdown(["program", "measure", "value", "limit", "verdict"], lines)


def machine(python: str) -> dict[str, str]:
    version = subprocess.run(
        [python, "-c", "import platform; print(platform.python_implementation(), platform.python_version())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    model = platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "python": version,
        "system": f"{platform.system()} {platform.release()}",
        "processor": f"{os.cpu_count()} x {model}",
        "command": shlex.join(["python", os.path.relpath(sys.argv[0], ROOT), *sys.argv[1:]]),
    }


# -- command line --------------------------------------------------------------------------------------------


def installed(python: str, module: str) -> bool:
    code = f"import importlib.util as u; raise SystemExit(u.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", code]).returncode == 0


def chosen_programs(python: str, only: list[str]) -> list[Program]:
    """Return the programs asked for and those that measure their start-up, less those that cannot run."""
    wanted = set(only) if only else set(BY_NAME)
    wanted |= {BY_NAME[name].start for name in set(wanted) if BY_NAME[name].start is not None}
    chosen = []
    for program in PROGRAMS:
        if program.name not in wanted:
            continue
        if program.needs and not installed(python, program.needs):
            print(f"{program.name}: left out, {program.needs} is not installed", file=sys.stderr)
            continue
        chosen.append(program)
    return chosen


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measure what recording and replaying cost beside plain Python."
    )
    parser.add_argument("--rounds", type=int, default=7, help="how many rounds count (default: 7)")
    parser.add_argument(
        "--only", action="append", choices=list(BY_NAME), default=[], help="this program; may be repeated"
    )
    parser.add_argument(
        "--modes", default=",".join(MODES), help="which of plain,record,replay (default: all)"
    )
    parser.add_argument(
        "--python", default=sys.executable, help="the interpreter to measure with (default: this one)"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure here as well")
    parser.add_argument("--check", action="store_true", help="exit 1 if a limit is exceeded")
    arguments = parser.parse_args()
    arguments.modes = arguments.modes.split(",")
    if not set(arguments.modes) <= set(MODES):
        parser.error(f"--modes takes {', '.join(MODES)}")
    if "replay" in arguments.modes and "record" not in arguments.modes:
        parser.error("--modes: replay needs record")
    if arguments.rounds < 1:
        parser.error("--rounds: at least 1")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    programs = chosen_programs(arguments.python, arguments.only)
    about = machine(arguments.python)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        measured = measure(arguments.python, programs, arguments.modes, arguments.rounds, Path(folder))
    show_progress("")
    failed = {entry.program.name: entry.failure for entry in measured if entry.failure is not None}
    for name, failure in failed.items():
        print(f"benchmark: {name} failed, and is left out: {failure}", file=sys.stderr)
    measured = [e for e in measured if e.program.name not in failed and e.program.start not in failed]
    rows = figures(measured, arguments.modes)
    verdicts = judge(rows)
    print(
        f"{about['python']}, {about['system']}, {about['processor']}; {arguments.rounds} rounds\n"
        f"`{about['command']}`\n"
    )
    print(table(rows))
    print(
        "\nms: CPU of the program part (first rows: of start-up); ratios: of the cheapest rounds (of the"
        " medians); kB: the file as it is"
    )
    if verdicts:
        print("\n" + verdict_table(verdicts))
    if arguments.json:
        every = {
            entry.program.name: {m: [vars(c) for c in entry.costs[m]] for m in MODES} for entry in measured
        }
        limits = [
            {
                "program": v.limit.program,
                "measure": v.limit.measure,
                "value": v.value,
                "limit": str(v.limit),
                "holds": v.holds,
            }
            for v in verdicts
        ]
        report = {
            "machine": about,
            "rounds": arguments.rounds,
            "figures": rows,
            "limits": limits,
            "costs": every,
        }
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    exceeded = [v for v in verdicts if not v.holds]
    if failed:
        return 2
    return 1 if arguments.check and exceeded else 0


if __name__ == "__main__":
    raise SystemExit(main())
