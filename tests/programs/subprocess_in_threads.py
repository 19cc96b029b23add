"""subprocess.run and Popen, blocking, in threads and in the main thread."""

import asyncio
import random
import subprocess
import sys


def run(n):
    command = f"sleep 0.00{random.randrange(10)}; echo {n} $$; cat"
    done = subprocess.run(["sh", "-c", command], input=f"input {n}", capture_output=True, text=True)
    return done.stdout.split(), done.returncode


def slow():
    try:
        subprocess.run(["sleep", "60"], timeout=0.02)
    except subprocess.TimeoutExpired as error:
        return str(error)


def failing():
    try:
        subprocess.check_output("echo partly; exit 4", shell=True)
    except subprocess.CalledProcessError as error:
        return error.returncode, error.output


def talk():
    with subprocess.Popen(
        ["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as child:
        for n in range(3):
            child.stdin.write(f"{n} {random.random()}\n")
            yield child.pid, child.poll(), child.stdout.readline()
        child.stdin.close()
        yield child.wait(), child.poll()


async def main():
    for first in asyncio.as_completed([asyncio.to_thread(run, n) for n in range(5)]):
        print(await first)
    print(await asyncio.gather(asyncio.to_thread(slow), asyncio.to_thread(failing)))
    print(*talk(), sep="\n")
    print(subprocess.getoutput("echo by getoutput $$"), sys.stdout.encoding)


asyncio.run(main())
