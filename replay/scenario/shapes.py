"""What a node may look like: each shape reads it from YAML, writes it to YAML, and tells editors of it.

A shape reads a node into a plain value (what JSON has), and notes what is wrong with it; what it reads, it
writes so that it is read as the same again. Its JSON Schema accepts what it reads, and refuses what it
refuses, but for what a schema cannot say (that one value is less than another).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Protocol

from replay.scenario import documents
from replay.scenario.documents import Node, Problems, Scalar

Plain = Any
"""What JSON has."""
Schema = dict[str, Any]


class _Bad:
    """What is read where something is wrong: the problem is noted."""


BAD: Final = _Bad()

_NS: Final = {
    "ns": 1, "us": 1000, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_LENGTH: Final = r"[0-9]+(\.[0-9]+)?(ns|us|ms|s|min|h)"
_MAX_NS: Final = 2**53 - 1
"""Three months; what a float of seconds and JSON still hold to the nanosecond."""
_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.([0-9]{3}|[0-9]{6}))?)?"
_MOMENT: Final = rf"{_DAY}([T ]{_TIME}(Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?"
_MAX_WHOLE: Final = 2**53 - 1
"""What JSON holds everywhere."""
_MAX_DIGITS: Final = 20
_SHOWN: Final = 40


class Shape(Protocol):
    """What a node may look like."""

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return the plain value; `BAD` if there is none, after the problem was noted."""
        raise NotImplementedError

    def write(self, value: Plain) -> Plain:
        """Return what is to stand in the document."""
        raise NotImplementedError

    def schema(self, definitions: Schema) -> Schema:
        """Return the JSON Schema; parts that have a name go to the definitions."""
        raise NotImplementedError


def found(node: Node) -> str:
    """Say what a node is, in a few words."""
    if isinstance(node, documents.Sequence):
        return "a list"
    if isinstance(node, documents.Mapping):
        return "a mapping"
    text = node.value if len(node.value) <= _SHOWN else node.value[: _SHOWN - 3] + "..."
    if node.tag == documents.NOTHING:
        return "nothing"
    if node.tag == documents.TEXT:
        return f"the text `{text}`" if text else "an empty text"
    return f"`{text}`" if node.tag == documents.FLAG else f"the number {text}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return what to say of a word that is not known: the one that was meant, else all there are."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    return f"did you mean `{names[near[0]]}`?" if near else "there is " + listed(names.values())


def listed(names: Iterable[str], last: str = "and") -> str:
    """Return names as a sentence has them."""
    *most, end = [f"`{name}`" for name in names]
    return f"{', '.join(most)} {last} {end}" if most else end


@dataclass(frozen=True)
class Text:
    """Text. A plain number is text too, as it stands there."""

    what: str = "text"

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return the text."""
        if isinstance(node, Scalar) and node.tag != documents.NOTHING and node.value:
            return str(node.value)
        more = "" if isinstance(node, Scalar) else "; text that begins with a bracket stands in quotes"
        problems.add(node, f"expected {self.what}, found {found(node)}{more}")
        return BAD

    def write(self, value: Plain) -> Plain:
        """Return the text."""
        return value

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - as all shapes
        """Return what editors are told."""
        return {"type": ["string", "number", "boolean"], "minLength": 1}


@dataclass(frozen=True)
class Whole:
    """A whole number."""

    least: int = 0
    most: int = _MAX_WHOLE

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return the number."""
        if not isinstance(node, Scalar) or node.tag != documents.WHOLE:
            problems.add(node, f"expected a whole number, found {found(node)}")
            return BAD
        text = node.value
        value = int(text, 0 if text[:2] in ("0x", "0o") else 10) if len(text) <= _MAX_DIGITS else None
        if value is None or not self.least <= value <= self.most:
            end = "on" if self.most == _MAX_WHOLE else f"to {self.most}"
            problems.add(node, f"expected a whole number from {self.least} {end}, found {found(node)}")
            return BAD
        return value

    def write(self, value: Plain) -> Plain:
        """Return the number."""
        return value

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - as all shapes
        """Return what editors are told."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Seed:
    """A whole number, or a text: they are not the same."""

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return the number, or the text."""
        is_number = isinstance(node, Scalar) and node.tag == documents.WHOLE
        return (Whole() if is_number else Text("a seed")).read(node, problems)

    def write(self, value: Plain) -> Plain:
        """Return it."""
        return value

    def schema(self, definitions: Schema) -> Schema:
        """Return what editors are told."""
        return {"anyOf": [Whole().schema(definitions), {"type": "string", "minLength": 1}]}


