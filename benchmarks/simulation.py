"""What the simulated world costs, and how soon it finds a race.

    python benchmarks/simulation.py                    all of it, a table on stdout
    python benchmarks/simulation.py --seeds 5 --check  fewer seeds; exit 1 if a limit is exceeded

- *cost*: CPU time of a simulated run of 10 tasks of ``sleep(0)`` against plain asyncio, interleaved, median;
  the cost of a run that does nothing is taken off both.
- *rate*: whole-program runs a second of one process that is copied for each run, for toys of five tasks and
  for programs with a library.
- *search*: for each program that teaches, for small classic races and for races in released libraries, the
  median number of schedules to the first failure, over seeds, and the most decisions that were left after
  shrinking. A race in a library has an environment of its own, with the version that has it, which pip
  fetches; where it can't, the race is left out, and that is said.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import environment

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from replay.exploration.report import Options, explore  # noqa: E402
from replay.exploration.search import Limits  # noqa: E402
from replay.simulation import Simulation  # noqa: E402
from tests.races import races  # noqa: E402

SEARCHED = {
    ROOT / "scenarios" / "programs": (
        "lost_update",
        "cache",
        "lock_order",
        "connection_pool",
        "missed_wakeup",
        "timeout_and_reply",
        "thread_and_timer",
        "start_order",
        "task_group_abort",
    ),
    ROOT / "tests" / "races" / "programs": (
        "tiny_a05_missed_wakeup",
        "tiny_a06_cancel_in_finally",
        "tiny_a11_two_sockets",
        "tiny_t01_lost_update",
        "tiny_t02_lock_order_deadlock",
        "tiny_t04_cancel_in_finally",
    ),
}
STEPS = """
import asyncio, sys
async def steps():
    for _ in range(int(sys.argv[1])):
        await asyncio.sleep(0)
async def main():
    await asyncio.gather(*(steps() for _ in range(10)))
asyncio.run(main())
"""
TOYS = {
    "asyncio toy": """
import asyncio
async def one(delay):
    for _ in range(5):
        await asyncio.sleep(delay)
async def main():
    await asyncio.gather(*(one(0.01 * at) for at in range(5)))
asyncio.run(main())
""",
    "trio toy": """
import trio
async def one(delay):
    for _ in range(5):
        await trio.sleep(delay)
async def main():
    async with trio.open_nursery() as nursery:
        for at in range(5):
            nursery.start_soon(one, 0.01 * at)
trio.run(main)
""",
    "aiohttp": """
import asyncio
import aiohttp
from aiohttp import web
async def main():
    app = web.Application()
    async def hello(request):
        return web.Response(text="hello")
    app.router.add_get("/", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 8080).start()
    async with aiohttp.ClientSession() as session:
        async with session.get("http://127.0.0.1:8080/") as response:
            assert await response.text() == "hello"
    await runner.cleanup()
asyncio.run(main())
""",
    "httpx": """
import asyncio
import httpx
async def serve(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\nConnection: close\\r\\n\\r\\nhello")
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 8080)
    async with httpx.AsyncClient() as client:
        assert (await client.get("http://127.0.0.1:8080/")).text == "hello"
    server.close()
