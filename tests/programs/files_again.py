"""Serves the same files again and again, from tasks and from threads, while one of them changes."""

import asyncio
import hashlib
import os
import pathlib
import tempfile

ROUNDS = 60


def digest(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for number in range(3):
            (folder / f"{number}.bin").write_bytes(os.urandom(100_000 * (number + 1)))
        (folder / "small").write_bytes(os.urandom(600))
        for at in range(ROUNDS):
            paths = sorted(folder.iterdir())
            print(at, *[digest(path) for path in paths])
            print(at, *await asyncio.gather(*[asyncio.to_thread(digest, path) for path in paths]))
            if at % 20 == 19:
                (folder / "1.bin").write_bytes(os.urandom(5_000))


asyncio.run(main())
