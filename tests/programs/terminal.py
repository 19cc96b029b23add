"""A terminal of its own, set and asked by hand; the log of the system; memory that processes share."""

import asyncio
import os
import syslog
import termios
import tty
from multiprocessing import shared_memory


async def main() -> None:
    ours, theirs = os.openpty()
    before = termios.tcgetattr(theirs)
    tty.setraw(theirs)
    print(before[3] & termios.ECHO != 0, termios.tcgetattr(theirs)[3] & termios.ECHO != 0)
    termios.tcsetwinsize(theirs, (11, 40 + os.getpid() % 100))
    print(termios.tcgetwinsize(ours), os.get_terminal_size(theirs))

    loop = asyncio.get_running_loop()
    came = loop.create_future()
    loop.add_reader(theirs, lambda: came.set_result(os.read(theirs, 100)))
    os.write(ours, b"a\x03b")
    print(await came)
    loop.remove_reader(theirs)
    termios.tcflush(theirs, termios.TCIOFLUSH)
    termios.tcsetattr(theirs, termios.TCSADRAIN, before)
    os.close(ours)
    os.close(theirs)

    reader, writer = os.pipe()
    for function, arguments in ((termios.tcgetattr, (reader,)), (termios.tcflush, (writer, 0)), (tty.setraw, (-1,))):
        try:
            function(*arguments)
        except (termios.error, ValueError) as error:
            print(type(error), error)

    syslog.openlog("replay", syslog.LOG_PID)
    syslog.syslog(syslog.LOG_DEBUG, "seen once")
    print(syslog.setlogmask(syslog.LOG_UPTO(syslog.LOG_ERR)))
    syslog.closelog()

    try:
        shared_memory.SharedMemory("replay-has-no-such-memory")
    except FileNotFoundError as error:
        print(error)


asyncio.run(main())
