"""threading.Timer, one cancelled, one that arms the next; sched; a thread stopped by an event."""

import random
import sched
import threading
import time

fired, lock, finished = [], threading.Lock(), threading.Event()


def fire(name):
    with lock:
        fired.append(name)


def chain(n):
    fire(f"chain{n}")
    if n:
        threading.Timer(random.random() * 0.003, chain, (n - 1,)).start()
    else:
        finished.set()


timers = [threading.Timer(random.random() * 0.01, fire, (f"timer{n}",)) for n in range(6)]
for timer in timers:
    timer.start()
cancelled = threading.Timer(5, fire, ("never",))
cancelled.start()
chain(4)
finished.wait()
cancelled.cancel()
for timer in [*timers, cancelled]:
    timer.join()
print(*fired)
stop, beats = threading.Event(), []


def beat():
    while not stop.wait(0.001):
        beats.append(time.monotonic())


heart = threading.Thread(target=beat)
heart.start()
time.sleep(0.01 + random.random() * 0.01)
stop.set()
heart.join()
print("beats", len(beats), beats[-1] - beats[0])
scheduler, order = sched.scheduler(), []
for n in range(5):
    scheduler.enter(random.random() * 0.005, 1, order.append, (n,))
scheduler.run()
print("sched", order)
