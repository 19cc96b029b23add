"""trio: child processes with pipes, one that is stopped, one that fails, many at once."""

import random
import signal
import subprocess
import sys

import trio

open_process = trio.lowlevel.open_process if hasattr(trio.lowlevel, "open_process") else trio.open_process


async def pipes():
    script = "import sys\nfor line in sys.stdin: print(line.strip()[::-1], flush=True)"
    process = await open_process(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    for _ in range(3):
        await process.stdin.send_all(b"%d\n" % random.randrange(10**6))
        print("pipe", await process.stdout.receive_some())
    await process.stdin.aclose()
    print("ended", await process.wait(), process.pid, process)


async def stopped():
    process = await open_process(["sleep", "100"])
    with trio.move_on_after(0.01):
        await process.wait()
    process.terminate()
    print("stopped", await process.wait(), signal.Signals(-process.returncode).name)
    with trio.move_on_after(0.01) as scope:
        await trio.run_process(["sleep", "100"])
    print("cancelled", scope.cancelled_caught)


async def many():
    done = []

    async def one(n):
        result = await trio.run_process(
            ["sh", "-c", f"sleep 0.00$(( $$ % 5 )); echo {n} $$; exit {n}"], capture_stdout=True, check=False
        )
        done.append((result.returncode, result.stdout))

    async with trio.open_nursery() as nursery:
        for n in range(5):
            nursery.start_soon(one, n)
    print(*done)


async def main():
    await pipes()
    await stopped()
    await many()
    result = await trio.run_process(["cat"], stdin=b"fed", capture_stdout=True)
    print(result.stdout)
    try:
        await trio.run_process(["sh", "-c", "echo wrong >&2; exit 3"], capture_stderr=True)
    except subprocess.CalledProcessError as error:
        print(error, error.stderr)
    try:
        await trio.run_process(["/no/such/program"])
    except OSError as error:
        print(error)
    await trio.run_process(["echo", "to our own stdout"])


trio.run(main)