@dataclass(frozen=True)
class Flag:
    """``true`` or ``false``."""

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return it."""
        if isinstance(node, Scalar) and node.tag == documents.FLAG:
            return node.value.lower() == "true"
        problems.add(node, f"expected `true` or `false`, found {found(node)}")
        return BAD

    def write(self, value: Plain) -> Plain:
        """Return it."""
        return value

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - as all shapes
        """Return what editors are told."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Only:
    """One value alone.

    Attributes:
      value: a flag or a whole number.
      what: it is.
    """

    value: bool | int
    what: str = ""

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return it."""
        text = str(self.value).lower()
        tag = documents.FLAG if isinstance(self.value, bool) else documents.WHOLE
        if isinstance(node, Scalar) and node.tag == tag and node.value.lower() == text:
            return self.value
        problems.add(node, f"expected `{text}`{self.what}, found {found(node)}")
        return BAD

    def write(self, value: Plain) -> Plain:
        """Return it."""
        return value

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - as all shapes
        """Return what editors are told."""
        return {"const": self.value}


@dataclass(frozen=True)
class Length:
    """A length of time, with its unit: ``5ms``, ``1.5s``.

    Attributes:
      unit: of the plain value: ``ns`` (a whole number) or ``s``.
      is_signed: whether it may be below zero.
    """

    unit: str = "s"
    is_signed: bool = False

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return it in the unit of the plain value."""
        text = node.value if isinstance(node, Scalar) else ""
        match = re.fullmatch(self._pattern, text) if len(text) < _SHOWN else None
        if match is None:
            hint = "such as `5ms` or `1.5s`"
            if isinstance(node, Scalar) and node.tag in (documents.WHOLE, documents.DECIMAL):
                hint = f"with its unit: `{text}s`? There are {listed(_NS)}"
            problems.add(node, f"expected a length of time, {hint}, found {found(node)}")
            return BAD
        unit = match[2]
        amount = Decimal(text.removesuffix(unit)) * _NS[unit]
        if abs(amount) > _MAX_NS:
            problems.add(node, f"`{text}` is longer than {_MAX_NS // _NS['h']}h")
            return BAD
        if amount != int(amount):
            problems.add(node, f"`{text}` has a part that is shorter than a nanosecond")
            return BAD
        return int(amount) if self.unit == "ns" else int(amount) / 10**9

    @property
    def _pattern(self) -> str:
        return f"-?{_LENGTH}" if self.is_signed else _LENGTH

    def write(self, value: Plain) -> Plain:
        """Return it in the unit that reads best."""
        return length_text(value if self.unit == "ns" else round(Decimal(value) * 10**9))

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - as all shapes
        """Return what editors are told."""
        return {"type": "string", "pattern": f"^{self._pattern}$"}


def length_text(length_ns: int) -> str:
    """Return a length of time as one writes it."""
    if length_ns == 0:
        return "0s"
    amount = abs(length_ns)
    unit = next(unit for unit in ("s", "ms", "us", "ns") if amount >= _NS[unit])
    whole, rest = divmod(amount, _NS[unit])
    digits = len(str(_NS[unit])) - 1
    part = f".{rest:0{digits}}".rstrip("0") if rest else ""
    return f"{'-' * (length_ns < 0)}{whole}{part}{unit}"


