"""Starts a recorded or replayed run: a clean interpreter, the boundary, then the program.

The interpreter is started anew for each run, since the seed of string hashes is fixed when it
starts, and since the boundary must be in place before anything of the program is imported.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import secrets
import signal
import subprocess
import sys
import time
from typing import Any, Final, NoReturn

from replay.errors import ReplayError, UnreadableRecording, UsageError
from replay.options import ExitCode, PlayOptions, RecordOptions

_BOOT: Final = (
    "import sys; sys.flags.safe_path or sys.path.pop(0); "
    "from replay.runtime.launcher import main; main(sys.argv[1])"
)

ENVIRONMENT: Final = frozenset(
    "HOME LANG LANGUAGE LC_ALL LC_COLLATE LC_CTYPE LC_MESSAGES LC_MONETARY LC_NUMERIC LC_TIME LOGNAME NO_COLOR "
    "FORCE_COLOR COLORTERM COLUMNS LINES PATH PWD OLDPWD SHELL SHLVL TEMP TERM TMP TMPDIR TZ USER VIRTUAL_ENV XDG_CACHE_HOME "
    "XDG_CONFIG_HOME XDG_DATA_HOME XDG_RUNTIME_DIR CI DEBUG HOSTNAME _ "
    "PYTHONASYNCIODEBUG PYTHONDEVMODE PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONUNBUFFERED PYTHONUTF8 PYTHONWARNINGS "
    "PYTHONIOENCODING PYTHONFAULTHANDLER PYTHONTRACEMALLOC PYTEST_CURRENT_TEST".split()
)
"""Variables whose values are kept in every recording."""


def launch_record(options: RecordOptions) -> NoReturn:
    """Become the recorded program.

    Raises:
      UsageError: the program cannot be recorded; nothing was started.
    """
    seed = os.environ.get("PYTHONHASHSEED", "random")
    if seed == "random":
        seed = str(secrets.randbelow(2**32 - 1) + 1)
    _start(
        {
            "mode": "record",
            "output": options.output,
            "on_failure": options.on_failure,
            "timeout_s": options.timeout_s,
            "redact": options.redact,
            "redact_env": options.redact_env,
            "target": options.target,
            "argv": options.argv,
            "own_seed": os.environ.get("PYTHONHASHSEED"),
        },
        seed,
        subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]
    )


def launch_play(options: PlayOptions) -> NoReturn:
    """Become the replayed program.

    Raises:
      UnreadableRecording: the file is no recording, or not one of this version.
      ReplayError: it cannot be replayed here.
    """
    from replay.recording.reader import RecordingFile

    with RecordingFile.open(options.recording) as file:
        header: dict[str, Any] = dict(file.header)
    check_interpreter(header)
    _start(
        {"mode": "play", "recording": options.recording, "source": options.source},
        str(header["hash_seed"]),
        [str(flag) for flag in header["flags"]],
    )


def check_interpreter(header: dict[str, Any]) -> None:
    """Refuse a recording made by another Python.

    Raises:
      ReplayError: the versions differ; says which.
    """
    recorded, here = str(header["python"]), platform.python_version()
    if recorded != here:
        raise ReplayError(
            f"recorded with Python {recorded}, this is Python {here}; another Python runs another program",
            hint=f"run `replay play` with Python {recorded}; `replay info` and `replay events` work with any",
        )


def _start(job: dict[str, Any], seed: str, flags: list[str]) -> NoReturn:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *flags, "-c", _BOOT, json.dumps({**job, "flags": flags})], environment)


def main(job_text: str) -> NoReturn:
    """Run the job in this clean interpreter, and end it."""
    job: dict[str, Any] = json.loads(job_text)
    try:
        if job["mode"] == "record":
            _record(job)
        else:
            _play(job)
    except UnreadableRecording as error:
        _fail(error, ExitCode.PROGRAM_UNREADABLE)
    except ReplayError as error:
        _fail(error, ExitCode.PROGRAM_USAGE)


def _fail(error: ReplayError, code: ExitCode) -> NoReturn:
    from replay.runtime import real

    hint = f"\n\nhint: {error.hint}" if error.hint else ""
    real.write(real.stderr_fd, f"replay: {error}{hint}\n".encode())
    real.exit_now(code)


def _record(job: dict[str, Any]) -> NoReturn:
    from replay.recording.writer import RecordingWriter
    from replay.runtime import program
    from replay.runtime.boundary import output, signals
    from replay.runtime.install import install
    from replay.runtime.worlds.live import LiveWorld

    seed = os.environ.pop("PYTHONHASHSEED")
    if job["own_seed"] is not None:
        os.environ["PYTHONHASHSEED"] = job["own_seed"]
    target = job["target"]
    argv = [_locate(target, job["argv"][0]), *job["argv"][1:]]
    header: dict[str, Any] = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": sys.platform,
        "machine": platform.machine(),
        "hash_seed": seed,
        "flags": job["flags"],
        "target": target,
        "argv": argv,
        "first_path": _first_path(target, argv[0]),
        "cwd": os.getcwd(),
        "prefix": sys.prefix,
        "environment": {name: value for name, value in os.environ.items() if name in ENVIRONMENT},
        "environment_left_out": sorted(name for name in os.environ if name not in ENVIRONMENT),
        "started": time.time(),
        "timezone": [time.timezone, list(time.tzname)],
        "streams": output.describe_streams(),
        "signals": signals.initial_dispositions(),
    }
    world = LiveWorld()
    boundary = install(world, None, header)
    header["doors"] = list(boundary.names.tags)
    part = f"{job['output']}.part" if job["on_failure"] else job["output"]
    try:
        world.open(RecordingWriter(part, header))
    except OSError as problem:
        raise UsageError(f"the recording cannot be written: {problem}") from None
    report = _Report(world, job["output"], part, job["on_failure"])
    _run(boundary, header, program.read_source, report)


def _play(job: dict[str, Any]) -> NoReturn:
    from replay.recording.reader import RecordingFile
    from replay.runtime.divergence import Reporter
    from replay.runtime.install import install
    from replay.runtime import program
    from replay.runtime.worlds.recorded import RecordedWorld

    file = RecordingFile.open(job["recording"])
    header: dict[str, Any] = dict(file.header)
    os.environ.clear()
    os.environ.update(header["environment"])
    reporter = Reporter(job["recording"])
    names = [str(name) for name in header["doors"]]
    world = RecordedWorld(file, names, reporter.stop)
    boundary = install(world, names, header)
    _run(boundary, header, program.read_source, None)


def _run(boundary: Any, header: dict[str, Any], source: Any, report: _Report | None) -> NoReturn:
    """Run the program in the installed boundary, and end the process as it ends."""
    from replay.runtime import program, real
    from replay.runtime.boundary import threads

    world = boundary.world
    target, argv = header["target"], list(header["argv"])
    program.prepare(target, argv, header["first_path"])
    gc.collect()
    world.begin()
    threads.begin_main(world)
    boundary.start()
    how, detail = program.run(target, argv[0], source)
    world.close(how, detail)
    if report is not None:
        report.show(failed=(how, detail) != ("exit", 0))
    if how == "signal":
        real.set_handler(signal.SIGINT, signal.SIG_DFL)
        os.kill(real.getpid(), signal.SIGINT)
    assert isinstance(detail, int)
    real.exit_now(detail)


class _Report:
    """The two lines that `record` ends with."""

    def __init__(self, world: Any, output: str, part: str, on_failure: bool) -> None:
        self._world = world
        self._output = output
        self._part = part
        self._on_failure = on_failure
        self._started = time.monotonic()

    def show(self, *, failed: bool) -> None:
        """Say what was recorded, and how to look at it; keep or drop what is kept on failure only."""
        from replay.runtime import real

        if self._world.is_abandoned:
            return
        if self._on_failure:
            if not failed:
                os.unlink(self._part)
                return
            os.replace(self._part, self._output)
        world = self._world
        name = os.path.relpath(self._output)
        name = self._output if name.startswith("..") else name
        text = (
            f"replay: recorded {name}  {world.events_count} events, {world.tasks_count} tasks, "
            f"{_seconds(real.monotonic() - self._started)}, {_bytes(world.bytes_written)}{'  FAILED' if failed else ''}\n"
            f"replay: next: replay play {name}\n"
        )
        real.write(real.stderr_fd, text.encode())


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(count / 1e3, 0.1):.1f} KB"


def _locate(target: str, name: str) -> str:
    """Return the path of a command; scripts and modules stay as named."""
    if target != "command":
        return name
    import shutil

    beside = os.path.join(os.path.dirname(sys.executable), name)
    found = beside if os.path.isfile(beside) else shutil.which(name)
    if found is None:
        raise UsageError(f"no such command: {name}")
    with open(found, "rb") as file:
        first = file.readline(200)
    if not first.startswith(b"#!") or b"python" not in first:
        raise UsageError(
            f"{name} ({found}) is not a Python program; only programs of this Python can be recorded",
            hint="`replay record app.py` or `replay record -m MODULE`",
        )
    return found


def _first_path(target: str, name: str) -> str | None:
    if sys.flags.safe_path:
        return None
    if target == "module":
        return os.getcwd()
    real_path = os.path.realpath(name)
    return real_path if os.path.isdir(real_path) or real_path.endswith((".zip", ".pyz")) else os.path.dirname(real_path)
