"""Handlers of signals that come while the program does nothing but read a clock."""

import os
import signal
import threading
import time


class Enough(Exception):
    pass


def wait_by(clock):
    """Read a clock until the handler has been called, and say how it stood then."""
    calls = []
    signal.signal(signal.SIGALRM, lambda number, frame: calls.append(clock()))
    signal.setitimer(signal.ITIMER_REAL, 0.003)
    reads = 0
    end = clock() + 5
    while not calls and clock() < end:
        reads += 1
    print(clock.__name__, len(calls), reads, calls)


def give_up(number, frame):
    raise Enough


def be_interrupted():
    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 0.003)
    reads = 0
    end = time.monotonic() + 5
    try:
        while time.monotonic() < end:
            reads += 1
        print("never interrupted")
    except Enough:
        print("interrupted after", reads)


for _ in range(2):
    for clock in time.monotonic, time.time, time.perf_counter, time.process_time:
        wait_by(clock)
    be_interrupted()
    # From now on there is a second thread.
    threading.Thread(target=os.getpid).start()
