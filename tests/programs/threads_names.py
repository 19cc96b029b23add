"""What a thread knows of itself: names, numbers, threading.local, who is alive, exceptions."""

import random
import sys
import threading
import time

own = threading.local()
own.value = "main"
lines, lock = [], threading.Lock()


def work(n):
    own.value = f"{n}:{random.randrange(1000)}"
    time.sleep(random.random() * 0.003)
    me = threading.current_thread()
    same = me.ident == threading.get_ident()
    with lock:
        lines.append((me.name, me.native_id, threading.get_native_id() == me.native_id, same, own.value))


class Own(threading.Thread):
    def run(self):
        with lock:
            lines.append((self.name, self.daemon, hasattr(own, "value"), self.is_alive()))
        raise RuntimeError(f"out of {self.name}")


threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
threads += [threading.Thread(target=work, args=(9,), name="named", daemon=True), Own(daemon=True)]
print("before", threads[0].ident, threads[0].is_alive(), threading.active_count())
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*lines, sep="\n")
print("after", own.value, threading.active_count(), threading.main_thread().name, threading.get_ident())
threading.excepthook = lambda about: print(
    "hook", about.exc_type.__name__, about.thread.name, file=sys.stderr
)
last = Own()
last.start()
last.join()
endless = threading.Thread(target=time.sleep, args=(60,), daemon=True)
endless.start()
endless.join(0.002)
print("still there", endless.is_alive(), sorted(thread.name for thread in threading.enumerate())[0])
