"""All doors, and what becomes of each in the simulated world: answered, let through, or refused.

What is neither answered nor let through is refused by name when it is called; so a door that is new is
refused until somebody has decided about it. A test goes through all of them.
"""

from __future__ import annotations

from typing import Final

PASSED: Final = frozenset(
    """
    fcntl.fcntl fcntl.flock fcntl.ioctl fcntl.lockf
    grp.getgrall grp.getgrgid grp.getgrnam pwd.getpwall pwd.getpwnam pwd.getpwuid
    os._exit os.abort
    os.access os.chdir os.chmod os.close os.closerange os.confstr os.cpu_count os.ctermid os.device_encoding
    os.dup os.dup2 os.fchdir os.fchmod os.fdatasync os.fpathconf os.fstat os.fstatvfs os.fsync os.ftruncate
    os.get_blocking os.get_inheritable os.get_terminal_size os.getcwd os.getcwdb os.getegid os.geteuid
    os.getgid os.getgrouplist os.getgroups os.getlogin os.getpriority os.getresgid
    os.getresuid os.getuid os.getxattr os.isatty os.link os.listdir os.listxattr os.lockf os.lseek
    os.lstat os.major os.memfd_create os.mkdir os.open os.pathconf os.posix_fadvise os.posix_fallocate
    os.pread os.preadv os.pwrite os.pwritev os.read os.readlink os.readv os.remove os.removexattr os.rename
    os.replace os.rmdir os.scandir os.sched_getaffinity os.sched_getparam os.sched_getscheduler
    os.sched_rr_get_interval os.sched_yield os.sendfile os.set_blocking os.set_inheritable os.setxattr
    os.splice os.copy_file_range os.stat os.statvfs os.symlink os.sync os.sysconf os.tcgetpgrp os.times
    os.truncate os.ttyname os.umask os.unlink os.utime os.write os.writev
    resource.getpagesize resource.getrlimit resource.getrusage resource.prlimit resource.setrlimit
    mmap.mmap mmap.size sqlite3.connect sqlite3.execute
    socket.getprotobyname socket.getservbyname socket.getservbyport socket.if_indextoname socket.if_nameindex
    socket.if_nametoindex socket.socketpair
    time.clock_getres time.pthread_getcpuclockid
    gc.collect gc.get_count gc.get_stats environ stdin.read input
    poll.poll trio.entry_queue trio.is_cancelled
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
"""Doors whose real answer is the simulated one too: they say nothing that varies, or act within the
process."""

REAL: Final = frozenset(("ctypes.find_library",))
"""Doors behind which all is as it is outside: they ask the system for what is the same in each run."""

_PREFIXES_PASSED: Final = ("ssl.", "SSL", "mmap.", "sqlite3.")


def is_passed(name: str) -> bool:
    """Whether the real function answers."""
    return name in PASSED or name.startswith(_PREFIXES_PASSED)
