"""All doors, and what becomes of each in the simulated world: answered, let through, or refused.

What is neither answered nor let through is refused by name when it is called; so a door that is new is
refused until somebody has decided about it. A test goes through all of them.
"""

from __future__ import annotations

from typing import Final

PASSED: Final = frozenset(
    """
    grp.getgrall grp.getgrgid grp.getgrnam pwd.getpwall pwd.getpwnam pwd.getpwuid
    os._exit os.abort
    os.confstr os.cpu_count os.ctermid os.fpathconf os.getegid
    os.geteuid os.getgid os.getgrouplist os.getgroups os.getlogin os.getpriority os.getresgid os.getresuid
    os.getuid os.major os.memfd_create os.sched_yield os.sysconf
    resource.getpagesize resource.getrlimit resource.setrlimit
    mmap.size
    socket.getprotobyname socket.getservbyname socket.getservbyport socket.if_indextoname socket.if_nameindex
    socket.if_nametoindex socket.socketpair
    time.clock_getres time.pthread_getcpuclockid
    gc.collect gc.get_count gc.get_stats environ stdin.read
    poll.poll trio.entry_queue trio.is_cancelled
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
"""Doors whose real answer is the simulated one too: they say nothing that varies, or act within the
process."""

REAL: Final = frozenset(("ctypes.find_library",))
"""Doors behind which all is as it is outside: they ask the system for what is the same in each run."""

_PREFIXES_PASSED: Final = ("ssl.",)
"""Doors of TLS: OpenSSL computes, and what it reads and writes goes by other doors."""

REFUSED: Final[dict[str, str]] = {
    "Other processes: there is one": """
        os.execv os.execve os.fork os.fork_exec os.forkpty os.killpg os.posix_spawn
        os.posix_spawnp os.system signal.pidfd_send_signal
    """,
    "Terminals: there is none": """
        os.grantpt os.login_tty os.openpty os.posix_openpt os.ptsname os.tcsetpgrp os.unlockpt
        termios.tcdrain termios.tcflow termios.tcflush termios.tcgetattr termios.tcgetwinsize
        termios.tcsendbreak termios.tcsetattr termios.tcsetwinsize
    """,
    "Who the process is, and what it may": """
        os.chroot os.initgroups os.nice os.sched_setaffinity os.sched_setparam os.sched_setscheduler
        os.setegid os.seteuid os.setgid os.setgroups os.setns os.setpgid os.setpgrp os.setpriority
        os.setregid os.setresgid os.setresuid os.setreuid os.setsid os.setuid os.unshare
    """,
    "The machine's own name and clock": """
        socket.sethostname time.clock_settime time.clock_settime_ns
    """,
    "Timers of the system that are descriptors": """
        os.timerfd_create os.timerfd_gettime os.timerfd_gettime_ns
        os.timerfd_settime os.timerfd_settime_ns
    """,
    "The log of the system": "syslog.closelog syslog.openlog syslog.setlogmask syslog.syslog",
    "Memory that processes share": "_posixshmem.shm_open _posixshmem.shm_unlink",
    "Signals that come from outside": "signal.sigtimedwait signal.sigwaitinfo",
    "Ciphers of the kernel": "socket.sendmsg_afalg",
}
"""Doors that end a run, by what they are about."""


def is_passed(name: str) -> bool:
    """Whether the real function answers."""
    return name in PASSED or name in REAL or name.startswith(_PREFIXES_PASSED)