@dataclass(frozen=True)
class Moment:
    """A time of day, in ISO 8601; in UTC if it does not say. The plain value is in seconds since 1970."""

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return it in seconds."""
        if isinstance(node, Scalar) and re.fullmatch(_MOMENT, node.value):
            try:
                moment = datetime.fromisoformat(node.value)
                moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
                if moment.timestamp() >= 0:
                    return moment.timestamp()
            except (ValueError, OverflowError) as error:
                problems.add(node, f"`{node.value}` is no time of day: {error}")
                return BAD
        problems.add(node, f"expected a time of day, such as `2024-01-01T00:00:00Z`, found {found(node)}")
        return BAD

    def write(self, value: Plain) -> Plain:
        """Return it in UTC."""
        return datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - as all shapes
        """Return what editors are told."""
        return {"type": "string", "pattern": f"^{_MOMENT}$"}


@dataclass(frozen=True)
class Word:
    """One of some words."""

    words: Sequence[str]

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return the word."""
        if isinstance(node, Scalar) and node.value in self.words:
            return node.value
        if isinstance(node, Scalar) and node.tag == documents.TEXT and node.value:
            problems.add(node, f"`{node.value}` is not known here: {nearest(node.value, self.words)}")
        else:
            problems.add(node, f"expected {listed(self.words, 'or')}, found {found(node)}")
        return BAD

    def write(self, value: Plain) -> Plain:
        """Return the word."""
        return value

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - as all shapes
        """Return what editors are told."""
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class Items:
    """A list of like things."""

    item: Shape
    least: int = 0
    most: int = 1000

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return the list."""
        if not isinstance(node, documents.Sequence):
            problems.add(node, f"expected a list, found {found(node)}")
            return BAD
        if not self.least <= len(node.value) <= self.most:
            bound = f"at least {self.least}" if len(node.value) < self.least else f"at most {self.most:,}"
            problems.add(node, f"expected a list of {bound}, found {len(node.value):,}")
            return BAD
        items = [self.item.read(one, problems) for one in node.value]
        return BAD if BAD in items else items

    def write(self, value: Plain) -> Plain:
        """Return the list."""
        return [self.item.write(one) for one in value]

    def schema(self, definitions: Schema) -> Schema:
        """Return what editors are told."""
        return {
            "type": "array",
            "items": self.item.schema(definitions),
            "minItems": self.least,
            "maxItems": self.most,
        }


@dataclass(frozen=True)
class Row:
    """A list of some things, each with its place.

    Attributes:
      items: the things.
      check: says what is wrong with them together; None if nothing is.
    """

    items: Sequence[Shape]
    what: str
    check: Callable[[list[Plain]], str | None] | None = None

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return the list."""
        if not isinstance(node, documents.Sequence) or len(node.value) != len(self.items):
            problems.add(node, f"expected {self.what}, found {found(node)}")
            return BAD
        items = [shape.read(one, problems) for shape, one in zip(self.items, node.value, strict=True)]
        if BAD in items:
            return BAD
        objection = None if self.check is None else self.check(items)
        if objection is not None:
            problems.add(node, objection)
            return BAD
        return items

    def write(self, value: Plain) -> Plain:
        """Return the list."""
        return [shape.write(one) for shape, one in zip(self.items, value, strict=True)]

    def schema(self, definitions: Schema) -> Schema:
        """Return what editors are told."""
        return {
            "type": "array",
            "items": [shape.schema(definitions) for shape in self.items],
            "minItems": len(self.items),
            "additionalItems": False,
        }


@dataclass(frozen=True)
class Key:
    """A key of a mapping.

    Attributes:
      shape: of its value.
      about: what it says, in a line.
      is_required: whether it must be there.
      plain: its name in the plain value, where that has another one.
    """

    shape: Shape
    about: str
    is_required: bool = False
    plain: str | None = None


