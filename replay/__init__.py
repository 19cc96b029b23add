"""A flight recorder for async Python: record a run once, run it again exactly, as often as you like.

This module only hands names on, and loads what stands behind a name when the name is first used
(PEP 562): ``import replay`` itself imports nothing. It is the only module outside ``replay.runtime``
and ``replay.cli`` that may name ``replay.runtime``.

In reading order:

* ``errors``, ``positions``, ``options``, ``platforms``, ``labels``: plain data and words, used everywhere;
* ``recording``: the file that a recorded run leaves, how it is written and read;
* ``protocol``: the messages between a debugged replay and its client;
* ``timeline``: that client: a replay that one moves along, forwards and backwards;
* ``simulation``: a process that runs a program again and again in the simulated world, and what
  came of a run;
* ``scenario``: such runs described in YAML, and what must come of them;
* ``exploration``: such runs until the program breaks;
* ``runtime``: what runs inside the user's program, to record it or to replay it;
* ``cli``: the command line.

``errors`` to ``protocol`` are the ground floor: they import the standard library, outcome, msgspec and
zstandard, and nothing above themselves. ``timeline``, ``simulation`` and ``runtime`` import the ground
floor, and the first two start the third in a process of its own; ``scenario`` imports ``simulation``,
``exploration`` both; ``cli`` imports all; ``tests/test_tidy.py`` holds these arrows.
"""

TYPE_CHECKING = False  # typing has one, but importing it would load it
if TYPE_CHECKING:
    from replay.exploration.calls import explore as explore
    from replay.exploration.calls import simulate as simulate
    from replay.recording.recording import Recording
    from replay.runtime.aio.loop import EventLoop as EventLoop
    from replay.runtime.trio_.seams import install_trio as install_trio
    from replay.scenario.scenario import Scenario as Scenario

    open = Recording.open  # noqa: A001 - gzip, io and wave call theirs so too

__version__ = "0.1.0.dev0"

__all__ = ["EventLoop", "Scenario", "explore", "install_trio", "open", "simulate"]

_PLACES = {
    "EventLoop": ("replay.runtime.aio.loop", "EventLoop"),
    "Scenario": ("replay.scenario.scenario", "Scenario"),
    "explore": ("replay.exploration.calls", "explore"),
    "install_trio": ("replay.runtime.trio_.seams", "install_trio"),
    "open": ("replay.recording.recording", "Recording.open"),
    "simulate": ("replay.exploration.calls", "simulate"),
}


if not TYPE_CHECKING:  # else checkers would take any misspelt name for one of ours

    def __getattr__(name: str) -> object:
        """Load the module that a public name comes from, and keep the name here."""
        if name not in _PLACES:
            raise AttributeError(f"module 'replay' has no attribute {name!r}")
        import importlib

        module, path = _PLACES[name]
        value: object = importlib.import_module(module)
        for attribute in path.split("."):
            value = getattr(value, attribute)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING"})
