"""Children that write to our own standard output and error, between our own lines."""

import asyncio
import random
import subprocess
import sys


def say(*words):
    print(*words, flush=True)


async def main():
    say("before", random.random())
    child = await asyncio.create_subprocess_exec("sh", "-c", "echo from a child $$; echo to stderr >&2")
    say("code", await child.wait())
    child = await asyncio.create_subprocess_shell("for i in 1 2 3; do echo line $i; done")
    await child.wait()
    say("between", random.random())
    print("printed before, flushed after", end=" ")
    subprocess.run(["echo", "by run"], check=True)
    sys.stdout.flush()
    say("then", subprocess.call("printf 'no newline'", shell=True))
    await asyncio.to_thread(subprocess.run, ["sh", "-c", "echo from a thread; exit 3"])
    say("end", random.random())


asyncio.run(main())
