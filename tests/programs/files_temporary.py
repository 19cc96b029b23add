"""Everything of tempfile: names, folders, mkstemp, spooled files, what is left after."""

import asyncio
import os
import random
import tempfile
from pathlib import Path


def use(n):
    with tempfile.NamedTemporaryFile("w+", prefix=f"use{n}-", suffix=".txt") as file:
        file.write(f"{n} {random.random()}")
        file.flush()
        return os.path.basename(file.name), Path(file.name).read_text()


async def main():
    print(tempfile.gettempdir(), tempfile.gettempprefix())
    with tempfile.TemporaryDirectory() as folder:
        print(folder, os.listdir(folder))
        inside = Path(folder, "inside")
        inside.write_bytes(random.randbytes(8))
        print(inside.read_bytes().hex(), inside.stat().st_size, os.listdir(folder))
    print("gone", os.path.exists(folder))
    fd, path = tempfile.mkstemp(text=True)
    os.write(fd, b"by mkstemp")
    os.close(fd)
    print(path, open(path).read(), oct(os.stat(path).st_mode))
    os.unlink(path)
    made = tempfile.mkdtemp(prefix="made-")
    print(made, os.path.isdir(made))
    os.rmdir(made)
    with tempfile.TemporaryFile() as file:
        file.write(b"nameless")
        file.seek(0)
        print(file.name, file.read())
    with tempfile.SpooledTemporaryFile(max_size=10) as file:
        file.write(b"a" * 8)
        before = file._rolled
        file.write(b"b" * 8)
        file.seek(6)
        print(before, file._rolled, file.read(4))
    kept = tempfile.NamedTemporaryFile(delete=False)
    kept.close()
    print(kept.name, os.path.getsize(kept.name))
    os.unlink(kept.name)
    for name, text in await asyncio.gather(*(asyncio.to_thread(use, n) for n in range(4))):
        print(name, text)


asyncio.run(main())
