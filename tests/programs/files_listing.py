"""Folders: listdir, scandir, walk, glob, pathlib, in the file system's own order."""

import glob
import os
import random
import shutil
import uuid
from pathlib import Path

root = Path("tree")
for _ in range(3):
    folder = root / uuid.uuid4().hex[:6]
    folder.mkdir(parents=True)
    for _ in range(random.randrange(2, 6)):
        (folder / f"{random.randrange(10**6)}.{random.choice(['txt', 'py', 'dat'])}").write_text(
            "x" * random.randrange(50)
        )
(root / "link").symlink_to(folder.name)
print("listdir", os.listdir("tree"), os.listdir(os.fsencode(str(folder))))
with os.scandir(folder) as entries:
    for entry in entries:
        print("scandir", entry.name, entry.is_file(), entry.stat().st_size, entry.inode() > 0)
for path, folders, files in os.walk("tree"):
    print("walk", path, folders, files)
print("glob", glob.glob("tree/*/*.txt"), glob.glob("**/*.py", recursive=True))
print("pathlib", [str(path) for path in root.rglob("*.dat")], [path.name for path in root.iterdir()])
print(
    "link",
    os.readlink("tree/link"),
    (root / "link").resolve().name == folder.name,
    os.path.islink("tree/link"),
)
shutil.copytree(folder, "copied")
print("copied", os.listdir("copied"), shutil.disk_usage(".").total > 0)
first = next(path for path in Path("copied").iterdir())
moved = shutil.move(first, "moved")
print("moved", first.exists(), moved, os.path.getsize("moved"))
os.chmod("moved", 0o640)
print("mode", oct(os.stat("moved").st_mode), os.access("moved", os.W_OK), os.umask(0o22))
os.link("moved", "second name")
print("links", os.stat("moved").st_nlink, os.path.samefile("moved", "second name"))
shutil.rmtree("tree")
shutil.rmtree("copied", ignore_errors=True)
print("left", sorted(os.listdir()), os.path.exists("tree"))
os.chdir("/")
print("folder", os.getcwd(), Path.cwd())
