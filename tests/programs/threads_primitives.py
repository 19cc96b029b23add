"""Plain threads and everything they wait with: Condition, Event, Semaphore, Barrier, RLock, time limits."""

import random
import threading
import time

log = []
log_lock = threading.Lock()


def note(*words):
    with log_lock:
        log.append(" ".join(map(str, words)))


def pause():
    time.sleep(random.random() * 0.003)


def run(*functions):
    threads = [threading.Thread(target=function, name=f"t{n}") for n, function in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(*log, sep="; ")
    log.clear()


condition, stock = threading.Condition(), []
event, semaphore, barrier, rlock = (
    threading.Event(),
    threading.Semaphore(2),
    threading.Barrier(3),
    threading.RLock(),
)


def consumer():
    with condition:
        got = condition.wait_for(lambda: stock, timeout=1)
        note("got", stock.pop(), bool(got))


def producer():
    for n in range(3):
        pause()
        with condition:
            stock.append(n)
            condition.notify()


def waits():
    note("short wait", event.wait(0.0005))
    note("long wait", event.wait(2))


def sets():
    time.sleep(0.005)
    event.set()


def limited():
    name = threading.current_thread().name
    if not semaphore.acquire(timeout=random.random() * 0.002):
        return note(name, "gave up")
    note("+", name)
    pause()
    note("-", name)
    semaphore.release()


def meets():
    pause()
    note("place", barrier.wait())
    pause()
    try:
        barrier.wait(0.001)
        note("together")
    except threading.BrokenBarrierError:
        note("broken")


def again():
    with rlock, rlock:
        pause()
        note(threading.current_thread().name, "twice", rlock.acquire(blocking=False))
        rlock.release()


run(consumer, producer, consumer, consumer)
run(waits, sets, waits)
run(*[limited] * 5)
run(meets, meets, meets)
run(again, again, again)
lock = threading.Lock()
with lock:
    print("taken", lock.acquire(blocking=False), lock.acquire(timeout=0.001), lock.locked())
