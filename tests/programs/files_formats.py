"""Data files of the standard library: csv, json, configparser, toml, zip, gzip, hashes, pickle."""

import configparser
import csv
import fileinput
import gzip
import hashlib
import json
import linecache
import pickle
import random
import tomllib
import zipfile
from pathlib import Path

with open("table.csv", newline="") as file:
    rows = list(csv.DictReader(file))
print(rows, sum(int(row["amount"]) for row in rows))
settings = configparser.ConfigParser(interpolation=configparser.ExtendedInterpolation())
print(
    settings.read(["settings.ini", "missing.ini"]),
    settings["paths"]["home"],
    settings.getint("server", "port"),
)
data = {"rows": rows, "number": random.random(), "nested": [{"n": n} for n in range(3)]}
Path("data.json").write_text(json.dumps(data, indent=1))
with open("data.json") as file:
    print(json.load(file) == data, Path("data.json").stat().st_size)
with open("out.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerows([n, random.randrange(100), 'quo"te'] for n in range(3))
print(Path("out.csv").read_bytes())
Path("some.toml").write_text(f"[a]\nb = {random.randrange(1000)}\n")
with open("some.toml", "rb") as file:
    print(tomllib.load(file))
with gzip.open("packed.gz", "wt") as file:
    file.write("zipped " * random.randrange(1, 100))
with gzip.open("packed.gz", "rt") as file:
    print(len(file.read()), Path("packed.gz").stat().st_size > 0)
with zipfile.ZipFile("all.zip", "w") as archive:
    archive.write("data.json")
    archive.writestr("inner/text", f"text {random.random()}")
with zipfile.ZipFile("all.zip") as archive:
    print(archive.namelist(), archive.read("inner/text"), archive.getinfo("data.json").date_time)
with open("all.zip", "rb") as file:
    print(hashlib.file_digest(file, "sha256").hexdigest())
Path("kept.pickle").write_bytes(pickle.dumps({"random": random.random()}))
with open("kept.pickle", "rb") as file:
    print(pickle.load(file), linecache.getline("table.csv", 2).strip())
for line in fileinput.input(["table.csv", "out.csv"]):
    print(fileinput.filename(), fileinput.lineno(), line.strip())
