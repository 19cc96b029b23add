"""CPython's own tests of asyncio: plainly, on our loop without a recorder, and under the recorder.

No test may fail on our loop or under the recorder that does not fail plainly. The few that cannot pass
under a recorder are named below, each with its reason.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.replays.harness import Ran
from tests.suites.suites import Way, Words, compare, run_suite

PACKAGE = "test.test_asyncio"

SIGNAL_MODULE = (
    "puts a mock in the place of the module `signal` and asserts how asyncio calls `signal.set_wakeup_fd` or"
    " `signal.signal`; handlers of a loop are in the recorder's own table"
)
SIGNALS = f"{PACKAGE}.test_unix_events.SelectorEventLoopSignalTests"
IMPOSSIBLE = {
    f"{SIGNALS}.{name}": SIGNAL_MODULE
    for name in (
        "test_add_signal_handler_install_error",
        "test_add_signal_handler_install_error2",
        "test_add_signal_handler_install_error3",
        "test_add_signal_handler_setup_error",
        "test_close",
        "test_remove_signal_handler",
        "test_remove_signal_handler_2",
        "test_remove_signal_handler_error",
        "test_remove_signal_handler_error2",
    )
}


def modules() -> list[str]:
    """Return the names of the modules of the suite, if this interpreter has it."""
    try:
        spec = importlib.util.find_spec(PACKAGE)
    except ModuleNotFoundError:  # some distributions leave out the package `test`
        spec = None
    folders = (spec.submodule_search_locations or []) if spec is not None else []
    return sorted(path.stem for folder in folders for path in Path(folder).glob("test_*.py"))


def test_the_suite_is_there() -> None:
    if not modules():
        pytest.skip(f"this interpreter comes without {PACKAGE}")
    assert "test_tasks" in modules()


@pytest.mark.slow
@pytest.mark.parametrize("module", modules())
def test_what_passes_plainly_passes_on_our_loop_and_under_the_recorder(module: str, tmp_path: Path) -> None:
    def run_in(way: Way) -> tuple[Words, Ran]:
        return run_suite(way, tmp_path, [f"{PACKAGE}.{module}"])

    compare(("ours", "recorded"), run_in, IMPOSSIBLE)
