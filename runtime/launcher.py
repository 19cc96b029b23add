"""Starts a recorded or replayed run: a clean interpreter, the boundary, then the program.

The interpreter is started anew for each run, since the seed of string hashes is fixed when it
starts, and since the boundary must be in place before anything of the program is imported.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NoReturn

from replay.errors import ReplayError, UnreadableRecording, UsageError
from replay.options import ExitCode, PlayOptions, RecordOptions

if TYPE_CHECKING:
    from replay.runtime.report import Report

_KEPT_BYTES: Final = 32_000_000
"""Up to so many bytes of events are read once; more are read twice, for sources come late in a file."""

_BOOT: Final = (
    "import sys; __name__ = 'replay.runtime.boot'; sys.flags.safe_path or sys.path.pop(0); "
    "sys.path.append(sys.argv[2]); from replay.runtime.launcher import main; main(sys.argv[1])"
)
_ROOT: Final = __file__.rsplit("/", 3)[0]
"""Where the package `replay` lies; in a checkout that may be on nobody's path."""

_ZIP_END: Final = b"PK\5\6"
_ZIP_END_BYTES: Final = 22 + 65535
"""A zip file has this mark in its last bytes, before a comment of its own."""

_MODULES: Final = (
    "encodings.idna",
    "replay.recording.distributions",
    "replay.recording.drift",
    "replay.recording.merge",
    "replay.recording.reader",
    "replay.recording.redaction",
    "replay.recording.sources",
    "replay.recording.writer",
    "replay.runtime.divergence",
    "replay.runtime.ending",
    "replay.runtime.environment",
    "replay.runtime.install",
    "replay.runtime.program",
    "replay.runtime.redaction",
    "replay.runtime.report",
    "replay.runtime.sources",
    "replay.runtime.unrecorded",
    "replay.runtime.worlds.live",
    "replay.runtime.worlds.recorded",
)


def launch_record(options: RecordOptions) -> NoReturn:
    """Become the recorded program.

    Raises:
      UsageError: a pattern cannot be used; nothing was started.
    """
    seed = os.environ.get("PYTHONHASHSEED", "random")
    if seed == "random":
        seed = str(int.from_bytes(os.urandom(8)) % (2**32 - 1) + 1)
    _check_patterns(options.redact)
    name = options.argv[0]
    first_path = _first_path(options.target, name)
    _start(
        {
            "mode": "record",
            "output": options.output,
            "on_failure": options.on_failure,
            "timeout_s": options.timeout_s,
            "redact": options.redact,
            "redact_env": options.redact_env,
            "keep_env": options.keep_env,
            "must_record": options.must_record,
            "target": options.target,
            "argv": list(options.argv),
            "first_path": first_path,
            "own_replay": _own_replay(first_path),
            "script": _script(options.target, name),
            "own_seed": os.environ.get("PYTHONHASHSEED"),
        },
        subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]
        {**os.environ, "PYTHONHASHSEED": seed},
    )


def launch_play(options: PlayOptions) -> NoReturn:
    """Become the replayed program.

    Raises:
      UnreadableRecording: the file is no recording, or not one of this version, or its header makes no sense.
      ReplayError: it cannot be replayed here.
    """
    _start_replay(
        {
            "mode": "play",
            "recording": options.recording,
            "source": options.source,
            "timeout_s": options.timeout_s,
        }
    )


def become_debuggee(job: dict[str, Any]) -> NoReturn:
    """Become a replayed program that a client tells what to do, as ``job`` says: see ``replay.timeline``."""
    try:
        _start_replay({**job, "mode": "debug", "timeout_s": None})
    except UnreadableRecording as error:
        _fail(error, ExitCode.PROGRAM_UNREADABLE)
    except ReplayError as error:
        _fail(error, ExitCode.PROGRAM_USAGE)


def become_simulation(job: dict[str, Any]) -> NoReturn:
    """Become a process that runs a program in the simulated world, as often as its client asks.

    Args:
      job: ``target`` and ``argv`` of the program, ``fd`` of the client, ``setting`` of the world.
    """
    from replay.runtime.warming import imports_of

    target, name = job["target"], job["argv"][0]
    first_path = _first_path(target, name)
    script = _script(target, name)
    _fill_streams()
    _start(
        {
            **job,
            "mode": "simulate",
            "keep_env": [],
            "first_path": first_path,
            "own_replay": _own_replay(first_path),
            "script": script,
            "own_seed": os.environ.get("PYTHONHASHSEED"),
            "warm": [] if script is None else imports_of(script, first_path),
        },
        subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]
        {**os.environ, "PYTHONHASHSEED": str(job["setting"]["seed"] % (2**32 - 1))},
    )


