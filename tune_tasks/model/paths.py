"""Paths in nested data: the keys and positions that lead from the whole to one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NodePath = tuple[str | int, ...]
"""Keys of mappings and positions in lists, from the outside in."""


def dotted(path: NodePath) -> str:
    """Return a path as users write it: `("model", "layers", 0)` is `model.layers.0`."""
    return ".".join(map(str, path))


def nodes(tree: Any, path: NodePath = ()) -> Iterator[tuple[NodePath, Any]]:
    """Yield everything in nested data with its path, the outer before the inner.

    Args:
        tree: Mappings and lists of any depth, or a single value.
        path: The tree's own path.
    """
    yield path, tree
    for key, child in children(tree):
        yield from nodes(child, (*path, key))


def leaves(tree: Any) -> Iterator[tuple[NodePath, Any]]:
    """Yield the values of nested data that are neither mappings nor lists, with their paths."""
    for path, node in nodes(tree):
        if not isinstance(node, (Mapping, list, tuple)):
            yield path, node


def children(node: Any) -> Iterator[tuple[str | int, Any]]:
    """Yield the parts of a mapping or of a list, each with its key or its position."""
    if isinstance(node, Mapping):
        yield from node.items()
    elif isinstance(node, (list, tuple)):
        yield from enumerate(node)
