"""Spec text to plain data with the place of every node: YAML 1.2's core schema, JSON included.

Executes nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tune_tasks.errors import Location, SpecError

NodePath = tuple[str | int, ...]

_MAX_CHARACTERS = 20_000_000
_MAX_NODES = 200_000
MAX_DEPTH = 64
_MAX_BITS = 14_284  # the largest number of 4,300 digits has more, Python's limit
_TAG = "tag:yaml.org,2002:"
_KINDS = {"null": "null", "bool": "true or false", "int": "a whole number", "float": "a number"}
_CORE_SCHEMA: tuple[tuple[str, str, str], ...] = (
    ("null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        "-+0123456789.",
    ),
    ("merge", r"^<<$", "<"),
)


_ESCAPE = re.compile(r"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|.)")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Parses with libyaml where it is there.

    Resolves plain scalars by YAML 1.2, where PyYAML does it by 1.1.
    """

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own form


_PATTERNS = {kind: re.compile(pattern) for kind, pattern, _ in _CORE_SCHEMA}
for _kind, _, _first in _CORE_SCHEMA:
    _Loader.add_implicit_resolver(
        _TAG + _kind, _PATTERNS[_kind], ["" if c == "\0" else c for c in _first]
    )


class _Dumper(yaml.SafeDumper):
    """Quotes what is a text by YAML 1.1 or 1.2 and would not be one without quotes.

    `1e-4`, `on`.
    """


for _kind, _, _first in _CORE_SCHEMA:
    _Dumper.add_implicit_resolver(
        _TAG + _kind, _PATTERNS[_kind], ["" if c == "\0" else c for c in _first]
    )


@dataclass
class Source:
    """Plain data and where each part of it was written.

    Attributes:
        name: The file, or what stands for one.
        data: Dicts, lists and scalars.
        places: Location of each value by its path; of a key by its path with `KEY` appended.
        warnings: What YAML 1.1 or Python would read otherwise, by its place.
    """

    name: str
    data: Any
    places: dict[NodePath, Location] = field(default_factory=dict)
    warnings: dict[Location, str] = field(default_factory=dict)

    def at(self, path: NodePath, *, key: bool = False) -> Location | None:
        """Where the value (or the key) at `path` was written.

        Its nearest parent where that is unknown.
        """
        if key and (place := self.places.get((*path, KEY))):
            return place
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path)


KEY = "\0key"


def read_source(path: Path, name: str | None = None) -> Source:
    """Parse a YAML or JSON file.

    Raises:
        SpecError: If the file cannot be read or is not valid; names file, line and column.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_MAX_CHARACTERS + 1)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8 text"
        raise SpecError(f"cannot read the spec file {str(path)!r}: {reason}") from exc
    if len(text) > _MAX_CHARACTERS:
        raise SpecError(
            f"cannot read the spec file {str(path)!r}: more than {_MAX_CHARACTERS:,} characters"
        )
    return parse_source(text, name or str(path), is_json=path.suffix.lower() == ".json")


def parse_source(text: str, name: str, *, is_json: bool = False) -> Source:
    """Parse YAML or JSON text; see `read_source`."""
    if is_json:
        text = _checked_json(text, name)
    source = Source(name, None, {(): Location(name, 1, 1)})
    try:
        _check_depth(text, name)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as exc:
        problem = ", ".join(part for part in (exc.context, exc.problem) if part)
        raise SpecError(
            f"not valid YAML: {problem}", _location(name, exc.problem_mark or exc.context_mark)
        ) from exc
    except yaml.reader.ReaderError as exc:
        before = text.encode()[: exc.position].decode(errors="ignore")  # libyaml counts bytes
        place = Location(name, before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise SpecError(f"not valid YAML: {exc.reason}", place) from exc
    except yaml.YAMLError as exc:
        raise SpecError(f"not valid YAML: {exc}", Location(name, 1, 1)) from exc
    source.data = None if node is None else _Construction(source).value(node, (), 0)
    return source


def dump_yaml(data: Any) -> str:
    """Plain data as YAML that `parse_source` reads back as the same.

    Anything else in it as its `repr`.
    """
    plain = json.loads(json.dumps(data, default=repr))
    return str(yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def _check_depth(text: str, name: str) -> None:
    """Refuse deep nesting before it is composed.

    Libyaml does that by recursion, without a bound.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(
            event, yaml.CollectionEndEvent
        )
        if depth > MAX_DEPTH:
            raise SpecError(
                f"nested more than {MAX_DEPTH} levels deep", _location(name, event.start_mark)
            )


def _location(name: str, mark: Any) -> Location:
    return Location(name, mark.line + 1, mark.column + 1)


def _checked_json(text: str, name: str) -> str:
    try:
        json.loads(text, parse_int=str, parse_constant=_refuse_constant)
    except json.JSONDecodeError as exc:
        raise SpecError(
            f"not valid JSON: {exc.msg}", Location(name, exc.lineno, exc.colno)
        ) from exc
    except ValueError as exc:
        raise SpecError(f"not valid JSON: {exc}", Location(name, 1, 1)) from exc
    except RecursionError:  # said better, with its place, by what comes next
        pass
    # A tab is white space in JSON but not in YAML; valid JSON has none inside strings. A character
    # beyond the basic plane is written as two escapes in JSON, which are an error in YAML.
    return _ESCAPE.sub(
        lambda match: json.loads(f'"{match[0]}"') if match[1] else match[0], text.replace("\t", " ")
    )


