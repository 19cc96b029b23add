"""The programs of this folder, and what each needs to run.

A file with no entry here is a program that needs nothing and exits with 0. The replay of those in `LEAKS`
must be caught as a divergence; those in `CUT` are ended from outside, so that their recording is cut.

Arguments may name what the harness provides, in braces: `{tls}` is a folder with `cert.pem` and `key.pem`
(for localhost and 127.0.0.1), `{http}`, `{redis}` and `{postgres}` are addresses, `host:port`, `{sink}` is
the port of a listener that keeps what it is sent, and `{toggle}` a file that is there only for a replay.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Program:
    """One program, run in one way.

    Args:
      file: in this folder, without `.py`.
      variant: what tells it from other entries of the same file.
      args: its arguments; see the module's docstring for names in braces.
      stdin: what it reads, None for an empty standard input.
      inputs: files that lie in its working folder when it starts, by name.
      peers: what it is given while it is recorded: `tls`, `http`, `redis`, `postgres`, `sink`, `toggle`.
      needs: modules it imports that may be missing.
      min_python: below this version it is skipped.
      exit_code: as `subprocess` gives it; negative is a signal.
      plain_exit_codes: with what else plain Python may end, which has bugs of its own in the last moments of a process.
      signals: what the harness sends: for each signal, after which line of the program's output.
      slow: left out of the default run.
    """

    file: str
    variant: str = ""
    args: tuple[str, ...] = ()
    stdin: str | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    peers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    min_python: tuple[int, int] = (3, 11)
    exit_code: int = 0
    plain_exit_codes: tuple[int, ...] = ()
    signals: tuple[tuple[str, signal.Signals], ...] = ()
    slow: bool = False

    @property
    def name(self) -> str:
        return f"{self.file}-{self.variant}" if self.variant else self.file

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.file}.py"


STDIN = "Ann\nsecond line\nabcdef\none\ntwo\n" + "".join(f"line {n}\n" for n in range(500))
WORDS = "".join(f"word{n} {n * n}\n" for n in range(200))
TABLE = "name,amount\nann,3\nbob,14\neve,-5\n"
SETTINGS = "[server]\nport = 8080\nhost = localhost\n[paths]\nhome = ${server:host}/home\n"

LISTED = (
    # leaving
    Program("uncaught", exit_code=1),
    Program("uncaught_with_files_open", exit_code=1),
    Program("tracebacks", exit_code=-signal.SIGINT),
    Program("failing_taskgroup", exit_code=1),
    Program("bank", exit_code=1),
    Program("daemons", args=("sleeps", "takes", "waits", "turns")),
    Program("deadlocks", args=("locks", "SIGINT"), exit_code=-signal.SIGINT),
    Program("exit_codes", "3", args=("3",), exit_code=3),
    Program("exit_codes", "0", args=("0",)),
    Program("exit_codes", "256", args=("256",)),
    Program("exit_codes", "none", args=("none",)),
    Program("exit_codes", "message", args=("message",), exit_code=1),
    Program("exit_codes", "raise", args=("raise",), exit_code=7),
    Program("exit_codes", "at-once", args=("at-once",), exit_code=9),
    Program("exit_codes", "abort", args=("abort",), exit_code=-signal.SIGABRT),
    Program("exit_codes", "no-argument", exit_code=1),
    # Daemon threads that print while CPython ends: now and then it aborts, or crashes, all by itself.
    Program("threads_outliving", plain_exit_codes=(-signal.SIGABRT, -signal.SIGSEGV)),
    Program("gc_without_loop", slow=True),
    # signals
    Program("interrupted", signals=(("READY", signal.SIGINT),), exit_code=-signal.SIGINT),
    Program(
        "interrupted_blocking",
        signals=tuple((f"READY {what}", signal.SIGINT) for what in ("sleep", "lock", "event", "last")),
        exit_code=-signal.SIGINT,
    ),
    Program("signals_in_effects", signals=(("READY", signal.SIGINT),)),
    Program("graceful_shutdown", "TERM", signals=(("READY", signal.SIGTERM),)),
    Program("graceful_shutdown", "HUP", signals=(("READY", signal.SIGHUP),)),
    # TLS
    Program("tls_streams", args=("{tls}",), peers=("tls",)),
    Program("tls_upgrade", args=("{tls}",), peers=("tls",)),
    Program("tls_blocking_client", args=("{tls}",), peers=("tls",)),
    # files
    Program("files_read_write", inputs={"words.txt": WORDS}),
    Program("files_formats", inputs={"table.csv": TABLE, "settings.ini": SETTINGS}),
    # libraries
    Program("lib_aiohttp", needs=("aiohttp",)),
    Program("lib_aiohttp_websocket", needs=("aiohttp",)),
    Program("lib_httpx", args=("{http}",), peers=("http",), needs=("httpx",)),
    Program("lib_aiohttp_set", needs=("aiohttp",)),
    Program("lib_websockets", needs=("websockets",)),
    Program("lib_uvicorn_fastapi", needs=("uvicorn", "fastapi", "httpx")),
    Program("lib_starlette_testclient", needs=("starlette", "httpx")),
    Program("kitchen", "asyncio", args=("asyncio",), needs=("anyio",)),
    Program("kitchen", "trio", args=("trio",), needs=("anyio", "trio")),
    Program("lib_anyio", "asyncio", args=("asyncio",), needs=("anyio",)),
    Program("lib_anyio", "trio", args=("trio",), needs=("anyio", "trio")),
    Program("lib_anyio", "both", args=("asyncio", "trio"), needs=("anyio", "trio")),
    Program("lib_redis", args=("{redis}",), peers=("redis",), needs=("redis",)),
    Program("lib_asyncpg", args=("{postgres}",), peers=("postgres",), needs=("asyncpg",)),
    # trio
    *(
        Program(f"trio_{name}", needs=("trio",))
        for name in ("echo", "threads", "thread_runs", "subprocess", "batch_order", "cancel")
    ),
    *(
        Program(f"trio_{name}", needs=("trio",))
        for name in ("channels", "files", "signals", "asyncgens", "after_asyncio", "everything", "wakes")
    ),
    Program("trio_tls", args=("{tls}",), peers=("tls",), needs=("trio",)),
    Program("trio_exception_group", needs=("trio",), exit_code=1),
    Program("trio_interrupted", needs=("trio",), signals=(("READY", signal.SIGINT),)),
    Program("lib_trio_httpx", args=("{http}",), peers=("http",), needs=("httpx", "trio")),
    Program("lib_trio_websocket", needs=("trio_websocket",)),
    Program("lib_trio_hypercorn", needs=("hypercorn", "httpx", "trio")),
    # standard input
    Program("stdin_lines", stdin=STDIN),
    Program("stdin_stream", stdin="one\ntwo\nthree\n"),
    Program("environment", args=("an argument", "--option", "ünïcode")),
)


TURNS = "turn", "task", "fewer", "early", "clock", "exit", "raise"
REFUSALS = "not", "sooner", "later", "mask", "other"
ARGUMENTS = (
    *(
        "sendto",
        "sendall",
        "sendmsg",
        "write",
        "file",
        "text",
        "argv",
        "input",
        "environment",
        "connect",
        "path",
    ),
    *("folder", "option", "shutdown", "signal", "descriptor", "stderr", "locks", "handshake", "swallowed"),
)


def _toggled(file: str, *args: str) -> Program:
    return Program(file, "-".join(args), args=("{toggle}", *args), peers=("toggle",))


LEAKS = (
    Program("leak_unrecorded"),
    Program("leak_addresses"),
    _toggled("leak_other_bytes"),
    _toggled("leak_fewer_bytes"),
    _toggled("leak_other_order"),
    _toggled("leak_trio_order"),
    *(_toggled("leak_other_turns", kind) for kind in TURNS),
    *(_toggled("leak_other_arguments", kind) for kind in ARGUMENTS),
    *(_toggled("leak_other_refusals", kind) for kind in REFUSALS),
)

CUT = (
    Program(
        "killed",
        args=("{sink}",),
        peers=("sink",),
        signals=(("sending 250", signal.SIGKILL),),
        exit_code=-signal.SIGKILL,
    ),
    Program("terminated", signals=(("READY", signal.SIGTERM),), exit_code=-signal.SIGTERM),
    Program("trio_deadlock", needs=("trio",), signals=(("READY", signal.SIGTERM),), exit_code=-signal.SIGTERM),
    Program("trio_hangs", args=("locks,outside",), needs=("trio",), exit_code=-signal.SIGTERM),
)


def _unlisted() -> list[Program]:
    listed = {program.file for program in (*LISTED, *LEAKS, *CUT)} | {"catalogue"}
    files = sorted(path.stem for path in FOLDER.glob("*.py"))
    return [Program(file) for file in files if file not in listed]


PROGRAMS = (*LISTED, *_unlisted())

FIRST = frozenset(
    """
    uncaught failing_taskgroup bank daemons deadlocks exit_codes-3 interrupted tls_streams files_read_write
    databases lib_aiohttp lib_websockets lib_anyio-both lib_redis lib_asyncpg trio_echo trio_threads
    trio_batch_order lib_trio_httpx stdin_lines environment echo_streams blocking_sockets unix_sockets udp
    subprocess_pipes threads_primitives two_loops clocks scheduling timeouts eager_tasks order_of_sets
    gc_finalizers signals_to_itself output_ways context_and_names kitchen-asyncio killed terminated
    trio_deadlock leak_unrecorded leak_addresses leak_other_bytes leak_fewer_bytes leak_other_order
    leak_trio_order leak_other_turns-turn leak_other_turns-clock leak_other_arguments-sendto
    leak_other_arguments-argv leak_other_arguments-path leak_other_refusals-not small_messages
    """.split()
)
"""What the default run records and replays: one of each kind of program. The others are `more`."""