asyncio.run(main())
""",
}
RUNS = 100
MOST_COST = 2.0
LEAST_RATE = 200.0
MOST_DECISIONS = 2
MOST_SCHEDULES = 500


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=15, help="of each search (default: 15)")
    parser.add_argument("--rounds", type=int, default=7, help="of the cost (default: 7)")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="runs at a time")
    parser.add_argument("--check", action="store_true", help="exit 1 if a limit is exceeded")
    args = parser.parse_args()
    good = True
    print(f"CPython {platform.python_version()}, Linux {platform.release()}, {args.jobs} processors\n")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        cost = measure_cost(Path(folder), args.rounds)
        good &= cost <= MOST_COST
        print(f"10 tasks of sleep(0): {cost:.2f}x of plain asyncio (limit {MOST_COST:.1f}x)\n")
        for name, text in TOYS.items():
            path = Path(folder) / f"toy_{name.replace(' ', '_')}.py"
            path.write_text(text)
            one, all_ = measure_rate(path, 1), measure_rate(path, args.jobs)
            if name == "asyncio toy":
                good &= all_ >= LEAST_RATE
            print(f"{name:12} {one:6.0f} runs a second with one job, {all_:6.0f} with {args.jobs}")
        good &= measure_searches(Path(folder), args.seeds)
    return 0 if good or not args.check else 1


def measure_cost(folder: Path, rounds: int) -> float:
    """Return how much CPU a simulated run takes, as a multiple of a plain one."""
    path = folder / "steps.py"
    path.write_text(STEPS)
    ratios = []
    for _ in range(rounds):
        plain = plain_s(path, 10_000) - plain_s(path, 1)
        simulated = simulated_s(path, 10_000) - simulated_s(path, 1)
        ratios.append(simulated / plain)
    return statistics.median(ratios)


def plain_s(path: Path, count: int) -> float:
    """Return the CPU time of a plain run, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, path, str(count)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def simulated_s(path: Path, count: int) -> float:
    """Return the CPU time of a simulated run, in seconds, without that of starting the process."""
    with Simulation.start("script", (str(path), str(count)), limit_s=120) as simulation:
        before = simulation.children_cpu_s()
        outcome = simulation.run({"kind": "fifo"})
        assert outcome.failure is None, outcome
        return simulation.children_cpu_s() - before


def measure_rate(path: Path, jobs: int) -> float:
    """Return how many runs there are in a second."""
    options = Options(
        "script", (str(path),), policy="random", limits=Limits(schedules=RUNS * jobs), jobs=jobs
    )
    started = time.monotonic()
    explore(Options("script", (str(path),), policy="random", limits=Limits(schedules=1), jobs=jobs))
    start_up = time.monotonic() - started
    started = time.monotonic()
    report = explore(options)
    assert not report.found, report.failures
    return report.schedules / max(0.001, time.monotonic() - started - start_up)


def measure_searches(folder: Path, seeds: int) -> bool:
    """Print how soon each failure is found; return whether all are, and the small ones shrunk."""
    good = True
    print("\n| program | found by | schedules (median, most) | decisions (most) |\n|---|---:|---:|---:|")
    for place, names in SEARCHED.items():
        for name in names:
            good &= measure_search(name, sys.executable, place / f"{name}.py", seeds, MOST_DECISIONS)
    for race in races.RACES:
        try:
            python = races.make_environment(folder / race.name, race.pythons[0], race.buggy)
        except races.MissingError as problem:
            print(f"| {race.name} | left out: {problem} | - | - |", flush=True)
            continue
        good &= measure_search(
            race.name, python, races.PROGRAMS / f"{race.name}.py", seeds, None, *race.options
        )
    return good


def measure_search(
    name: str, python: str, path: Path, seeds: int, most_decisions: int | None, *options: str
) -> bool:
    """Print how soon a failure is found, over some seeds; return whether each one does, and shrinks it."""
    found = [search(python, path, seed, options) for seed in range(seeds)]
    hits = [one for one in found if one is not None]
    told = f"| {name} | {len(hits)} of {seeds} seeds |"
    if not hits:
        print(f"{told} - | - |", flush=True)
        return False
    schedules = [schedule for schedule, _ in hits]
    most = max(decisions for _, decisions in hits)
    print(f"{told} {statistics.median(schedules):.0f}, {max(schedules)} | {most} |", flush=True)
    return len(hits) == seeds and (most_decisions is None or most <= most_decisions)


def search(python: str, path: Path, seed: int, options: tuple[str, ...]) -> tuple[int, int] | None:
    """Return after how many schedules a failure was found, and its decisions; None if it was not."""
    limits = ("--jobs", "1", "--schedules", str(MOST_SCHEDULES))  # one job: or it would be a few too many
    words = [python, "-m", "replay", "explore", "--json", *limits, "--seed", str(seed), *options, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment("explore"), check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{path.name}: {done.stderr}")
    told = json.loads(done.stdout)
    if not told["found"]:
        return None
    return told["schedules"], told["failures"][0]["decisions"]


if __name__ == "__main__":
    sys.exit(main())
