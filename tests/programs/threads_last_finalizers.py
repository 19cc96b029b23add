"""What a thread keeps in a `threading.local` is finalized at its end: files are closed, and removed."""

import os
import threading


class Temporary:
    def __init__(self, name):
        self.name = name
        self.file = open(name, "w")
        self.file.write("content")

    def __del__(self):
        self.file.close()
        print("removed", self.name, os.stat(self.name).st_size)
        os.unlink(self.name)


kept = threading.local()


def work(n):
    kept.file = Temporary(f"file{n}")


for n in range(5):
    thread = threading.Thread(target=work, args=(n,))
    thread.start()
    thread.join()
    print(n, os.listdir("."))
