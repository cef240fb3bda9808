"""Builds plain data from YAML's nodes, and notes the place of each part.

Bounded, so that aliases of aliases cannot grow without end. Nothing is executed: the tags that make
objects of Python are refused, as all others are that YAML's core schema does not have.
"""

from __future__ import annotations

from typing import Any

import yaml

from tune_tasks.errors import Location, SpecError
from tune_tasks.model.paths import NodePath
from tune_tasks.spec.source import KEY, MAX_DEPTH, check_digits
from tune_tasks.spec.yaml_1_2 import PATTERNS, TAG, is_octal_of_1_1, location, meant_otherwise

_MAX_NODES = 200_000
_KINDS = {"null": "null", "bool": "true or false", "int": "a whole number", "float": "a number"}
_SHOWN = 40
"""Characters of a text that a message repeats."""


class Construction:
    """Builds the data of one file.

    Args:
        name: The file.

    Attributes:
        places: See `Source`.
        warnings: See `Source`.
    """

    def __init__(self, name: str) -> None:
        self.places: dict[NodePath, Location] = {}
        self.warnings: dict[Location, str] = {}
        self._name = name
        self._nodes = 0

    def value(self, node: yaml.Node, path: NodePath = (), depth: int = 0) -> Any:
        """The data of a node.

        Raises:
            SpecError: If it is too large, has a tag that is not supported, has a key twice or one
                that is not a text, or a scalar that is not what its tag says.
        """
        place = self._place(node)
        self.places[path] = place
        self._count(depth, place)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        self._expect_tag(node, "seq")
        return [self.value(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]

    def _count(self, depth: int, place: Location) -> None:
        self._nodes += 1
        if self._nodes > _MAX_NODES or depth > MAX_DEPTH:
            most = f"{_MAX_NODES:,} values or {MAX_DEPTH} levels"
            raise SpecError(f"too large: more than {most}, aliases included", place)

    def _mapping(self, node: yaml.MappingNode, path: NodePath, depth: int) -> dict[str, Any]:
        self._expect_tag(node, "map")
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag.endswith(":merge"):
                merged = {**self._merged(value_node, path, depth), **merged}
                continue
            key = self._key(key_node, value_node)
            if key in own:
                first = self.places[(*path, key, KEY)]
                message = f"{key!r} is given twice (first at line {first.line})"
                raise SpecError(message, self._place(key_node))
            own[key] = self.value(value_node, (*path, key), depth + 1)
            self.places[(*path, key, KEY)] = self._place(key_node)
        return {**merged, **own}

    def _merged(self, node: yaml.Node, path: NodePath, depth: int) -> dict[str, Any]:
        """The mappings behind a `<<`, of which the first has the last word."""
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for part in parts:
            if not isinstance(part, yaml.MappingNode):
                raise SpecError("'<<' merges mappings only", self._place(part))
            self._count(depth, self._place(part))
            merged = {**self._mapping(part, path, depth + 1), **merged}
        return merged

    def _key(self, node: yaml.Node, value: yaml.Node) -> str:
        place = self._place(node)
        if not isinstance(node, yaml.ScalarNode):
            raise SpecError("a key must be a string", place)
        key = self._scalar(node, place, is_key=True)
        if not isinstance(key, str):
            is_alone = isinstance(value, yaml.ScalarNode) and not value.value
            hint = ", or a list in brackets, [1, 2]" if is_alone else ""
            raise SpecError(f'a key must be a string; write "{node.value}" in quotes{hint}', place)
        return key

    def _scalar(self, node: yaml.ScalarNode, place: Location, *, is_key: bool = False) -> Any:
        text: str = node.value
        kind = node.tag.removeprefix(TAG)
        if kind in _KINDS and not PATTERNS[kind].match(text):  # only if the tag is written out
            raise SpecError(f"expected {_KINDS[kind]}, got {text[:_SHOWN]!r}", place)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind in ("int", "float"):
            return self._number(kind, text, place)
        self._expect_tag(node, "str")
        is_plain = not node.style
        if is_plain and not is_key:  # a key is a text in any case
            self._warn_of_text(text, place)
        return text

    def _number(self, kind: str, text: str, place: Location) -> int | float:
        if kind == "int" and is_octal_of_1_1(text):
            octal = f"0o{text.lstrip('+-0')[:_SHOWN]}"
            self.warnings[place] = (
                f"{text[:_SHOWN]} is decimal in YAML 1.2; an octal number is written {octal}"
            )
        try:
            return _whole(text) if kind == "int" else _float(text)
        except ValueError as exc:
            raise SpecError(f"the number {text[:20]}… has too many digits", place) from exc

    def _warn_of_text(self, text: str, place: Location) -> None:
        meant = meant_otherwise(text)
        if meant:
            self.warnings[place] = f"{text[:_SHOWN]!r} {meant}, or put it in quotes"

    def _expect_tag(self, node: yaml.Node, kind: str) -> None:
        if node.tag != f"{TAG}{kind}":
            message = f"the tag {node.tag!r} is not supported; a spec is plain data"
            raise SpecError(message, self._place(node))

    def _place(self, node: yaml.Node) -> Location:
        return location(self._name, node.start_mark)


def _whole(text: str) -> int:
    """The number, if Python can write it in digits: it reads hexadecimal ones that it cannot."""
    base = 0 if text.startswith(("0o", "0x")) else 10
    number = int(text, base)
    check_digits(number)
    return number


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
