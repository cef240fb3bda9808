"""What differs between two mappings, in words. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tune_tasks.model.paths import NodePath
from tune_tasks.model.text import one_line

ABSENT = object()
"""In place of a value that is not there."""

_VALUE_LENGTH = 40
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
    """What differs between two mappings, each as `path: theirs → ours`; a list is one value."""
    before = flat(theirs)
    after = flat(ours)
    for path in dict.fromkeys([*before, *after]):
        change = difference(path, before.get(path, ABSENT), after.get(path, ABSENT))
        if change:
            yield change


def difference(path: str, theirs: object, ours: object) -> str:
    """A difference in words; empty if there is none."""
    if theirs is ABSENT:
        return f"{path}: {shown(ours)} is new"
    if ours is ABSENT:
        return f"{path}: {shown(theirs)} has gone"
    if text_of(theirs) == text_of(ours):
        return ""
    return f"{path}: {shown(theirs)} → {shown(ours)}"


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, by dotted path."""
    values: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            values |= flat(value, f"{prefix}{key}.")
        else:
            values[f"{prefix}{key}"] = value
    return values


def value_at(path: NodePath, tree: Any) -> object:
    """A value by its path; `ABSENT` if it is not there."""
    for part in path:
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return ABSENT
    return tree


def text_of(value: object) -> str:
    """A value as text; another process shows an object at another address."""
    return _ADDRESS.sub("", json.dumps(value, sort_keys=True, default=repr))


def shown(value: object) -> str:
    """A value as a message shows it."""
    return one_line(json.dumps(value, default=repr, ensure_ascii=False), _VALUE_LENGTH)
