"""Times and numbers of files: stat, utime, copies, what /proc says of this process."""

import os
import shutil
import time

with open("one", "w") as file:
    file.write("contents")
status = os.stat("one")
print(
    "stat",
    status.st_mtime,
    status.st_mtime_ns,
    status.st_ino,
    status.st_dev,
    status.st_uid,
    status.st_blksize,
)
print("age", time.time() - os.path.getmtime("one"), os.path.getatime("one"), os.path.getctime("one"))
shutil.copy("one", "two")
shutil.copy2("one", "three")
print("copies", *(os.stat(name).st_mtime_ns for name in ("one", "two", "three")))
os.utime("two", (1_000_000_000, 1_000_000_000.5))
print("utime", os.stat("two").st_mtime, os.lstat("two").st_atime)
print("newest", max(("one", "two", "three"), key=os.path.getmtime))
print("statvfs", os.statvfs(".").f_bsize > 0, os.stat(".").st_nlink)
with open("/proc/self/stat") as file:
    fields = file.read().split()
print("proc", fields[0], fields[1], fields[3], fields[21])
with open("/proc/self/status") as file:
    print(*(line.split()[1] for line in file if line.startswith(("Pid:", "VmRSS:", "Threads:"))))
print(
    "boot",
    open("/proc/sys/kernel/random/boot_id").read().strip(),
    open("/proc/sys/kernel/random/uuid").read().strip(),
)
print("device", open("/dev/urandom", "rb", buffering=0).read(8).hex(), os.path.exists("/proc/self/fd/0"))
print("load", open("/proc/loadavg").read().strip(), os.getloadavg())
with open(os.devnull, "w") as file:
    print("nowhere", file.write("x" * 10))
