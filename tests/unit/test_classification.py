"""Each public name of the modules that programs reach the outside by is recorded, harmless, or named.

What is recorded is found out by looking: a child puts the boundary in place and reports which names were
replaced. All others are listed here, each group with the reason why a replay cannot differ by it. A newer
Python that adds a name fails here until somebody has looked at it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Final

import pytest

from tests.conftest import ROOT

MADE_OF_OTHERS: Final = "Python code, or C, that asks the outside by other names that are here"
PURE: Final = "computes with its arguments alone"
VALUE: Final = "a type of values"
OWN_STATE: Final = "tells or sets what is kept in this process, in both runs"
REPLACED_AT_REPLAY: Final = (
    "tells of the object alone, which a replay keeps beside it (`sockets._replayed_state`)"
)
ZONE: Final = "depends on the time zone, which is in the recording (`environment._zone`)"
THREAD: Final = "asks for this thread, whose ids are in its BEGIN event"
CONSTANT: Final = "says the same on each machine with this Python"

HARMLESS: Final[dict[str, dict[str, str]]] = {
    "os": {
        MADE_OF_OTHERS: """
            execl execle execlp execlpe execvp execvpe fdopen fwalk get_exec_path getenv
            getenvb makedirs popen process_cpu_count>=3.13 removedirs renames spawnl spawnle
            spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe walk
        """,
        PURE: """
            WCOREDUMP WEXITSTATUS WIFCONTINUED WIFEXITED WIFSIGNALED WIFSTOPPED WSTOPSIG
            WTERMSIG fsdecode fsencode fspath makedev minor strerror waitstatus_to_exitcode
        """,
        OWN_STATE: "putenv unsetenv",
        CONSTANT: "sched_get_priority_max sched_get_priority_min",
        VALUE: """
            GenericAlias Mapping MutableMapping PathLike sched_param stat_result
            statvfs_result terminal_size times_result uname_result waitid_result
        """,
    },
    "socket": {
        MADE_OF_OTHERS: """
            SocketIO create_connection create_server fromfd getaddrinfo getfqdn
            has_dualstack_ipv6 recv_fds send_fds socket socketpair
        """,
        PURE: "CMSG_LEN CMSG_SPACE htonl htons inet_aton inet_ntoa inet_ntop inet_pton ntohl ntohs",
        OWN_STATE: "getdefaulttimeout setdefaulttimeout",
        VALUE: "SocketType",
    },
    "_socket": {
        MADE_OF_OTHERS: "SocketType socket",
        PURE: "CMSG_LEN CMSG_SPACE htonl htons inet_aton inet_ntoa inet_ntop inet_pton ntohl ntohs",
        OWN_STATE: "getdefaulttimeout setdefaulttimeout",
    },
    "_socket.socket": {
        REPLACED_AT_REPLAY: """
            close detach family fileno getblocking gettimeout proto setblocking settimeout
            timeout type
        """,
    },
    "select": {},
    "fcntl": {},
    "time": {
        PURE: "strptime",
        ZONE: "mktime tzset",
        CONSTANT: "get_clock_info",
        VALUE: "struct_time",
    },
    "signal": {
        OWN_STATE: "default_int_handler",
        CONSTANT: "strsignal valid_signals",
        VALUE: "struct_siginfo",
    },
    "_thread": {
        OWN_STATE: "daemon_threads_allowed>=3.12 exit exit_thread stack_size",
        THREAD: "get_ident get_native_id",
    },
    "threading": {
        MADE_OF_OTHERS: """
            Barrier BoundedSemaphore Condition Event Semaphore Thread Timer activeCount
            active_count currentThread current_thread enumerate excepthook>=3.13 main_thread
        """,
        OWN_STATE: """
            getprofile gettrace local setprofile setprofile_all_threads>=3.12 settrace
            settrace_all_threads>=3.12 stack_size
        """,
        THREAD: "get_ident get_native_id",
        VALUE: "ExceptHookArgs WeakSet",
    },
    "random": {
        "drawn from the one generator, which is seeded through `os.urandom` when the run begins": """
            betavariate binomialvariate>=3.12 choice choices expovariate gammavariate gauss
            getrandbits getstate lognormvariate main>=3.13 normalvariate paretovariate
            randbytes randint random randrange sample setstate shuffle triangular uniform
            vonmisesvariate weibullvariate
        """,
        "takes its seed, or its numbers, from `os.urandom`": "Random SystemRandom",
    },
    "random.Random": {
        "drawn from a generator that was seeded by its argument, or through `os.urandom`": """
            betavariate binomialvariate>=3.12 choice choices expovariate gammavariate gauss
            getrandbits getstate lognormvariate normalvariate paretovariate randbytes randint
            random randrange sample setstate shuffle triangular uniform vonmisesvariate
            weibullvariate
        """,
        CONSTANT: "VERSION",
    },
    "ssl": {
        MADE_OF_OTHERS: """
            SSLContext SSLObject SSLSocket create_connection create_default_context
            get_default_verify_paths get_server_certificate match_hostname<3.12
            wrap_socket<3.12
        """,
        PURE: """
            DER_cert_to_PEM_cert MemoryBIO PEM_cert_to_DER_cert cert_time_to_seconds
            get_protocol_name
        """,
        "feeds a generator whose numbers are recorded": "RAND_add",
        VALUE: "DefaultVerifyPaths SSLSession namedtuple socket",
    },
    "_ssl": {
        PURE: "MemoryBIO nid2obj txt2obj",
        "feeds a generator whose numbers are recorded": "RAND_add",
        VALUE: "Certificate SSLSession",
    },
    "_ssl._SSLContext": {
        "a setting of a context, which a replay makes and sets too": """
            check_hostname maximum_version minimum_version num_tickets options
            post_handshake_auth protocol security_level verify_flags verify_mode
        """,
        "loads nothing at replay, and succeeds": "set_default_verify_paths",
    },
    "resource": {VALUE: "struct_rusage"},
    "faulthandler": {
        "tells where threads stand when the process dies, in both runs": "disable enable is_enabled",
    },
    "termios": {},
    "syslog": {PURE: "LOG_MASK LOG_UPTO"},
    "_posixshmem": {},
    "_posixsubprocess": {},
    "datetime": {VALUE: "date datetime time timedelta timezone tzinfo"},
    "datetime.date": {
        PURE: """
            ctime day fromisocalendar fromisoformat fromordinal isocalendar isoformat
            isoweekday month replace strftime timetuple toordinal weekday year
        """,
        ZONE: "fromtimestamp",
        VALUE: "max min resolution",
    },
    "datetime.datetime": {
        PURE: """
            combine ctime date day dst fold fromisocalendar fromisoformat fromordinal hour
            isocalendar isoformat isoweekday microsecond minute month replace second strftime
            strptime time timetuple timetz toordinal tzinfo tzname utcfromtimestamp utcoffset
            utctimetuple weekday year
        """,
        ZONE: "astimezone fromtimestamp timestamp",
        VALUE: "max min resolution",
    },
}

LOOK = """
import enum, importlib, inspect, json, os, sys

