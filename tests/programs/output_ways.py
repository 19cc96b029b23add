"""Output that reaches stdout by other ways than print: other descriptors, other calls, other names."""

import array
import fcntl
import os
import subprocess
import sys
import tempfile
import time


def by_calls():
    sys.stdout.flush()
    os.writev(1, [b"by writev ", bytearray(b"in two parts"), memoryview(array.array("B", [10]))])
    with tempfile.TemporaryFile() as file:
        file.write(f"first at {time.time_ns()}\nsecond\n".encode())
        file.flush()
        sent = os.sendfile(1, file.fileno(), 0, 1000)
        print("sendfile", sent, flush=True)
        os.lseek(file.fileno(), sent - 7, os.SEEK_SET)
        print("and from where it stands", os.sendfile(1, file.fileno(), None, 1000), flush=True)
    source, sink = os.pipe()
    os.write(sink, b"by splice\n")
    print(os.splice(source, 1, 100), flush=True)
    os.close(source)
    os.close(sink)


def by_names():
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        with open(name, "a") as stream:
            stream.write(f"by {name} {time.time_ns()}\n")
    with open(1, "w", closefd=False) as stream:
        stream.write("by open(1)\n")


def by_doubles():
    double = fcntl.fcntl(1, fcntl.F_DUPFD, 20)
    os.write(double, b"by F_DUPFD\n")
    os.closerange(double, double + 1)
    file = os.open("/dev/null", os.O_WRONLY)
    os.dup2(file, double)
    os.write(double, b"its number is another's now\n")
    os.close(double)
    os.close(file)


def into_a_file():
    with tempfile.TemporaryFile() as file:
        saved = os.dup(1)
        os.dup2(file.fileno(), 1)
        print("into the file", time.time_ns(), flush=True)
        subprocess.run(["echo", "the child's too"], check=True)
        subprocess.run(["echo", "but this to where stdout was"], stdout=saved, check=True)
        os.dup2(saved, 1)
        os.close(saved)
        file.seek(0)
        print("held in the file:", file.read())


def by_children():
    sys.stdout.flush()
    os.system("echo by system $$")
    os.system("echo its stderr >&2; exit 3")
    environment = {"PATH": os.environ["PATH"]}
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "echo by posix_spawn $$"], environment)
    print(os.waitpid(pid, 0)[0] == pid, flush=True)
    pid = os.posix_spawnp(
        "sh",
        ["sh", "-c", "echo to the other >&2"],
        environment,
        file_actions=[(os.POSIX_SPAWN_DUP2, 1, 2)],
    )
    os.waitpid(pid, 0)


by_calls()
by_names()
by_doubles()
into_a_file()
by_children()
print("end")
