"""Shell commands, their environment and folder, os.popen, os.system, and a child that is Python."""

import asyncio
import os
import random
import sys
import tempfile
from asyncio.subprocess import PIPE


async def shell(command, **options):
    child = await asyncio.create_subprocess_shell(command, stdout=PIPE, stderr=PIPE, **options)
    out, err = await child.communicate()
    print(child.returncode, out.decode().split(), err.decode().strip()[-60:])


async def main():
    await shell("echo $$ $PPID; date +%N")
    await shell('echo "$GREETING" $HOME', env={"GREETING": f"number {random.random()}", "HOME": "/nowhere"})
    with tempfile.TemporaryDirectory() as folder:
        await shell("pwd; echo hello > made; ls", cwd=folder)
        print(os.listdir(folder))
    await shell("no_such_command_$RANDOM; exit 3")
    await asyncio.gather(*(shell(f"sleep 0.00{random.randrange(10)}; echo {n}") for n in range(4)))
    sys.stdout.flush()
    print("system", os.waitstatus_to_exitcode(os.system("exit 5")))
    with os.popen("echo popen $$") as pipe:
        print(pipe.read().split())
    code = (
        "import os, random, sys; print('child', os.getpid(), random.random(), 'PYTHONHASHSEED' in os.environ)"
    )
    await shell(f'"{sys.executable}" -c "{code}"')


asyncio.run(main())