def names(owner):
    for name in dir(owner):
        value = getattr(owner, name, None)
        is_member = isinstance(owner, type) and not callable(value) and not name.startswith("_")
        is_type = isinstance(value, type) and issubclass(value, (BaseException, enum.Enum, enum.EnumType))
        if not name.startswith("_") and not is_type and (callable(value) or is_member):
            yield name

def raw(owner, name):
    return inspect.getattr_static(owner, name)

owners = {}
for name in json.loads(sys.argv[1]):
    module, _, cls = name.partition(".")
    owner = importlib.import_module(module)
    owners[name] = getattr(owner, cls) if cls else owner
before = {name: {one: raw(owner, one) for one in names(owner)} for name, owner in owners.items()}

from replay.runtime import launcher
launcher._load_modules()
from replay.runtime import environment, unrecorded
from replay.runtime.boundary import output, signals
from replay.runtime.install import install
from replay.runtime.worlds.live import LiveWorld

write, leave = os.write, os._exit
header = {"streams": output.describe_streams(), "signals": signals.initial_dispositions()}
unrecorded.install(install(LiveWorld(), None, {**environment.describe(frozenset()), **header}))
found = {
    name: {one: raw(owner, one) is not value for one, value in before[name].items()}
    for name, owner in owners.items()
}
write(1, json.dumps(found).encode())
leave(0)
"""


@pytest.fixture(scope="module")
def is_recorded() -> dict[str, dict[str, bool]]:
    """Return, for each owner and each of its public names, whether the boundary replaces it."""
    ran = subprocess.run(
        [sys.executable, "-c", LOOK, json.dumps(list(HARMLESS))],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, dict[str, bool]] = json.loads(ran.stdout)
    return found


def listed(owner: str, *, version: tuple[int, ...] = sys.version_info[:2]) -> list[str]:
    """Return the names that are listed for an owner, as far as this Python should have them."""
    found = []
    for word in " ".join(HARMLESS[owner].values()).split():
        name, sign, limit = re.fullmatch(r"(\w+)(?:(>=|<)(\d+\.\d+))?", word).groups()  # type: ignore[union-attr]
        since = tuple(map(int, limit.split("."))) if limit else (0, 0)
        if not sign or (version >= since if sign == ">=" else version < since):
            found.append(name)
    return found


@pytest.mark.parametrize("owner", HARMLESS)
def test_each_name_is_recorded_or_known_to_be_harmless(
    owner: str, is_recorded: dict[str, dict[str, bool]]
) -> None:
    unknown = {name for name, recorded in is_recorded[owner].items() if not recorded} - set(listed(owner))
    assert unknown == set(), "make it a door (boundary/), or list it here with the reason why it needs none"


@pytest.mark.parametrize("owner", HARMLESS)
def test_what_is_listed_is_there_and_is_no_door(owner: str, is_recorded: dict[str, dict[str, bool]]) -> None:
    names = listed(owner)
    assert sorted(names) == sorted(set(names)), "each name has one reason"
    gone = set(names) - set(is_recorded[owner])
    assert gone == set(), "not in this Python: say so (`name<3.13`), or take it off the list"
    doors = {name for name in names if is_recorded[owner][name]}
    assert doors == set(), "recorded: take it off the list"


def test_the_look_sees_doors(is_recorded: dict[str, dict[str, bool]]) -> None:
    """A test that finds nothing to complain of must have looked."""
    for owner, name in (
        ("os", "read"),
        ("os", "fork"),
        ("_socket.socket", "recv"),
        ("time", "monotonic"),
        ("datetime.datetime", "now"),
        ("resource", "getrusage"),
        ("_thread", "start_new_thread"),
        ("_posixsubprocess", "fork_exec"),
        ("fcntl", "ioctl"),
    ):
        assert is_recorded[owner][name], f"{owner}.{name}"
    assert sum(map(len, is_recorded.values())) > 550