@dataclass(frozen=True)
class Keys:
    """A mapping with known keys.

    Attributes:
      keys: by their names.
      any_of: one of these must be there.
      apart: pairs of keys of which only one may be there.
    """

    keys: Mapping[str, Key]
    any_of: Sequence[str] = ()
    apart: Sequence[tuple[str, str]] = ()

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return the mapping, with the keys of the plain value."""
        if not isinstance(node, documents.Mapping):
            problems.add(node, f"expected a mapping with {listed(self.keys)}, found {found(node)}")
            return BAD
        value: dict[str, Plain] = {}
        nodes = by_name(node, problems)
        is_bad = len(nodes) < len(node.value)
        for name, (key_node, value_node) in nodes.items():
            key = self.keys.get(name)
            if key is None:
                problems.add(key_node, f"no such key: `{name}`; {nearest(name, self.keys)}")
                is_bad = True
                continue
            read = key.shape.read(value_node, problems)
            value[key.plain or name] = read
            is_bad |= read is BAD
        for name, key in self.keys.items():
            if key.is_required and name not in nodes:
                problems.add(node, f"`{name}` is missing: {key.about}")
                is_bad = True
        if self.any_of and not nodes.keys() & set(self.any_of):
            problems.add(node, f"{listed(self.any_of, 'or')} is missing")
            is_bad = True
        for one, other in self.apart:
            if one in nodes and other in nodes:
                second = max(nodes[one][0], nodes[other][0], key=documents.place)
                problems.add(second, f"`{one}` and `{other}` cannot stand beside each other")
                is_bad = True
        return BAD if is_bad else value

    def write(self, value: Plain) -> Plain:
        """Return the mapping, in the order of the format."""
        return {
            name: key.shape.write(value[key.plain or name])
            for name, key in self.keys.items()
            if (key.plain or name) in value
        }

    def schema(self, definitions: Schema) -> Schema:
        """Return what editors are told."""
        properties: Schema = {}
        for name, key in self.keys.items():
            schema = key.shape.schema(definitions)
            about = {"description": key.about}
            # Beside `$ref` nothing else is looked at, in draft 7.
            properties[name] = {**about, "allOf": [schema]} if "$ref" in schema else {**about, **schema}
        told: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        required = [name for name, key in self.keys.items() if key.is_required]
        if required:
            told["required"] = required
        if self.any_of:
            told["anyOf"] = [{"required": [name]} for name in self.any_of]
        if self.apart:
            told["allOf"] = [{"not": {"required": list(pair)}} for pair in self.apart]
        return told


def by_name(node: documents.Mapping, problems: Problems) -> dict[str, tuple[Node, Node]]:
    """Return the keys and values of a mapping by the names of the keys, each once."""
    nodes: dict[str, tuple[Node, Node]] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, Scalar):
            problems.add(key_node, f"expected the name of a key, found {found(key_node)}")
        elif key_node.value in nodes:
            line, _ = documents.place(nodes[key_node.value][0])
            problems.add(key_node, f"`{key_node.value}` is there already, in line {line}")
        else:
            nodes[key_node.value] = key_node, value_node
    return nodes


@dataclass(frozen=True)
class Tagged:
    """A mapping of several kinds, each known by a key that only it has.

    Attributes:
      what: it is.
      kinds: by that key.
    """

    what: str
    kinds: Mapping[str, Keys]

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return the mapping, as its kind reads it."""
        if not isinstance(node, documents.Mapping):
            problems.add(node, f"expected {self.what}, a mapping with {self._one_of}, found {found(node)}")
            return BAD
        keys = [key for key, _ in node.value if isinstance(key, Scalar)]
        tags = [key for key in keys if key.value in self.kinds]
        if not tags:
            near = [(key, difflib.get_close_matches(key.value, list(self.kinds), n=1)) for key in keys]
            for key, close in near:
                if close:
                    problems.add(key, f"no such key: `{key.value}`; did you mean `{close[0]}`?")
                    return BAD
            problems.add(node, f"{self.what} has {self._one_of}")
            return BAD
        others = [tag for tag in tags if tag.value not in self.kinds[tags[0].value].keys]
        if others:
            problems.add(
                others[0], f"`{tags[0].value}` and `{others[0].value}` cannot stand beside each other"
            )
            return BAD
        return self.kinds[tags[0].value].read(node, problems)

    @property
    def _one_of(self) -> str:
        return f"one of {listed(self.kinds)}" if len(self.kinds) > 1 else listed(self.kinds)

    def write(self, value: Plain) -> Plain:
        """Return the mapping, as its kind writes it."""
        kind = next(kind for tag, kind in self.kinds.items() if (kind.keys[tag].plain or tag) in value)
        return kind.write(value)

    def schema(self, definitions: Schema) -> Schema:
        """Return what editors are told."""
        return {"oneOf": [kind.schema(definitions) for kind in self.kinds.values()]}


@dataclass(frozen=True)
class Either:
    """One shape for a word, a list or a mapping each, where there is one."""

    what: str
    scalar: Shape | None = None
    sequence: Shape | None = None
    mapping: Shape | None = None

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return what the shape for nodes of this kind reads."""
        if isinstance(node, documents.Sequence):
            shape = self.sequence
        elif isinstance(node, documents.Mapping):
            shape = self.mapping
        else:
            shape = None if node.tag == documents.NOTHING else self.scalar
        if shape is None:
            problems.add(node, f"expected {self.what}, found {found(node)}")
            return BAD
        return shape.read(node, problems)

    def write(self, value: Plain) -> Plain:
        """Return what the shape for values of this kind writes."""
        shape = self.scalar
        if isinstance(value, list | dict):
            shape = self.sequence if isinstance(value, list) else self.mapping
        assert shape is not None
        return shape.write(value)

    def schema(self, definitions: Schema) -> Schema:
        """Return what editors are told."""
        shapes = (self.scalar, self.sequence, self.mapping)
        return {"anyOf": [shape.schema(definitions) for shape in shapes if shape is not None]}


@dataclass(frozen=True)
class Named:
    """A shape that has a name in the JSON Schema, so that it stands there once."""

    name: str
    shape: Shape

    def read(self, node: Node, problems: Problems) -> Plain:
        """Return what the shape reads."""
        return self.shape.read(node, problems)

    def write(self, value: Plain) -> Plain:
        """Return what the shape writes."""
        return self.shape.write(value)

    def schema(self, definitions: Schema) -> Schema:
        """Return a reference."""
        if self.name not in definitions:
            definitions[self.name] = {}  # its place, before those within it
            definitions[self.name] = self.shape.schema(definitions)
        return {"$ref": f"#/definitions/{self.name}"}