_OCTAL_OF_OLD = re.compile(r"[-+]?0[0-7]+")
_TEXTS = (
    (re.compile(r"on|yes", re.IGNORECASE), "is a text in YAML 1.2: write true"),
    (re.compile(r"off|no", re.IGNORECASE), "is a text in YAML 1.2: write false"),
    (
        re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?"),
        "is a text in YAML 1.2: write the number without _",
    ),
    (re.compile(r"[-+]?0b[01_]+"), "is a text in YAML 1.2: write the number in decimal"),
    (
        re.compile(r"[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?"),
        "is a text in YAML 1.2: write seconds as one number",
    ),
    (re.compile(r"None"), "is a text: write null"),
    (re.compile(r"[-+]?(?:inf|Inf|infinity|Infinity)"), "is a text: write .inf"),
    (re.compile(r"nan|NaN|NAN"), "is a text: write .nan"),
)
"""Plain texts that YAML 1.1 or Python would read as something else -> what to say of them."""


def _meant(text: str) -> str | None:
    return (
        next((meant for pattern, meant in _TEXTS if pattern.fullmatch(text)), None)
        if len(text) < 100
        else None
    )


def _whole(text: str) -> int:
    """The number, if Python can write it in digits: it reads hexadecimal ones that it cannot."""
    number = int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    check_digits(number)
    return number


def check_digits(number: int) -> None:
    """Raise ValueError for a whole number with more digits than Python writes.

    In messages and JSON.
    """
    if number.bit_length() > _MAX_BITS:
        raise ValueError("too many digits")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


class _Construction:
    """Builds plain data from YAML nodes, noting each place.

    Bounded, so that aliases cannot grow without end.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.nodes = 0

    def value(self, node: yaml.Node, path: NodePath, depth: int) -> Any:
        place = self._place(node)
        self.source.places[path] = place
        self._count(depth, place)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        self._expect_tag(node, "seq")
        return [self.value(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]

    def _count(self, depth: int, place: Location) -> None:
        self.nodes += 1
        if self.nodes > _MAX_NODES or depth > MAX_DEPTH:
            raise SpecError(
                f"too large: more than {_MAX_NODES:,} values or {MAX_DEPTH} levels, aliases"
                " included",
                place,
            )

    def _mapping(self, node: yaml.MappingNode, path: NodePath, depth: int) -> dict[str, Any]:
        self._expect_tag(node, "map")
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag.endswith(":merge"):
                merged = {**self._merged(value_node, path, depth), **merged}
                continue
            key = self._key(key_node)
            if key in own:
                first = self.source.places[(*path, key, KEY)]
                raise SpecError(
                    f"{key!r} is given twice (first at line {first.line})", self._place(key_node)
                )
            own[key] = self.value(value_node, (*path, key), depth + 1)
            self.source.places[(*path, key, KEY)] = self._place(key_node)
        return {**merged, **own}

    def _merged(self, node: yaml.Node, path: NodePath, depth: int) -> dict[str, Any]:
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for part in parts:
            if not isinstance(part, yaml.MappingNode):
                raise SpecError("'<<' merges mappings only", self._place(part))
            self._count(depth, self._place(part))
            merged = {**self._mapping(part, path, depth + 1), **merged}
        return merged

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise SpecError("a key must be a string", self._place(node))
        key = self._scalar(node, self._place(node), is_key=True)
        if not isinstance(key, str):
            raise SpecError(
                f'a key must be a string; write "{node.value}" in quotes', self._place(node)
            )
        return key

    def _scalar(self, node: yaml.ScalarNode, place: Location, *, is_key: bool = False) -> Any:
        text: str = node.value
        kind = node.tag.removeprefix(_TAG)
        # Only where the tag is written out
        if kind in _PATTERNS and not _PATTERNS[kind].match(text):
            raise SpecError(f"expected {_KINDS[kind]}, got {text[:40]!r}", place)
        try:
            if kind == "int":
                if _OCTAL_OF_OLD.fullmatch(text):
                    self.source.warnings[place] = (
                        f"{text[:40]} is decimal in YAML 1.2; an octal number is written"
                        f" 0o{text.lstrip('+-0')[:40]}"
                    )
                return _whole(text)
            if kind == "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError as exc:
            raise SpecError(f"the number {text[:20]}… has too many digits", place) from exc
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        self._expect_tag(node, "str")
        if not is_key and not node.style and (meant := _meant(text)):  # a key is a text in any case
            self.source.warnings[place] = f"{text[:40]!r} {meant}, or put it in quotes"
        return text

    def _expect_tag(self, node: yaml.Node, kind: str) -> None:
        if node.tag != f"{_TAG}{kind}":
            raise SpecError(
                f"the tag {node.tag!r} is not supported; a spec is plain data", self._place(node)
            )

    def _place(self, node: yaml.Node) -> Location:
        return _location(self.source.name, node.start_mark)
