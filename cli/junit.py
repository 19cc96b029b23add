"""Reports of test runs in the format that JUnit began and test servers read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

_NOT_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold, however it is written."""


@dataclass(frozen=True)
class Case:
    """One test.

    Attributes:
      group: what it belongs to.
      seconds: how long it took.
      status: ``ok``, ``failed`` or ``error``.
      reasons: why it is not ok, in lines.
      output: what the program printed.
    """

    group: str
    name: str
    seconds: float
    file: str
    status: str
    reasons: Sequence[str]
    output: str


def junit(name: str, cases: Sequence[Case]) -> bytes:
    """Return a report, in UTF-8."""
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.status == "failed" for case in cases)),
        "errors": str(sum(case.status == "error" for case in cases)),
        "skipped": "0",
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }
    suites = ET.Element("testsuites", {"name": name, **counts})
    suite = ET.SubElement(suites, "testsuite", {"name": name, **counts})
    for case in cases:
        told = {"classname": case.group, "name": case.name, "file": case.file, "time": f"{case.seconds:.3f}"}
        element = ET.SubElement(suite, "testcase", {key: _text(value) for key, value in told.items()})
        if case.status != "ok":
            kind = "failure" if case.status == "failed" else "error"
            reason = ET.SubElement(element, kind, {"message": _text("; ".join(case.reasons))})
            reason.text = _text("\n".join(case.reasons))
        if case.output:
            ET.SubElement(element, "system-out").text = _text(case.output)
    ET.indent(suites)
    report: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return report + b"\n"


def _text(text: str) -> str:
    """Return text with what XML cannot hold written as in Python."""
    return _NOT_XML.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
