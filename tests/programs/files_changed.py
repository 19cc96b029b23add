"""A file that children of ours write to, replace and remove while it is read and watched."""

import asyncio
import os
import random


async def shell(command):
    child = await asyncio.create_subprocess_shell(command)
    await child.wait()


async def watch(path, seen):
    last = None
    while True:
        try:
            status = os.stat(path)
        except FileNotFoundError:
            seen.append("gone")
            return
        if (status.st_size, status.st_ino) != last:
            last = status.st_size, status.st_ino
            seen.append(open(path).read().split()[-1])
        await asyncio.sleep(0.0005)


async def main():
    with open("watched", "w") as file:
        file.write("begin\n")
    seen = []
    watcher = asyncio.create_task(watch("watched", seen))
    await asyncio.sleep(0.002)
    with open("watched") as file:
        print("first", file.read())
        await shell(f"echo appended-{random.randrange(10**6)}-$$ >> watched")
        print("second", file.read())
    await shell("date +%N > new; mv new watched")
    print("third", open("watched").read().strip())
    await shell("for n in 1 2 3; do echo $n-$$ >> watched; sleep 0.002; done")
    await shell("sleep 0.002; rm watched")
    await watcher
    print("seen", *seen)
    await shell("mkdir made; touch made/$$")
    print(os.listdir("made"))


asyncio.run(main())
