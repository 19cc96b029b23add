"""What the surroundings say: variables, arguments, folder, names; and a variable the program sets itself."""

import asyncio
import os
import platform
import sys
import tempfile
import time


async def main():
    print("home", os.environ["HOME"], os.path.expanduser("~/x"), tempfile.gettempdir())
    print("mode", os.environ.get("APP_MODE"), os.getenv("NO_SUCH_VARIABLE", "default"))
    print("names", sorted(os.environ))
    print(
        "argv",
        sys.argv[1:],
        os.path.basename(sys.argv[0]),
        __name__,
        __file__ == os.path.abspath(sys.argv[0]),
    )
    print("folder", os.getcwd(), os.path.basename(sys.path[0]))
    print("machine", platform.node(), platform.release(), platform.python_version(), time.tzname)
    print(
        "ids",
        os.getuid(),
        os.getgid(),
        os.getpgrp(),
        sys.flags.hash_randomization,
        "PYTHONHASHSEED" in os.environ,
    )
    os.environ["APP_MODE"] = f"changed by {os.getpid()}"
    print("changed", os.environ["APP_MODE"], sys.stdin.isatty(), sys.stdout.isatty())


asyncio.run(main())
