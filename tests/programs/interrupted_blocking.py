"""Waits to be interrupted without any loop: in a sleep, on a lock nobody opens, on an event."""

import random
import threading
import time


def wait_on_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


for name, wait in (
    ("sleep", lambda: time.sleep(60)),
    ("lock", wait_on_lock),
    ("event", threading.Event().wait),
):
    try:
        print("READY", name, flush=True)
        wait()
    except KeyboardInterrupt:
        print("interrupted", name, random.random())
print("READY last", flush=True)
threading.Event().wait(60)
