"""trio: files and paths, each call in a thread; a temporary folder, what is listed, what is missing."""

import random
import tempfile

import trio


async def main():
    folder = trio.Path(await trio.to_thread.run_sync(tempfile.mkdtemp))
    print(folder)
    for n in range(5):
        await (folder / f"file{n}").write_text(f"{random.random()}\n" * n)
    print(sorted([entry.name for entry in await folder.iterdir()]))
    print((await (folder / "file3").stat()).st_size, await (folder / "no").exists())
    async with await trio.open_file(folder / "file4", "a+") as file:
        await file.write("appended\n")
        await file.seek(0)
        async for line in file:
            print(line.strip())
    async with await (folder / "bytes").open("wb") as file:
        print(await file.write(random.randbytes(10)), file.name)
    print(await (folder / "bytes").read_bytes())
    try:
        await (folder / "missing").read_text()
    except FileNotFoundError as error:
        print(error)
    async with trio.open_nursery() as nursery:
        for n in range(5):
            nursery.start_soon((folder / f"file{n}").unlink)
    await (folder / "bytes").rename(folder / "renamed")
    await (folder / "renamed").unlink()
    await folder.rmdir()
    print(await folder.exists())


trio.run(main)
