"""Children with pipes on all three sides: by lines, all at once, more than a pipe holds."""

import asyncio
import random
from asyncio.subprocess import DEVNULL, PIPE, STDOUT


async def conversation(n):
    child = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    for turn in range(3):
        await asyncio.sleep(random.random() * 0.003)
        child.stdin.write(b"%d.%d %d\n" % (n, turn, random.randrange(1000)))
        await child.stdin.drain()
        print("cat", child.pid, await child.stdout.readline())
    child.stdin.close()
    print("left", await child.stdout.read(), await child.wait(), child.returncode)


async def everything():
    child = await asyncio.create_subprocess_exec(
        "sh", "-c", "cat; echo done >&2", stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    out, err = await child.communicate(random.randbytes(300_000))
    print("communicate", len(out), sum(out[:1000]), err, child.returncode)


async def mixed():
    command = "echo out $$; echo err >&2; sleep 0.00$0; exit $0"
    child = await asyncio.create_subprocess_exec(
        "sh", "-c", command, str(random.randrange(1, 10)), stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    print("mixed", (await child.communicate())[0], child.returncode)


async def silent():
    child = await asyncio.create_subprocess_exec("true", stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
    print("silent", child.stdin, child.stdout, await child.wait())


async def closed_early():
    child = await asyncio.create_subprocess_exec("head", "-c", "3", stdin=PIPE, stdout=PIPE)
    out, _ = await child.communicate(b"abc" * 100_000)
    print("head", out, child.returncode)


async def missing():
    try:
        await asyncio.create_subprocess_exec("no-such-program-anywhere")
    except FileNotFoundError as error:
        print("missing", error)


async def main():
    await asyncio.gather(
        *(conversation(n) for n in range(3)), everything(), mixed(), silent(), closed_early(), missing()
    )


asyncio.run(main())
