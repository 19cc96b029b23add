"""What other modules hold at the end: files are flushed, finalizers find the globals that they look at."""

import pathlib
import sys
import types

names = []
helper = types.ModuleType("helper")
helper.__file__ = str(pathlib.Path("helper.py").absolute())
sys.modules["helper"] = helper


class Cycle:
    def __init__(self):
        self.me = self

    def __del__(self):
        names.append("found")
        print("finalized", names)


class Held:
    def __del__(self):
        print("held by a module")


helper.held = Held()
helper.file = open("held.txt", "w")
helper.file.write("x" * 10)
Cycle()
print("end")
