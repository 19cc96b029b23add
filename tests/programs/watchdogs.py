"""Watchdogs of faulthandler: one that is called off in time, one that writes at once, one at a signal."""

import asyncio
import faulthandler
import os
import signal
import tempfile


async def main() -> None:
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback_later(60, exit=True, file=file)
        await asyncio.sleep(0.01)
        faulthandler.cancel_dump_traceback_later()
        file.write("begins\n")
        faulthandler.dump_traceback(file)
        faulthandler.register(signal.SIGUSR2, file=file.fileno())
        os.kill(os.getpid(), signal.SIGUSR2)
        print(faulthandler.unregister(signal.SIGUSR2), faulthandler.unregister(signal.SIGUSR2))
        file.seek(0)
        text = file.read()
        print(text.splitlines()[0], text.count("most recent call first"), "main" in text)
        for wrong in ({"timeout": 0}, {"timeout": 1, "file": -1}, {"timeout": 1, "file": object()}):
            try:
                faulthandler.dump_traceback_later(**wrong)
            except (ValueError, AttributeError) as error:
                print(type(error).__name__, error)


asyncio.run(main())
