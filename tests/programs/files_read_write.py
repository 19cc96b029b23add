"""Reads what it was given, writes, appends, seeks, truncates; text and bytes; _io and os underneath."""

import _io
import asyncio
import io
import os
import random
import time


def main():
    with open("words.txt") as file:
        print(file.readline(), file.tell(), file.fileno(), file.name, file.encoding, sep="|")
        print(sum(1 for _ in file), file.read())
    name = f"out-{os.getpid()}.txt"
    with open(name, "w") as file:
        print(file.write(f"{random.random()}\n"), file.tell())
        file.writelines(f"line {n} {time.time()}\n" for n in range(3))
    with open(name, "a") as file:
        print("appended at", file.tell(), file=file)
    with open(name, "r+b", buffering=0) as file:
        print(file.read(10), file.seek(-5, os.SEEK_END), file.read(), file.truncate(20), file.seek(0, 2))
        print(file.write(b"<end>"), os.pread(file.fileno(), 4, 2), os.fstat(file.fileno()).st_size)
    with open(name, newline="") as file:
        print(repr(file.read()), os.path.getsize(name))
    with open("bytes", "x+b") as file:
        file.write(random.randbytes(100_000))
        file.seek(50_000)
        buffer = bytearray(10)
        print(file.readinto(buffer), buffer.hex(), file.peek(1)[:1])
    for attempt in (
        lambda: open("bytes", "x"),
        lambda: open("missing"),
        lambda: open("."),
        lambda: open("words.txt").write(""),
    ):
        try:
            attempt()
        except (OSError, io.UnsupportedOperation) as error:
            print(type(error).__name__, error)
    with _io.open("words.txt", "rb") as file, io.open(name) as other:
        print(file.read(5), other.read(5), _io.FileIO("words.txt").read(3))
    fd = os.open("low", os.O_RDWR | os.O_CREAT, 0o600)
    print(fd, os.write(fd, b"abcdef"), os.lseek(fd, 2, os.SEEK_SET), os.read(fd, 3), os.fstat(fd).st_size)
    os.ftruncate(fd, 4)
    os.close(fd)
    with open("low", "rb") as file:
        print(file.read(), sorted(os.listdir()))
    os.rename("low", "high")
    os.remove("bytes")
    print(os.path.exists("low"), os.path.exists("high"), sorted(os.listdir()))


async def in_threads():
    def write(n):
        with open("shared.log", "a") as file:
            file.write(f"{n} {random.random()}\n")

    await asyncio.gather(*(asyncio.to_thread(write, n) for n in range(5)))
    with open("shared.log") as file:
        print(file.read())


main()
asyncio.run(in_threads())
