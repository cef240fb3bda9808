"""Writes a draft as YAML with comments, which reads back as the same data. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tune_tasks.convert.draft import Draft
from tune_tasks.model.paths import NodePath
from tune_tasks.model.text import escaped
from tune_tasks.spec.yaml_1_2 import one_line_of_yaml

_WIDTH = 100
"""Columns of a comment."""
_INLINE = 80
"""Columns of a list or mapping that stands in one line."""
_INDENT = "    "
_WRAPPER = textwrap.TextWrapper(
    _WIDTH,
    initial_indent="# ",
    subsequent_indent="#   ",
    break_long_words=False,
    break_on_hyphens=False,
)
_Notes = Mapping[NodePath, list[str]]


def written(draft: Draft) -> str:
    """The YAML of a draft."""
    notes = {(draft.name, *path): texts for path, texts in draft.notes.items()}
    lines = [*comments(draft.head), *_block({draft.name: draft.keys}, (), notes)]
    return "".join(f"{line}\n" for line in lines)


def comments(texts: Iterable[str]) -> Iterator[str]:
    """The lines of comments, each of which may have been of any length, and in several lines."""
    for text in texts:
        line = escaped(" ".join(text.split()))
        yield from _WRAPPER.wrap(line)


def _block(node: Any, path: NodePath, notes: _Notes) -> Iterator[str]:
    """The lines of a mapping or a list that has lines of its own."""
    if isinstance(node, Mapping):
        for key, item in node.items():
            yield from comments(notes.get((*path, key), ()))
            yield from _entry(f"{one_line_of_yaml(key)}:", item, (*path, key), notes)
        return
    for i, item in enumerate(node):
        yield from comments(notes.get((*path, i), ()))
        yield from _item(item, (*path, i), notes)


def _entry(start: str, item: Any, path: NodePath, notes: _Notes) -> Iterator[str]:
    if not _is_block(item, path, notes):
        yield f"{start} {one_line_of_yaml(item)}"
        return
    yield start
    for line in _block(item, path, notes):
        yield f"{_INDENT}{line}"


def _item(item: Any, path: NodePath, notes: _Notes) -> Iterator[str]:
    if not _is_block(item, path, notes):
        yield f"- {one_line_of_yaml(item)}"
        return
    start = "- "
    for line in _block(item, path, notes):
        yield f"{start}{line}"
        start = "  "


def _is_block(node: Any, path: NodePath, notes: _Notes) -> bool:
    """Whether a value has lines of its own: it is long, has comments inside, or several parts."""
    if not isinstance(node, (Mapping, list)) or not node:
        return False
    has_notes = any(len(at) > len(path) and at[: len(path)] == path for at in notes)
    return has_notes or _has_parts(node, path) or len(one_line_of_yaml(node)) > _INLINE


def _has_parts(node: Any, path: NodePath) -> bool:
    if len(path) <= 1 or path[1:] == ("config",):
        return True
    if not isinstance(node, Mapping):
        return False
    return len(node) > 1 and any(isinstance(item, Mapping) for item in node.values())