def _start_replay(job: dict[str, Any]) -> NoReturn:
    from replay.recording.drift import check_interpreter
    from replay.recording.header import check_header
    from replay.recording.reader import RecordingFile
    from replay.runtime import environment

    with RecordingFile.open(job["recording"]) as file:
        header: dict[str, Any] = dict(file.header)
    check_header(header, job["recording"])
    check_interpreter(header)
    _fill_streams()
    _start(
        job,
        header["flags"],
        {**environment.startup(header), "PYTHONHASHSEED": header["hash_seed"]},
    )


def _fill_streams() -> None:
    """Make sure that nothing else gets the numbers of the standard streams, and that nothing reads stdin.

    A closed stdout loses what a replay shows, not what it compares.
    """
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.set_inheritable(0, True)
    for fd in (1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.dup2(null, fd)
    if null > 2:
        os.close(null)
    else:
        os.set_inheritable(null, True)


def _start(job: dict[str, Any], flags: list[str], environment: dict[str, str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(
        sys.executable,
        [sys.executable, *flags, "-c", _BOOT, json.dumps({**job, "flags": flags}), _ROOT],
        environment,
    )


def main(job_text: str) -> NoReturn:
    """Run the job in this clean interpreter, and end it."""
    job: dict[str, Any] = json.loads(job_text)
    _load_modules()
    sys.path.pop()
    try:
        if job["mode"] == "record":
            _record(job)
        elif job["mode"] == "simulate":
            _simulate(job)
        else:
            _play(job)
    except UnreadableRecording as error:
        _fail(error, ExitCode.PROGRAM_UNREADABLE)
    except ReplayError as error:
        _fail(error, ExitCode.PROGRAM_USAGE)


def _fail(error: ReplayError, code: ExitCode) -> NoReturn:
    from replay.runtime import real
    from replay.runtime.report import tell

    tell(f"{error}\n\nhint: {error.hint}" if error.hint else f"{error}")
    real.exit_now(code)


def _load_modules() -> None:
    """Load all that either run loads, in one order: programs look through ``sys.modules``."""
    for name in _MODULES:
        importlib.import_module(name)


def _hide_files() -> None:
    """Take the files of our modules from who looks through ``sys.modules`` (``inspect`` does).

    They would be looked at by doors, and may lie elsewhere at replay.
    """
    for name, module in list(sys.modules.items()):
        if name == "replay" or name.startswith("replay."):
            vars(module).pop("__file__", None)
            vars(module).pop("__cached__", None)


_hidden: Final[list[Any]] = []
"""Modules of ours that are no longer in ``sys.modules``; their functions live on by them."""


def _hide_package() -> None:
    """Leave the name ``replay`` to the program; nothing of ours is imported while it runs."""
    for name in list(sys.modules):
        if name == "replay" or name.startswith("replay."):
            _hidden.append(sys.modules.pop(name))


def _record(job: dict[str, Any]) -> NoReturn:
    from replay.recording.writer import RecordingWriter
    from replay.runtime import environment, redaction, sources, unrecorded
    from replay.runtime.ending import Ender
    from replay.runtime.install import install
    from replay.runtime.report import Report, tell
    from replay.runtime.worlds.live import LiveWorld

    redacted = frozenset(job["redact_env"])
    kept = environment.kept(job["keep_env"], redacted)
    values = [_findable(name, os.environ[name]) for name in redacted if os.environ.get(name)]
    secrets_ = redaction.Redaction(job["redact"], values + environment.secrets_in(job["argv"]))
    header = _header(job, kept)
    header["redaction"] = redaction.describe(job["redact"], sorted(redacted))
    world = LiveWorld()
    boundary = install(world, None, header)
    read_script = sources.record(boundary)
    unrecorded.install(boundary)
    environment.record(boundary, kept, redacted, secrets_.learn)
    header["doors"] = list(boundary.names.tags)
    report = Report(world, job["output"], job["on_failure"], secrets_)
    try:
        world.open(RecordingWriter(report.first_path, secrets_.header(header)))
    except OSError as problem:
        if job["must_record"]:
            raise UsageError(f"the recording cannot be written: {problem.strerror}") from None
        world.do_without()
        report.forgo(problem)
    else:
        secrets_.install(boundary)
    Ender(world, report).install(job["timeout_s"])
    if header["own_replay"] is not None:
        tell(f"`import replay` in the program is its own {header['own_replay']}")
    _run(boundary, header, read_script, report)


def _simulate(job: dict[str, Any]) -> NoReturn:
    from replay.runtime import environment, redaction, sources, unrecorded
    from replay.runtime.decisions.fifo import Fifo
    from replay.runtime.install import install

    before = set(sys.modules)
    from replay.runtime import program, simulation
    from replay.runtime.trio_.simulated import SimulatedHooks
    from replay.runtime.worlds.simulated.world import SimulatedWorld, setting_of

    # No replay has them: programs look through `sys.modules`.
    for name in set(sys.modules) - before:
        _hidden.append(sys.modules.pop(name))
    kept = environment.kept([], frozenset())
    secrets_ = redaction.Redaction([], environment.secrets_in(job["argv"]))
    header = _header(job, kept)
    header["redaction"] = redaction.describe([], [])
    header["warm"] = job["warm"]
    header["simulated"] = job["setting"]
    setting = setting_of(job["setting"])
    header["started"] = setting.start_s
    world = SimulatedWorld(setting, Fifo(), job["overlay"])
    world.trio_hooks = SimulatedHooks
    boundary = install(world, None, header)
    read_script = sources.record(boundary)
    unrecorded.install(boundary)
    environment.record(boundary, kept, frozenset(), secrets_.learn)
    header["doors"] = list(boundary.names.tags)
    secrets_.install(boundary)
    program.prepare(header["target"], list(header["argv"]), header["first_path"])
    _hide_files()
    if header["own_replay"] is not None:
        _hide_package()
    gc.collect()
    simulation.begin(boundary, header["target"], header, job, read_script)


def _header(job: dict[str, Any], kept: frozenset[str]) -> dict[str, Any]:
    """Return what a recording says first, of this interpreter and what it is to run."""
    from replay.recording import distributions
    from replay.runtime import environment
    from replay.runtime.boundary import output, signals

    seed = os.environ.pop("PYTHONHASHSEED")
    if job["own_seed"] is not None:
        os.environ["PYTHONHASHSEED"] = job["own_seed"]
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": sys.platform,
        "machine": os.uname().machine,  # not `platform`, which would remember it for the program
        "hash_seed": seed,
        "flags": job["flags"],
        "target": job["target"],
        "argv": job["argv"],
        "first_path": job["first_path"],
        "script": job["script"],
        "own_replay": job["own_replay"],
        "path": list(sys.path),
        "distributions": distributions.installed(sys.path),
        "executable": sys.executable,
        "cwd": os.getcwd(),
        "prefix": sys.prefix,
        **environment.describe(kept),
        "started": time.time(),
        "streams": output.describe_streams(),
        "signals": signals.initial_dispositions(),
    }


def _play(job: dict[str, Any]) -> NoReturn:
    from replay.recording import drift
    from replay.recording.reader import RecordingFile
    from replay.recording.redaction import was_redacted
    from replay.recording.sources import Sources
    from replay.runtime import environment, program, redaction, sources, unrecorded
    from replay.runtime.divergence import Reporter
    from replay.runtime.ending import Ending, first_items, limit_replay, watch_replay
    from replay.runtime.install import install

    path = job["recording"]
    file = RecordingFile.open(path)
    header: dict[str, Any] = dict(file.header)
    # Copies of a debugged process share what is not there yet.
    kept: list[list[Any]] | None = [] if job["mode"] == "play" else None

    def read() -> Iterator[Any]:
        nonlocal kept
        for chunk in file.runs():
            if kept is not None:
                kept.append(chunk)
                if file.sizes.raw_bytes > _KEPT_BYTES:
                    kept = None
            yield from chunk

    ending = Ending(is_going_on=file.is_being_written)
    found = Sources.of_frames(ending.watch(read()))
    chunks = file.runs() if kept is None else _letting_go(kept)
    drift.check(header, found, job["source"])
    found.is_redacted = found.is_redacted or was_redacted(header, ending.extra)
    environment.restore(header)
    reporter = Reporter(path, found.suspects, drift.suspects(header, found, job["source"]))
    program.on_uncaught.append(reporter.uncaught)
    names: list[str] = header["doors"]
    frames = first_items(chunks, ending.items_count)
    world = _world(job, frames, names, ending, reporter)
    world.is_simulated = world.reorders = "simulated" in header
    boundary = install(world, names, header)
    read_script = sources.replay(found, header, current_files=job["source"] == "current")
    unrecorded.install(boundary)
    environment.replay(boundary, header)
    redaction.replay(boundary, header)
    _restore_paths(header)
    if not ending.is_orderly and job["mode"] == "play":
        watch_replay(world)
    if job["timeout_s"] is not None:
        limit_replay(world, job["timeout_s"])
    _run(boundary, header, read_script, None)


def _letting_go(chunks: list[list[Any]]) -> Iterator[list[Any]]:
    """Yield what was read, and keep none of it: the collector of garbage would go through it at each turn."""
    chunks.reverse()
    while chunks:
        yield chunks.pop()


def _world(job: dict[str, Any], frames: Any, names: list[str], ending: Any, reporter: Any) -> Any:
    """Return the world of a replay: one that goes to its end, or one that is told how far to go."""
    from replay.runtime.worlds.recorded import RecordedWorld

    if job["mode"] == "play":
        return RecordedWorld(frames, names, ending, reporter.stop)
    before = set(sys.modules)
    from replay.runtime.carriers import Greenlets
    from replay.runtime.debuggee.answers import ANSWERS
    from replay.runtime.debuggee.control import Control
    from replay.runtime.debuggee.world import DebuggedWorld

    # The recorded program did not have them: programs look through `sys.modules`.
    for name in set(sys.modules) - before:
        _hidden.append(sys.modules.pop(name))
    control = Control(job["fd"], ANSWERS)
    return DebuggedWorld(control, frames, names, ending, control.ends(reporter), Greenlets())


def _restore_paths(header: dict[str, Any]) -> None:
    """Take over where the recorded interpreter looked for modules, and what it was called."""
    prefix = str(header["prefix"])
    sys.path[:] = [
        sys.prefix + entry[len(prefix) :] if entry.startswith(prefix + "/") else entry
        for entry in header["path"]
    ]
    sys.executable = header["executable"]


def _run(boundary: Any, header: dict[str, Any], source: Any, report: Report | None) -> NoReturn:
    """Run the program in the installed boundary, and end the process as it ends."""
    from replay.runtime import program, real
    from replay.runtime.boundary import threads
    from replay.runtime.ending import die
    from replay.runtime.signals import signals as recorder_signals

    world = boundary.world
    target, argv = header["target"], list(header["argv"])
    program.prepare(target, argv, header["first_path"])
    _hide_files()
    if header.get("own_replay") is not None:
        _hide_package()
    gc.collect()
    world.begin()
    threads.begin_main(world)
    boundary.start()
    if "simulated" in header:
        program.warm(header["warm"])
    start = None if report is None else report.start
    how, detail = program.run(
        target, argv[0], header["script"], source, world.deliver_late_signals, start, boundary.is_alone
    )
    if report is not None:
        report.note()
    world.close(how, detail)
    if report is not None:
        report.show((how, detail) != ("exit", 0))
    assert isinstance(detail, int)
    if how == "signal":
        die(detail, core=report is not None)
    if recorder_signals.fatal:
        die(recorder_signals.fatal, core=True)
    real.exit_now(detail)


def _findable(name: str, secret: str) -> str:
    """Return the value of a variable that is to be redacted, if it can be looked for."""
    from replay.recording.redaction import MIN_SECRET_BYTES

    size = len(secret.encode("utf-8", "surrogateescape"))
    if size < MIN_SECRET_BYTES:
        raise UsageError(
            f"the value of {name} is too short to be redacted wherever it occurs:"
            f" {size} of {MIN_SECRET_BYTES} bytes",
            hint="`--redact REGEX` redacts what stands in a certain place, however short it is",
        )
    return secret


def _check_patterns(patterns: tuple[str, ...]) -> None:
    """Refuse what is a pattern for text, but not for bytes."""
    for pattern in patterns:
        try:
            re.compile(pattern.encode())
        except re.error as error:
            raise UsageError(f"--redact {pattern!r} cannot be matched with bytes: {error.msg}") from None


def _first_path(target: str, name: str) -> str | None:
    if sys.flags.safe_path:
        return None
    if target == "module":
        return os.getcwd()
    real_path = os.path.realpath(name)
    return real_path if _is_importable(name) else os.path.dirname(real_path)


def _own_replay(first_path: str | None) -> str | None:
    """Return the file of a module ``replay`` that the program has of its own, and that it would import.

    Found out here, not in the recorded process: it would know modules then that a replay does not.
    """
    if first_path is None:
        return None
    names = os.path.join("replay", "__init__.py"), "replay.py"
    found: list[str] = []
    if os.path.isdir(first_path):
        found = [name for name in names if os.path.isfile(os.path.join(first_path, name))]
    elif _is_importable(first_path):
        import zipfile

        with zipfile.ZipFile(first_path) as archive:
            found = [name for name in names if name in archive.namelist()]
    if not found:
        return None
    path = os.path.join(first_path, found[0])
    ours = sys.modules["replay"].__file__
    return None if ours is not None and os.path.realpath(path) == os.path.realpath(ours) else path


def _is_importable(path: str) -> bool:
    """Whether a script is a folder or a zip file, whose ``__main__`` the import system finds."""
    if os.path.isdir(path):
        return True
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _ZIP_END_BYTES))
            if _ZIP_END not in file.read():  # the usual case, and importing zipfile takes long
                return False
    except OSError:
        return False
    import zipfile

    return zipfile.is_zipfile(path)


def _script(target: str, name: str) -> str | None:
    if target == "module" or _is_importable(name):
        return None
    return os.path.join(os.getcwd(), name)
