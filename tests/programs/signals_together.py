"""Several signals that come at once, to handlers that ask the outside: one is over before the next begins."""

import os
import random
import signal
import time

course = []


def handler(number, frame):
    course.append(f"{signal.Signals(number).name} begins")
    os.getpid()
    time.monotonic()
    os.urandom(1)
    course.append(f"{signal.Signals(number).name} ends {random.random()}")


ALL = signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM
for one in ALL:
    signal.signal(one, handler)
for _ in range(3):
    signal.pthread_sigmask(signal.SIG_BLOCK, ALL)
    for one in ALL:
        os.kill(os.getpid(), one)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ALL)
    os.getpid()
    print(*course, sep="\n")
    for begins, ends in zip(course[::2], course[1::2], strict=True):
        assert begins.split()[0] == ends.split()[0], "one runs inside the other"
    course.clear()
