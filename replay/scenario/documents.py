"""YAML as nodes that know their line and column; what is not plain data of a bounded size is refused.

Nothing is constructed from what a tag names. Plain words mean what they mean in YAML 1.2, as in editors:
``no`` is text, ``1:30`` too.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import yaml

from replay.errors import UsageError

MAX_BYTES: Final = 256 * 1024
"""A scenario is written by hand, or as if; more is another file."""
MAX_DEPTH: Final = 12
"""Of nodes in nodes; the format has eight."""
MAX_PROBLEMS: Final = 20
"""So many are told."""

_WIDTH: Final = 100

_PREFIX: Final = "tag:yaml.org,2002:"
TEXT: Final = _PREFIX + "str"
WHOLE: Final = _PREFIX + "int"
DECIMAL: Final = _PREFIX + "float"
FLAG: Final = _PREFIX + "bool"
NOTHING: Final = _PREFIX + "null"

Node = yaml.Node
Scalar = yaml.ScalarNode
Sequence = yaml.SequenceNode
Mapping = yaml.MappingNode


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something that is wrong with a document.

    Attributes:
      line, column: where it stands, from 1.
      message: what it is, without a final stop.
    """

    line: int
    column: int
    message: str


class ScenarioError(UsageError):
    """A file is no scenario.

    Attributes:
      path: of the file.
      problems: what is wrong with it, by their places.
    """

    def __init__(self, path: str, problems: list[Problem]) -> None:
        self.path = path
        self.problems = tuple(sorted(problems))
        lines = [f"{path}:{one.line}:{one.column}: {one.message}" for one in self.problems[:MAX_PROBLEMS]]
        more = len(self.problems) - MAX_PROBLEMS
        if more > 0:
            lines.append(f"{path}: and {more} more")
        super().__init__("\n".join(lines))


class Problems:
    """Collects what is wrong with a document."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, node: Node, message: str) -> None:
        """Note a problem that stands where the node begins."""
        self.found.append(Problem(*place(node), message))


def place(node: Node) -> tuple[int, int]:
    """Return the line and the column where a node begins, from 1."""
    return node.start_mark.line + 1, node.start_mark.column + 1


class _Refused(yaml.MarkedYAMLError):
    """It is YAML, and not taken."""


class _Loader(yaml.SafeLoader):
    """Composes nodes; is never asked to construct anything."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - filled below, instead of those of YAML 1.1

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        """Return the next node; refuse what only looks like data."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark: Any = event.start_mark
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _Refused(problem="anchors and aliases are not taken", problem_mark=mark)
        if event.tag is not None:
            name = event.tag.replace(_PREFIX, "!!")
            raise _Refused(problem=f"tags are not taken: `{name}`", problem_mark=mark)
        if self._depth == MAX_DEPTH:
            raise _Refused(problem="too many levels within each other", problem_mark=mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    """Writes for people: block style but for the innermost, text of several lines as such."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - as theirs
        """Indent lists too."""
        super().increase_indent(flow, False)


_OTHER_LINE_ENDS: Final = "\r\x85\u2028\u2029\ufeff"
"""Lost wherever they are not escaped."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> Scalar:
    # Lines after a block may be empty, and none of them may be the text's.
    is_block = bool(text.strip("\n")) and not text.endswith("\n\n")
    style = None if "\n" not in text else "|" if is_block else '"'
    if any(one in text for one in _OTHER_LINE_ENDS):
        style = '"'
    return dumper.represent_scalar(TEXT, text, style=style)


_Dumper.add_representer(str, _represent_text)

for _tag, _pattern, _first in (
    (NOTHING, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (FLAG, r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (WHOLE, r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        DECIMAL,
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), _first)
    _Dumper.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), _first)  # beside those of 1.1


def dump(value: dict[str, Any], apart: Iterable[str] = ()) -> str:
    """Return a mapping as YAML, in the order in which its keys stand.

    Args:
      value: the mapping.
      apart: keys that have an empty line before them.
    """
    dumper = _Dumper(io.StringIO(), sort_keys=False, default_flow_style=None)
    node: Any = dumper.represent_data(value)
    node.flow_style = False
    text: str = yaml.serialize(node, Dumper=_Dumper, allow_unicode=True, width=_WIDTH)
    for key in apart:
        text = text.replace(f"\n{key}:", f"\n\n{key}:")  # what else has line ends is indented
    return text


def decode(data: bytes, path: str) -> str:
    """Return the text of a file.

    Raises:
      ScenarioError: it is too long, or no UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise ScenarioError(path, [Problem(1, 1, f"the file is longer than {MAX_BYTES // 1024} KiB")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(errors="replace")
        raise ScenarioError(path, [_at(before, f"byte 0x{data[error.start]:02x} is no UTF-8")]) from None


def compose(text: str, path: str) -> Node:
    """Return the one document in a text.

    Args:
      path: for messages.

    Raises:
      ScenarioError: it is no YAML, or more than is taken.
    """
    try:
        node = _Loader(text).get_single_node()
    except yaml.reader.ReaderError as error:
        problem = _at(
            text[: error.position], f"a character that YAML does not have: {_code(error.character)}"
        )
        raise ScenarioError(path, [problem]) from None
    except yaml.MarkedYAMLError as error:
        raise ScenarioError(path, [_of_yaml(error)]) from None
    if node is None:
        raise ScenarioError(path, [Problem(1, 1, "the file is empty")])
    return node


def _code(character: object) -> str:
    return f"U+{character if isinstance(character, int) else ord(str(character)):04X}"


def _at(before: str, message: str) -> Problem:
    return Problem(before.count("\n") + 1, len(before) - before.rfind("\n"), message)


def _of_yaml(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
    said = error.problem or error.context or "it cannot be read"
    if isinstance(error, _Refused):
        return Problem(line, column, said)
    if "'\\t'" in said:
        return Problem(line, column, "lines are indented with spaces in YAML, not with tabs")
    if "single document" in (error.context or ""):
        return Problem(line, column, "a file holds one scenario; here a second one begins")
    if error.context_mark is not None and ("<stream end>" in said or "end of stream" in said):
        line, column, said = (
            error.context_mark.line + 1,
            error.context_mark.column + 1,
            "what begins here does not end",
        )
    if said == "mapping values are not allowed here":
        said += "; text that has `: ` in it stands in quotes"
    return Problem(line, column, f"no YAML: {said}")
