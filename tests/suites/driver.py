"""Runs tests of the standard library and writes down how each ended: `driver.py LOOP RESULTS NAME...`.

LOOP is `as-is`, or `ours` to run them on `replay.EventLoop` without a recorder. RESULTS gets a line for
each test as soon as it has ended, so that it also tells of a run that was killed. The NAMEs are as for
`unittest`; a NAME that begins with `-` is of a test, or the tests of a class or module, to be left out.
"""

from __future__ import annotations

import asyncio
import sys
import unittest
from asyncio import unix_events
from collections.abc import Iterator
from typing import TextIO


class Results(unittest.TextTestResult):
    """Keeps one word for each test: the worst thing that happened in it."""

    ORDER = ("ok", "skipped", "expected", "unexpected", "failed")
    file: TextIO

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().startTest(test)
        self.word = "ok"
        self.file.write(f"started {test.id()}\n")
        self.file.flush()

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().stopTest(test)
        self.file.write(f"{self.word} {test.id()}\n")
        self.file.flush()

    def _note(self, word: str) -> None:
        # What happens outside of any test (setUpClass) has none to be noted for: the summary tells of it.
        self.word = max(self.word, word, key=self.ORDER.index) if hasattr(self, "word") else word

    def addError(self, test, err) -> None:  # type: ignore[no-untyped-def]  # noqa: N802
        super().addError(test, err)
        self._note("failed")

    def addFailure(self, test, err) -> None:  # type: ignore[no-untyped-def]  # noqa: N802
        super().addFailure(test, err)
        self._note("failed")

    def addSubTest(self, test, subtest, err) -> None:  # type: ignore[no-untyped-def]  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note("failed")

    def addSkip(self, test, reason) -> None:  # type: ignore[no-untyped-def]  # noqa: N802
        super().addSkip(test, reason)
        self._note("skipped")

    def addExpectedFailure(self, test, err) -> None:  # type: ignore[no-untyped-def]  # noqa: N802
        super().addExpectedFailure(test, err)
        self._note("expected")

    def addUnexpectedSuccess(self, test) -> None:  # type: ignore[no-untyped-def]  # noqa: N802
        super().addUnexpectedSuccess(test)
        self._note("unexpected")


def each(tests: unittest.TestSuite | unittest.TestCase) -> Iterator[unittest.TestCase]:
    """Yield the tests of a suite, in order."""
    if isinstance(tests, unittest.TestCase):
        yield tests
    else:
        for one in tests:
            yield from each(one)


def use_our_loop() -> None:
    """Make ours the loop of everything in this process, as a program could that wants it by default."""
    from replay import EventLoop

    asyncio.SelectorEventLoop = unix_events.SelectorEventLoop = EventLoop  # type: ignore[misc]
    unix_events._UnixSelectorEventLoop = EventLoop  # type: ignore[misc]
    unix_events._UnixDefaultEventLoopPolicy._loop_factory = EventLoop  # type: ignore[attr-defined]
    if sys.version_info >= (3, 13):
        asyncio.EventLoop = unix_events.EventLoop = EventLoop  # type: ignore[misc]


def main(loop: str, results: str, *names: str) -> int:
    """Run the tests, and return 0 if all of them passed."""
    if loop == "ours":
        use_our_loop()
    with open(results, "w") as file:
        Results.file = file
        wanted = [name for name in names if not name.startswith("-")]
        left_out = tuple(f"{name[1:]}." for name in names if name.startswith("-"))
        try:
            found = unittest.defaultTestLoader.loadTestsFromNames(wanted)
        except unittest.SkipTest:  # a module for another platform
            file.write("finished 0\n")
            return 0
        suite = unittest.TestSuite(test for test in each(found) if not f"{test.id()}.".startswith(left_out))
        runner = unittest.TextTestRunner(
            stream=sys.stderr,
            resultclass=Results,  # pyright: ignore[reportArgumentType]  # the stub wants a class of any stream
            verbosity=0,
        )
        ran = runner.run(suite)
        file.write(f"finished {ran.testsRun}\n")
    return 0 if ran.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
