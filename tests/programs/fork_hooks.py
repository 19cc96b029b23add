"""What `os.register_at_fork` was given runs around each fork: before it, in the parent and in the child."""

import os
import random
import subprocess
import sys
import time

sys.unraisablehook = lambda args: print("ignored", repr(args.exc_value), args.object.__name__, flush=True)


def failing():
    raise ValueError("in a hook")


def hook(name):
    return lambda: print(name, calls.append(name) or len(calls), random.random(), time.monotonic(), flush=True)


calls = []
os.register_at_fork(before=hook("before"), after_in_parent=hook("parent"))
os.register_at_fork(before=hook("last, so first"))
os.register_at_fork(after_in_parent=failing)
os.register_at_fork(after_in_parent=hook("parent again"), after_in_child=lambda: calls.append("child"))
for wrong in ({}, {"after_in_child": 3, "before": 4}, {"after": hook}):
    try:
        os.register_at_fork(**wrong)
    except TypeError as error:
        print(error, flush=True)
pid = os.fork()
if not pid:
    os._exit(10 * calls.count("child") + len(calls))
print("forked", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), calls, flush=True)
pid, fd = os.forkpty()
if not pid:
    os._exit(len(calls))
print("in a terminal", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), calls, flush=True)
os.close(fd)
subprocess.run(["true"], check=True)
print("without a fork of Python", len(calls), flush=True)
subprocess.run(["true"], preexec_fn=lambda: None, check=True)
print("with one", len(calls), flush=True)
try:
    subprocess.run(["true"], preexec_fn=lambda: calls["no such"])
except subprocess.SubprocessError as error:
    print(error, len(calls), flush=True)


def in_child():
    os._exit(calls.count("child"))


print("hooks of the child", subprocess.run(["true"], preexec_fn=in_child).returncode, flush=True)
