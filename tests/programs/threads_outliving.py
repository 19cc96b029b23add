"""Daemon threads that go on printing until the process is gone."""

import threading
import time


def tick(n):
    count = 0
    while True:
        print("tick", n, count, flush=True)
        count += 1


for n in range(3):
    threading.Thread(target=tick, args=(n,), daemon=True).start()
time.sleep(0.02)
print("end")
